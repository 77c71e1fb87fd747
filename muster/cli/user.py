"""`muster user`: manage the staff who may use the console."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from core.access import Actor
from core.addresses import normalise_email, normalise_phone
from core.audit import AuditAction, record
from core.db import Connection
from core.errors import Conflict, NotFound, SettingsError
from core.plurals import plural
from core.runtime import Runtime
from core.settings import Settings
from messaging.channels import has_sms
from messaging.outbox.heartbeat import is_anybody_sending
from messaging.settings import load_settings
from messaging.states import ChannelName
from muster.cli.noun import Noun
from muster.cli.options import actor_option, json_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run
from muster.embedded.running import sandbox_at
from muster.run import SANDBOX_SMS_FROM

_send = click.option("--send", "channel", flag_value="email", help="Mail the link to them instead of printing it.")
_text = click.option("--text", "channel", flag_value="sms", help="Text the link to their phone instead of printing it.")
_KINDS: Final = {"email": "mail", "sms": "text"}
_minutes = click.option(
    "--minutes", type=click.IntRange(1, 24 * 60), default=15, show_default=True, help="How long the link works."
)


@click.group(cls=Noun)
def command() -> None:
    """Let staff into the console: no passwords, everybody signs in with a link that works once."""


@command.command()
@click.argument("email")
@click.option("--name", help="What to call them; default the part before the @.")
@click.option("--phone", metavar="NUMBER", help="Their mobile, for links by text.")
@_minutes
@_send
@_text
@actor_option
def add(
    email: str, name: str | None, phone: str | None, minutes: int, channel: ChannelName | None, actor: Actor
) -> None:
    """Add a member of staff, and print, mail or text their first sign-in link."""
    mailbox = normalise_email(email)
    added = run(_add(mailbox, name or mailbox.partition("@")[0], phone, minutes, channel, actor))
    _show_link(added, minutes, sent=channel is not None)


@command.command()
@click.argument("email")
@_minutes
@_send
@_text
@actor_option
def link(email: str, minutes: int, channel: ChannelName | None, actor: Actor) -> None:
    """Print, mail or text a sign-in link. It works once; anybody who has it can use it."""
    _show_link(run(_link(email, minutes, channel, actor)), minutes, sent=channel is not None)


@command.command()
@click.argument("email")
@click.argument("number", nargs=-1)
@actor_option
def phone(email: str, number: Sequence[str], actor: Actor) -> None:
    """Set the mobile to which somebody's links go by text; without NUMBER, remove it. It may have spaces."""
    phone = run(_set_phone(email, " ".join(number) or None, actor))
    click.echo(f"Links by text go to {phone}." if phone else f"{email} gets no links by text.")


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
    for user in staff:
        seen = f"signed in {user['signed_in_at']:%Y-%m-%d %H:%M} UTC" if user["signed_in_at"] else "never signed in"
        click.echo(f"{user['email']:<40} {user['name']:<24} {'disabled' if user['disabled_at'] else seen}")


@command.command()
@click.argument("email")
@actor_option
def disable(email: str, actor: Actor) -> None:
    """Take somebody's access away at once: open pages end, and links that were not used yet."""
    ended = run(_change(email, AuditAction.STAFF_DISABLED, actor))
    click.echo(f"{email} is disabled. {ended}")


@command.command()
@click.argument("email")
@actor_option
def enable(email: str, actor: Actor) -> None:
    """Give somebody's access back; they need a new link to sign in."""
    run(_change(email, AuditAction.STAFF_ENABLED, actor))
    click.echo(f"{email} is enabled. For a link: muster user link {email}")


@command.command(name="sign-out")
@click.argument("email")
@actor_option
def sign_out(email: str, actor: Actor) -> None:
    """End all of somebody's sessions, and the links that were not used yet, as when a laptop is lost."""
    click.echo(run(_change(email, AuditAction.STAFF_SESSIONS_ENDED, actor)))


def _show_link(words: str, minutes: int, *, sent: bool) -> None:
    """Print only the link on standard output, for scripts; remarks go to standard error."""
    from console.sign_in_message import in_words

    click.echo(words)
    if not sent:
        click.echo(f"This link works once, for {in_words(minutes)}; anybody who has it can use it.", err=True)


async def _add(
    email: str, name: str, phone: str | None, minutes: int, channel: ChannelName | None, by: Actor
) -> str:  # fmt: skip
    from staff.accounts import add_staff

    async with open_session() as runtime:
        number = normalise_phone(phone, region=runtime.settings.sms_region) if phone else None
        async with runtime.pool.acquire() as db, db.transaction():
            if await add_staff(db, email, name, by=by, now=runtime.clock(), phone=number) is None:
                raise Conflict(f"{email} is on the staff already.", remedy=f"For a link: muster user link {email}")
            words = await _make_link(runtime, db, email, minutes, channel, by)
        await runtime.wake("deliver")
        return words


