"""`muster messages why`: the history of everything sent to and received from a person, with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import click

from campaigns.campaigns import name_of
from campaigns.person_dates import written_date
from campaigns.replies.answer_history import AnswerEvent, answers_by, answers_to
from campaigns.skipped_steps import SkippedStep, skipped_steps
from core.access import Actor
from core.audit import AuditAction, record
from core.control_characters import without_controls
from core.db import Connection
from core.db.numbers import read_id
from core.errors import AddressError, NotFound
from core.runtime import Runtime
from core.typed_address import read_address
from messaging.outbox.erasure import written_to_address
from messaging.outbox.history import (
    HistoryEvent,
    MessageStatus,
    find_history,
    message_status,
    messages_of,
    messages_to_nobody,
)
from messaging.outbox.transactional import KINDS, MessageKind
from messaging.reasons import Reason
from muster.cli.options import actor_option, json_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run
from people.people import PersonName, find_person, names_of
from people.search import find_holders


@dataclass(frozen=True, slots=True)
class MessageStory:
    """Message with its recipient, its history, its campaign's name, the answers to it, and an unreadable date."""

    message: MessageStatus
    person: PersonName
    events: list[HistoryEvent]
    campaign: str | None
    answers: list[AnswerEvent]
    date: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PersonHistory:
    """History of a person, or of an address, as the command shows it.

    Attributes:
        stories: the messages, grouped by person, each person's latest first.
        people: the people the query means, each with the steps that have no message for them.
        others: what they said that answers none of the messages.
        zone: the time zone that times are shown in.
        note: how the query was understood, if that is not obvious.
    """

    stories: list[MessageStory]
    people: list[tuple[PersonName, list[SkippedStep]]]
    others: list[AnswerEvent]
    zone: ZoneInfo
    note: str = ""


@click.command()
@click.argument("who", nargs=-1, required=True, metavar="PERSON|ADDRESS|MESSAGE")
@actor_option
@json_option
def command(who: Sequence[str], actor: Actor, *, as_json: bool) -> None:
    """Tell the whole history of a person's messages and of what they said, or of one message.

    PERSON is a number or reference in your member file, ADDRESS a phone number in any notation or a mailbox, and
    MESSAGE the number of a message as `muster messages list` shows it. If a number is several of these, the person
    is meant before the address and the address before the message; write #123 for the message. Replies, claims and
    opt-outs stand with the message that they answer, in order of time; those that answer none come last. Steps that
    have no message for them are named with the reason, or with the time they are planned for.
    """
    whole = run(_why(" ".join(who), actor))
    if as_json:
        print_json(_to_json(whole), indent=True)
        return
    if whole.note:
        click.echo(whole.note)
    untold = {person: steps for person, steps in whole.people if steps}
    for person, stories in groupby(whole.stories, key=lambda story: story.person):
        click.secho(str(person), bold=True)
        for story in stories:
            _show_story(story, whole.zone)
        _show_skipped_steps(untold.pop(person, []))
    for person, steps in untold.items():
        click.secho(str(person), bold=True)
        _show_skipped_steps(steps)
    if whole.others:
        click.echo("In answer to no message:")
        for event in whole.others:
            _show_line(event, whole.zone)
        click.echo()
    click.echo(f"Times are those of {whole.zone.key}.")


async def _why(who: str, actor: Actor) -> PersonHistory:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        whole = await _history_of(runtime, db, who)
        seen = sorted({story.message.person_id for story in whole.stories if story.message.person_id is not None})
        await record(db, actor, AuditAction.PEOPLE_SEEN, "history of messages", {"people": seen})
        return whole


async def _history_of(runtime: Runtime, db: Connection, who: str) -> PersonHistory:
    zone = ZoneInfo(runtime.settings.time_zone)
    if who.startswith("#") and (message_id := read_id(who)) is not None:
        return await _of_message(db, message_id, zone)
    try:
        person = await find_person(db, who)
    except NotFound as nobody:
        whole = await _by_address(runtime, db, who, zone, nobody)
        return whole or await _by_number(db, who, zone, nobody)
    return await _of_people(runtime, db, [person.person_id], [], zone) or _refuse(who)


def _refuse(who: str) -> NoReturn:
    """Raise the error for a person without any history.

    Raises:
        NotFound: always.
    """
    raise NotFound(
        f"Nothing was sent to {who}, they have said nothing, and there is no campaign that could ask them.",
        remedy=f"See who they are with: muster people find {who}",
    )


async def _of_people(
    runtime: Runtime, db: Connection, person_ids: Sequence[int], addresses: Sequence[tuple[str, str]], zone: ZoneInfo
) -> PersonHistory | None:
    """Collect the history of some people, or of an address that nobody has any longer; None if there is none."""
    if person_ids:
        ids = [message_id for person_id in person_ids for message_id in await messages_of(db, person_id)]
        ids += [message_id for place in addresses for message_id in await messages_to_nobody(db, *place)]
    else:
        ids = [message_id for place in addresses for message_id in (await written_to_address(db, *place)).ids]
    answers = await answers_by(db, person_ids, ids, addresses)
    names = await names_of(db, person_ids)
    people = [
        (names[person_id], await skipped_steps(db, person_id, now=runtime.clock(), zone=zone))
        for person_id in person_ids
    ]
    if not (ids or answers or any(steps for _, steps in people)):
        return None
    shown = set(ids)
    stories = [
        await _story(db, message_id, [answer for answer in answers if answer.message_id == message_id], zone)
        for message_id in ids
    ]
    return PersonHistory(stories, people, [answer for answer in answers if answer.message_id not in shown], zone)


