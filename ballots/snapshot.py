"""Snapshot of every member's status in a ballot at one moment, as a CSV, XLSX or Parquet file.

A reader that loads a snapshot and then follows the change feed from its cursor misses nothing. (A claim of that very
moment may be in both; processing it twice changes nothing.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Final, Literal

from ballots import feed
from ballots.ballots import Ballot
from core.access import Actor
from core.audit import AuditAction, record
from core.db import STATEMENT_TIMEOUT, Pool, load_queries
from core.errors import MusterError
from core.files.sheets import open_sheet

SQL: Final = load_queries(__file__)

Format = Literal["csv", "xlsx", "parquet"]
MEDIA: Final[dict[str, str]] = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}

COLUMNS: Final = ("member_id", "unit", "elector", "status", "source", "confidence", "at", "claim_id")
"""Columns of a snapshot: ids and statuses, no names or addresses."""

_PAGE_SIZE: Final = 5000

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Snapshot that was written.

    Attributes:
        ballot: its name.
        members: how many rows.
        cursor: where to follow the change feed from.
    """

    ballot: str
    members: int
    cursor: int


class NoParquet(MusterError):  # noqa: N818
    """Parquet cannot be written, because pyarrow is not installed."""


async def write_snapshot(pool: Pool, ballot: Ballot, path: Path, kind: Format, *, actor: Actor) -> Snapshot:
    """Write the status of every member of a ballot to a file, new or existing.

    Args:
        pool: the database.
        ballot: the ballot.
        path: the file; what it held is replaced.
        kind: the format.
        actor: the person who exports it, for the audit.

    Raises:
        NoParquet: the package for it is missing.
        OSError: the file cannot be written.
    """
    with _open_sheet(path, kind) as write:
        async with pool.acquire() as db:
            await feed.number_claims(db)
            async with db.transaction(isolation="repeatable_read"):
                cursor = int(await db.fetchval(SQL["find_last_position"], ballot.ballot_id))
                units = {
                    row["unit_id"]: row["path"] for row in await db.fetch(SQL["list_units"], timeout=STATEMENT_TIMEOUT)
                }
                members, pages = 0, await db.cursor(SQL["list_members"], ballot.ballot_id, timeout=STATEMENT_TIMEOUT)
                while page := await pages.fetch(_PAGE_SIZE, timeout=STATEMENT_TIMEOUT):
                    rows = [
                        (
                            member["member_id"], units.get(member["unit_id"], ""), member["elector"],
                            member["status"], member["source"],
                            None if member["confidence"] is None else round(member["confidence"], 4),
                            member["at"], member["claim_id"],
                        )
                        for member in page
                    ]  # fmt: skip
                    await asyncio.to_thread(write, rows)
                    members += len(rows)
                detail = {"members": members, "format": kind, "cursor": cursor}
                await record(db, actor, AuditAction.TURNOUT_EXPORTED, f"ballot {ballot.name}", detail)
    return Snapshot(ballot.name, members, cursor)


@contextmanager
def _open_sheet(path: Path, kind: Format) -> Iterator[Callable[[Rows], None]]:
    if kind == "parquet":
        with _open_parquet(path) as write:
            yield write
        return
    with open_sheet(path, kind) as sheet:
        sheet.writerow(COLUMNS)
        yield lambda rows: sheet.writerows(_plain(row) for row in rows)


@contextmanager
def _open_parquet(path: Path) -> Iterator[Callable[[Rows], None]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise NoParquet(
            "Parquet needs the package pyarrow, which is not installed here.", remedy="pip install 'pyarrow>=21'"
        ) from None
    kinds = (
        pa.string(), pa.string(), pa.bool_(), pa.string(), pa.string(), pa.float64(), pa.timestamp("us", "UTC"),
        pa.int64(),
    )  # fmt: skip
    schema = pa.schema(list(zip(COLUMNS, kinds, strict=True)))
    with parquet.ParquetWriter(path, schema) as sheet:

        def write(rows: Rows) -> None:
            columns = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
            sheet.write_table(pa.Table.from_arrays(columns, schema=schema))

        yield write


def _plain(row: tuple[Any, ...]) -> list[str]:
    member_id, unit, elector, status, source, confidence, at, claim_id = row
    return [
        member_id, unit, "yes" if elector else "no", status or "", source or "",
        "" if confidence is None else f"{confidence:g}",
        "" if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "" if claim_id is None else str(claim_id),
    ]  # fmt: skip