async def _link(email: str, minutes: int, channel: ChannelName | None, by: Actor) -> str:
    async with open_session() as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            words = await _make_link(runtime, db, email, minutes, channel, by)
        await runtime.wake("deliver")
        return words


def _sandbox_page(settings: Settings, channel: ChannelName) -> str | None:
    """Return the page of the sandbox that gets the message, of the `muster run` that is up; None where it really goes.

    Raises:
        SettingsError: no provider is set up, and there is no sandbox either.
    """
    if settings.has_email if channel == "email" else has_sms(settings):
        return None
    what, setting = ("mail relay", "MUSTER_SMTP_URL") if channel == "email" else ("provider of texts", "one")
    way_out = "leave out --send" if channel == "email" else "leave out --text"
    if load_settings().database_url is not None or settings.has_email or has_sms(settings):  # then there is no sandbox
        raise SettingsError(f"No {what} is set up.", remedy=f"Set {setting}, or {way_out}.")
    sandbox = sandbox_at(settings.home)
    if sandbox is None:
        raise SettingsError(
            f"No {what} is set up, so messages go to the sandbox, and that is not up.",
            remedy=f"Start it with: muster run. Or set {setting}, or {way_out}.",
        )
    return sandbox.page


async def _make_link(
    runtime: Runtime, db: Connection, email: str, minutes: int, channel: ChannelName | None, by: Actor
) -> str:
    """Make a link, and queue its message in the same transaction; return what to say of it, or the link itself."""
    from console.sign_in_message import queue_sign_in_link
    from staff.accounts import find_staff
    from staff.sign_in import make_sign_in_link

    settings, now = runtime.settings, runtime.clock()
    page = _sandbox_page(settings, channel) if channel is not None else None
    link = settings.public_url + await make_sign_in_link(db, email=email, now=now, by=by, minutes=minutes)
    if channel is None:
        return link
    staff = await find_staff(db, email)
    assert staff is not None
    address = staff["email"] if channel == "email" else staff["phone"]
    if address is None:
        raise NotFound(f"{email} has no mobile here.", remedy=f"Set it: muster user phone {email} NUMBER")
    until = now + timedelta(minutes=minutes)
    local = until.astimezone(ZoneInfo(settings.time_zone))
    await queue_sign_in_link(
        db, settings, channel=channel, address=address, name=staff["name"], link=link, minutes=minutes, until=until,
        sender=settings.email_from if channel == "email" else settings.sms_from or SANDBOX_SMS_FROM,
        by=by.name, now=now,
    )  # fmt: skip
    where = f" No provider is set up, so it goes to the sandbox: {page}/" if page else ""
    waits = "" if await is_anybody_sending(db) else " No worker is up to send it; start one: muster worker"
    return f"The link goes by {_KINDS[channel]} to {address}; it works once, until {local:%H:%M}.{where}{waits}"


async def _set_phone(email: str, number: str | None, by: Actor) -> str | None:
    from staff.accounts import find_staff, set_phone

    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        phone = normalise_phone(number, region=runtime.settings.sms_region) if number else None
        staff = await find_staff(db, email)
        if staff is None:
            raise NotFound(f"Nobody on the staff has the address {email}.", remedy="See: muster user list")
        await set_phone(db, staff["staff_id"], phone, by=by, now=runtime.clock())
        return phone


async def _list() -> list[dict[str, Any]]:
    from staff.accounts import list_staff

    async with open_session() as runtime:
        return [dict(row) for row in await list_staff(runtime.pool)]


async def _change(email: str, what: AuditAction, by: Actor) -> str:
    """Change a person's access; return in words what ended with it."""
    from staff.accounts import disable_staff, enable_staff, find_staff
    from staff.sign_in import end_access

    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        now, staff = runtime.clock(), await find_staff(db, email)
        if staff is None:
            raise NotFound(f"Nobody on the staff has the address {email}.", remedy="See: muster user list")
        staff_id = staff["staff_id"]
        if what is AuditAction.STAFF_ENABLED:
            await enable_staff(db, staff_id)
            await record(db, by, what, f"staff {staff_id}", at=now)
            return ""
        sessions, links = await end_access(db, staff_id, now=now)
        if what is AuditAction.STAFF_DISABLED:
            await disable_staff(db, staff_id, now)
        await record(db, by, what, f"staff {staff_id}", {"sessions": sessions, "links": links}, at=now)
        return f"Ended: {plural(sessions, 'session')} and {plural(links, 'unused link')}."
