"""Import of a member file: read row by row, staged and merged, in one transaction, one import at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import structlog

from core.access import Actor
from core.audit import AuditAction, record
from core.clock import Clock, system_clock
from core.db import Connection, Pool, load_queries
from core.db.dry_runs import dry_run as dry_run_in
from core.errors import InputError
from core.files.readers import open_table
from core.files.tables import Table
from core.plurals import plural
from core.setting_types import DEFAULT_ZONE
from messaging.suppression_digests import NO_KEYS, DigestKeys
from people.imports import staging
from people.imports.columns import Columns, heading_judge, map_columns
from people.imports.mapping import ColumnMapping
from people.imports.report import ImportReport
from people.imports.rows import RowReader, StagedPerson
from people.returning import OptIns, RestoredSuppressions, no_opt_ins, restore_suppressions

SQL: Final = load_queries(__file__)

log = structlog.get_logger(__name__)

Progress = Callable[[int, int | None], None]
"""Function called now and then with the number of rows read, and about how many there are."""

_NO_ADDRESSES: Final = "No column was taken for a phone number or an email address, so nobody new can be reached."
Alike = Literal["refuse", "same", "new"]
"""Treatment of a new number that differs from another only in leading zeros or case: its row is left out, is about that
member, or about somebody new."""

_CHUNK_SIZE: Final = 5000
"""Rows held at a time; a COPY of that size costs a fraction of a second."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of an import: how a file is read, and what is kept of it.

    Attributes:
        reserved: names that no attribute may have, because templates use them for something else.
        dates: attributes that are dates: cells that cannot be read as one are problems, and kept as they are.
        mapping: the meaning of columns whose names do not say it.
        header_row: the line or row that names the columns, if a person says so.
        encoding: of a CSV file, if a person says so.
        alike: what to do with a new number that differs from another only in leading zeros or case.
        strict: keep nothing if there is any problem.
        dry_run: report what would happen, and keep nothing.
        region: country whose way of writing phone numbers is assumed if there is no `+`.
        time_zone: of people whose time zone the file does not say.
    """

    reserved: Collection[str]
    dates: Collection[str] = ()
    mapping: ColumnMapping = field(default_factory=ColumnMapping)
    header_row: int | None = None
    encoding: str | None = None
    alike: Alike = "refuse"
    strict: bool = False
    dry_run: bool = False
    region: str = "GB"
    time_zone: str = DEFAULT_ZONE


async def import_people(
    pool: Pool,
    path: Path,
    options: ImportOptions,
    *,
    actor: Actor,
    progress: Progress | None = None,
    clock: Clock = system_clock,
    keys: DigestKeys = NO_KEYS,
    opt_ins: OptIns = no_opt_ins,
) -> ImportReport:
    """Update people to match a member file, recognising them by their external id.

    The addresses and attributes of the file's columns replace those a person had; details without a column stay. People
    who are not in the file stay too. Units are created as the file names them. All of it happens in one transaction.

    People who have left stay struck off although the file names them, and the report lists them. Somebody who was
    erased comes in as a new person, and their suppressions apply again.

    Args:
        pool: the database.
        path: a CSV, XLSX, ODS or XLS file.
        options: how to read it, and what to keep.
        actor: who does it, for the audit.
        progress: called with how far it is.
        clock: what time it is.
        keys: under which opt-outs of people who were erased are kept.
        opt_ins: looks up which of them have asked for messages since.

    Raises:
        SettingsError: some opt-outs of erased people are kept under another secret.
        InputError: the file cannot be read, is empty, or has no column of membership numbers.
        Conflict: another import is still running after a long wait.
    """
    with _open_members(path, options) as members:
        async with pool.acquire() as db:
            origin = _Origin(path.name, members.table.sha256, actor, clock())
            async with dry_run_in(db) as transaction:
                restore = partial(restore_suppressions, keys=keys, opt_ins=opt_ins)
                report = await _import(db, restore, origin, members, options, progress)
                if not options.dry_run and not (options.strict and report.problems):
                    report = await _record(db, origin, report)
                    transaction.is_kept = True
    log.info(
        "people imported" if report.written else "people not imported",
        file=report.file, created=report.created, updated=report.updated, unchanged=report.unchanged,
        rejected=report.rejected,
    )  # fmt: skip
    return report


@dataclass(frozen=True, slots=True)
class _Members:
    """An open member file: its table, what its columns mean, and its rows as people."""

    table: Table
    columns: Columns
    rows: RowReader


@contextmanager
def _open_members(path: Path, options: ImportOptions) -> Iterator[_Members]:
    judge = heading_judge(options.mapping, "external_id")
    with open_table(path, judge, header_row=options.header_row, encoding=options.encoding) as table:
        columns = map_columns(table.header, options.mapping, reserved=options.reserved, line=table.header_line)
        rows = RowReader(table, columns, phone_region=options.region, time_zone=options.time_zone, dates=options.dates)
        yield _Members(table, columns, rows)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Origin of an import: the file, its fingerprint, who started it, and when."""

    file: str
    sha256: str
    actor: Actor
    started_at: datetime


