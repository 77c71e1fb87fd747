"""`muster people`: import members, show one, count and export them; `membership` has the other commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from campaigns.person_dates import date_attributes
from campaigns.replies.opt_outs import last_opt_ins
from campaigns.variables import RESERVED
from core.access import Actor
from core.audit import AuditAction, record
from core.plurals import plural
from messaging.consent import Consent, consents_of, current_consent
from messaging.suppression_digests import DigestKeys
from muster.cli import membership
from muster.cli.noun import Noun
from muster.cli.options import (
    actor_option,
    dry_run_option,
    encoding_option,
    force_option,
    header_row_option,
    json_option,
    problems_option,
)
from muster.cli.output import print_json
from muster.cli.problems import show_notices, show_problems, write_problems
from muster.cli.session import open_session, run
from muster.cli.user_grants import note_idle_grants
from people import exports, people, units
from people.imports import imports, mapping
from people.imports.report import ImportReport
from people.lists.consents import consent_in_words
from people.units import UNIT_KINDS

_MIN_WIDTH: Final = 10
_MAX_NAMED: Final = 5
"""Most members who are listed by number if there may be many."""


@click.group(cls=Noun)
def command() -> None:
    """Import people, find and show them, count and export them, strike off and erase."""


for member_command in (membership.find, membership.leave, membership.erase):
    command.add_command(member_command)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "map_file", type=click.Path(path_type=Path), help="TOML that says which column is what.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Leave this column out; may be repeated.")
@click.option(
    "--alike",
    type=click.Choice(["refuse", "same", "new"]),
    default="refuse",
    show_default=True,
    help="What to do with a new number that is like another but for zeros at its beginning or capital"
    " letters: leave the row out, take it for that person, or for somebody new.",
)
@click.option("--strict", is_flag=True, help="Import nothing if anything is wrong with any row.")
@dry_run_option
@problems_option
@header_row_option
@encoding_option
@actor_option
@json_option
def import_(
    file: Path, map_file: Path | None, *, ignore: Sequence[str], alike: imports.Alike, strict: bool, dry_run: bool,
    problems_file: Path | None, header_row: int | None, encoding: str | None, actor: Actor, as_json: bool,
) -> int:  # fmt: skip
    """Import a member file: CSV, XLSX, ODS or XLS.

    A row names the columns, which need not be the first: titles above it are left out. One column must hold the
    number or reference of each person (member_id, reference, household ref …). People are recognised by it, so
    importing a file again changes nothing. A bad row or cell is reported with its line, and the others are imported; a
    person without any good address is imported all the same. See docs/member-files.md.

    The exit status is 1 when nothing could be imported: with --strict at the first problem, otherwise when every row
    was rejected.
    """
    columns = mapping.load_mapping(map_file) if map_file else mapping.ColumnMapping()
    columns = replace(columns, ignore=(*columns.ignore, *ignore))
    report, note = run(
        _import(
            file,
            imports.ImportOptions(
                reserved=RESERVED,
                mapping=columns,
                header_row=header_row,
                encoding=encoding,
                alike=alike,
                strict=strict,
                dry_run=dry_run,
            ),
            actor,
            quiet=as_json,
        )
    )
    if problems_file:
        write_problems(problems_file, report.problems, report.further)
    if as_json:
        print_json(report.to_json())
    else:
        _show(report, strict=strict, dry_run=dry_run)
        if note:
            click.echo(note, err=True)
    refused = strict and bool(report.problems)
    return int(refused or report.rejected == report.rows)


async def _import(file: Path, options: imports.ImportOptions, actor: Actor, *, quiet: bool) -> tuple[ImportReport, str]:
    """Import a file; return the report, and a note about roles in units that nobody is in any more."""
    async with open_session(pool_size=2) as runtime:
        with _progress_bar(quiet=quiet) as progress:
            async with runtime.pool.acquire() as db:
                dates = await date_attributes(db)
            settings = runtime.settings
            options = replace(options, dates=dates, region=settings.sms_region, time_zone=settings.time_zone)
            report = await imports.import_people(
                runtime.pool, file, options, actor=actor, progress=progress, clock=runtime.clock,
                keys=DigestKeys(settings.secret_key), opt_ins=last_opt_ins,
            )  # fmt: skip
        return report, "" if options.dry_run else await note_idle_grants(runtime.pool, runtime.clock())


@contextmanager
def _progress_bar(*, quiet: bool) -> Iterator[imports.Progress]:
    """Show a progress bar, if standard error is a terminal."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True, disable=quiet or not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("reading", total=None)

        def progress(rows: int, total: int | None) -> None:
            bar.update(task, completed=rows, total=total, description="merging" if rows == total else "reading")

        yield progress


def _show(report: ImportReport, *, strict: bool, dry_run: bool) -> None:
    click.echo(f"{report.file}: {report.kind}, {plural(report.rows, 'row')}")
    taken = ", ".join(f"{label} → {meaning}" for label, meaning in report.columns.items())
    click.echo(f"columns: {taken}")
    click.echo(
        f"created {report.created:,} · updated {report.updated:,} · unchanged {report.unchanged:,} · "
        f"rejected {report.rejected:,}" + (f" · repeated {report.repeated:,}" if report.repeated else "")
    )
    if report.unreachable:
        click.echo(f"without any usable address: {report.unreachable:,} (they are people of yours all the same)")
    show_notices(report.notices)
    if report.restored:
        click.echo(
            f"in this file again after they were erased, so that nothing is sent to them: {_some(report.returned)}; "
            f"to write to one again: muster suppression lift {report.returned[0] if report.returned else 'ID'}"
        )
        click.echo(
            "  They are new people here: in a ballot that they were in before, the erased one is counted beside them."
        )
    if report.left:
        click.echo(
            f"have left, and stay struck off: {_some(report.left)}; if they are back: muster people leave --undo ID"
        )
    show_problems(report.problems, report.further)
    if strict and report.problems:
        click.echo("Nothing was imported, because of --strict and these problems.", err=True)
    elif dry_run:
        click.echo("This was a dry run: nothing was changed.", err=True)


