"""`muster serve`."""

from __future__ import annotations

from typing import Final

import click

from muster.cli.session import open_session, run

_HELP: Final = """Start the web server: members' links, provider webhooks, the staff console.

It listens on MUSTER_LISTEN (default 127.0.0.1:8000) until SIGTERM or Ctrl-C, then finishes the requests in flight. Any
number of these, on any number of machines, share one database.

\b
/healthz   is this process alive
/readyz    can it do its work (503: a server is away, or the schema has become old)
/metrics   numbers for Prometheus
"""


@click.command(help=_HELP, short_help="Start the web server only.")
def command() -> None:
    """Serve; the help text people see is `_HELP`."""
    run(_serve())


async def _serve() -> None:
    from muster.web import serve

    async with open_session(pool_size=20, stays_up=True, for_staff=True) as runtime:
        await serve(runtime)
