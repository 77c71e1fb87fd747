"""`muster messages`: find messages, see why each is where it is, decide about those that wait, archive what is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table

from campaigns.campaigns import get_campaign, name_of
from campaigns.people.people import find_person
from campaigns.people.search import who_has
from campaigns.people.suppressions import read_address
from campaigns.retention import (
    Due,
    YearHeld,
    alone,
    archive_campaign,
    check_due,
    due_campaigns,
    forget_year,
    last_close,
    waiting_messages,
    year_held,
)
from campaigns.said import Said, said_by, said_to
from messaging.db import Connection
from messaging.db.numbers import read_id
from messaging.errors import AddressError, Conflict, NotFound
from messaging.outbox.archive import Moved
from messaging.outbox.erasure import written_to_address
from messaging.outbox.held import resume_by_address
from messaging.outbox.history import Account, Event, Listed, account, history, list_messages, messages_of
from messaging.outbox.states import State, sentence
from messaging.plurals import plural
from messaging.runtime import Runtime
from muster.cli import settle
from muster.cli.actor import actor_option
from muster.cli.numbers import AFTER
from muster.cli.output import json_option, print_json
from muster.cli.session import open_session, run

Archived = list[tuple[Due, Moved]]


@dataclass(frozen=True, slots=True)
class Story:
    """A message, what happened to it, the name of its campaign, and what was said in answer to it."""

    message: Account
    events: list[Event]
    campaign: str | None
    answers: list[Said]


@click.group()
def command() -> None:
    """Find messages, see why each is where it is, decide about those that wait, archive what is over."""


@command.command()
@click.argument("who", metavar="PERSON|ADDRESS|MESSAGE")
@json_option
def why(who: str, *, as_json: bool) -> None:
    """Tell the whole history of a person's messages and of what they said, or of one message.

    PERSON is a membership number, ADDRESS a phone number in any notation or a mailbox, MESSAGE the number of a message
    as `muster messages list` shows it. Where a number is several of these, the person is meant before the address and
    the address before the message; write #123 for the message. Replies, claims and opt-outs stand with the message that
    they answer, in order of time; those that answer none come last.
    """
    stories, others, zone = run(_why(who))
    if as_json:
        told = [_to_json(one) for one in stories]
        told += [{"message_id": None, "answers": [asdict(one) for one in others]}] if others else []
        print_json(told, indent=True)
        return
    for one in stories:
        _tell(one, zone)
    if others:
        click.echo("In answer to no message:")
        for said in others:
            _tell_line(said, zone)
        click.echo()
    click.echo(f"Times are those of {zone.key}.")


@command.command("list")
@click.option("--campaign", "name", help="Only this campaign's.")
@click.option("--state", "states", multiple=True, type=click.Choice([one.value for one in State]), help="Only these.")
@click.option("--reason", help="Only those with this reason, such as opted_out.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@click.option("--after", default=0, type=AFTER, help="Go on after this message number.")
@json_option
def list_(
    name: str | None, states: Sequence[str], reason: str | None, *, limit: int, after: int, as_json: bool
) -> None:
    """List messages, oldest first; with --json one object a line."""
    listed = run(_list(name, [State(one) for one in states] or None, reason, limit=limit, after=after))
    if as_json:
        for one in listed:
            print_json(asdict(one))
        return
    _show(listed, more=len(listed) == limit)


@command.command()
@click.argument("sender")
def resume(sender: str) -> None:
    """Let SENDER send again after it was stopped, and try again what it was refused.

    SENDER is the number, name, MG… or mailbox that messages come from, as the alert and the campaign's status name it.
    """
    again = run(_resume(sender))
    click.echo(f"{sender} sends again; {plural(again, 'message')} refused for its sake will be tried again.")


command.add_command(settle.command, "settle")


@command.command()
@click.option("--campaign", "name", help="Only this campaign's.")
@click.option(
    "--before",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Of ballots that closed before this date, such as 2026-03-31; default: MUSTER_ARCHIVE_AFTER days ago.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be moved.")
@actor_option
@json_option
def archive(name: str | None, before: datetime | None, actor: str, *, dry_run: bool, as_json: bool) -> None:
    """Move the messages of campaigns that are over out of the way of those that are sent.

    Workers do this by themselves when nothing is being sent. Archived messages are still found by `why` and `list`, and
    every report stays as it is. It can be stopped at any time and goes on where it was.
    """
    before = before.replace(tzinfo=UTC) if before else None
    done = run(_archive(name, before, actor, dry_run=dry_run, told=not as_json))
    total = sum((moved for _, moved in done), Moved())
    if as_json:
        campaigns = [{"campaign": due.name, "ballot": due.ballot} | asdict(moved) for due, moved in done]
        print_json({"dry_run": dry_run, "campaigns": campaigns} | asdict(total))
        return
    if not done:
        click.echo("Nothing is old enough.")
        return
    click.echo(f"{plural(total.messages, 'message')} {'would be moved' if dry_run else 'moved'} into the archive.")


@command.command()
@click.option("--year", required=True, type=click.IntRange(1970, 9999), help="Of the steps' launch.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@actor_option
def forget(year: int, actor: str, *, yes: bool) -> None:
    """Delete the archived messages of a year and their history, for good.

    What became of them stays in every report as numbers; so do answers, replies, opt-outs and the audit. But nobody can
    be told any more why one of these messages did or did not reach them.
    """
    held = run(_held(year))
    if not yes:
        for name, messages in held.campaigns.items():
            click.echo(f"  {name}: {plural(messages, 'message')}")
        if held.still_hot:
            click.echo(f"{plural(held.still_hot, 'message')} of {year} not archived yet: those stay.")
        click.confirm(f"Delete {plural(held.messages, 'message')} of {year} for good?", abort=True)
    run(_forget(held, actor))
    click.echo(f"{plural(held.messages, 'message')} of {year} deleted.")


async def _why(who: str) -> tuple[list[Story], list[Said], ZoneInfo]:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        zone = ZoneInfo(runtime.settings.time_zone)
        meant = await _meant(db, who, runtime.settings.sms_region)
        if meant.alone:
            (message_id,) = meant.message_ids
            return [await _story(db, message_id, await said_to(db, message_id), zone)], [], zone
        said = await said_by(db, meant.person_ids, meant.message_ids, meant.addresses)
        if not (meant.message_ids or said):
            raise NotFound(
                f"No step launched so far had {who} in its audience, and they have said nothing.",
                remedy=f"See who they are with: muster people find {who}",
            )
        shown = set(meant.message_ids)
        stories = [
            await _story(db, message_id, [one for one in said if one.message_id == message_id], zone)
            for message_id in meant.message_ids
        ]
        return stories, [one for one in said if one.message_id not in shown], zone


async def _story(db: Connection, message_id: int, said: list[Said], zone: ZoneInfo) -> Story:
    message = await account(db, message_id, zone)
    return Story(message, await history(db, message_id, zone), await name_of(db, message.campaign_id), said)


@dataclass(frozen=True, slots=True)
class Meant:
    """Whom or what somebody asks about: one message alone, or people, with what was written to them."""

    message_ids: list[int]
    person_ids: list[int]
    addresses: list[tuple[str, str]]
    alone: bool = False


async def _meant(db: Connection, who: str, region: str) -> Meant:
    """A person by their number, whoever has an address or wrote from it, or the message with that number."""
    number = read_id(who)
    if who.startswith("#") and number is not None:
        return Meant([number], [], [], alone=True)
    try:
        person = await find_person(db, who)
    except NotFound:
        meant = await _at_address(db, who, region)
        if meant.message_ids or meant.person_ids or number is None:
            return meant
        return Meant([number], [], [], alone=True)
    return Meant(await messages_of(db, person.person_id), [person.person_id], [])


async def _at_address(db: Connection, who: str, region: str) -> Meant:
    """Everybody who has an address; nobody where it is none."""
    try:
        channel, address = read_address(who, region)
    except AddressError:
        if read_id(who) is not None:
            return Meant([], [], [])
        raise NotFound(
            f"Nobody has the membership number {who}.",
            remedy=f"It is no address either. Look the person up with: muster people find {who}",
        ) from None
    people = list(dict.fromkeys(one.person_id for one in await who_has(db, [(channel, address)])))
    if people:
        ids = [message_id for person_id in people for message_id in await messages_of(db, person_id)]
    else:
        ids = (await written_to_address(db, channel, address)).ids
    return Meant(ids, people, [(channel, address)])


async def _list(
    name: str | None, states: list[State] | None, reason: str | None, *, limit: int, after: int
) -> list[Listed]:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        campaign_id = (await get_campaign(db, name)).campaign_id if name else None
        return await list_messages(db, campaign_id=campaign_id, states=states, reason=reason, after=after, limit=limit)


async def _resume(sender: str) -> int:
    async with open_session(pool_size=1) as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            again = await resume_by_address(db, sender, now=runtime.clock())
        await runtime.wake("deliver")
        return again


async def _archive(name: str | None, before: datetime | None, actor: str, *, dry_run: bool, told: bool) -> Archived:
    async with open_session(pool_size=1) as runtime:
        now = runtime.clock()
        until = last_close(now, runtime.settings.archive_after, before)
        done: Archived = []
        async with _alone(runtime) as db:
            if name:
                await check_due(db, name, until)
            for due in await due_campaigns(db, until, name=name):
                if dry_run:
                    moved = Moved(messages=await waiting_messages(db, due))
                else:
                    moved = await archive_campaign(db, due, actor=actor, now=now)
                done.append((due, moved))
                if told:
                    closed = f"{due.ballot}, closed {due.closes_at:%Y-%m-%d}"
                    click.echo(f"  {due.name} ({closed}): {plural(moved.messages, 'message')}")
        return done


async def _held(year: int) -> YearHeld:
    async with open_session(pool_size=1) as runtime, _alone(runtime) as db:
        return await year_held(db, year)


async def _forget(held: YearHeld, actor: str) -> None:
    async with open_session(pool_size=1) as runtime, _alone(runtime) as db:
        if (await year_held(db, held.year)).campaigns != held.campaigns:
            raise Conflict(
                f"More messages of {held.year} have been archived since you were asked.", remedy="Look again."
            )
        await forget_year(db, held, actor=actor)


@asynccontextmanager
async def _alone(runtime: Runtime) -> AsyncIterator[Connection]:
    assert runtime.settings.database_url is not None
    async with alone(runtime.settings.database_url) as db:
        if db is None:
            raise Conflict("Somebody else is archiving messages just now.", remedy="Wait until they have finished.")
        yield db


def _tell(story: Story, zone: ZoneInfo) -> None:
    message = story.message
    way = f"by {message.channel} to {message.address} from {message.sender}" if message.channel else "to nobody"
    campaign = f"{story.campaign}, " if story.campaign else ""
    click.echo(f"Message {message.message_id}: {campaign}step {message.step}, {message.template}, {way}")
    click.echo(f"  {message.state}: {message.words}")
    if names := [*message.earlier_ids, *([message.provider_id] if message.provider_id else [])]:
        click.echo(f"  The provider calls it {', then '.join(names)}.")
    for happened in _in_order(story):
        _tell_line(happened, zone)
    click.echo()


def _in_order(story: Story) -> list[Event | Said]:
    """The events as they were written, each answer after the last one that is not later."""
    told: list[Event | Said] = list(story.events)
    for answer in reversed(story.answers):
        before = [place for place, event in enumerate(story.events) if event.at <= answer.at]
        told.insert(before[-1] + 1 if before else 0, answer)
    return told


def _tell_line(happened: Event | Said, zone: ZoneInfo) -> None:
    click.echo(f"  {happened.at.astimezone(zone):%Y-%m-%d %H:%M:%S}  {happened.source:<10}  {happened.words}")


def _to_json(story: Story) -> dict[str, Any]:
    history = [asdict(event) for event in story.events]
    answers = [asdict(one) for one in story.answers]
    return asdict(story.message) | {"campaign": story.campaign, "history": history, "answers": answers}


def _show(listed: Sequence[Listed], *, more: bool) -> None:
    if not listed:
        click.echo("There are no such messages.")
        return
    table = Table(box=None, pad_edge=False)
    for header in ("message", "step", "channel", "address", "state", "why"):
        table.add_column(header)
    for one in listed:
        table.add_row(
            str(one.message_id),
            str(one.position),
            one.channel or "",
            one.address or "",
            one.state,
            sentence(one.reason),
        )
    Console().print(table)
    if more:
        click.echo(f"There may be more: --after {listed[-1].message_id}")
