"""`muster people find`, `leave` and `erase`: look members up, strike off leavers, erase people on request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ballots.leavers import Leaver, LeaversReport, come_back, read_leavers, record_leavers
from core.access import Actor
from core.audit import AuditAction, record
from core.db.dry_runs import all_or_nothing
from core.files.row_problems import Problem
from core.plurals import plural
from core.runtime import Runtime
from muster import erasure
from muster.cli.moments import MOMENT, TypedDate
from muster.cli.options import actor_option, dry_run_option, json_option, limit_option, yes_option
from muster.cli.output import print_json
from muster.cli.problems import show_problems
from muster.cli.session import open_session, run
from people.people import PersonName, members_named
from people.search import FoundPerson, is_likeness, search_people

MAX_FOUND: Final = 50
"""People listed if no --limit is given."""
MAX_NAMED: Final = 20
"""Most members who are listed by name before they are struck off; of more, only their number is shown."""


@click.command()
@click.argument("text", nargs=-1, required=True)
@limit_option(MAX_FOUND, most=10_000)
@actor_option
@json_option
def find(text: Sequence[str], limit: int, actor: Actor, *, as_json: bool) -> int:
    """Find people by any part of their name, number or reference, phone number or mailbox.

    Case and accents do not matter, nor how a phone number is written. The exit status is 1 when nobody is found.
    """
    hits, zone = run(_find(" ".join(text), limit, actor))
    if as_json:
        print_json([hit.to_json() for hit in hits])
        return int(not hits)
    if not hits:
        click.echo(f"Nobody is found by “{' '.join(text)}”.")
        return 1
    if is_likeness(" ".join(text), hits):
        click.echo(f"Nobody is called “{' '.join(text)}”; these names are like it:")
    table = Table("number", "name", "unit", "addresses", "", box=None, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    for hit in hits:
        left = f"left {hit.left_at.astimezone(zone):%Y-%m-%d}" if hit.left_at else ""
        table.add_row(*(Text(cell) for cell in (hit.external_id, hit.name, hit.unit, "  ".join(hit.addresses), left)))
    Console().print(table)
    if len(hits) == limit:
        click.echo(f"These are the first {limit}; there may be more: say more of the name, or --limit")
    return 0


async def _find(text: str, limit: int, actor: Actor) -> tuple[list[FoundPerson], ZoneInfo]:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        hits = await search_people(db, text, region=runtime.settings.sms_region, limit=limit)
        await record(db, actor, AuditAction.PEOPLE_SEARCHED, "members", {"people": [hit.person_id for hit in hits]})
        return hits, ZoneInfo(runtime.settings.time_zone)


@click.command()
@click.argument("member_ids", metavar="[ID]...", nargs=-1)
@click.option("--from", "file", type=click.Path(path_type=Path), help="A list of leavers: CSV, XLSX, ODS or XLS.")
@click.option(
    "--on",
    "on",
    type=MOMENT,
    metavar="DATE",
    help="The day they left; default: today.",
)
@click.option("--undo", is_flag=True, help="They are back: take them in again.")
@dry_run_option
@yes_option
@actor_option
@json_option
def leave(
    member_ids: Sequence[str], file: Path | None, on: TypedDate | None, actor: Actor, *, undo: bool, dry_run: bool,
    yes: bool, as_json: bool,
) -> int:  # fmt: skip
    """Strike people off who have left, by their numbers or by a list.

    From DATE on they are in no audience and in no ballot that has not closed, and get nothing; what is queued for them
    is withdrawn. They stay in every count that is over. A list needs a column member_id, and may have one called
    left_on. A member file that still names them does not bring them back; --undo does. They are named first, and
    you are asked; a script says --yes, or wants --json.

    The exit status is 1 when nobody could be struck off.
    """
    if not member_ids and file is None:
        raise click.UsageError("Say who has left: their numbers, or --from FILE.")
    request = LeaveRequest(member_ids, file, on, actor, dry_run=dry_run)
    must_ask = not (dry_run or yes) and sys.stdin.isatty()
    if must_ask or not as_json:
        named = run(_named(request))
        _show_named(named, err=as_json)
        if named and must_ask:
            whom = "this person" if len(named) == 1 else f"these {len(named):,} people"
            click.confirm(f"Have {whom} back?" if undo else f"Strike {whom} off?", abort=True, err=as_json)
    if undo:
        back = run(_undo(request))
        if as_json:
            print_json({"returned": back, "dry_run": dry_run})
        else:
            returned = plural(len(back), "person is", "people are")
            click.echo(f"{returned} back: {', '.join(back)}" if back else "None of them had left.")
    else:
        left = run(_leave(request))
        if as_json:
            print_json(left.to_json() | {"dry_run": dry_run})
        else:
            _show_left(left)
    if dry_run:
        click.echo("This was a dry run: nothing was changed.", err=True)
    return 0 if undo else int(not (left.struck_off or left.to_come or left.known))


@dataclass(frozen=True, slots=True)
class LeaveRequest:
    """Members who are to leave or to return, and from when on, as typed."""

    member_ids: Sequence[str]
    file: Path | None
    on: TypedDate | None
    actor: Actor
    dry_run: bool


async def _named(request: LeaveRequest) -> list[PersonName]:
    """Find the members a request names, in its order; unknown numbers are left out."""
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        listed, _ = _listed(runtime, request.file, request.on)
        return await members_named(db, [*request.member_ids, *(leaver.member_id for leaver in listed)])


def _show_named(named: Sequence[PersonName], *, err: bool) -> None:
    for member in named[:MAX_NAMED]:
        click.echo(f"  {member}", err=err)
    if len(named) > MAX_NAMED:
        click.echo(f"  … and {len(named) - MAX_NAMED:,} more", err=err)


async def _undo(request: LeaveRequest) -> list[str]:
    async with open_session(pool_size=1) as runtime, all_or_nothing(runtime.pool, keep=not request.dry_run) as db:
        listed, _ = _listed(runtime, request.file, None)
        numbers = list(dict.fromkeys([*request.member_ids, *(leaver.member_id for leaver in listed)]))
        return await come_back(db, numbers, actor=request.actor, now=runtime.clock())


async def _leave(request: LeaveRequest) -> LeaversReport:
    async with open_session(pool_size=1) as runtime, all_or_nothing(runtime.pool, keep=not request.dry_run) as db:
        listed, problems = _listed(runtime, request.file, request.on)
        leavers = [*(Leaver(member_id, _day(runtime, request.on)) for member_id in request.member_ids), *listed]
        left = await record_leavers(db, leavers, actor=request.actor, now=runtime.clock())
        left.problems = sorted([*left.problems, *problems], key=lambda problem: problem.line)
        return left


def _listed(runtime: Runtime, file: Path | None, on: TypedDate | None) -> tuple[list[Leaver], list[Problem]]:
    if file is None:
        return [], []
    zone = ZoneInfo(runtime.settings.time_zone)
    return read_leavers(file, otherwise=_day(runtime, on), zone=zone)


def _day(runtime: Runtime, on: TypedDate | None) -> datetime:
    """Return the first moment of a day in our time zone; of today if none is given."""
    zone = ZoneInfo(runtime.settings.time_zone)
    day = (on.start(zone) if on else runtime.clock()).astimezone(zone)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def _show_left(left: LeaversReport) -> None:
    click.echo(f"struck off {left.struck_off:,} · on a day to come {left.to_come:,} · had left already {left.known:,}")
    if left.repeated:
        click.echo(f"named more than once: {left.repeated:,}")
    if left.struck_off:
        click.echo(f"{plural(left.ballots, 'ballot')} recounted · queued messages withdrawn: {left.withdrawn:,}")
    for problem in left.problems:
        if not problem.line:  # typed, not in a file
            click.echo(problem.message, err=True)
    show_problems([problem for problem in left.problems if problem.line])


@click.command()
@click.argument("who", metavar="ID...", nargs=-1, required=True)
@yes_option
@click.option("--may-return", is_flag=True, help="Write to them again if a member file brings them back.")
@actor_option
@json_option
def erase(who: Sequence[str], actor: Actor, *, yes: bool, may_return: bool, as_json: bool) -> None:
    """Erase people for good: names, addresses, what they were sent, what they said, and their raw mails.

    ID is their number or reference; or, for somebody in no member file, the phone number or mailbox they wrote from.
    What happened stays, under a number that leads to nobody, and so does every count: in a ballot that is open they
    stay an elector, and are a second one if a member file brings them back. What is queued for them is withdrawn. What
    they opted out of is kept as a keyed digest. If a member file brings them back they come in as somebody new and are
    not written to, unless you say --may-return, or: muster suppression lift ID

    Exports, backups and the receivers of your webhooks are yours to deal with: docs/retention.md.
    """
    confirm = None if yes else _confirm
    done = run(_erase(list(dict.fromkeys(who)), actor, confirm, may_return=may_return, quiet=as_json))
    if as_json:
        print_json(done)
        return
    for counts in done:
        click.echo(
            f"Erased. Emptied: messages {counts['messages'] + counts['archived_messages']:,} · "
            f"replies {counts['replies']:,} · texts, mails and presses as they came in {counts['inbound']:,}. "
            f"Queued messages withdrawn: {counts['withdrawn']:,}."
        )
    click.echo("Ask the receivers of your webhooks, and everybody who has an export or a backup, to do the same.")


async def _erase(
    who: Sequence[str], actor: Actor, confirm: Callable[[int], None] | None, *, may_return: bool, quiet: bool
) -> list[dict[str, int]]:
    async with open_session(pool_size=2) as runtime:
        people = [await erasure.look_for(runtime, name) for name in who]
        if not quiet:
            for person in people:
                _show_found(person)
        if confirm is not None:
            confirm(len(people))
        return [await erasure.erase(runtime, person, actor=actor, may_return=may_return) for person in people]


def _confirm(people: int) -> None:
    whom = "this person" if people == 1 else f"these {people:,} people"
    click.confirm(f"Erase {whom} for good? It cannot be undone", abort=True, err=True)


def _show_found(person: erasure.FoundTraces) -> None:
    traces, counts = person.traces, person.counts()
    click.echo(f"{traces.external_id or 'In no member file'}  {traces.name}".rstrip())
    for channel, address in traces.own:
        click.echo(f"  {channel:<6}{address}")
    for channel, address in traces.shared:
        click.echo(f"  {channel:<6}{address} (somebody else's too: it stays theirs)")
    click.echo(
        f"  messages {counts['messages']:,} · in the archive {counts['archived_messages']:,} · replies "
        f"{counts['replies']:,} · texts, mails and presses as they came in {counts['inbound']:,} · events for webhooks "
        f"{counts['webhook_events']:,}"
    )
