"""`muster mailroom`."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from core.errors import SettingsError
from core.plurals import plural, verb
from muster.cli.options import json_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run

if TYPE_CHECKING:
    from webhooks.email.inbound_mail.mail_files import MailboxCounts

_HELP: Final = """Take in mail: bounces, complaints, wishes to unsubscribe, and replies.

It listens for LMTP and SMTP where MUSTER_MAILROOM_LMTP and MUSTER_MAILROOM_SMTP say, until SIGTERM or Ctrl-C. A mail is
answered with 250 once it is in the database; workers read it then. Put it behind a mail server that faces the world:
docs/mailroom.md has the lines for Postfix.

With --mbox or --maildir it takes in what lies in a mailbox instead, and ends. The mailbox stays as it is; what
was taken in before is known, so the same mailbox can be read again and again.

\b
muster mailroom --lmtp 127.0.0.1:2424
muster mailroom --mbox /var/mail/bounces
"""


@click.command(help=_HELP, short_help="Take in bounces and replies that come as mail.")
@click.option(
    "--lmtp", metavar="WHERE", help="Listen for LMTP: host:port, or unix:/path. Default: MUSTER_MAILROOM_LMTP."
)
@click.option("--smtp", metavar="WHERE", help="Listen for SMTP: the same. Default: MUSTER_MAILROOM_SMTP.")
@click.option("--mbox", type=click.Path(path_type=Path), help="Read this mbox file instead.")
@click.option("--maildir", type=click.Path(path_type=Path), help="Read this maildir instead.")
@json_option
def command(lmtp: str | None, smtp: str | None, mbox: Path | None, maildir: Path | None, *, as_json: bool) -> None:
    """Take in mail; the help text people see is `_HELP`."""
    if mbox or maildir:
        if (mbox and maildir) or lmtp or smtp:
            raise click.UsageError("Give one of --mbox and --maildir, and neither --lmtp nor --smtp with it.")
        _say(run(_read(mbox or maildir or Path())), as_json=as_json)
    else:
        run(_listen(lmtp, smtp))


async def _read(path: Path) -> MailboxCounts:
    from webhooks.email.inbound_mail.mail_files import read_mailbox

    async with open_session() as runtime:
        return await read_mailbox(runtime, path)


async def _listen(lmtp: str | None, smtp: str | None) -> None:
    import structlog

    from muster.web import stop_signal
    from webhooks.email.inbound_mail.listener import listening

    log = structlog.get_logger(__name__)
    async with open_session(stays_up=True) as runtime, AsyncExitStack() as stack:
        where = {"lmtp": lmtp or runtime.settings.mailroom_lmtp, "smtp": smtp or runtime.settings.mailroom_smtp}
        if not any(where.values()):
            raise SettingsError(
                "The mailroom has no address to listen on.",
                remedy="Set MUSTER_MAILROOM_LMTP or MUSTER_MAILROOM_SMTP, as in docs/mailroom.md.",
            )
        stop = stop_signal()
        if where["lmtp"]:
            address = await stack.enter_async_context(listening(runtime, "lmtp", where["lmtp"]))
            log.info("the mailroom listens", protocol="lmtp", address=address)
        if where["smtp"]:
            address = await stack.enter_async_context(listening(runtime, "smtp", where["smtp"]))
            log.info("the mailroom listens", protocol="smtp", address=address)
        await stop.wait()
        log.info("the mailroom stops")


def _say(counted: MailboxCounts, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(counted))
        return
    click.echo(f"{counted.new} taken in, {counted.known} known already.")
    if counted.strange:
        left = verb(counted.strange, "was left", "were left")
        click.echo(f"{plural(counted.strange, 'mail')} to unknown addresses {left}.")
    if counted.too_large:
        left = verb(counted.too_large, "was left", "were left")
        click.echo(f"{plural(counted.too_large, 'mail')} larger than MUSTER_MAILROOM_LARGEST {left}.")
