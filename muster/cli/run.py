"""`muster run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from muster.cli.options import members_option
from muster.cli.session import run as run_async
from sandbox.demo.home import run_on_demo

if TYPE_CHECKING:
    from muster.run import Addresses


@click.command()
@members_option
@click.option(
    "--sandbox-port", type=click.IntRange(1, 65535), metavar="PORT",
    help="The sandbox's pages are here, or on the next free port; default: 8025.",
)  # fmt: skip
@click.option(
    "--sandbox-mail-port", type=click.IntRange(1, 65535), metavar="PORT",
    help="The same for the sandbox's mail server; default: 2525.",
)  # fmt: skip
def command(members: str, sandbox_port: int | None, sandbox_mail_port: int | None) -> None:
    """Start everything on this machine and stay up: web server, worker, embedded servers and sandbox.

    The pages are at http://127.0.0.1:8000, or on the next free port, which is printed and kept. Another one:
    MUSTER_LISTEN=127.0.0.1:8100 muster run. Links begin with that address unless MUSTER_PUBLIC_URL says otherwise.

    Data is kept in MUSTER_HOME (default .muster). Texts and emails go to the sandbox unless Twilio or a mail relay is
    configured; what the sandbox holds is gone when it is stopped. Stop it with Ctrl+C. While it is up, every other
    command works beside it.
    """
    from muster.run import SANDBOX_PORT, SANDBOX_SMTP_PORT, SandboxPorts, run

    ports = SandboxPorts(sandbox_port or SANDBOX_PORT, sandbox_mail_port or SANDBOX_SMTP_PORT)
    run_async(run(members, ports, _announce))


def _announce(addresses: Addresses) -> None:
    from muster.run import STAFF

    lines = [("Staff console", addresses.console or f"{addresses.public}/console/")]
    if addresses.console:
        lines.append(("", f"(works once, for 15 minutes; another one: muster user link {STAFF})"))
    else:
        lines.append(("", "(to sign in: muster user add EMAIL, or muster user link EMAIL)"))
    if addresses.sandbox:
        lines.append(("Sandbox", f"{addresses.sandbox}/  (every text and email; nobody real gets any)"))
    lines.append(("Health", f"{addresses.web}/readyz"))
    if addresses.home:
        if addresses.demo:
            lines.append(("Demo", f"its people, replies and counts: {run_on_demo(addresses.home)}"))
        lines.append(("Data", str(addresses.home)))
    for sentence in addresses.moved:
        click.echo(sentence)
    click.echo("\nMuster is up. Stop it with Ctrl+C.\n")
    for name, value in lines:
        click.echo(f"  {name:<15}{value}")
    click.echo()
