"""`muster user grant|revoke`: give staff roles, for a unit and a time, and take them back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncpg
import click

from core.access import Actor
from core.db import Connection, Pool
from core.errors import Conflict, NotFound
from core.plurals import plural
from core.runtime import Runtime
from muster.cli.moments import MOMENT, TypedDate
from muster.cli.options import actor_option
from muster.cli.session import open_session, run
from people.unit_names import find_units

unit_option = click.option(
    "--unit", metavar="NAME", help="Where, with everything below it; default: the whole organisation."
)
role_option = click.option("--role", metavar="ROLE", help="What they are to be; the first of all is administrator.")
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
    help="Give many at once: a CSV file or workbook with the columns email, role, unit, from and until.",
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
    """Give somebody a role; with --file give many, all of them or none. Roles: see docs/staff.md."""
    if path is not None:
        if email is not None or unit is not None or begins or until:
            raise click.UsageError("With --file, everything stands in the file.")
        click.echo(f"{plural(run(_give_many(path, actor)), 'grant')} given.")
        return
    if email is None or role is None:
        raise click.UsageError("Say who and what: muster user grant EMAIL ROLE")
    click.echo(run(_give(email, role, unit, begins, until, actor)))


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
    click.echo(run(_revoke(email, role, unit, everywhere, actor)))


async def find_account(db: Connection, email: str) -> asyncpg.Record:
    """Find the account that a command names.

    Raises:
        NotFound: there is none of that address.
    """
    from staff.accounts import find_staff

    staff = await find_staff(db, email)
    if staff is None:
        raise NotFound(f"Nobody on the staff has the address {email}.", remedy="See: muster user list")
    return staff


async def find_unit(db: Connection, name: str | None) -> int | None:
    """Find the unit that a command names; None for the whole organisation.

    Raises:
        InputError: there is no such unit, or there are several.
    """
    return None if name is None else (await find_units(db, [name], key="--unit"))[name]


def read_end(runtime: Runtime, until: TypedDate | None) -> datetime | None:
    """Return the end of the last day of a grant; None if it has none."""
    return None if until is None else until.end(ZoneInfo(runtime.settings.time_zone))


async def warn_of_few_administrators(db: Connection | Pool, now: datetime) -> None:
    """Warn on standard error if there are too few administrators to help each other."""
    from staff.grants import ENOUGH_ADMINISTRATORS, count_administrators

    count = await count_administrators(db, now)
    if count < ENOUGH_ADMINISTRATORS:
        there = "There is only one administrator" if count else "There is no administrator"
        click.echo(
            f"Note: {there} of the whole organisation. Make it two, so that one can help the other who loses a phone:"
            " muster user grant EMAIL administrator",
            err=True,
        )


async def _give(
    email: str, role: str, unit: str | None, begins: TypedDate | None, until: TypedDate | None, by: Actor
) -> str:
    from staff.grants import give_grant
    from staff.roles import find_role

    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        staff, kind, now = await find_account(db, email), find_role(role), runtime.clock()
        starts_at = begins.start(ZoneInfo(runtime.settings.time_zone)) if begins else None
        try:
            await give_grant(
                db, staff["staff_id"], kind.name, by=by, now=now, unit_id=await find_unit(db, unit),
                starts_at=starts_at, ends_at=read_end(runtime, until),
            )  # fmt: skip
        except Conflict as error:
            raise Conflict(error.message.replace("They are", f"{staff['email']} is"), remedy=error.remedy) from None
        await warn_of_few_administrators(db, now)
        factor = " They need a second factor, and set it up when they sign in." if kind.needs_second_factor else ""
        return f"{staff['email']} is {kind.name} of {unit or 'the whole organisation'}.{factor}"


async def _give_many(path: Path, by: Actor) -> int:
    from staff.grant_file import give_from_file

    async with open_session() as runtime:
        zone = ZoneInfo(runtime.settings.time_zone)
        given = await give_from_file(runtime.pool, path, by=by, zone=zone, now=runtime.clock())
        await warn_of_few_administrators(runtime.pool, runtime.clock())
        return given


async def _revoke(email: str, role: str, unit: str | None, everywhere: bool, by: Actor) -> str:
    from staff.grants import revoke_grant

    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        staff, now = await find_account(db, email), runtime.clock()
        try:
            revoked = await revoke_grant(
                db, staff["staff_id"], role, by=by, now=now, unit_id=await find_unit(db, unit), everywhere=everywhere
            )
        except NotFound as error:
            raise NotFound(error.message.replace("They are", f"{staff['email']} is"), remedy=error.remedy) from None
        await warn_of_few_administrators(db, now)
        return f"{plural(revoked, 'grant')} revoked."
