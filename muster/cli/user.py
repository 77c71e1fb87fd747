"""`muster user`: manage the staff who may use the console."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import click

from core.access import Actor
from core.addresses import normalise_email, normalise_phone
from core.audit import AuditAction, record
from core.db import Connection
from core.errors import Conflict, NotFound
from core.plurals import plural
from core.runtime import Runtime
from core.times_in_words import day_in_words
from messaging.reasons import sentence
from messaging.states import ChannelName
from messaging.suppression import full_stop
from muster.cli.moments import TypedDate
from muster.cli.noun import Noun
from muster.cli.options import actor_option, json_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run
from muster.cli.user_grants import (
    TRYING_OUT,
    find_account,
    find_unit,
    grant,
    note_few_administrators,
    note_idle_grants,
    read_end,
    revoke,
    role_option,
    say_the_role,
    unit_option,
    until_option,
)
from muster.cli.user_invitations import invite, withdraw
from muster.cli.user_messages import KINDS, remarks, sandbox_page, sender_of
from muster.cli.user_sessions import reset, sessions
from staff.grants_in_words import grant_in_words

_send = click.option("--send", "channel", flag_value="email", help="Mail the link to them instead of printing it.")
_text = click.option("--text", "channel", flag_value="sms", help="Text the link to their phone instead of printing it.")
_minutes = click.option(
    "--minutes", type=click.IntRange(1, 24 * 60), default=15, show_default=True, help="How long the link works."
)


@click.group(cls=Noun)
def command() -> None:
    """Let staff into the console: no passwords, everybody signs in with a link that works once."""


@command.command()
@click.argument("email")
@click.option("--name", help="What to call them; default: as they were invited, or the part before the @.")
@click.option("--phone", metavar="NUMBER", help="Their mobile, for links by text.")
@role_option
@unit_option
@until_option
@_minutes
@_send
@_text
@actor_option
def add(
    email: str, name: str | None, phone: str | None, role: str | None, unit: str | None,
    until: TypedDate | None, minutes: int, channel: ChannelName | None, actor: Actor,
) -> None:  # fmt: skip
    """Add a member of staff with a role, and print, mail or text their first sign-in link."""
    mailbox = normalise_email(email)
    role = role or run(_role_of_first(mailbox)) or _ask_for_role()
    added, remarks_ = run(_add(mailbox, name, phone, role, unit, until, minutes, channel, actor))
    _show_link(added, minutes, sent=channel is not None)
    for remark in remarks_:
        click.echo(remark, err=True)


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
    """List the staff, with their roles, second factors and last sign-in, and who is invited."""
    staff, invited, note, zone, now = run(_list())
    if as_json:
        print_json(staff)
        return
    if not staff:
        click.echo("There is no user yet. Add one: muster user add EMAIL")
    for user in staff:
        seen = f"signed in {user['signed_in_at']:%Y-%m-%d %H:%M} UTC" if user["signed_in_at"] else "never signed in"
        click.echo(f"{user['email']:<40} {user['name']:<24} {'disabled' if user['disabled_at'] else seen}")
        grants = "; ".join(_grant_in_words(grant, now, zone) for grant in user["grants"]) or "no role"
        trying_out = " · for trying Muster out; does not count as an administrator"
        click.echo(f"    {grants} · {_factors_in_words(user)}{trying_out if user['email'] == TRYING_OUT else ''}")
    for invitation in invited:
        grant = _grant_in_words({**invitation, "starts_at": None}, now, zone)
        click.echo(f"{invitation['email']:<40} {invitation['name']:<24} invited")
        works = f"works until {day_in_words(invitation['expires_at'], zone)}"
        click.echo(f"    to be {grant} · its link {'has expired' if invitation['expires_at'] <= now else works}")
    if note:
        click.echo(note, err=True)


def _grant_in_words(grant: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> str:
    return grant_in_words(grant["role"], grant["unit"], grant["starts_at"], grant["ends_at"], now=now, zone=zone)


def _factors_in_words(user: Mapping[str, Any]) -> str:
    factors = ["authenticator app"] if user["has_totp"] else []
    factors += [plural(user["passkeys"], "passkey")] if user["passkeys"] else []
    if not factors:
        return "no second factor"
    return ", ".join([*factors, plural(user["recovery_codes"], "recovery code")])


@command.command()
@click.argument("email")
@actor_option
def disable(email: str, actor: Actor) -> None:
    """Take somebody's access away: no page opens any more, open ones end within half a minute, links no longer work."""
    ended, note = run(_change(email, AuditAction.STAFF_DISABLED, actor))
    click.echo(f"{email} is disabled. {ended}")
    if note:
        click.echo(note, err=True)


