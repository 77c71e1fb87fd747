"""`muster messages`: list messages, explain their state, decide about those in manual review, archive old ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from campaigns.campaigns import get_campaign
from campaigns.retention import (
    ArchiveYear,
    DueCampaign,
    archive_campaign,
    check_due,
    delete_year_at_once,
    due_campaigns,
    last_close,
    retention_lock,
    summarise_year,
    waiting_messages,
)
from core.access import Actor
from core.audit import AuditAction, record
from core.db import Connection
from core.errors import Conflict
from core.plurals import plural
from core.runtime import Runtime
from core.spec_errors import near_miss
from messaging.outbox.archive import ArchiveCounts
from messaging.outbox.history import MessageLine, list_messages
from messaging.outbox.senders import resume_by_address
from messaging.outbox.transactional import KINDS, MessageKind
from messaging.reasons import Reason, sentence
from messaging.states import State
from muster.cli import settle, why
from muster.cli.moments import MOMENT, TypedDate
from muster.cli.noun import Noun
from muster.cli.numbers import AFTER
from muster.cli.options import actor_option, campaign_option, dry_run_option, json_option, limit_option, yes_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run
from people.people import PersonName, names_of
from webhooks.members.page_views import PageViews

Archived = list[tuple[DueCampaign, ArchiveCounts]]


def _known_reason(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Check that messages can have this reason.

    Raises:
        click.BadParameter: no message can.
    """
    if value is None or value in set(Reason):
        return value
    hint = near_miss(value, Reason) or f"; it is one of {', '.join(sorted(Reason))}"
    raise click.BadParameter(f"{value!r} is no reason{hint}")


@click.group(cls=Noun)
def command() -> None:
    """Find messages, explain the state of each, decide about those in manual review, archive old ones."""


@command.command("list")
@campaign_option
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State]),
    help="Only messages in this state; may be repeated.",
)
@click.option("--reason", callback=_known_reason, help="Only messages with this reason, such as opted_out.")
@limit_option(100)
@click.option("--after", default=0, type=AFTER, help="Only messages with a higher number than this one.")
@actor_option
@json_option
def list_(
    campaign: str | None,
    states: Sequence[str],
    reason: str | None,
    actor: Actor,
    *,
    limit: int,
    after: int,
    as_json: bool,
) -> None:
    """List messages, oldest first; with --json one object a line."""
    chosen = [State(state) for state in states] or None
    listed, names = run(_list(campaign, chosen, reason, actor, limit=limit, after=after))
    if as_json:
        for message in listed:
            print_json(asdict(message) | names[message.person_id].to_json())
        return
    _show(listed, names, more=len(listed) == limit)


@command.command()
@click.argument("sender")
@actor_option
def resume(sender: str, actor: Actor) -> None:
    """Resume SENDER after it was stopped, and try its refused messages again.

    SENDER is the number, name, MG… or mailbox that messages come from, as the alert and the campaign's status name it.
    """
    again = run(_resume(sender, actor))
    click.echo(f"{sender} sends again; {plural(again, 'message')} refused because of it will be tried again.")


command.add_command(why.command, "why")
command.add_command(settle.command, "settle")


@command.command()
@campaign_option
@click.option(
    "--before",
    type=MOMENT,
    metavar="DATE",
    help="Of campaigns about what closed before this date, such as 2026-03-31; default: MUSTER_ARCHIVE_AFTER days ago.",
)
@dry_run_option
@actor_option
@json_option
def archive(campaign: str | None, before: TypedDate | None, actor: Actor, *, dry_run: bool, as_json: bool) -> None:
    """Move the messages of campaigns that are over into the archive.

    Workers do this by themselves when nothing is being sent. Archived messages are still found by `why` and `list`, and
    every report stays as it is. It can be stopped at any time and goes on where it was.
    """
    done = run(_archive(campaign, before, actor, dry_run=dry_run, is_announced=not as_json))
    total = sum((moved for _, moved in done), ArchiveCounts())
    if as_json:
        campaigns = [{"campaign": due.name, due.subject.kind: due.subject.name} | asdict(moved) for due, moved in done]
        print_json({"dry_run": dry_run, "campaigns": campaigns} | asdict(total))
        return
    if not done:
        click.echo("Nothing is old enough.")
        return
    click.echo(f"{plural(total.messages, 'message')} {'would be moved' if dry_run else 'moved'} into the archive.")


