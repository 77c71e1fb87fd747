"""Grants from a file: a row for each, given all together or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from core.access import Actor
from core.db import Connection, Pool
from core.db.dry_runs import all_or_nothing
from core.errors import Conflict, InputError, SpecError
from core.written_dates import read_written_date
from people.lists.lists import open_list
from people.unit_names import find_units
from staff.accounts import find_staff
from staff.grants import give_grant

FIELDS: Final = {
    "email": ("email address", "e-mail", "mailbox"),
    "role": (),
    "unit": ("branch", "region", "team"),
    "from": ("start", "starts", "begins"),
    "until": ("end", "ends"),
}
"""Columns of the file, each with its other names."""
_MAX_SHOWN: Final = 50


async def give_from_file(pool: Pool, path: Path, *, by: Actor, zone: ZoneInfo, now: datetime) -> int:
    """Give every grant of a file, or none if a row cannot be used.

    Args:
        pool: the database.
        path: CSV or a workbook, with the columns email, role and, where they are needed, unit, from and until.
        by: who gives them.
        zone: of its dates.
        now: the time, aware.

    Returns:
        How many were given.

    Raises:
        InputError: the file cannot be read, or rows cannot be used: a problem for each, with its line.
    """
    problems: list[str] = []
    with open_list(path, FIELDS, needs=("email",)) as rows:
        async with all_or_nothing(pool, keep=True) as db:
            for line, row in rows:
                try:
                    await _give(db, row, by, zone, now)
                except SpecError as error:
                    problems += [f"Row {line}: {problem}" for problem in error.problems]
                except (Conflict, InputError) as error:
                    problems.append(f"Row {line}: {error.message}")
            problems = [f"Row {bad.line}: {bad.message}" for bad in rows.problems.kept] + problems
            if problems:
                shown = problems[:_MAX_SHOWN]
                more = [f"… and {len(problems) - _MAX_SHOWN} more"] if len(problems) > _MAX_SHOWN else []
                raise InputError(
                    f"{path.name} cannot be used as it is; nothing was changed.", problems=[*shown, *more],
                    remedy="Mend these rows and load it again.",
                )  # fmt: skip
    return rows.rows


async def _give(db: Connection, row: Mapping[str, str], by: Actor, zone: ZoneInfo, now: datetime) -> None:
    staff = await find_staff(db, row["email"])
    if staff is None:
        raise Conflict(f"Nobody on the staff has the address {row['email']!r}.")
    units = await find_units(db, [row["unit"]] if row["unit"] else [], key="unit")
    await give_grant(
        db, staff["staff_id"], row["role"], by=by, now=now, unit_id=units.get(row["unit"]),
        starts_at=read_date(row["from"], zone), ends_at=read_date(row["until"], zone, end=True),
    )  # fmt: skip


def read_date(text: str, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
    """Read when a grant begins or ends; None for nothing.

    Args:
        text: in any notation that member files have: `2026-12-31`, `31/12/2026`, `31 Dec 2026 at 6pm`.
        zone: the time zone of a time that names none.
        end: a date alone means its last second.

    Raises:
        InputError: it is no date.
    """
    if not text.strip():
        return None
    written = read_written_date(text, zone)
    if written is None:
        raise InputError(f"“{text}” is not a date such as 2026-12-31 or 31/12/2026.")
    return written.end if end else written.start
