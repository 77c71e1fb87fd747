"""`muster user`: manage the staff who may use the console."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from pydantic import SecretStr

from core.addresses import normalise_email
from core.db import Connection
from core.errors import Conflict, MusterError, NotFound, SettingsError
from core.plurals import plural
from core.runtime import Runtime
from core.settings import Settings
from messaging.channels import has_sms
from messaging.settings import load_settings
from muster.cli.noun import Noun
from muster.cli.options import actor_option, json_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run
from muster.embedded.running import sandbox_at
from muster.operator import system_user

if TYPE_CHECKING:
    # the console is slow to import, and `--help` does not need it
    from staff.sign_in import Actor

_send = click.option("--send", is_flag=True, help="Mail the link to them instead of printing it.")
_minutes = click.option(
    "--minutes", type=click.IntRange(1, 24 * 60), default=15, show_default=True, help="How long the link works."
)


@click.group(cls=Noun)
def command() -> None:
    """Let staff into the console: no passwords, everybody signs in with a link that works once."""


@command.command()
@click.argument("email")
@click.option("--name", help="What to call them; default the part before the @.")
@_minutes
@_send
@actor_option
def add(email: str, name: str | None, minutes: int, send: bool, actor: str) -> None:
    """Add a member of staff, and print or mail their first sign-in link."""
    mailbox = normalise_email(email)
    _show_link(run(_add(mailbox, name or mailbox.partition("@")[0], minutes, send, _by(actor))), minutes, send=send)


@command.command()
@click.argument("email")
@_minutes
@_send
@actor_option
def link(email: str, minutes: int, send: bool, actor: str) -> None:
    """Print or mail a sign-in link. It works once; anybody who has it can use it."""
    _show_link(run(_link(email, minutes, send, _by(actor))), minutes, send=send)


@command.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the staff, with their last sign-in."""
    staff = run(_list())
    if as_json:
        print_json(staff)
        return
    if not staff:
        click.echo("There is no user yet. Add one: muster user add EMAIL")
    for one in staff:
        seen = f"signed in {one['signed_in_at']:%Y-%m-%d %H:%M} UTC" if one["signed_in_at"] else "never signed in"
        click.echo(f"{one['email']:<40} {one['name']:<24} {'disabled' if one['disabled_at'] else seen}")


@command.command()
@click.argument("email")
@actor_option
def disable(email: str, actor: str) -> None:
    """Take somebody's access away at once: open pages end, and links that were not used yet."""
    ended = run(_change(email, "disabled", _by(actor)))
    click.echo(f"{email} is disabled. {ended}")


@command.command()
@click.argument("email")
@actor_option
def enable(email: str, actor: str) -> None:
    """Give somebody's access back; they need a new link to sign in."""
    run(_change(email, "enabled", _by(actor)))
    click.echo(f"{email} is enabled. For a link: muster user link {email}")


@command.command(name="sign-out")
@click.argument("email")
@actor_option
def sign_out(email: str, actor: str) -> None:
    """End all of somebody's sessions, and the links that were not used yet, as when a laptop is lost."""
    click.echo(run(_change(email, "signed out everywhere", _by(actor))))


def _show_link(words: str, minutes: int, *, send: bool) -> None:
    """Print only the link on standard output, for scripts; remarks go to standard error."""
    from console.sign_in_mail import in_words

    click.echo(words)
    if not send:
        click.echo(f"This link works once, for {in_words(minutes)}; anybody who has it can use it.", err=True)


def _by(actor: str) -> Actor:
    from staff.sign_in import Actor

    return Actor(actor, system_user())


async def _add(email: str, name: str, minutes: int, send: bool, by: Actor) -> str:
    from staff.sign_in import add_staff

    async with open_session() as runtime, runtime.pool.acquire() as db:
        mail = _mail(runtime.settings) if send else None
        async with db.transaction():
            if await add_staff(db, email, name, by=by, now=runtime.clock()) is None:
                raise Conflict(f"{email} is on the staff already.", remedy=f"For a link: muster user link {email}")
        try:
            return await _make_link(runtime, db, email, minutes, mail, by)
        except MusterError as error:
            error.message = f"{email} was added, but has no link yet. {error.message}"
            raise


async def _link(email: str, minutes: int, send: bool, by: Actor) -> str:
    async with open_session() as runtime, runtime.pool.acquire() as db:
        mail = _mail(runtime.settings) if send else None
        return await _make_link(runtime, db, email, minutes, mail, by)


@dataclass(frozen=True, slots=True)
class _Mail:
    """Mail route of sign-in links: the settings' relay, or a sandbox, whose page shows them."""

    settings: Settings
    page: str | None = None


def _mail(settings: Settings) -> _Mail:
    """Return the configured relay; without any configuration the sandbox of the `muster run` that is up.

    Raises:
        SettingsError: there is neither.
    """
    if settings.has_email:
        return _Mail(settings)
    if load_settings().database_url is not None or has_sms(settings):  # then there is no sandbox either
        raise SettingsError("No mail relay is set up.", remedy="Set MUSTER_SMTP_URL, or leave out --send.")
    sandbox = sandbox_at(settings.home)
    if sandbox is None:
        raise SettingsError(
            "No mail relay is set up, so mail goes to the sandbox, and that is not up.",
            remedy="Start it with: muster run. Or set MUSTER_SMTP_URL, or leave out --send.",
        )
    return _Mail(settings.model_copy(update={"smtp_url": SecretStr(sandbox.smtp_url)}), sandbox.page)


async def _make_link(runtime: Runtime, db: Connection, email: str, minutes: int, mail: _Mail | None, by: Actor) -> str:
    from console.sign_in_mail import send_sign_in_link
    from staff.sign_in import drop_link, find_staff, make_sign_in_link

    now = runtime.clock()
    path = await make_sign_in_link(db, email=email, now=now, by=by, minutes=minutes)
    address = runtime.settings.public_url + path
    if mail is None:
        return address
    staff = await find_staff(db, email)
    assert staff is not None
    try:
        taken = await send_sign_in_link(
            mail.settings, name=staff["name"], email=staff["email"], link=address, minutes=minutes, now=now
        )
    except BaseException:
        await drop_link(db, path)
        raise
    until = now + timedelta(minutes=minutes)
    if not taken:
        return f"The relay did not say whether it took the mail to {staff['email']}. If none comes, send another."
    where = f" No relay is set up, so the mail is in the sandbox: {mail.page}/" if mail.page else ""
    return f"The link was mailed to {staff['email']}; it works once, until {until:%H:%M} UTC.{where}"


async def _list() -> list[dict[str, Any]]:
    from staff.accounts import list_staff

    async with open_session() as runtime:
        return [dict(row) for row in await list_staff(runtime.pool)]


async def _change(email: str, what: str, by: Actor) -> str:
    """Change a person's access; return in words what ended with it."""
    from staff.accounts import disable_staff, enable_staff
    from staff.sign_in import end_access, find_staff, record

    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        now, staff = runtime.clock(), await find_staff(db, email)
        if staff is None:
            raise NotFound(f"Nobody on the staff has the address {email}.", remedy="See: muster user list")
        staff_id = staff["staff_id"]
        if what == "enabled":
            await enable_staff(db, staff_id)
            await record(db, staff_id, what, by=by, now=now)
            return ""
        sessions, links = await end_access(db, staff_id, now=now)
        if what == "disabled":
            await disable_staff(db, staff_id, now)
        await record(db, staff_id, what, by=by, now=now, sessions=sessions, links=links)
        return f"Ended: {plural(sessions, 'session')} and {plural(links, 'unused link')}."
