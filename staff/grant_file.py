"""Grants from a file: a row for each, given all together or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import asyncpg

from core.access import Actor
from core.db import Connection, Pool
from core.db.dry_runs import all_or_nothing
from core.errors import Conflict, InputError, MusterError, NotFound
from core.spec_errors import near_miss
from core.written_dates import read_written_date
from people.lists.lists import open_list
from people.unit_names import find_unit
from staff.accounts import find_staff
from staff.grants import HeldAlready, give_grant
from staff.grants_in_words import grant_in_words
from staff.invitations import refuse_if_invited
from staff.roles import ADMINISTRATOR, find_role

FIELDS: Final = {
    "email": ("email address", "e-mail", "mailbox"),
    "role": (),
    "unit": ("branch", "region", "team"),
    "from": ("start", "starts", "begins"),
    "until": ("end", "ends"),
}
"""Columns of the file, each with its other names."""
_EVERYWHERE: Final = frozenset({"whole organisation", "the whole organisation"})
"""Words in the column `unit` for a grant that covers all units."""
_MAX_SHOWN: Final = 50
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class GrantsOfFile:
    """Grants that a file has given.

    Attributes:
        new: a sentence for each grant that was given.
        known: rows whose grants were given before, as they stand there.
        administrators: whether somebody became administrator.
    """

    new: tuple[str, ...]
    known: int
    administrators: bool


async def give_from_file(pool: Pool, path: Path, *, by: Actor, zone: ZoneInfo, now: datetime) -> GrantsOfFile:
    """Give every grant of a file, or none if a row cannot be used; rows that were given before change nothing.

    Args:
        pool: the database.
        path: CSV or a workbook, with the columns email, role, unit and, where they are needed, from and until. A unit
            is named in each row, or `whole organisation`, so that no empty cell gives a role everywhere.
        by: who gives them.
        zone: of its dates.
        now: the time, aware.

    Raises:
        InputError: the file cannot be read, has a column that is not known, or rows that cannot be used: a problem for
            each, with its line.
    """
    problems: list[str] = []
    new: list[str] = []
    known, administrators = 0, False
    with open_list(path, FIELDS, needs=("email",)) as rows:
        if rows.unknown:
            raise InputError(
                f"{path.name} cannot be used as it is; nothing was changed.",
                problems=[f"There is no column “{name}”{near_miss(name, FIELDS)}" for name in rows.unknown],
                remedy=f"The columns are {', '.join(FIELDS)}. Rename these, or take them out.",
            )
        async with all_or_nothing(pool, keep=True) as db:
            for line, row in rows:
                wrong, grant = await _read(db, row, zone)
                if grant is None:
                    problems += [f"Row {line}: {problem}" for problem in wrong]
                    continue
                try:
                    words = await _give(db, grant, by, zone, now)
                except (Conflict, InputError) as error:
                    problems.append(f"Row {line}: {error}")
                    continue
                if words is None:
                    known += 1
                else:
                    new.append(words)
                    administrators = administrators or grant.role == ADMINISTRATOR
            problems = [f"Row {bad.line}: {bad.message}" for bad in rows.problems.kept] + problems
            if problems:
                shown = problems[:_MAX_SHOWN]
                more = [f"… and {len(problems) - _MAX_SHOWN} more"] if len(problems) > _MAX_SHOWN else []
                raise InputError(
                    f"{path.name} cannot be used as it is; nothing was changed.", problems=[*shown, *more],
                    remedy="Mend these rows and load it again.",
                )  # fmt: skip
    return GrantsOfFile(tuple(new), known, administrators)


@dataclass(frozen=True, slots=True)
class _RowGrant:
    """Grant of a row: whose, as what, where (`None`: the whole organisation), and from when until when."""

    staff_id: int
    email: str
    role: str
    unit_id: int | None
    unit: str | None
    starts_at: datetime | None
    ends_at: datetime | None


async def _read(db: Connection, row: Mapping[str, str], zone: ZoneInfo) -> tuple[list[str], _RowGrant | None]:
    """Return everything that is wrong with a row, or the grant."""
    problems: list[str] = []

    async def value(read: Awaitable[_T]) -> _T | None:
        try:
            return await read
        except MusterError as error:
            problems.append(str(error))
            return None

    staff = await value(_account(db, row["email"]))
    role = await value(_role(row["role"]))
    unit = await value(_unit(db, row["unit"]))
    starts_at, ends_at = await value(_date(row["from"], zone)), await value(_date(row["until"], zone, end=True))
    if problems or staff is None or role is None or unit is None:
        return problems, None
    return [], _RowGrant(staff["staff_id"], staff["email"], role, *unit, starts_at, ends_at)


async def _account(db: Connection, email: str) -> asyncpg.Record:
    staff = await find_staff(db, email)
    if staff is None:
        await refuse_if_invited(db, email)
        raise NotFound(f"Nobody on the staff has the address “{email}”.")
    return staff


async def _role(name: str) -> str:
    if not name.strip():
        raise InputError("It names no role.")
    return find_role(name).name


async def _unit(db: Connection, name: str) -> tuple[int | None, str | None]:
    words = " ".join(name.lower().split())
    if words in _EVERYWHERE:
        return None, None
    if not words:
        raise InputError("It names no unit.", remedy="Name one, or write: whole organisation.")
    return await find_unit(db, name)


async def _date(text: str, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
    return read_date(text, zone, end=end)


async def _give(db: Connection, grant: _RowGrant, by: Actor, zone: ZoneInfo, now: datetime) -> str | None:
    """Give a row's grant, and say what it is; None if it was given before as it stands there."""
    try:
        await give_grant(
            db, grant.staff_id, grant.role, by=by, now=now, unit_id=grant.unit_id, starts_at=grant.starts_at,
            ends_at=grant.ends_at,
        )  # fmt: skip
    except HeldAlready as same:
        begins = None if grant.starts_at is None or grant.starts_at <= now else grant.starts_at
        began = None if same.starts_at <= now else same.starts_at
        if (begins, grant.ends_at) == (began, same.ends_at):
            return None
        raise
    will = "will be" if grant.starts_at is not None and grant.starts_at > now else "is"
    words = grant_in_words(grant.role, grant.unit, grant.starts_at, grant.ends_at, now=now, zone=zone)
    return f"{grant.email} {will} {words}."


def read_date(text: str, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
    """Read when a grant begins or ends; None for nothing.

    Args:
        text: in any notation that member files have: `2026-12-31`, `31/12/2026`, `31 Dec 2026 at 6pm`.
        zone: the time zone of a time that names none.
        end: a date means its last second, also with midnight, as systems export it.

    Raises:
        InputError: it is no date.
    """
    if not text.strip():
        return None
    written = read_written_date(text, zone)
    if written is None:
        raise InputError(f"“{text}” is not a date such as 2026-12-31 or 31/12/2026.")
    return written.last_second if end else written.start
