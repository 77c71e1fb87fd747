"""`muster user grant|revoke`: give staff roles, for a unit and a time, and take them back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import asyncpg
import click

from core.access import Actor
from core.db import Connection, Pool
from core.errors import Conflict, InputError, NotFound
from core.plurals import plural, verb
from core.runtime import Runtime
from muster.cli.moments import MOMENT, TypedDate
from muster.cli.options import actor_option
from muster.cli.session import open_session, run
from muster.run import STAFF
from people.unit_names import find_unit as find_unit_by_name
from staff.grants_in_words import grant_in_words
from staff.roles import ADMINISTRATOR, ROLES, role_name

TRYING_OUT: Final = STAFF
"""Mailbox of the account that `muster run` makes for trying Muster out; it does not count as an administrator."""
_ROLE_NAMES: Final = ", ".join(ROLES)
_MAX_SHOWN: Final = 10
"""Grants that a note names."""

unit_option = click.option(
    "--unit", metavar="NAME", help="Where, with everything below it; default: the whole organisation."
)
role_option = click.option("--role", metavar="ROLE", help=f"What they are to be: {_ROLE_NAMES}.")
until_option = click.option("--until", type=MOMENT, metavar="DATE", help="The last day; default: without an end.")


@click.command()
@click.argument("email", required=False)
@click.argument("role", required=False)
@unit_option
@click.option("--from", "begins", type=MOMENT, metavar="DATE", help="The first day; default: at once.")
@until_option
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Give many at once: a CSV file or workbook with the columns email, role, unit (or: whole organisation), from,"
    " until.",
)
@actor_option
def grant(
    email: str | None,
    role: str | None,
    unit: str | None,
    begins: TypedDate | None,
    until: TypedDate | None,
    path: Path | None,
    actor: Actor,
) -> None:
    """Give somebody a role; with --file give many, all of them or none.

    The roles are administrator, campaigner, approver, coordinator, rep, caller, replier, vetter, interviewer, service
    manager, viewer and reporter; docs/staff.md says what each may do.
    """
    if path is not None:
        if email is not None or unit is not None or begins or until:
            raise click.UsageError("With --file, everything stands in the file.")
        _say(run(_give_many(path, actor)))
        return
    if email is None or role is None:
        raise click.UsageError("Say who and what: muster user grant EMAIL ROLE")
    _say(run(_give(email, role, unit, begins, until, actor)))


@click.command()
@click.argument("email")
@click.argument("role")
@unit_option
@click.option("--everywhere", is_flag=True, help="In every unit, and in the whole organisation.")
@actor_option
def revoke(email: str, role: str, unit: str | None, everywhere: bool, actor: Actor) -> None:
    """Take a role from somebody, at once: no page opens by it any more, in any browser they are signed in with."""
    if everywhere and unit is not None:
        raise click.UsageError("Use either --unit or --everywhere.")
    _say(run(_revoke(email, role, unit, everywhere, actor)))


async def find_account(db: Connection, email: str) -> asyncpg.Record:
    """Find the account that a command names.

    Raises:
        NotFound: there is none of that address; if somebody is invited there, it says so.
    """
    from staff.accounts import find_staff
    from staff.invitations import refuse_if_invited

    staff = await find_staff(db, email)
    if staff is None:
        await refuse_if_invited(db, email)
        raise NotFound(f"Nobody on the staff has the address {email}.", remedy="See: muster user list")
    return staff


async def find_unit(db: Connection, name: str | None) -> tuple[int | None, str | None]:
    """Find the unit that a command names, and its path; None for the whole organisation.

    Raises:
        InputError: there is no such unit, or there are several.
    """
    return (None, None) if name is None else await find_unit_by_name(db, name)


def say_the_role(words: str) -> InputError:
    """Return the error of a command that lacks a role: it lists them."""
    return InputError(words, remedy=f"The roles are: {_ROLE_NAMES}.")


def read_end(runtime: Runtime, until: TypedDate | None) -> datetime | None:
    """Return the end of the last day of a grant; None if it has none."""
    return None if until is None else until.last_second(ZoneInfo(runtime.settings.time_zone))


async def note_few_administrators(db: Connection | Pool, now: datetime) -> str:
    """Return a note for standard error if there are too few administrators to help each other; else nothing."""
    from staff.grants import ENOUGH_ADMINISTRATORS, count_administrators

    count = await count_administrators(db, now)
    if count >= ENOUGH_ADMINISTRATORS:
        return ""
    there = "There is only one administrator" if count else "There is no administrator"
    return (
        f"Note: {there} of the whole organisation. Make it two, so that one can help the other who loses a phone:"
        " muster user grant EMAIL administrator"
    )


async def note_idle_grants(db: Connection | Pool, now: datetime) -> str:
    """Return a note for standard error if somebody has a role in a unit that nobody is in; else nothing."""
    from staff.grants import list_idle_grants

    idle = [f"{row['email']}, {row['role']} of {row['unit']}" for row in await list_idle_grants(db, now=now)]
    if not idle:
        return ""
    more = f"; and {plural(len(idle) - _MAX_SHOWN, 'more')}" if len(idle) > _MAX_SHOWN else ""
    return (
        f"Note: nobody is in these units, so these roles show no people: {'; '.join(idle[:_MAX_SHOWN])}{more}. "
        "If a branch has a new name or another region, give the roles there: muster user grant, and muster user revoke."
    )


def _say(outcome: tuple[str, str]) -> None:
    """Print what was done, and then a note on standard error, if there is one."""
    words, note = outcome
    click.echo(words)
    if note:
        click.echo(note, err=True)


async def _give(
    email: str, role: str, unit: str | None, begins: TypedDate | None, until: TypedDate | None, by: Actor
) -> tuple[str, str]:
    from staff.grants import give_grant
    from staff.roles import find_role
    from staff.second_factor import has_second_factor

    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        staff, kind, now = await find_account(db, email), find_role(role), runtime.clock()
        zone, (unit_id, path) = ZoneInfo(runtime.settings.time_zone), await find_unit(db, unit)
        starts_at, ends_at = begins.start(zone) if begins else None, read_end(runtime, until)
        try:
            await give_grant(
                db, staff["staff_id"], kind.name, by=by, now=now, unit_id=unit_id, starts_at=starts_at, ends_at=ends_at
            )
        except Conflict as error:
            raise Conflict(_named(error.message, staff["email"]), remedy=error.remedy) from None
        is_now = starts_at is None or starts_at <= now
        words = f"{staff['email']} {'is' if is_now else 'will be'} "
        words += f"{grant_in_words(kind.name, path, starts_at, ends_at, now=now, zone=zone)}."
        if kind.needs_second_factor and not await has_second_factor(db, staff["staff_id"]):
            words += " They need a second factor, and set it up when they sign in."
        return words, await note_few_administrators(db, now) if kind.name == ADMINISTRATOR else ""


async def _give_many(path: Path, by: Actor) -> tuple[str, str]:
    from staff.grant_file import give_from_file

    async with open_session() as runtime:
        zone, now = ZoneInfo(runtime.settings.time_zone), runtime.clock()
        given = await give_from_file(runtime.pool, path, by=by, zone=zone, now=now)
        lines = [*given.new, f"{plural(len(given.new), 'grant')} given."]
        if given.known:
            lines[-1] += f" {plural(given.known, 'row')} {verb(given.known, 'was', 'were')} given before."
        return "\n".join(lines), await note_few_administrators(runtime.pool, now) if given.administrators else ""


async def _revoke(email: str, role: str, unit: str | None, everywhere: bool, by: Actor) -> tuple[str, str]:
    from staff.grants import revoke_grant

    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        staff, now = await find_account(db, email), runtime.clock()
        unit_id, _ = await find_unit(db, unit)
        try:
            revoked = await revoke_grant(
                db, staff["staff_id"], role, by=by, now=now, unit_id=unit_id, everywhere=everywhere
            )
        except NotFound as error:
            raise NotFound(_named(error.message, staff["email"]), remedy=error.remedy) from None
        note = await note_few_administrators(db, now) if role_name(role) == ADMINISTRATOR else ""
        return f"{plural(revoked, 'grant')} revoked.", note


def _named(words: str, email: str) -> str:
    """Name the account in an error about somebody."""
    return words.replace("They are", f"{email} is").replace("They hold", f"{email} holds")
