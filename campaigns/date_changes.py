"""Follow the dates of people: move, withdraw and add messages of steps that are due by a date of each person.

A trigger records every change of a person in the transaction that makes it (`date_change`). The record is deleted in
the transaction that changes the messages. So nothing is lost, whichever process is killed. A worker reads the records
each second. Once an hour it compares everybody with their message, because an audience also changes by other things,
such as earlier messages. The lock of a step's launch keeps launch and changes apart. A message that was sent stays as
it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import structlog

from campaigns.addressing import Candidate, Decision, assign_addresses, find_dues, find_taken_addresses, list_candidates
from campaigns.audience import Audience, step_audience
from campaigns.person_dates import DatedWhen, Due, dated_when
from campaigns.step_lock import lock_step, raise_step_alert
from campaigns.step_messages import PlacedStep, find_placed_step, place_messages, recipients_query, used_variables
from core.alerts import resolve_alert
from core.db import Connection, load_queries
from core.db.away import is_away
from core.errors import Conflict, MusterError, Unavailable
from core.plurals import plural
from core.runtime import Runtime
from messaging.outbox.dated_messages import (
    DatedMessage,
    lock_messages,
    note_late_moves,
    note_moves_back,
    refresh_variables,
    update_messages,
)
from messaging.reasons import Reason
from messaging.states import State
from people.people_lock import lock_people_shared

SQL: Final = load_queries(__file__)
log = structlog.get_logger(__name__)

PAGE_SIZE: Final = 2_000
"""People looked at in one transaction; workers that record outcomes of their messages wait for its end."""
COMPARE_EVERY: Final = timedelta(hours=1)
"""How often everybody is compared with their message; the first time `COMPARE_FIRST` after the launch."""
COMPARE_FIRST: Final = timedelta(minutes=1)
"""Time from a launch until everybody is compared for the first time."""

_NOT_FOLLOWED: Final = "Messages that are due by dates of people cannot be moved or added"
_OF_ONE: Final = (asyncpg.RaiseError, asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, ValueError)
"""Errors that one person's details, or one message, can cause for everybody looked at in the same transaction."""
_MAX_SOUGHT_PEOPLE: Final = 20
"""Most people with such errors to search for at a time, because each costs many attempts."""
_MAY_COME_BACK: Final = frozenset(
    {
        Reason.NO_DATE, Reason.UNREADABLE_DATE, Reason.PAST_DATE, Reason.LATER_REMINDER, Reason.LEFT_AUDIENCE,
        Reason.NO_ADDRESS, Reason.SHARED_ADDRESS, Reason.DATE_MOVED_BACK, Reason.ADDRESS_CHANGED,
    }
)  # fmt: skip
"""Reasons that end when a person's details change; after other reasons a message comes back for another date only."""
_OF_TIME: Final = frozenset({Reason.PAST_DATE, Reason.LATER_REMINDER})
"""Reasons that can come to hold by time alone, while a message waits for its turn."""


async def follow_dates(runtime: Runtime) -> int:
    """Move, withdraw and add messages after dates have changed; the worker's tick calls this.

    Returns:
        How many messages were moved, withdrawn or added.
    """
    async with runtime.pool.acquire() as db:
        await db.execute(SQL["delete_changes"])
        steps = await db.fetch(SQL["list_steps_to_follow"], runtime.clock(), COMPARE_FIRST, COMPARE_EVERY)
    changed = 0
    for row in steps:
        try:
            async with lock_step(runtime, row["step_id"]) as db:
                changed += await _follow(runtime, db, row["step_id"])
        except Conflict:
            continue  # it is being launched, or another worker is at it
        except MusterError as error:
            await raise_step_alert(runtime, _alert_key(row["step_id"]), _NOT_FOLLOWED, error)
        except (asyncpg.PostgresError, ValueError) as error:
            if is_away(error):
                raise
            log.exception("dates of people could not be followed", step_id=row["step_id"])
            trouble = Unavailable(f"{error}.", remedy="The log says more. It is tried again every second.")
            await raise_step_alert(runtime, _alert_key(row["step_id"]), _NOT_FOLLOWED, trouble)
    if changed:
        log.info("dates of people followed", messages=changed)
        await runtime.wake("deliver")
    return changed