async def _by_address(
    runtime: Runtime, db: Connection, who: str, zone: ZoneInfo, nobody: NotFound
) -> PersonHistory | None:
    """Collect the history of the people who have or had an address; None if digits are no address or an unknown one.

    Raises:
        NotFound: it is neither an address nor a message's number, or it is a mailbox or international number that is
            unknown.
    """
    try:
        channel, address = read_address(who, runtime.settings.sms_region)
    except AddressError:
        if read_id(who) is not None:
            return None
        raise NotFound(
            nobody.message,
            remedy=nobody.remedy or f"It is no address either. Look the person up with: muster people find {who}",
        ) from None
    people = list(dict.fromkeys(holder.person_id for holder in await find_holders(db, [(channel, address)])))
    whole = await _of_people(runtime, db, people, [(channel, address)], zone)
    if whole is None and people:
        _refuse(who)
    # written like a phone number, not like a message's number, and close to nobody's membership number
    if whole is None and (read_id(who) is None or (who.startswith("0") and not nobody.remedy)):
        kind = "phone number" if channel == "sms" else "mailbox"
        raise NotFound(
            f"Nobody has the number or the {kind} {who}, nothing was sent there, and nothing came from it.",
            remedy=f"Look the person up with: muster people find {who}",
        )
    return whole


async def _by_number(db: Connection, who: str, zone: ZoneInfo, nobody: NotFound) -> PersonHistory:
    """Collect the history of the message with that number, unless a person's number was probably meant.

    Raises:
        NotFound: it has leading zeros, a membership number is close to it, or there is no such message.
    """
    message_id = read_id(who)
    if nobody.remedy:
        raise NotFound(nobody.message, remedy=f"{nobody.remedy} For the message with that number, write #{message_id}.")
    if message_id is None or str(message_id) != who:
        raise NotFound(nobody.message, remedy=f"Look the person up by name or address: muster people find {who}")
    try:
        whole = await _of_message(db, message_id, zone)
    except NotFound:
        raise NotFound(
            nobody.message,
            remedy="No message has that number either. Look the person up by name or address with: muster people find",
        ) from None
    return PersonHistory(whole.stories, [], [], zone, f"{nobody.message} This is the message #{who}.")


async def _of_message(db: Connection, message_id: int, zone: ZoneInfo) -> PersonHistory:
    return PersonHistory([await _story(db, message_id, await answers_to(db, message_id), zone)], [], [], zone)


async def _story(db: Connection, message_id: int, answers: list[AnswerEvent], zone: ZoneInfo) -> MessageStory:
    message = await message_status(db, message_id, zone)
    names = await names_of(db, [message.person_id])
    person = names[message.person_id]
    return MessageStory(
        message,
        person,
        await find_history(db, message_id, zone),
        await name_of(db, message.campaign_id) if message.campaign_id is not None else None,
        answers,
        await written_date(db, message_id) if message.reason == Reason.UNREADABLE_DATE else None,
    )


def _show_story(story: MessageStory, zone: ZoneInfo) -> None:
    message = story.message
    route = f"by {message.channel} to {message.address} from {message.sender}" if message.channel else "to nobody"
    campaign = f"{story.campaign}, " if story.campaign else ""
    what = f"{campaign}step {message.step}, {message.template}"
    if message.kind is not None:
        what = f"{KINDS[MessageKind(message.kind)]}, asked for by {message.asked_by}"
    click.echo(f"Message {message.message_id}: {what}, {route}")
    if message.says:
        click.echo(f"  It says: {' '.join(without_controls(message.says).split())}")
    click.echo(f"  {message.state}: {message.words}")
    if story.date is not None:
        attribute, text = story.date
        click.echo(f"  Their {attribute} is “{' '.join(without_controls(text).split())}”.")
    if names := [*message.earlier_ids, *([message.provider_id] if message.provider_id else [])]:
        click.echo(f"  The provider calls it {', then '.join(names)}.")
    for happened in _in_order(story):
        _show_line(happened, zone)
    click.echo()


def _show_skipped_steps(steps: Sequence[SkippedStep]) -> None:
    for step in steps:
        click.echo(f"No message: {step.campaign}, step {step.step}, {step.template}\n  {step.words}")
    if steps:
        click.echo()


def _in_order(story: MessageStory) -> list[HistoryEvent | AnswerEvent]:
    """Return the events as recorded, each answer after the last event that is not later than it."""
    events: list[HistoryEvent | AnswerEvent] = list(story.events)
    for answer in reversed(story.answers):
        before = [place for place, event in enumerate(story.events) if event.at <= answer.at]
        events.insert(before[-1] + 1 if before else 0, answer)
    return events


def _show_line(happened: HistoryEvent | AnswerEvent, zone: ZoneInfo) -> None:
    click.echo(f"  {happened.at.astimezone(zone):%Y-%m-%d %H:%M:%S}  {happened.source:<10}  {happened.words}")


def _to_json(whole: PersonHistory) -> list[dict[str, Any]]:
    """List the messages, then the steps without one, then what answers no message."""
    entries = [
        asdict(story.message)
        | story.person.to_json()
        | {
            "campaign": story.campaign,
            "history": [asdict(event) for event in story.events],
            "answers": [asdict(answer) for answer in story.answers],
        }
        for story in whole.stories
    ]
    entries += [
        {"message_id": None, **person.to_json(), **asdict(step)} for person, steps in whole.people for step in steps
    ]
    entries += [{"message_id": None, "answers": [asdict(answer) for answer in whole.others]}] if whole.others else []
    return entries
