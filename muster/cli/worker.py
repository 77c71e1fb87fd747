"""`muster worker`."""

from __future__ import annotations

import click

from muster.cli.session import open_session, run


@click.command()
def command() -> None:
    """Start a worker: it launches what is due, sends, reads replies and receipts.

    It works until SIGTERM or Ctrl-C, then finishes what is in flight and hands back the rest. Any number of these, on
    any number of machines, share the work; each message is still sent by one of them only.
    """
    run(_work())


async def _work() -> None:
    from muster.web import stop_signal
    from muster.worker import work

    async with open_session(pool_size=20, stays_up=True) as runtime:
        await work(runtime, stop_signal())
