"""Staging: rows become people set by set, by COPY and then a handful of statements, all in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg

from core.db import STATEMENT_TIMEOUT, Connection, load_queries
from core.errors import Conflict
from core.files.row_problems import Problem
from core.written_dates import read_written_date
from people.imports.columns import Columns
from people.imports.rows import DEFAULT_LANGUAGE, STAGED_COLUMNS, StagedPerson
from people.imports.utc_midnights import DAY
from people.people_lock import try_import_lock, wait_import_lock
from people.units import UNIT_KINDS, Path, find_or_create_units

SQL: Final = load_queries(__file__)

_WORTH_ANALYSING: Final = 1000


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """Counts of people of each kind after a merge."""

    created: int
    updated: int
    unchanged: int
    unreachable: int


async def wait_for_turn(db: Connection) -> None:
    """Take the import lock for this transaction, waiting for the import that holds it.

    Raises:
        Conflict: that import has not ended after a quarter of an hour.
    """
    if await try_import_lock(db):
        return
    await db.execute(f"set local lock_timeout = '{STATEMENT_TIMEOUT - 60}s'")
    try:
        await wait_import_lock(db, lock_timeout=STATEMENT_TIMEOUT)
    except asyncpg.LockNotAvailableError:
        raise Conflict("Another import is still running.", remedy="Try again when it has ended.") from None


async def delete_staged_rows(db: Connection) -> None:
    """Empty the staging tables."""
    await db.execute(SQL["delete_staged_rows"], timeout=STATEMENT_TIMEOUT)


async def stage(db: Connection, people: Sequence[StagedPerson]) -> None:
    """Copy some people into the staging table."""
    await db.copy_records_to_table("staged_person", records=people, columns=STAGED_COLUMNS, timeout=STATEMENT_TIMEOUT)


async def take_days(db: Connection, names: Sequence[str]) -> None:
    """Shorten the cells of some attributes, which are midnights, to the days that they name; see `utc_midnights`."""
    if names:
        await db.execute(SQL["take_days"], list(names), DAY, timeout=STATEMENT_TIMEOUT)


async def take_out_repeats(db: Connection, external_id: str) -> tuple[int, list[Problem]]:
    """Take rows out of the staging table that name a person an earlier row named.

    Args:
        db: in the import's transaction.
        external_id: the header of that column.

    Returns:
        How many rows said the same as the earlier row; and a problem for each row that contradicts it.
    """
    await db.execute(SQL["analyze_staged_people"], timeout=STATEMENT_TIMEOUT)
    rows = await db.fetch(SQL["take_out_repeats"], timeout=STATEMENT_TIMEOUT)
    problems = [
        Problem(
            row["line"],
            external_id,
            "duplicate",
            _contradiction(row["first_line"], row["others"]),
            value=row["external_id"],
            member_id=row["external_id"],
        )
        for row in rows
        if not row["same"]
    ]
    return len(rows) - len(problems), problems


def _contradiction(first_line: int, others: Mapping[str, Sequence[str]]) -> str:
    """Say which row of a person was taken, and, if the rows differ in a date, that a second date needs its own column.

    Args:
        first_line: the line of that row.
        others: attributes that differ, with the values of the first row and of this one.
    """
    for name, (taken, here) in sorted(others.items()):
        if all(read_written_date(text, UTC) is not None for text in (taken, here)):
            return (
                f"Line {first_line} has another {name} for the same number or reference, {taken}, which was taken;"
                f" {here} was not. A second appointment needs a column of its own (docs/dates.md)."
            )
    return f"Line {first_line} has the same number or reference with other details; that one was taken."


async def take_as_known(db: Connection) -> int:
    """Give rows the known number that differs from theirs only in leading zeros or case; return how many."""
    return int((await db.execute(SQL["take_as_known"], timeout=STATEMENT_TIMEOUT)).split()[-1])


async def take_out_alike(db: Connection, external_id: str) -> list[Problem]:
    """Take rows out of the staging table whose number is new, and differs from another only in leading zeros or case.

    Args:
        db: in the import's transaction.
        external_id: the header of that column.
    """
    rows = await db.fetch(SQL["take_out_alike"], timeout=STATEMENT_TIMEOUT)
    return [
        Problem(
            row["line"], external_id, "alike",
            f"{'The member' if row['is_member'] else 'An earlier row has'} {row['other']}"
            f"{' has the same number' if row['is_member'] else ', the same number'} but for zeros at the beginning or"
            " capital letters.",
            value=row["external_id"], member_id=row["external_id"],
        )
        for row in rows
    ]  # fmt: skip


async def take_out_erased(db: Connection, external_id: str) -> list[Problem]:
    """Take rows out of the staging table whose membership number is one that replaced an erased person's.

    Args:
        db: in the import's transaction.
        external_id: the header of that column.
    """
    message = "That is nobody's number: it stands for somebody who was erased."
    rows = await db.fetch(SQL["take_out_erased"], timeout=STATEMENT_TIMEOUT)
    return [Problem(row["line"], external_id, "erased", message) for row in rows]


async def list_leavers(db: Connection) -> list[str]:
    """List the membership numbers of people the file names although they have left."""
    return [row["external_id"] for row in await db.fetch(SQL["find_leavers"], timeout=STATEMENT_TIMEOUT)]


async def delete_attributes(db: Connection, names: Sequence[str]) -> int:
    """Remove attributes, from the people of a file, whose columns now mean something else; return how many had one."""
    return (
        int((await db.execute(SQL["delete_attributes"], list(names), timeout=STATEMENT_TIMEOUT)).split()[-1])
        if names
        else 0
    )


async def stage_units(db: Connection, columns: Columns) -> list[Problem]:
    """Find or make the units the staged people are in.

    Returns:
        A problem for each row whose unit could be any of several.
    """
    if not columns.has(*UNIT_KINDS):
        return []
    paths: list[Path] = [tuple(row) for row in await db.fetch(SQL["list_staged_paths"], timeout=STATEMENT_TIMEOUT)]
    ids = await find_or_create_units(db, paths)
    regions, branches, workplaces = zip(*paths, strict=True) if paths else ((), (), ())
    await db.execute(
        SQL["stage_units"], regions, branches, workplaces,
        [ids.get(path) for path in paths], [path in ids for path in paths],
        timeout=STATEMENT_TIMEOUT,
    )  # fmt: skip
    if len(ids) == len(paths):
        return []
    label = next(column.label for kind in UNIT_KINDS if (column := columns.column(kind)))
    message = "Several units have this name; a column above it would say which. The unit was left as it is."
    lines = await db.fetch(SQL["list_ambiguous_rows"], timeout=STATEMENT_TIMEOUT)
    return [Problem(row["line"], label, "ambiguous_unit", message, row["unit"], row["external_id"]) for row in lines]


async def merge(db: Connection, columns: Columns, *, time_zone: str, now: datetime) -> MergeCounts:
    """Update people to match the staging tables.

    Args:
        db: in the import's transaction.
        columns: the fields that the file has columns for.
        time_zone: the time zone of new people if the file has no column for it.
        now: when it happens.
    """
    attributes = [column.name for column in columns.attributes]
    await db.execute(
        SQL["register_attributes"],
        attributes,
        [column.label for column in columns.attributes],
        timeout=STATEMENT_TIMEOUT,
    )
    await db.execute(SQL["analyze_staged_units"], timeout=STATEMENT_TIMEOUT)
    await db.execute(SQL["recognise_people"], attributes, timeout=STATEMENT_TIMEOUT)
    known = await db.fetchrow(SQL["count_known"], timeout=STATEMENT_TIMEOUT)
    assert known is not None
    if known["changed"]:
        await db.execute(SQL["update_people"], attributes, now, timeout=STATEMENT_TIMEOUT)
        await db.execute(SQL["delete_addresses"], timeout=STATEMENT_TIMEOUT)
    inserted = await db.execute(SQL["insert_people"], DEFAULT_LANGUAGE, time_zone, timeout=STATEMENT_TIMEOUT)
    created = int(inserted.split()[-1])
    if created or known["changed"]:
        await db.execute(SQL["insert_addresses"], timeout=STATEMENT_TIMEOUT)
    if created + known["changed"] > _WORTH_ANALYSING:
        await db.execute(SQL["analyze_people"], timeout=STATEMENT_TIMEOUT)
    unreachable = await db.fetchval(SQL["count_unreachable"], timeout=STATEMENT_TIMEOUT)
    return MergeCounts(created, known["changed"], known["same"], unreachable)
