"""Addressing of a step: recipient and channel choice, with a reason for everybody who gets nothing.

Each person gets one address and each address one person. People are taken in the order of their ids. Each gets the
first of their addresses that nobody else in the step has and that is not suppressed: channels in the step's order, then
addresses in the member file's. So a household's shared phone gets one message, and others who live there get theirs by
email where they have one.

There is one exception. A message about a person's own date is never left out because an address is shared: if others
have all of their addresses already, it goes to the first of these.

The preview and the launch both use this module, so the launch does what the preview said.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.audience import Audience
from campaigns.launching_step import LaunchingStep
from campaigns.person_dates import DatedWhen, Due, dated_when, read_dues
from core.db import Connection, load_queries
from messaging.reasons import Reason
from messaging.states import State

SQL: Final = load_queries(__file__)

PAGE_SIZE: Final = 10_000
"""People on a page: enough that round trips do not matter, few enough that little is redone after a crash."""


@dataclass(frozen=True, slots=True)
class CandidateAddress:
    """Contact point of a person as a launch sees it, which chooses one of them.

    Attributes:
        channel: `sms` or `email`.
        address: normalised.
        suppressed: why nothing may be sent there; None if it may.
    """

    channel: str
    address: str
    suppressed: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Person in the audience of a step.

    Attributes:
        person_id: their id.
        answered: whether they have met the goal of the step.
        blocked: why nothing at all may be sent to them; None if it may.
        addresses: in order of preference.
    """

    person_id: int
    answered: bool
    blocked: str | None
    addresses: list[CandidateAddress]


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision for a person: an address and `queued`; or no address, `skipped` or `suppressed`, and the reason.

    Attributes:
        due: when the message is due, if the step's messages are due by a date of each person; else None.
    """

    person_id: int
    channel: str | None
    address: str | None
    state: State
    reason: str | None
    due: Due | None = None


async def decide(
    db: Connection, step: LaunchingStep, audience: Audience, *, after: int, written: bool, now: datetime
) -> AsyncGenerator[list[Decision], None]:
    """Decide for an audience, a page of people at a time.

    Args:
        db: a connection.
        step: the step.
        audience: the people to decide for; earlier ones take addresses first.
        after: the last person already decided for.
        written: whether the caller writes each page to the outbox before it requests the next but one. Then only the
            last page's addresses are kept, and a million people need no more memory than ten thousand.
        now: the time, by which dates of people are past.
    """
    taken: set[tuple[str, str]] = set()
    when = dated_when(step.spec, step.position) if step.dated else None
    while people := await audience.page(db, after=after, limit=PAGE_SIZE):
        after = people[-1]
        page = await list_candidates(
            db, people=people, channels=step.channels, goal_id=step.goal_id, purpose=step.purpose
        )
        taken |= await find_taken_addresses(db, step.step_id, page)
        decisions = assign_addresses(page, taken, await find_dues(db, step, when, people, now) if when else None)
        yield decisions
        if written:
            taken = {
                (decision.channel, decision.address) for decision in decisions if decision.channel and decision.address
            }


async def find_dues(
    db: Connection, step: LaunchingStep, when: DatedWhen, people: Sequence[int], now: datetime
) -> dict[int, Due]:
    """Read when the messages of some people are due; arguments as of `decide`."""
    zone, since = ZoneInfo(step.subject.time_zone), step.launched_at or now
    return await read_dues(db, when, people, zone=zone, since=since, now=now)


async def list_candidates(
    db: Connection, *, people: Sequence[int], channels: Sequence[str], goal_id: int | None, purpose: str
) -> list[Candidate]:
    """Load the details that `assign_addresses` needs for a page of people.

    Args:
        db: a connection.
        people: ids, any number.
        channels: the step's, in order of preference.
        goal_id: the goal of the step.
        purpose: `service` or `marketing`: a suppression may be for marketing only.
    """
    by_person: dict[int, Candidate] = {}
    for person_id, answered, blocked, channel, address, suppressed in await db.fetch(
        SQL["list_candidates"], people, channels, goal_id, purpose
    ):
        person = by_person.get(person_id)
        if person is None:
            person = by_person[person_id] = Candidate(person_id, answered, blocked, [])
        if address is not None:
            person.addresses.append(CandidateAddress(channel, address, suppressed))
    return list(by_person.values())


async def find_taken_addresses(db: Connection, step_id: int, people: Iterable[Candidate]) -> set[tuple[str, str]]:
    """Return which of these people's addresses (with their channels) a step has used already."""
    theirs = [address for person in people for address in person.addresses]
    rows = await db.fetch(
        SQL["list_taken_addresses"],
        step_id,
        [address.channel for address in theirs],
        [address.address for address in theirs],
    )
    return {(row["channel"], row["address"]) for row in rows}


def assign_addresses(
    people: Iterable[Candidate], taken: set[tuple[str, str]], dues: Mapping[int, Due] | None = None
) -> list[Decision]:
    """Decide for each person.

    Args:
        people: the people; earlier ones take addresses first.
        taken: channel and address of messages decided before; those decided now are added.
        dues: when each person's message is due, if that depends on their dates; people without a date take no address.
    """
    if dues is None:
        return [_decide(person, taken) for person in people]
    return [
        _decide_by_date(person, taken, dues.get(person.person_id) or Due("", reason=Reason.NO_DATE))
        for person in people
    ]


def _decide_by_date(person: Candidate, taken: set[tuple[str, str]], due: Due) -> Decision:
    if due.reason is not None and not person.answered and person.blocked is None:
        return replace(_nothing(person, State.SKIPPED, due.reason), due=due)
    return replace(_decide(person, taken, shares=True), due=due)


def _decide(person: Candidate, taken: set[tuple[str, str]], *, shares: bool = False) -> Decision:
    if person.answered:
        return _nothing(person, State.SKIPPED, Reason.ANSWERED)
    if person.blocked is not None:
        return _nothing(person, State.SUPPRESSED, person.blocked)
    allowed = [address for address in person.addresses if address.suppressed is None]
    free = [address for address in allowed if (address.channel, address.address) not in taken]
    if chosen := free or (allowed if shares else []):
        address = chosen[0]
        taken.add((address.channel, address.address))
        return Decision(person.person_id, address.channel, address.address, State.QUEUED, None)
    if allowed:
        return _nothing(person, State.SKIPPED, Reason.SHARED_ADDRESS)
    if person.addresses:
        return _nothing(person, State.SUPPRESSED, str(person.addresses[0].suppressed))
    return _nothing(person, State.SKIPPED, Reason.NO_ADDRESS)


def _nothing(person: Candidate, state: State, reason: str) -> Decision:
    return Decision(person.person_id, None, None, state, reason)