async def _import(
    db: Connection,
    restore: Callable[[Connection], Awaitable[RestoredSuppressions]],
    origin: _Origin,
    members: _Members,
    options: ImportOptions,
    progress: Progress | None,
) -> ImportReport:
    table, columns, rows = members.table, members.columns, members.rows
    await staging.wait_for_turn(db)
    await staging.delete_staged_rows(db)
    await _stage(db, rows, table, progress)
    if not rows.rows:
        raise InputError(f"{origin.file} has a header and no rows under it.")
    await staging.take_days(db, rows.days.names)
    label = columns.fields["external_id"][0].label
    taken = await staging.take_as_known(db) if options.alike == "same" else 0
    repeated, contradictions = await staging.take_out_repeats(db, label)
    contradictions += await staging.take_out_erased(db, label)
    left_out = [] if options.alike == "new" else await staging.take_out_alike(db, label)
    contradictions += left_out
    for problem in await staging.stage_units(db, columns):
        rows.problems.note_cell(problem)
    merged = await staging.merge(db, columns, time_zone=options.time_zone, now=origin.started_at)
    dropped = await staging.delete_attributes(db, columns.formerly)
    restored = await restore(db)
    problems = sorted([*rows.problems.kept, *contradictions], key=lambda problem: problem.line)
    return ImportReport(
        file=origin.file,
        kind=table.kind,
        columns=columns.meanings(),
        rows=rows.rows,
        created=merged.created,
        updated=merged.updated,
        unchanged=merged.unchanged,
        repeated=repeated,
        rejected=rows.problems.rejected + len(contradictions),
        unreachable=merged.unreachable,
        restored=restored.entries,
        returned=restored.members,
        left=await staging.list_leavers(db),
        problems=problems,
        further=rows.problems.further,
        notices=[
            *table.notices,
            *_notices_of_alike(taken, len(left_out)),
            *rows.placeholders.notices(),
            *rows.days.notices(),
            *columns.taken_as_they_are(),
            *(
                [f"Attributes that these columns were before they were mapped are taken off: {dropped:,} people."]
                if dropped
                else []
            ),
            *([] if columns.has("phone", "email") else [_NO_ADDRESSES]),
        ],
        written=False,
    )


def _notices_of_alike(taken: int, left_out: int) -> Iterator[str]:
    if taken:
        yield (
            f"{plural(taken, 'row was', 'rows were')} taken for members whose numbers are the same but for zeros at the"
            " beginning or capital letters."
        )
    if left_out:
        yield (
            f"{plural(left_out, 'row was', 'rows were')} left out because the same number is known but for zeros at the"
            " beginning, which spreadsheets drop, or capital letters. --alike same takes them for those members,"
            " --alike new for new people."
        )


async def _stage(db: Connection, rows: RowReader, table: Table, progress: Progress | None) -> None:
    people: Iterator[StagedPerson] = iter(rows)
    while chunk := list(islice(people, _CHUNK_SIZE)):
        await staging.stage(db, chunk)
        if progress:
            progress(rows.rows, max(table.total, rows.rows))
    if progress:
        progress(rows.rows, rows.rows)


async def _record(db: Connection, origin: _Origin, report: ImportReport) -> ImportReport:
    """Record the import, empty the staging tables, and return the report as written."""
    counts = report.created, report.updated, report.unchanged, report.rejected
    import_id: int = await db.fetchval(
        SQL["record_import"], origin.file, origin.sha256, origin.actor.name, origin.started_at, *counts
    )
    detail = {
        "import_id": import_id,
        "created": report.created,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "repeated": report.repeated,
        "rejected": report.rejected,
        "problems": report.by_code(),
        "left": len(report.left),
        "restored": report.restored,
    }
    await record(db, origin.actor, AuditAction.PEOPLE_IMPORTED, origin.file, detail)
    await staging.delete_staged_rows(db)
    return replace(report, import_id=import_id, written=True)
