"""`muster turnout export` and `muster turnout import`: members' statuses to a file, and claims from one."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

import click
from rich.console import Console
from rich.table import Table

from ballots.ballots import get_ballot
from ballots.claims import ClaimKind
from ballots.imports import SOURCES, TurnoutImportReport, import_claims
from ballots.lists import rows_to_mend
from ballots.snapshot import Format, Snapshot, write_snapshot
from core.access import Actor
from core.files.atomic_files import complete_or_not_at_all
from core.files.sheets import sheet_or_nothing
from core.plurals import plural
from muster.cli.options import actor_option, encoding_option, force_option, header_row_option, json_option
from muster.cli.output import print_json
from muster.cli.problems import show_notices
from muster.cli.session import open_session, run

_MAX_SHOWN_PROBLEMS: Final = 20


@click.command()
@click.argument("ballot")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "xlsx", "parquet"]),
    default="csv",
    show_default=True,
    help="The file's format.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The file to write; default: BALLOT.csv (.xlsx, .parquet) in this folder.",
)
@force_option
@actor_option
@json_option
def export(ballot: str, kind: str, output: Path | None, *, force: bool, actor: Actor, as_json: bool) -> None:
    """Write the status of every member of BALLOT to a file: membership number, unit, status, source, time.

    `muster turnout import` reads CSV and XLSX back. The cursor that is printed is where to follow the change feed from.
    """
    path = output or Path(f"{ballot}.{kind}")
    taken = run(_export(ballot, path, cast("Format", kind), force=force, actor=actor))
    if as_json:
        print_json({"file": str(path), "members": taken.members, "cursor": taken.cursor})
    else:
        click.echo(f"{plural(taken.members, 'member')} written to {path}; follow the change feed from {taken.cursor}.")


async def _export(name: str, path: Path, kind: Format, *, force: bool, actor: Actor) -> Snapshot:
    async with open_session(pool_size=2) as runtime:
        async with runtime.pool.acquire() as db:
            ballot = await get_ballot(db, name)
        with complete_or_not_at_all(path, replace=force) as beside:
            return await write_snapshot(runtime.pool, ballot, beside, kind, actor=actor)


@click.command("import")
@click.argument("ballot")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--source", type=click.Choice([source.value for source in SOURCES]), required=True,
    help="What the file is: a phone bank's, the scrutineer's list, or any other import.",
)  # fmt: skip
@click.option(
    "--says", type=click.Choice([kind.value for kind in ClaimKind]),
    help="What every row says, where no column does: a list of those who have voted says voted.",
)  # fmt: skip
@click.option("--apply", "write", is_flag=True, help="Record it. Without this nothing is changed.")
@click.option("--dry-run", is_flag=True, help="Change nothing. This is the default here; --apply records the file.")
@header_row_option
@encoding_option
@click.option(
    "--errors", type=click.Path(path_type=Path), help="The file for rows that cannot be used; default: FILE-errors.csv."
)
@actor_option
@json_option
def import_(
    ballot: str, file: Path, source: str, says: str | None, header_row: int | None, encoding: str | None,
    errors: Path | None, actor: Actor, *, write: bool, dry_run: bool, as_json: bool,
) -> int:  # fmt: skip
    """Import what a file says about BALLOT: CSV, XLSX, ODS or XLS, a row for each member. A dry run unless --apply.

    Members are found by member_id, or by a phone number or mailbox that only one of them has. A column called answer
    (or voted, result, outcome …) says what they said, one called at (or date, called at …) when. All of it is recorded
    or nothing; importing a file again changes nothing. Rows that cannot be used are written to a file with what is
    wrong with each: correct them there, and import that file. docs/turnout.md says more.

    The exit status is 1 when no row could be used.
    """
    if write and dry_run:
        raise click.UsageError("Choose either --apply or --dry-run.")
    report = run(
        _import(
            ballot, file, source=source, says=says, actor=actor, write=write, header_row=header_row, encoding=encoding
        )
    )
    to_mend = errors or file.with_name(f"{file.stem}-errors.csv")
    if report.problems:
        _write_rows_to_mend(to_mend, report)
    if as_json:
        result = {**report.to_json(), "file": str(file), "errors": str(to_mend) if report.problems else None}
        print_json(result, indent=True)
    else:
        _show(report, file, to_mend)
    return int(len(report.problems) == len(report.sheet.cells))


async def _import(
    ballot: str,
    file: Path,
    *,
    source: str,
    says: str | None,
    actor: Actor,
    write: bool,
    header_row: int | None,
    encoding: str | None,
) -> TurnoutImportReport:
    async with open_session(pool_size=2) as runtime:
        return await import_claims(
            runtime,
            ballot,
            file,
            source=source,
            says=says,
            actor=actor,
            write=write,
            header_row=header_row,
            encoding=encoding,
        )


def _write_rows_to_mend(path: Path, report: TurnoutImportReport) -> None:
    with sheet_or_nothing(path, replace=True) as sheet:
        sheet.writerows(rows_to_mend(report.sheet, report.problems))


def _show(report: TurnoutImportReport, file: Path, to_mend: Path) -> None:
    click.echo(f"{file.name}: {plural(len(report.sheet.cells), 'row')}")
    show_notices(report.sheet.notices)
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    kinds = ", ".join(f"{n:,} {kind.replace('_', ' ')}" for kind, n in sorted(report.by_kind.items()))
    changing = sum(contradiction.prevails for contradiction in report.contradictions)
    rows = (
        ("recorded" if report.written else "to be recorded", report.recorded, kinds),
        ("already known", report.known, ""),
        ("say nothing about it", report.silent, "no answer, busy …" if report.silent else ""),
        ("ambiguous", report.count("ambiguous"), ""),
        ("unmatched", report.count("unmatched"), ""),
        ("unreadable", report.count("unreadable"), ""),
        ("contradictions", len(report.contradictions), f"{changing:,} prevail" if report.contradictions else ""),
    )
    for name, n, words in rows:
        table.add_row(name, f"{n:,}", words)
    Console().print(table)
    for contradiction in report.contradictions[:_MAX_SHOWN_PROBLEMS]:
        ends = "the file prevails" if contradiction.prevails else "what was known stays"
        who = contradiction.member_id or "a member"
        click.echo(
            f"  line {contradiction.line}: {who} {contradiction.says}, "
            f"but {contradiction.status} by {contradiction.source}: {ends}"
        )
    for problem in report.problems[:_MAX_SHOWN_PROBLEMS]:
        click.echo(f"  line {problem.line}: {problem.message}")
    if report.problems:
        click.echo(f"{plural(len(report.problems), 'row to mend is', 'rows to mend are')} in {to_mend}")
    if not report.written:
        click.echo("This was a dry run: nothing was changed. To record it: --apply", err=True)
