"""`muster consent`: members' consents: import them from a list, export the ledger."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import click

from core.access import Actor
from core.plurals import plural
from muster.cli.moments import MOMENT, TypedDate
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
from people.lists.consents import ConsentDefaults, ConsentReport, export_consents, import_consents


@click.group(cls=Noun)
def command() -> None:
    """Import and export people's consents; only those who consented get marketing.

    `muster people show` shows the consents of one person.
    """


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--source", default="", help="Where they consented, for rows that do not say: 'joining form 2024'.")
@click.option("--wording", default="", help="The words they consented to, for rows that do not say.")
@click.option("--at", type=MOMENT, metavar="DATE", help="The day they consented, for rows that do not say.")
@dry_run_option
@problems_option
@header_row_option
@encoding_option
@actor_option
@json_option
def import_(
    file: Path, source: str, wording: str, at: TypedDate | None, problems_file: Path | None, header_row: int | None,
    encoding: str | None, *, dry_run: bool, actor: Actor, as_json: bool,
) -> int:  # fmt: skip
    """Import consents from a list: CSV, XLSX, ODS or XLS.

    The columns are member_id and, optionally, consent (yes or no), channel (sms, email or both), purpose (marketing or
    service), source, wording and at. The row with their names need not be the first. A person's latest consent or
    withdrawal counts, by its date, so an old form never undoes a later answer. A bad row is reported with its line; the
    others are imported. See docs/preferences.md.

    The exit status is 1 when no row could be used.
    """
    report = run(_import(file, source, wording, at, header_row, encoding, dry_run=dry_run, actor=actor))
    if problems_file:
        write_problems(problems_file, report.problems)
    if as_json:
        print_json(report.to_json())
    else:
        click.echo(f"{report.file}: {report.kind}, {plural(report.rows, 'row')}")
        click.echo(f"given {report.given:,} · withdrawn {report.withdrawn:,} · known already {report.known:,}")
        show_notices(report.notices)
        show_problems(report.problems)
        if not report.written:
            click.echo("This was a dry run: nothing was changed.", err=True)
    return int(report.rejected == report.rows)


async def _import(
    file: Path,
    source: str,
    wording: str,
    at: TypedDate | None,
    header_row: int | None,
    encoding: str | None,
    *,
    dry_run: bool,
    actor: Actor,
) -> ConsentReport:
    async with open_session(pool_size=1) as runtime:
        zone = ZoneInfo(runtime.settings.time_zone)
        otherwise = ConsentDefaults(source, wording, at.start(zone) if at else None)
        return await import_consents(
            runtime.pool, file, otherwise, actor=actor, zone=zone, now=runtime.clock(), dry_run=dry_run,
            header_row=header_row, encoding=encoding,
        )  # fmt: skip


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@force_option
@actor_option
@json_option
def export(file: Path, *, force: bool, actor: Actor, as_json: bool) -> None:
    """Write all consents and withdrawals to FILE, CSV or XLSX by its name, which `muster consent import` can read.

    Only you can read the file. The audit log records who exported how many rows, and when.
    """
    written = run(_export(file, force=force, actor=actor))
    if as_json:
        print_json({"file": str(file), "rows": written})
    else:
        click.echo(f"{plural(written, 'row')} written to {file}")


async def _export(file: Path, *, force: bool, actor: Actor) -> int:
    async with open_session(pool_size=1) as runtime:
        return await export_consents(runtime.pool, file, actor=actor, replace=force)