@command.command()
@click.option(
    "--year", required=True, type=click.IntRange(1970, 9999), help="The year in which their steps were launched."
)
@yes_option
@actor_option
def delete(year: int, actor: Actor, *, yes: bool) -> None:
    """Delete the archived messages of a year and their history, for good.

    What became of them stays in every report as numbers; so do answers, replies, opt-outs and the audit. But nobody can
    be told any more why one of these messages did or did not reach them.
    """
    archive_year = run(_archive_of(year))
    if not yes:
        for name, messages in archive_year.campaigns.items():
            click.echo(f"  {name}: {plural(messages, 'message')}")
        if archive_year.not_archived:
            click.echo(f"{plural(archive_year.not_archived, 'message')} of {year} not archived yet: those stay.")
        click.confirm(f"Delete {plural(archive_year.messages, 'message')} of {year} for good?", abort=True)
    run(_delete(archive_year, actor))
    click.echo(f"{plural(archive_year.messages, 'message')} of {year} deleted.")


async def _list(
    name: str | None, states: list[State] | None, reason: str | None, actor: Actor, *, limit: int, after: int
) -> tuple[list[MessageLine], Mapping[int | None, PersonName]]:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        campaign_id = (await get_campaign(db, name)).campaign_id if name else None
        listed = await list_messages(
            db, campaign_id=campaign_id, states=states, reason=reason, after=after, limit=limit
        )
        people = sorted({message.person_id for message in listed if message.person_id is not None})
        detail = {"campaign": name, "after": after, "shown": len(listed), "people": people}
        await record(db, actor, AuditAction.PEOPLE_SEEN, "messages", detail)
        return listed, await names_of(db, {message.person_id for message in listed})


async def _resume(sender: str, actor: Actor) -> int:
    async with open_session(pool_size=1) as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            again = await resume_by_address(db, sender, actor=actor, now=runtime.clock())
        await runtime.wake("deliver")
        return again


async def _archive(
    name: str | None, before: TypedDate | None, actor: Actor, *, dry_run: bool, is_announced: bool
) -> Archived:
    async with open_session(pool_size=1) as runtime:
        now, zone = runtime.clock(), ZoneInfo(runtime.settings.time_zone)
        until = last_close(now, runtime.settings.archive_after, before.start(zone) if before else None)
        done: Archived = []
        async with _alone(runtime) as db:
            if name:
                await check_due(db, name, until)
            for due in await due_campaigns(db, until, name=name):
                if dry_run:
                    moved = ArchiveCounts(messages=await waiting_messages(db, due))
                else:
                    moved = await archive_campaign(db, due, PageViews(), actor=actor, now=now)
                done.append((due, moved))
                if is_announced:
                    ended = "closed" if due.subject.closes_at else "over"
                    closed = f"{due.subject.name}, {ended} {due.over_at.astimezone(zone):%Y-%m-%d}"
                    click.echo(f"  {due.name} ({closed}): {plural(moved.messages, 'message')}")
        return done


async def _archive_of(year: int) -> ArchiveYear:
    async with open_session(pool_size=1) as runtime, _alone(runtime) as db:
        return await summarise_year(db, year)


async def _delete(archive_year: ArchiveYear, actor: Actor) -> None:
    async with open_session(pool_size=1) as runtime, _alone(runtime) as db:
        if (await summarise_year(db, archive_year.year)).campaigns != archive_year.campaigns:
            raise Conflict(
                f"More messages of {archive_year.year} have been archived since you were asked.", remedy="Look again."
            )
        await delete_year_at_once(db, archive_year, actor=actor)


@asynccontextmanager
async def _alone(runtime: Runtime) -> AsyncIterator[Connection]:
    assert runtime.settings.database_url is not None
    async with retention_lock(runtime.settings.database_url) as db:
        if db is None:
            raise Conflict("Somebody else is archiving messages just now.", remedy="Wait until they have finished.")
        yield db


def _show(listed: Sequence[MessageLine], names: Mapping[int | None, PersonName], *, more: bool) -> None:
    if not listed:
        click.echo("There are no such messages.")
        return
    table = Table(box=None, pad_edge=False)
    for header in ("message", "number", "name", "step", "channel", "address", "state", "why"):
        table.add_column(header, overflow="fold")
    for message in listed:
        table.add_row(
            str(message.message_id),
            Text(names[message.person_id].external_id or ""),
            Text(names[message.person_id].name),
            str(message.position or KINDS[MessageKind(message.kind or MessageKind.TEST)]),
            message.channel or "",
            Text(message.address or ""),
            message.state,
            sentence(message.reason),
        )
    Console().print(table)
    if more:
        click.echo(f"There may be more: --after {listed[-1].message_id}")
