"""Counts of a ballot by unit: running sums of count changes, so the 120,000th confirmation is as cheap as the first.

Every change of a member's status adds `-1` to one sum and `+1` to another (`count_change`); a reader adds up a few
hundred rows and passes each sum to the units above. `compact_turnout` keeps the rows few, `find_differences` compares
them with the ledger itself.

The numbers of people who can be reached and who were contacted follow from addresses, suppressions and messages, which
change by the thousand. `refresh_reach` recounts these numbers in one statement and adds the differences. Workers
refresh open ballots on their ticks (`refresh_due`), one worker at a time; the command line refreshes before it prints.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from ballots.claims import RANKING, ClaimKind
from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

MEASURES: Final = (
    "electorate", "reachable", "reachable_sms", "reachable_email", "contacted", *(kind.value for kind in ClaimKind),
)  # fmt: skip
"""All measures: the electorate, the members who can be reached and who were contacted, and the members with each
status."""

REACH_EVERY: Final = 10.0
"""Seconds between two recounts of members who can be reached and who were contacted."""
REACH_SHARE: Final = 0.05
"""Largest share of the time that recounting may take, even for a large electorate."""
REACH_LEASE: Final = 60.0
"""Seconds until another worker takes over the recount of a killed worker."""


@dataclass(frozen=True, slots=True)
class UnitTurnout:
    """Counts of one unit and everything below it.

    Attributes:
        unit_id: its id; None for the row of people without a unit of the requested kind.
        name: the unit's own name; empty in that row.
        kind: region, branch, workplace …; empty in that row.
        path: the names from the top down, `North / Leeds`.
        measures: every one of `MEASURES`, 0 where there is nothing.
    """

    unit_id: int | None
    name: str
    kind: str
    path: str
    measures: dict[str, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference between a running sum and a full recount.

    Attributes:
        unit_id: the unit people are in directly, None if none is known.
        measure: one of `MEASURES`.
        summed: the running sum.
        counted: the recount.
    """

    unit_id: int | None
    measure: str
    summed: int
    counted: int


async def find_totals(db: Connection, ballot_id: int) -> dict[str, int]:
    """Return the counts of a whole ballot: every one of `MEASURES`."""
    return _complete({row["measure"]: row["n"] for row in await db.fetch(SQL["sum_ballot"], ballot_id)})


async def unit_counts(db: Connection, ballot_id: int, kind: str | None) -> list[UnitTurnout]:
    """Return the counts of every unit of a kind that has electors, each with everything below it.

    Args:
        db: a connection.
        ballot_id: the ballot.
        kind: region, branch, workplace …; None for every unit of every kind.

    Returns:
        Units in the order of their paths. Electors without a unit of that kind come last, in a row of their own, so
        the rows of one kind add up to the ballot.
    """
    return [
        UnitTurnout(row["unit_id"], row["name"], row["kind"], row["path"], _complete(row["measures"]))
        for row in await db.fetch(SQL["sum_units"], ballot_id, kind)
    ]


async def find_differences(db: Connection, ballot_id: int) -> list[Difference]:
    """Compare the running sums with a full recount of electors and claims; return the differences, none if all is well.

    It is one statement on one snapshot, so claims may be recorded meanwhile.
    """
    return _differences(await db.fetch(SQL["find_ledger_differences"], ballot_id, *RANKING))


async def correct_sums(db: Connection, ballot_id: int) -> int:
    """Correct the sums of electors and statuses by a recount, after the electorate itself has changed.

    Call it in the transaction that changed the electorate, after `lock_counts`.

    Returns:
        How many sums were off.
    """
    return await _correct(db, ballot_id, await find_differences(db, ballot_id))


async def lock_counts(db: Connection, ballot_id: int) -> None:
    """Lock a ballot's counts until the transaction ends; claims wait."""
    await db.execute(SQL["lock_counts"], ballot_id)


async def refresh_reach(db: Connection, ballot_id: int) -> int:
    """Recount the members who can be reached, by channel, and the members who were contacted.

    *Reachable* have an address that nothing suppresses; *contacted* had at least one message that a provider accepted.

    Returns:
        How many sums were off.
    """
    async with db.transaction():
        await db.execute(SQL["lock_reach"], ballot_id)
        return await _correct(db, ballot_id, _differences(await db.fetch(SQL["find_reach_differences"], ballot_id)))


async def finish_contacted(db: Connection, ballot_id: int, now: datetime) -> None:
    """Count the members contacted for the last time, before the ballot's messages are archived.

    Doing it again changes nothing.
    """
    if await db.fetchval(SQL["is_contacted_final"], ballot_id):
        return
    async with db.transaction():
        await refresh_reach(db, ballot_id)
        await db.execute(SQL["finish_contacted"], ballot_id, now)


async def finish_reach(db: Connection, person_id: int, now: datetime) -> None:
    """Count the reachable members of a person's closed ballots for the last time, before the person is erased.

    Doing it again changes nothing.
    """
    for row in await db.fetch(SQL["list_closed_ballots"], person_id, now):
        async with db.transaction():
            await refresh_reach(db, row["ballot_id"])
            await db.execute(SQL["finish_reach"], row["ballot_id"], now)


async def compact_turnout(db: Connection) -> int:
    """Replace the rows of each sum by one row.

    Returns:
        How many rows were replaced.
    """
    return int(await db.fetchval(SQL["compact"]))


async def refresh_due(db: Connection, now: datetime) -> int:
    """Refresh the open ballots whose recount is due, unless another worker is recounting them.

    Returns:
        How many were recounted.
    """
    counted = 0
    while (ballot_id := await db.fetchval(SQL["take_due_ballot"], now, REACH_LEASE)) is not None:
        began = time.monotonic()
        await refresh_reach(db, ballot_id)
        took = time.monotonic() - began
        await db.execute(SQL["note_recount"], ballot_id, max(REACH_EVERY, took / REACH_SHARE) - took)
        counted += 1
    return counted


def _complete(measures: dict[str, int]) -> dict[str, int]:
    return {measure: measures.get(measure, 0) for measure in MEASURES}


def _differences(rows: Iterable[asyncpg.Record]) -> list[Difference]:
    return [Difference(row["unit_id"], row["measure"], row["summed"], row["counted"]) for row in rows]


async def _correct(db: Connection, ballot_id: int, differences: Sequence[Difference]) -> int:
    if differences:
        await db.execute(
            SQL["add_differences"],
            ballot_id,
            [difference.unit_id for difference in differences],
            [difference.measure for difference in differences],
            [difference.counted - difference.summed for difference in differences],
        )
    return len(differences)
