"""`muster sandbox`."""

from __future__ import annotations

import asyncio
import signal
from typing import Final

import click

from messaging.settings import load_settings
from muster.cli.options import json_option, members_option, seed_option
from muster.cli.output import print_json
from muster.cli.session import run
from muster.logs import configure_logs
from sandbox import Profile, Sandbox, SandboxConfig, TwilioConfig, open_sandbox

_DEFAULTS: Final = TwilioConfig()


def _place(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, int]:
    """Parse `HOST:PORT`, `:PORT` or `PORT`."""
    host, _, port = value.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter("write it as HOST:PORT; port 0 is any free one")
    return host.strip("[]") or "127.0.0.1", int(port)


@click.command()
@click.option(
    "--twilio", default="127.0.0.1:8025", show_default=True, callback=_place, metavar="HOST:PORT",
    help="Where the Twilio API and the page with every message are.",
)  # fmt: skip
@click.option(
    "--smtp", default="127.0.0.1:2525", show_default=True, callback=_place, metavar="HOST:PORT",
    help="Where mail is taken.",
)  # fmt: skip
@click.option(
    "--inbound-url", metavar="URL", help="Muster's webhook for texts from members: …/webhooks/twilio/inbound."
)
@members_option
@seed_option
@click.option(
    "--speed", type=click.FloatRange(min=1), default=Profile().speed, show_default=True,
    help="Seconds of the members' time that pass in one of ours.",
)  # fmt: skip
@click.option(
    "--unreachable", type=click.FloatRange(0, 1), default=0.0, show_default=True,
    help="Share of phones and mailboxes nobody can reach.",
)  # fmt: skip
@click.option(
    "--account-sid", envvar="MUSTER_TWILIO_ACCOUNT_SID", default=_DEFAULTS.account_sid, show_default=True,
    help="User name of the Twilio API.",
)  # fmt: skip
@click.option(
    "--auth-token", envvar="MUSTER_TWILIO_AUTH_TOKEN", default=_DEFAULTS.auth_token, show_default=True,
    help="Its password, which also signs webhooks.",
)  # fmt: skip
@click.option(
    "--host-name", "host_names", multiple=True, metavar="NAME",
    help="A name that its pages and API are reached by, beside localhost and addresses; may be repeated.",
)  # fmt: skip
@json_option
def command(
    twilio: tuple[str, int],
    smtp: tuple[str, int],
    inbound_url: str | None,
    members: str,
    seed: int,
    speed: float,
    unreachable: float,
    account_sid: str,
    auth_token: str,
    host_names: tuple[str, ...],
    as_json: bool,
) -> None:
    """Simulate the outside world: Twilio, a mail server and, if wanted, members.

    Nothing is sent to anybody. Open the Twilio address in a browser to read every mail and text, and to answer as a
    member. Magic phone numbers and mailboxes misbehave on purpose; docs/sandbox.md lists them. Stop it with Ctrl+C.
    """
    configure_logs(load_settings().log_format)
    config = SandboxConfig(
        host=twilio[0],
        port=twilio[1],
        host_names=host_names,
        smtp_host=smtp[0],
        smtp_port=smtp[1],
        twilio=TwilioConfig(
            account_sid=account_sid,
            auth_token=auth_token.partition(",")[0].strip(),  # during rotation, the first one signs
            inbound_url=inbound_url,
            seed=seed,
            unreachable=unreachable,
        ),
        members=Profile(seed=seed, speed=speed) if members == "lively" else None,
        bouncing=unreachable,
    )
    run(_stay_up(config, as_json=as_json))


async def _stay_up(config: SandboxConfig, *, as_json: bool) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with open_sandbox(config) as sandbox:
        _announce(sandbox, as_json=as_json)
        await stop.wait()


def _announce(sandbox: Sandbox, *, as_json: bool) -> None:
    if as_json:
        addresses = {"twilio": sandbox.twilio_base_url, "smtp": sandbox.smtp_url, "environment": sandbox.environment}
        print_json(addresses)
        return
    click.echo(f"The sandbox is up. Read every message at {sandbox.twilio_base_url}/")
    click.echo("Point Muster here:")
    for name, value in sandbox.environment.items():
        click.echo(f"  {name}={value}")