def _some(members: Sequence[str]) -> str:
    """Say how many there are, and name the first: `2 (0001024, 0001025)`."""
    more = ", …" if len(members) > _MAX_NAMED else ""
    return f"{len(members):,} ({', '.join(members[:_MAX_NAMED])}{more})"


@command.command()
@click.argument("external_id")
@actor_option
@json_option
def show(external_id: str, actor: Actor, *, as_json: bool) -> None:
    """Show one person: name, units, addresses with their suppressions, consents, attributes."""
    person, ledger, zone = run(_find(external_id, actor))
    if as_json:
        consents = [asdict(consent) for consent in current_consent(ledger)]
        print_json(
            person.to_json() | {"consents": consents, "consent_history": [asdict(consent) for consent in ledger]}
        )
        return
    click.echo(f"{person.external_id}  {person.first_name} {person.last_name}".rstrip())
    rows = list(_rows(person, ledger, zone))
    width = max(_MIN_WIDTH, *(len(name) for name, _ in rows)) + 2
    for name, value in rows:
        click.echo(f"  {name:<{width}}{value}")


def _rows(person: people.Person, consents: list[Consent], zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    """List a person's data, each value with its label."""
    if person.left_at:
        yield "left", f"{person.left_at.astimezone(zone):%Y-%m-%d}"
    yield from person.units.items()
    for address in person.addresses:
        stopped = f"  ({address.suppressed}: no {'messages' if address.purpose == 'all' else address.purpose})"
        yield address.channel, f"{address.address}{stopped if address.suppressed else ''}"
    if not person.addresses:
        yield "address", "none"
    yield from _consents(consents, zone)
    yield "language", person.language
    yield "time zone", person.time_zone
    yield from person.attributes.items()


def _consents(consents: list[Consent], zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    current = list(current_consent(consents))
    yield from (("consent", consent_in_words(consent, zone)) for consent in current)
    yield from (("before", consent_in_words(consent, zone)) for consent in consents if consent not in current)
    if not consents:
        yield "consent", "none: nothing but service messages is sent"


async def _find(external_id: str, actor: Actor) -> tuple[people.Person, list[Consent], ZoneInfo]:
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        person = await people.find_person(db, external_id)
        await record(db, actor, AuditAction.PERSON_SEEN, f"person {person.person_id}")
        return person, await consents_of(db, person.person_id), ZoneInfo(runtime.settings.time_zone)


@command.command()
@click.option("--by", "kind", type=click.Choice(UNIT_KINDS), help="Count each unit of this kind.")
@json_option
def count(kind: str | None, *, as_json: bool) -> None:
    """Count the people, and how many have a number for texts, a mailbox, or neither.

    People who have opted out are counted here, too: the plan of a campaign shows how many it may really write to.
    """
    everybody, by_unit = run(_count(kind))
    if as_json:
        print_json(
            {**_numbers(everybody), **({"units": [{"name": u.name, **_numbers(u)} for u in by_unit]} if kind else {})}
        )
        return
    table = Table(box=None, pad_edge=False)
    table.add_column(kind or "")
    for heading in ("people", "have a number", "have a mailbox", "have neither"):
        table.add_column(heading, justify="right")
    for unit in by_unit:
        table.add_row(unit.name or "(none)", *_cells(unit))
    table.add_row("all", *_cells(everybody), style="bold")
    Console(file=sys.stdout).print(table)


async def _count(kind: str | None) -> tuple[units.UnitReach, list[units.UnitReach]]:
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        return await people.count_people(db), await units.count_by_unit(db, kind) if kind else []


def _numbers(counted: units.UnitReach) -> dict[str, int]:
    return {"people": counted.people, "sms": counted.sms, "email": counted.email, "unreachable": counted.unreachable}


def _cells(counted: units.UnitReach) -> list[str]:
    return [f"{number:,}" for number in _numbers(counted).values()]


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@force_option
@click.option(
    "--excel",
    is_flag=True,
    help='In CSV, write numbers as ="0001006", so that Excel keeps their zeros, and phone numbers, when it saves it.',
)
@actor_option
@json_option
def export(file: Path, *, force: bool, excel: bool, actor: Actor, as_json: bool) -> None:
    """Write everybody to FILE, which `muster people import` reads back as it was: XLSX by its name, or CSV.

    If a CSV file is to be opened in Excel and saved there, say --excel: Excel drops the zeros at the beginning of a
    number, and rounds phone numbers. A workbook (FILE.xlsx) needs nothing of the kind.

    Only you can read the file; who exported, when and how many is kept in the audit.
    """
    written = run(_export(file, force=force, excel=excel, actor=actor))
    if as_json:
        print_json({"file": str(file), "people": written})
    else:
        click.echo(f"{plural(written, 'person', 'people')} written to {file}")


async def _export(file: Path, *, force: bool, excel: bool, actor: Actor) -> int:
    async with open_session(pool_size=2) as runtime:
        return await exports.export_people(
            runtime.pool, file, reserved=RESERVED, actor=actor, replace=force, for_excel=excel
        )