async def _follow(runtime: Runtime, db: Connection, step_id: int) -> int:
    step = await find_placed_step(db, step_id)
    when = dated_when(step.spec, step.position)
    if when is None or step.launched_at is None:
        return 0
    await step.subject.prepare(db)
    dated_step = _DatedStep(runtime, db, step, when, await step_audience(db, step), await used_variables(db, step))
    changed = 0
    while True:
        async with db.transaction():
            await lock_people_shared(db)
            people = {row["person_id"] for row in await db.fetch(SQL["take_changes"], step_id, PAGE_SIZE)}
            changed += await dated_step.update(sorted(people))
        if len(people) < PAGE_SIZE or people <= dated_step.left:
            break
    if await db.fetchval(SQL["is_to_compare"], step_id, runtime.clock(), COMPARE_FIRST, COMPARE_EVERY):
        changed += await _compare(dated_step)
        await db.execute(SQL["note_comparison"], step_id, runtime.clock())
    if dated_step.left:
        number = await db.fetchval(SQL["find_number"], sorted(dated_step.left))
        such_as = "" if number is None else f", {'such as ' * (len(dated_step.left) > 1)}number {number}"
        trouble = Unavailable(
            f"Nothing could be done for {plural(len(dated_step.left), 'person', 'people')}{such_as}.",
            remedy="The log says why. All others are done, and these are tried again every second.",
        )
        await raise_step_alert(runtime, _alert_key(step_id), _NOT_FOLLOWED, trouble)
    else:
        await resolve_alert(db, _alert_key(step_id))
    return changed


def _alert_key(step_id: int) -> str:
    return f"dates:{step_id}"


async def _compare(dated_step: _DatedStep) -> int:
    """Compare everybody in the audience, and everybody whose message waits, with their message."""
    changed = after = 0
    while people := await dated_step.audience.page(dated_step.db, after=after, limit=PAGE_SIZE):
        changed += await _update_page(dated_step, people, after, people[-1])
        after = people[-1]
    return changed + await _update_page(dated_step, [], after, None)


async def _update_page(dated_step: _DatedStep, people: Sequence[int], after: int, last: int | None) -> int:
    async with dated_step.db.transaction():
        await lock_people_shared(dated_step.db)
        waiting = await dated_step.db.fetch(SQL["list_waiting_people"], dated_step.step.step_id, after, last)
        return await dated_step.update(sorted({*people, *(row["person_id"] for row in waiting)}))


@dataclass(frozen=True, slots=True)
class _DatedStep:
    """Step whose dates are followed.

    Attributes:
        left: people whose messages could not be changed this time.
    """

    runtime: Runtime
    db: Connection
    step: PlacedStep
    when: DatedWhen
    audience: Audience
    used: frozenset[str]
    left: set[int] = field(default_factory=set)

    async def update(self, people: Sequence[int]) -> int:
        """Bring some people's messages up to date with their details; return how many messages changed.

        A person whose message cannot be changed is left for the next look, and keeps nobody else waiting. After
        `_MAX_SOUGHT_PEOPLE` of these, other people may be left as well.
        """
        if not people:
            return 0
        try:
            async with self.db.transaction():
                return await self._update(people)
        except _OF_ONE as error:
            if len(people) == 1 or len(self.left) >= _MAX_SOUGHT_PEOPLE:
                log.warning(
                    "dates of people could not be followed", people=list(people[:_MAX_SOUGHT_PEOPLE]), error=repr(error)
                )
                self.left.update(people)
                await self.db.execute(SQL["note_changes_again"], self.step.step_id, people)
                return 0
        half = len(people) // 2
        return await self.update(people[:half]) + await self.update(people[half:])

    async def _update(self, people: Sequence[int]) -> int:
        now, step_id = self.runtime.clock(), self.step.step_id
        dues = await find_dues(self.db, self.step, self.when, people, now)
        await self._change_dates(dues, now)
        messages = await lock_messages(self.db, step_id, people)
        decisions = await self._decide(people, messages, dues)
        new = [decision for decision in decisions if decision.person_id not in messages]
        pairs = [(decision, messages[decision.person_id]) for decision in decisions if decision.person_id in messages]
        changed_pairs = [(decision, message, _change(decision, message)) for decision, message in pairs]
        changes = [(decision, message, code) for decision, message, code in changed_pairs if code is not None]
        late = {
            message.message_id: _date(decision) for decision, message in pairs if self._is_late(decision, message, now)
        }
        back = [message.message_id for decision, message in pairs if _is_back(decision, message)]
        if new:
            await place_messages(self.db, self.step, new, self.used, now)
        if changes:
            targets = [_moved_decision(decision, message) for decision, message, _ in changes]
            query, parameters = await recipients_query(self.db, self.step, targets, self.used, now, dated=True)
            codes = {message.person_id: code for _, message, code in changes}
            await update_messages(self.db, self.step.queued(), query, *parameters, codes=codes, at=now)
        if waiting := [decision for decision, message in pairs if message.waits]:
            queued = [replace(decision, state=State.QUEUED) for decision in waiting]
            query, parameters = await recipients_query(self.db, self.step, queued, self.used, now)
            await refresh_variables(self.db, step_id, query, *parameters, at=now)
        if late:
            await note_late_moves(self.db, late, now)
        if back:
            await note_moves_back(self.db, back, now)
        # a message on the wire is looked at again when it is known whether it left
        if unfinished := [message.person_id for message in messages.values() if not (message.unsent or message.over)]:
            await self.db.execute(SQL["note_changes_again"], step_id, unfinished)
        return len(new) + len(changes) + len(late) + len(back)

    async def _change_dates(self, dues: Mapping[int, Due], now: datetime) -> None:
        """Record each person's date if answers are about it; before locking their messages, as answers do."""
        if self.when.side == "before":
            dates = {person_id: due.date_at for person_id, due in dues.items() if due.date_at is not None}
            await self.step.subject.change_dates(self.db, self.step.campaign_id, dates, now)

    async def _decide(
        self, people: Sequence[int], messages: Mapping[int, DatedMessage], dues: Mapping[int, Due]
    ) -> list[Decision]:
        """Decide for each person who is in the audience or has a message, as a launch would now."""
        members = await self.audience.among(self.db, people)
        step = self.step
        page = await list_candidates(
            self.db, people=members, channels=step.channels, goal_id=step.goal_id, purpose=step.purpose
        )
        taken = await find_taken_addresses(self.db, step.step_id, page)
        decisions = [_decide_again(person, messages.get(person.person_id), taken, dues) for person in page]
        missing = sorted(messages.keys() - set(members))
        left = (
            Decision(person_id, None, None, State.SKIPPED, Reason.LEFT_AUDIENCE, dues.get(person_id))
            for person_id in missing
        )
        return [*decisions, *left]

    def _is_late(self, decision: Decision, message: DatedMessage, now: datetime) -> bool:
        """Tell whether a sent message names a date that has changed, and either date is still to come.

        It makes no difference whether the person is still in the audience: they leave it by answering, or with their
        date.
        """
        if not message.sent or self.when.side == "after" or decision.due is None:
            return False
        named_date, date = message.date_at, decision.due.date_at
        noted = message.reason == Reason.DATE_MOVED_LATE and message.moved_to == date
        return named_date != date and not noted and any(day is not None and day > now for day in (named_date, date))


