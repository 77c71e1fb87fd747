"""`muster consent`: members' consents: import them from a list, export the ledger."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from core.plurals import plural
from muster.cli.actor import actor_option
from muster.cli.noun import Noun
from muster.cli.output import json_option, print_json
from muster.cli.problems import encoding_option, header_row_option, tell_notices, tell_problems, write_problems
from muster.cli.session import open_session, run
from people.lists.consents import ConsentReport, Otherwise, export_consents
from people.lists.consents import import_consents as take_in


@click.group(cls=Noun)
def command() -> None:
    """What members have agreed to: marketing goes to nobody who has not. See one member's with `muster people show`."""


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--source", default="", help="Where they agreed, for rows that do not say: 'joining form 2024'.")
@click.option("--wording", default="", help="What they agreed to, word for word, for rows that do not say.")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="When they agreed, for rows that do not say.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option("--problems", "problems_file", type=click.Path(path_type=Path), help="Write every problem to this CSV.")
@header_row_option
@encoding_option
@actor_option
@json_option
def import_(
    file: Path, source: str, wording: str, at: datetime | None, problems_file: Path | None, header_row: int | None,
    encoding: str | None, *, dry_run: bool, actor: str, as_json: bool,
) -> int:  # fmt: skip
    """Take in what members have agreed to: CSV, XLSX, ODS or XLS.

    A row names the columns, which need not be the first: member_id, and where the list has them consent (yes or no),
    channel (sms, email or both), purpose (marketing, or service), source, wording and at. The latest word of a member
    counts, by its date: an old form never undoes what they said since. A bad row is reported with its line, and the
    others are taken. See docs/preferences.md.

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
        tell_notices(report.notices)
        tell_problems(report.problems)
        if not report.written:
            click.echo("This was a dry run: nothing was changed.", err=True)
    return int(report.rejected == report.rows)


async def _import(
    file: Path,
    source: str,
    wording: str,
    at: datetime | None,
    header_row: int | None,
    encoding: str | None,
    *,
    dry_run: bool,
    actor: str,
) -> ConsentReport:
    async with open_session(pool_size=1) as runtime:
        zone = ZoneInfo(runtime.settings.time_zone)
        otherwise = Otherwise(source, wording, at.replace(tzinfo=zone) if at else None)
        return await take_in(
            runtime.pool, file, otherwise, actor=actor, zone=zone, now=runtime.clock(), dry_run=dry_run,
            header_row=header_row, encoding=encoding,
        )  # fmt: skip


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@actor_option
@json_option
def export(file: Path, *, force: bool, actor: str, as_json: bool) -> None:
    """Write every consent ever given or taken back to a CSV file, which `muster consent import` reads back.

    Only you can read the file; who exported, when and how many is kept in the audit.
    """
    written = run(_export(file, force=force, actor=actor))
    if as_json:
        print_json({"file": str(file), "rows": written})
    else:
        click.echo(f"{plural(written, 'row')} written to {file}")


async def _export(file: Path, *, force: bool, actor: str) -> int:
    async with open_session(pool_size=1) as runtime:
        return await export_consents(runtime.pool, file, actor=actor, replace=force)