@command.command()
@click.argument("email")
@actor_option
def enable(email: str, actor: Actor) -> None:
    """Give somebody's access back, with the roles and second factors that they had; they need a new link to sign in."""
    has, _ = run(_change(email, AuditAction.STAFF_ENABLED, actor))
    click.echo(f"{email} is enabled. For a link: muster user link {email}")
    click.echo(has)
    click.echo(f"If that mailbox is somebody else's now, take it away: muster user reset {email}, muster user revoke …")


@command.command(name="sign-out")
@click.argument("email")
@actor_option
def sign_out(email: str, actor: Actor) -> None:
    """End all of somebody's sessions, and the links that were not used yet, as when a laptop is lost."""
    ended, _ = run(_change(email, AuditAction.STAFF_SESSIONS_ENDED, actor))
    click.echo(ended)


def _show_link(words: str, minutes: int, *, sent: bool) -> None:
    """Print only the link on standard output, for scripts; remarks go to standard error."""
    from staff.account_messages import lifetime_in_words

    click.echo(words)
    if not sent:
        click.echo(f"This link works once, for {lifetime_in_words(minutes)}; anybody who has it can use it.", err=True)


async def _role_of_first(email: str) -> str | None:
    """Return the role of the first account of all; None if somebody is administrator already.

    Raises:
        Conflict: they are on the staff already, so that there is nothing to ask.
    """
    from staff.accounts import find_staff
    from staff.grants import count_administrators
    from staff.roles import ADMINISTRATOR

    async with open_session() as runtime:
        async with runtime.pool.acquire() as db:
            account = await find_staff(db, email)
            if account is not None:
                raise _on_the_staff(account)
        return None if await count_administrators(runtime.pool, runtime.clock()) else ADMINISTRATOR


def _on_the_staff(account: asyncpg.Record) -> Conflict:
    from staff.accounts import already_on_the_staff

    return already_on_the_staff(account, remedy=f"For a link: muster user link {account['email']}")


def _ask_for_role() -> str:
    """Ask for a role at the terminal.

    Raises:
        InputError: there is nobody to ask.
    """
    from staff.roles import ROLES

    if not sys.stdin.isatty():
        raise say_the_role("Say what they are: --role ROLE")
    for role in ROLES.values():
        click.echo(f"{role.name:<16} {role.purpose}", err=True)
    return str(click.prompt("Role", type=click.Choice(list(ROLES)), show_choices=False, err=True))


async def _add(
    email: str, name: str | None, phone: str | None, role: str, unit: str | None, until: TypedDate | None, minutes: int,
    channel: ChannelName | None, by: Actor,
) -> tuple[str, list[str]]:  # fmt: skip
    """Add an account; return the link, or where it goes, and remarks."""
    from staff.accounts import add_staff
    from staff.grants import give_grant
    from staff.invitations import withdraw_for_account
    from staff.roles import ADMINISTRATOR, find_role

    async with open_session() as runtime:
        number = normalise_phone(phone, region=runtime.settings.sms_region) if phone else None
        async with runtime.pool.acquire() as db, db.transaction():
            now, zone = runtime.clock(), ZoneInfo(runtime.settings.time_zone)
            invited_as = await withdraw_for_account(db, email, by=by, now=now)
            name = name or invited_as or email.partition("@")[0]
            staff = await add_staff(db, email, name, by=by, now=now, phone=number)
            if staff is None:
                raise _on_the_staff(await find_account(db, email))
            (unit_id, path), ends_at = await find_unit(db, unit), read_end(runtime, until)
            await give_grant(db, staff["staff_id"], role, by=by, now=now, unit_id=unit_id, ends_at=ends_at)
            words = await _make_link(runtime, db, email, minutes, channel, by)
            kind = find_role(role)
            remarks_ = [f"{email} is {grant_in_words(kind.name, path, None, ends_at, now=now, zone=zone)}."]
            remarks_ += ["Their invitation is withdrawn: they have an account now."] if invited_as else []
            note = await note_few_administrators(db, now) if kind.name == ADMINISTRATOR else ""
            remarks_ += [note] if note else []
        await runtime.wake("deliver")
        return words, remarks_


async def _link(email: str, minutes: int, channel: ChannelName | None, by: Actor) -> str:
    from staff.invitations import refuse_if_invited

    async with open_session() as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            await refuse_if_invited(db, email)
            words = await _make_link(runtime, db, email, minutes, channel, by)
        await runtime.wake("deliver")
        return words