def _decide_again(
    person: Candidate, message: DatedMessage | None, taken: set[tuple[str, str]], dues: Mapping[int, Due]
) -> Decision:
    """Decide for one person, who keeps the address of their message as long as it is theirs.

    Args:
        person: the person.
        message: the person's message; None if they have none yet.
        taken: addresses of the step's messages to people who have them now; somebody with another address gets their
            message there.
        dues: when messages are due.
    """
    if message is None or message.channel is None or message.address is None:
        return assign_addresses([person], taken, dues)[0]
    own = message.channel, message.address
    kept = [address for address in person.addresses if (address.channel, address.address) == own]
    others = [address for address in person.addresses if address not in kept]
    # it leaves an address only if that is no longer theirs: somebody who opts out there is not written to elsewhere
    keeps_place = (kept and (message.waits or message.state is State.SUPPRESSED)) or not message.movable
    theirs = kept if keeps_place else [*kept, *others]
    is_taken = own in taken
    taken.discard(own)
    (decision,) = assign_addresses([replace(person, addresses=theirs)], taken, dues)
    if is_taken:
        taken.add(own)
    if others and not theirs and decision.reason == Reason.NO_ADDRESS:
        return replace(decision, reason=Reason.ADDRESS_CHANGED)
    return decision


def _change(decision: Decision, message: DatedMessage) -> str | None:
    """Return the reason why a message has to change; None if it stays as it is."""
    if not message.unsent:
        return None
    same_date = _date(decision) == message.date_at
    if decision.state is State.QUEUED:
        return _why_queued(decision, message, same_date=same_date)
    if decision.reason == message.reason or (same_date and decision.reason in _OF_TIME):
        return None
    if message.waits:  # opt-outs and answers are seen by the eligibility check
        return decision.reason if decision.reason in _MAY_COME_BACK else None
    both = {decision.reason, message.reason} <= _MAY_COME_BACK
    return decision.reason if both and decision.reason != Reason.LEFT_AUDIENCE else None


def _why_queued(decision: Decision, message: DatedMessage, *, same_date: bool) -> str | None:
    if not same_date or (not message.waits and message.reason in _MAY_COME_BACK):
        return Reason.DATE_MOVED
    elsewhere = (decision.channel, decision.address) != (message.channel, message.address)
    return Reason.MOVED if message.waits and elsewhere else None


def _moved_decision(decision: Decision, message: DatedMessage) -> Decision:
    """Return the new decision for a message; one that is withdrawn before it left frees its address for others."""
    if decision.state is State.QUEUED or message.movable:
        return decision
    return replace(decision, state=State.CANCELLED, channel=message.channel, address=message.address)


def _is_back(decision: Decision, message: DatedMessage) -> bool:
    """Tell whether a person's date is again the one that their message named."""
    late = message.sent and message.reason == Reason.DATE_MOVED_LATE
    return late and decision.due is not None and decision.due.date_at == message.date_at


def _date(decision: Decision) -> datetime | None:
    return decision.due.date_at if decision.due is not None else None
