"""`muster suppression`: import and export suppression lists, look an address up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import click

from core.access import Actor
from core.audit import AuditAction, record
from core.plurals import plural
from messaging.reasons import sentence
from messaging.suppression_digests import DigestKeys
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
from people.lists.suppression_lookup import (
    AddressSuppressions,
    MemberSuppressions,
    find_members_suppressions,
    find_suppression,
)
from people.lists.suppressions import SuppressionReport, export_suppressions, import_suppressions
from people.returning import lift_erased

_STILL_WRITTEN_TO: Final = frozenset(
    {"unknown_reason", "unknown_purpose", "unknown_channel", "not_a_date", "in_the_future"}
)
"""Problems of rows whose people still get messages."""

_file = click.argument("file", type=click.Path(path_type=Path))


@click.group(cls=Noun)
def command() -> None:
    """Import and export suppressions, the people not to contact; look one up; lift one after an erasure."""


@command.command("import")
@_file
@dry_run_option
@problems_option
@header_row_option
@encoding_option
@actor_option
@json_option
def import_(
    file: Path,
    problems_file: Path | None,
    header_row: int | None,
    encoding: str | None,
    *,
    dry_run: bool,
    actor: Actor,
    as_json: bool,
) -> int:
    """Suppress the addresses and people of a list: CSV, XLSX, ODS or XLS. They get no more messages.

    The columns are address (or phone, email, member_id, or sha256 for a list of fingerprints) and, optionally, reason,
    source, purpose (all or marketing) and since. The row with their names need not be the first. Messages queued for
    them are withdrawn. Importing a list twice changes nothing, and people who asked for messages after its date still
    get them. A bad row is reported with its line; the others are imported. See docs/preferences.md.

    The exit status is 1 if no row could be used, or if a row has a reason, purpose, channel or date that Muster does
    not know: the people it names still get messages.
    """
    report = run(_import(file, header_row, encoding, dry_run=dry_run, actor=actor))
    if problems_file:
        write_problems(problems_file, report.problems)
    if as_json:
        print_json(report.to_json())
    else:
        _show_report(report)
    still = sum(problem.code in _STILL_WRITTEN_TO for problem in report.problems)
    if still and not as_json:
        rows = plural(still, "row")
        click.echo(
            f"{rows} left out, and the people named there still get messages. Correct these rows and import again.",
            err=True,
        )
    return int(report.rejected == report.rows or still > 0)


async def _import(
    file: Path, header_row: int | None, encoding: str | None, *, dry_run: bool, actor: Actor
) -> SuppressionReport:
    async with open_session(pool_size=1) as runtime:
        settings = runtime.settings
        return await import_suppressions(
            runtime.pool, file, actor=actor, region=settings.sms_region, zone=ZoneInfo(settings.time_zone),
            now=runtime.clock(), dry_run=dry_run, header_row=header_row, encoding=encoding,
            keys=DigestKeys(settings.secret_key),
        )  # fmt: skip


def _show_report(report: SuppressionReport) -> None:
    click.echo(
        f"{report.file}: {report.kind}, {plural(report.rows, 'row')}, addresses and people in them: {report.entries:,}"
    )
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in report.by_reason.most_common())
    click.echo(f"added {report.added:,}{f' ({reasons})' if reasons else ''} · there already {report.known:,}")
    click.echo(f"matched {report.matched:,} of people we know · {report.unmatched:,} of nobody we know, also kept")
    if report.lifted_since:
        click.echo(f"left alone, as they have asked for messages since: {report.lifted_since:,}")
    if report.unknown_hashes:
        click.echo(f"fingerprints of nobody we know, which cannot be kept: {report.unknown_hashes:,}")
    click.echo(f"queued messages withdrawn: {report.withdrawn:,}")
    show_notices(report.notices)
    show_problems(report.problems)
    if not report.written:
        click.echo("This was a dry run: nothing was changed.", err=True)


@command.command()
@_file
@click.option(
    "--hashed", is_flag=True, help="Write SHA-256 fingerprints instead of addresses, for a list to give to others."
)
@force_option
@actor_option
@json_option
def export(file: Path, *, hashed: bool, force: bool, actor: Actor, as_json: bool) -> None:
    """Write all suppressions to FILE, CSV or XLSX by its name, which `muster suppression import` can read.

    Only you can read the file. The audit log records who exported how many rows, and when. With --hashed, others can
    compare the list with their own, but cannot read the addresses from it; phone numbers can still be found by trying
    all of them, so share it with care.
    """
    written = run(_export(file, hashed=hashed, force=force, actor=actor))
    if as_json:
        print_json({"file": str(file), "rows": written})
    else:
        click.echo(f"{plural(written, 'row')} written to {file}")


async def _export(file: Path, *, hashed: bool, force: bool, actor: Actor) -> int:
    async with open_session(pool_size=1) as runtime:
        return await export_suppressions(runtime.pool, file, actor=actor, hashed=hashed, replace=force)


@command.command()
@click.argument("address", nargs=-1, required=True)
@actor_option
@json_option
def show(address: Sequence[str], actor: Actor, *, as_json: bool) -> None:
    """Show the suppressions of ADDRESS and their history.

    ADDRESS is a phone number, a mailbox or the number of a person. For a person, the suppressions of the person and of
    each of their addresses are shown.
    """
    known, zone = run(_show(" ".join(address), actor))
    if as_json:
        print_json(known.to_json())
        return
    if isinstance(known, AddressSuppressions):
        _show_known(known, known.address, zone)
        return
    _show_known(known.everywhere, f"{known.member_id}  {known.name}".rstrip(), zone)
    for entry in known.addresses:
        _show_known(entry, entry.address, zone)


def _show_known(known: AddressSuppressions, called: str, zone: ZoneInfo) -> None:
    for suppression in known.active_suppressions:
        what = "Nothing" if suppression.purpose == "all" else "No marketing"
        click.echo(f"{what} is sent to {called}. {sentence(suppression.reason)}")
    if not known.active_suppressions:
        click.echo(f"{called} is not suppressed.")
    for event in known.history:
        did = "stopped" if event.action == "suppress" else "lifted"
        click.echo(
            f"  {event.at.astimezone(zone):%Y-%m-%d %H:%M}  {did} {event.purpose}: {event.reason} ({event.source})"
        )


async def _show(who: str, actor: Actor) -> tuple[AddressSuppressions | MemberSuppressions, ZoneInfo]:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        settings, keys = runtime.settings, DigestKeys(runtime.settings.secret_key)
        member = await find_members_suppressions(db, who, keys=keys)
        known = member or await find_suppression(db, who, region=settings.sms_region, keys=keys)
        people = [int(known.everywhere.address)] if isinstance(known, MemberSuppressions) else []
        await record(db, actor, AuditAction.PEOPLE_SEEN, "suppressions", {"people": people})
        return known, ZoneInfo(settings.time_zone)


@command.command()
@click.argument("who", metavar="ID")
@actor_option
def lift(who: str, actor: Actor) -> int:
    """Lift the suppression of somebody who was erased and has come back.

    ID is their number in the member file, or one of their phone numbers or mailboxes. Their own opt-outs stay; only
    they can undo those, by texting START or on their preferences page. The exit status is 1 if they were not suppressed
    for having been erased.
    """
    lifted = run(_lift(who, actor))
    click.echo(f"{who} can get messages again." if lifted else f"{who} is not suppressed for having been erased.")
    return int(not lifted)


async def _lift(who: str, actor: Actor) -> bool:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        settings = runtime.settings
        return await lift_erased(db, who, region=settings.sms_region, keys=DigestKeys(settings.secret_key), actor=actor)