async def _make_link(
    runtime: Runtime, db: Connection, email: str, minutes: int, channel: ChannelName | None, by: Actor
) -> str:
    """Make a link, and queue its message in the same transaction; return a remark to print, or the link itself."""
    from staff.account_messages import queue_sign_in_link
    from staff.accounts import find_staff
    from staff.sign_in import make_sign_in_link

    settings, now = runtime.settings, runtime.clock()
    way_out = "leave out --send" if channel == "email" else "leave out --text"
    page = sandbox_page(settings, channel, way_out=way_out) if channel is not None else None
    staff = await find_staff(db, email)
    phone = staff["phone"] if staff is not None and channel == "sms" else None
    path = await make_sign_in_link(db, email=email, now=now, by=by, minutes=minutes, phone=phone)
    link = settings.public_url + path
    if channel is None:
        return link
    assert staff is not None
    address = staff["email"] if channel == "email" else staff["phone"]
    if address is None:
        raise NotFound(f"{email} has no mobile here.", remedy=f"Set it: muster user phone {email} NUMBER")
    until = now + timedelta(minutes=minutes)
    local = until.astimezone(ZoneInfo(settings.time_zone))
    await queue_sign_in_link(
        db, settings, channel=channel, address=address, name=staff["name"], link=link, minutes=minutes, until=until,
        sender=sender_of(settings, channel), by=by.name, now=now,
    )  # fmt: skip
    rest = await remarks(db, page)
    if (stop := await full_stop(db, channel=channel, address=address)) is not None:
        return (
            f"The link is tried by {KINDS[channel]} to {address}, as links for staff always are, but messages there are"
            f" stopped: {sentence(stop.reason)} The provider may refuse it too: see muster messages list. If nothing"
            f" comes, use another way: muster user link {email}.{rest}"
        )
    return f"The link goes by {KINDS[channel]} to {address}; it works once, until {local:%H:%M %Z}.{rest}"


async def _set_phone(email: str, number: str | None, by: Actor) -> str | None:
    from staff.accounts import set_phone

    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        phone = normalise_phone(number, region=runtime.settings.sms_region) if number else None
        staff = await find_account(db, email)
        await set_phone(db, staff["staff_id"], phone, by=by, now=runtime.clock())
        return phone


async def _list() -> tuple[list[dict[str, Any]], list[dict[str, Any]], str, ZoneInfo, datetime]:
    """Return the staff, who is invited, notes on what is amiss, the time zone, and the time."""
    from staff.accounts import list_staff
    from staff.grants import list_grants
    from staff.invitations import list_invitations

    async with open_session() as runtime:
        grants: dict[int, list[dict[str, Any]]] = {}
        now = runtime.clock()
        for row in await list_grants(runtime.pool, now=now):
            kept = {key: row[key] for key in ("role", "unit", "starts_at", "ends_at", "given_by")}
            grants.setdefault(row["staff_id"], []).append(kept)
        staff = [{**dict(row), "grants": grants.get(row["staff_id"], [])} for row in await list_staff(runtime.pool)]
        asking = (note_few_administrators, note_idle_grants) if staff else ()
        note = "\n".join(filter(None, [await ask(runtime.pool, now) for ask in asking]))
        invited = [dict(row) for row in await list_invitations(runtime.pool)]
        return staff, invited, note, ZoneInfo(runtime.settings.time_zone), now


async def _what_they_have(runtime: Runtime, db: Connection, staff_id: int) -> str:
    """Say which roles and second factors an account has."""
    from staff.accounts import list_staff
    from staff.grants import list_grants

    now, zone = runtime.clock(), ZoneInfo(runtime.settings.time_zone)
    grants = [_grant_in_words(dict(row), now, zone) for row in await list_grants(db, now=now, staff_id=staff_id)]
    (account,) = [row for row in await list_staff(db) if row["staff_id"] == staff_id]
    return f"They have again: {'; '.join(grants) or 'no role'} · {_factors_in_words(dict(account))}."


async def _change(email: str, what: AuditAction, by: Actor) -> tuple[str, str]:
    """Change a person's access; return in words what ended with it, and a note about administrators."""
    from staff.accounts import disable_staff, enable_staff
    from staff.grants import count_administrators
    from staff.invitations import withdraw_invitations_of
    from staff.sign_in import end_access

    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        now, staff = runtime.clock(), await find_account(db, email)
        staff_id, withdrawn = staff["staff_id"], list[str]()
        if what is AuditAction.STAFF_ENABLED:
            await enable_staff(db, staff_id)
            await record(db, by, what, f"staff {staff_id}", at=now)
            return await _what_they_have(runtime, db, staff_id), ""
        note = ""
        if what is AuditAction.STAFF_DISABLED:
            before = await count_administrators(db, now)
            await disable_staff(db, staff_id, now)
            withdrawn = await withdraw_invitations_of(db, staff_id, by=by, now=now)
            if await count_administrators(db, now) < before:
                note = await note_few_administrators(db, now)
        sessions, links = await end_access(db, staff_id, now=now)
        await record(db, by, what, f"staff {staff_id}", {"sessions": sessions, "links": links}, at=now)
        ended = f"Ended: {plural(sessions, 'session')} and {plural(links, 'unused link')}."
        if withdrawn:
            ended += f" Withdrawn, because they had sent it: the invitation of {', '.join(withdrawn)}."
        return ended, note


for _further in (grant, revoke, invite, withdraw, sessions, reset):
    command.add_command(_further)
