"""`muster messages`: find messages, see why each is where it is, and decide about those that wait for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import ZoneInfo

import click
import orjson
from rich.console import Console
from rich.table import Table

from campaigns.campaigns import get_campaign, name_of
from campaigns.people.people import find_person
from messaging.db import Connection
from messaging.errors import NotFound
from messaging.outbox.held import resume_by_address, settle_held
from messaging.outbox.history import Account, Event, Listed, account, history, list_messages, messages_of
from messaging.outbox.states import State, sentence
from muster.cli.actor import this_user
from muster.cli.session import open_session, run


@dataclass(frozen=True, slots=True)
class Story:
    """A message, what happened to it, and the name of its campaign."""

    message: Account
    events: list[Event]
    campaign: str | None


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")


@click.group()
def command() -> None:
    """Find messages, see why each is where it is, and decide about those that wait."""


@command.command()
@click.argument("who", metavar="PERSON|MESSAGE")
@_json
def why(who: str, *, as_json: bool) -> None:
    """Tell the whole history of a person's messages, or of one message.

    PERSON is a membership number, MESSAGE the number of a message as `muster messages list` shows it. Where a number is
    both, the person is meant; write #123 for the message.
    """
    stories, zone = run(_why(who))
    if as_json:
        click.echo(orjson.dumps([_to_json(one) for one in stories], option=orjson.OPT_INDENT_2).decode())
        return
    for one in stories:
        _tell(one, zone)
    click.echo(f"Times are those of {zone.key}.")


@command.command("list")
@click.option("--campaign", "name", help="Only this campaign's.")
@click.option("--state", "states", multiple=True, type=click.Choice([one.value for one in State]), help="Only these.")
@click.option("--reason", help="Only those with this reason, such as opted_out.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@click.option("--after", default=0, help="Go on after this message number.")
@_json
def list_(
    name: str | None, states: Sequence[str], reason: str | None, *, limit: int, after: int, as_json: bool
) -> None:
    """List messages, oldest first; with --json one object a line."""
    listed = run(_list(name, [State(one) for one in states] or None, reason, limit=limit, after=after))
    if as_json:
        for one in listed:
            click.echo(orjson.dumps(asdict(one)).decode())
        return
    _show(listed, more=len(listed) == limit)


@command.command()
@click.argument("sender")
def resume(sender: str) -> None:
    """Let SENDER send again after it was stopped, and try again what it was refused."""
    again = run(_resume(sender))
    click.echo(f"{sender} sends again; {_messages(again)} refused for its sake will be tried again.")


@command.command()
@click.option("--as", "decision", required=True, type=click.Choice(["sent", "unsent"]), help="What to take them for.")
@click.option("--actor", default=this_user, help="Who decides, for the record; default: your user name here.")
def settle(decision: str, actor: str) -> None:
    """Decide about messages that are held because nobody can say whether they were sent.

    `sent` counts them as sent; `unsent` sends them again, emails with the same Message-ID.
    """
    settled = run(_settle(again=decision == "unsent", actor=actor))
    click.echo(f"{_messages(settled)} {'to be sent again' if decision == 'unsent' else 'taken for sent'}.")


async def _why(who: str) -> tuple[list[Story], ZoneInfo]:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        zone = ZoneInfo(runtime.settings.time_zone)
        return [await _story(db, message_id, zone) for message_id in await _meant(db, who)], zone


async def _story(db: Connection, message_id: int, zone: ZoneInfo) -> Story:
    message = await account(db, message_id, zone)
    return Story(message, await history(db, message_id, zone), await name_of(db, message.campaign_id))


async def _meant(db: Connection, who: str) -> list[int]:
    """The messages somebody asks about: a person's, or the one with that number."""
    number = who.removeprefix("#")
    if who.startswith("#") and number.isdigit():
        return [int(number)]
    try:
        person = await find_person(db, who)
    except NotFound:
        if number.isdigit():
            return [int(number)]
        raise
    ids = await messages_of(db, person.person_id)
    if not ids:
        raise NotFound(
            f"No step launched so far had {who} in its audience.",
            remedy=f"See who they are with: muster people show {who}",
        )
    return ids


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


async def _settle(*, again: bool, actor: str) -> int:
    async with open_session(pool_size=1) as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            settled = await settle_held(db, again=again, actor=actor, now=runtime.clock())
        await runtime.wake("deliver")
        return settled


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count:,} messages"


def _tell(story: Story, zone: ZoneInfo) -> None:
    message = story.message
    way = f"by {message.channel} to {message.address} from {message.sender}" if message.channel else "to nobody"
    campaign = f"{story.campaign}, " if story.campaign else ""
    click.echo(f"Message {message.message_id}: {campaign}step {message.step}, {message.template}, {way}")
    click.echo(f"  {message.state}: {message.words}")
    if names := [*message.earlier_ids, *([message.provider_id] if message.provider_id else [])]:
        click.echo(f"  The provider calls it {', then '.join(names)}.")
    for event in story.events:
        click.echo(f"  {event.at.astimezone(zone):%Y-%m-%d %H:%M:%S}  {event.source:<10}  {event.words}")
    click.echo()


def _to_json(story: Story) -> dict[str, Any]:
    history = [asdict(event) for event in story.events]
    return asdict(story.message) | {"campaign": story.campaign, "history": history}


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
