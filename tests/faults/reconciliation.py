"""The reconciliation after a fault: the database compared with the providers' record, message by message."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.db import Connection
from messaging.outbox.counts import StepCounts, count_differences, step_counts
from messaging.reasons import Reason
from messaging.states import RANK, State
from tests.faults.environment import Environment
from tests.faults.providers import Arrival
from tests.faults.servers import CAMPAIGN, FEEDBACK

LEFT = frozenset(
    {State.ACCEPTED, State.SENT, State.DELIVERED, State.READ, State.UNDELIVERED, State.BOUNCED, State.COMPLAINED}
)
"""States that say that the provider has it."""
OPEN = frozenset({State.QUEUED, State.SENDING, State.AMBIGUOUS})
"""States of messages that are not finished."""

SLACK = 2.0
"""Seconds that a provider may take to note what was handed to it in time."""

_MESSAGES = """
select
  m.*, c.name as campaign,
  case
    when m.state <> 'queued' then null
    when exists (select from in_flight f where f.message_id = m.message_id) then 'in flight'
    when exists (select from queue q where q.message_id = m.message_id) then 'in the queue'
    else 'in no table'
  end as place
from message m left join campaign c using (campaign_id) order by message_id
"""
_UNKNOWN = """
-- each time the outcome of a try became unknown, and whose try it was
select e.message_id, e.code, m.channel,
  (
    select split_part(regexp_replace(s.detail ->> 'by', '-[0-9a-f]{4}$', ''), '-', -1)
    from message_event s
    where s.message_id = e.message_id and s.state = 'sending' and s.event_id < e.event_id
    order by s.event_id desc limit 1
  )::integer as pid
from message_event e
join message m using (message_id)
where e.state = 'ambiguous'
"""
_GIVEN_UP = """
-- every time a message was taken by a worker, and every time one was thought to have it no more
select message_id, state = 'sending' as taken, extract(epoch from at)::float8 as at
from (
  select message_id, event_id, state, at from message_event where state in ('sending', 'queued', 'ambiguous')
  union all
  select m.message_id, 0, 'sending', m.wire_at  -- a first try that was simply accepted
  from message m
  where m.accepted_reply is not null
    and not exists (select from message_event e where e.message_id = m.message_id and e.state = 'sending')
) as line
order by at, event_id
"""
_REPORTED = """
-- that a first try was simply accepted has no event
select distinct on (e.message_id)
  e.message_id, case when m.accepted_reply is not null and e.at < m.wire_at then 'accepted' else e.state end as state
from message_event e
join message m using (message_id)
where e.state is not null
order by e.message_id, e.event_id desc
"""


@dataclass
class Finding:
    """What a fault came to.

    Attributes:
        fault: its name.
        sent: messages that the providers have.
        lost: messages that should be there, and messages that are said to have left, where no provider has it.
        doubled: copies too many, beyond those that policy allows.
        single: messages to one person, of no campaign.
        answers: people whose answer to the question counts.
        again: copies of emails whose first try stayed unanswered; the same Message-ID.
        ambiguous: messages whose outcome was unknown at some time.
        late: the most that left, by one channel, after one commit of answers or opt-outs, or of a pause.
        recovered: seconds from the end of the cause until messages came again by every channel; None if it did not
            end, or nothing was left to come.
        done: seconds from the end of the cause until nothing was open.
        skips_waits: whether waits were skipped.
        broken: the demands that were not met, each in words.
        not_run: why it could not be run; empty if it was.
    """

    fault: str
    sent: int = 0
    lost: int = 0
    doubled: int = 0
    single: int = 0
    answers: int = 0
    again: int = 0
    ambiguous: int = 0
    late: int | None = None
    recovered: float | None = None
    done: float | None = None
    skips_waits: bool = True
    broken: list[str] = field(default_factory=list)
    not_run: str = ""


@dataclass(frozen=True)
class AllowedOutcomes:
    """What a fault may do.

    Attributes:
        ambiguous: most messages of unknown outcome, for each channel; None for any number. Killed workers' come on top,
            and may be twice their connections each.
        failed: reasons for which messages may fail.
        withdrawn: reasons for which they may be withdrawn.
    """

    ambiguous: Mapping[str, int | None] = field(default_factory=lambda: {"email": 0, "sms": 0})
    failed: Collection[Reason] = ()
    withdrawn: Collection[Reason] = ()


@dataclass
class Records:
    """Both sides of the reconciliation.

    Attributes:
        rows: the messages, by id.
        unknown: each time an outcome became unknown: `message_id`, `channel` and whose try it was, `pid`.
        reported: each message's state by its last event.
        arrived: what the providers took, by message.
        strays: what they took that is no message of ours, or not to its address.
        turns: by message, when it was taken by a worker (True) and when it was taken from one (False), in order.
    """

    rows: dict[int, dict[str, Any]]
    unknown: list[dict[str, Any]]
    reported: dict[int, str]
    arrived: dict[int, list[Arrival]]
    strays: list[Arrival]
    turns: Mapping[int, list[tuple[float, bool]]] = field(default_factory=dict)


async def reconcile(environment: Environment, name: str, allowed: AllowedOutcomes) -> Finding:
    """Hold everything against everything."""
    records = await _read(environment)
    finding = compare(environment, name, records, allowed)
    await _counts_agree(environment, records, finding)
    return finding


def compare(environment: Environment, name: str, records: Records, allowed: AllowedOutcomes) -> Finding:
    """Every demand but that of the counts."""
    finding = Finding(name, sent=len(records.arrived), broken=list(environment.wrong))
    finding.ambiguous = len({row["message_id"] for row in records.unknown})
    _everybody_has_one(environment, records, finding)
    _nobody_twice(records, finding)
    _states_are_true(records, finding, allowed)
    _unknown_is_bounded(environment, records, finding, allowed)
    _nothing_given_up_leaves(records, finding)
    _nothing_after_an_answer(environment, records, finding)
    _receipts_count(environment, records, finding)
    return finding


async def _read(environment: Environment) -> Records:
    arrived: defaultdict[int, list[Arrival]] = defaultdict(list)
    strays = []
    rows = {row["message_id"]: dict(row) for row in await environment.fetch(_MESSAGES)}
    for arrival in environment.providers.arrivals():
        message = rows.get(arrival.message_id or 0)
        if message is None or message["address"] != arrival.address or message["channel"] != arrival.channel:
            strays.append(arrival)
        else:
            arrived[message["message_id"]].append(arrival)
    reported = {row["message_id"]: row["state"] for row in await environment.fetch(_REPORTED)}
    turns: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
    for row in await environment.fetch(_GIVEN_UP):
        turns[row["message_id"]].append((row["at"], row["taken"]))
    return Records(rows, [dict(row) for row in await environment.fetch(_UNKNOWN)], reported, arrived, strays, turns)


def _everybody_has_one(environment: Environment, records: Records, finding: Finding) -> None:
    wanted = environment.messages
    missing = wanted - sum(row["campaign"] is not None for row in records.rows.values())
    forgotten = sorted(environment.asked - records.rows.keys())
    finding.single = sum(row["campaign"] is None for row in records.rows.values())
    gone = [key for key, row in records.rows.items() if State(row["state"]) in LEFT and key not in records.arrived]
    finding.lost = missing + len(gone) + len(forgotten)
    if missing:
        finding.broken.append(f"{missing} messages of {wanted} are not there at all")
    if forgotten:
        finding.broken.append(
            f"{len(forgotten)} messages to one person were queued, and are not there: {forgotten[:5]}"
        )
    if gone:
        finding.broken.append(f"{len(gone)} messages are said to have left, and no provider has them: {gone[:5]}")
    if records.strays:
        finding.broken.append(f"{len(records.strays)} arrived that are nobody's: {records.strays[:3]}")


def _nobody_twice(records: Records, finding: Finding) -> None:
    unknown_tries = Counter(row["message_id"] for row in records.unknown)
    for key, arrivals in records.arrived.items():
        copies = len(arrivals) - 1
        if not copies:
            continue
        same = len({arrival.mark for arrival in arrivals}) == 1
        if records.rows[key]["channel"] == "email" and same and copies <= unknown_tries[key]:
            finding.again += copies
        else:
            finding.doubled += copies
    if finding.doubled:
        finding.broken.append(f"{finding.doubled} copies too many")


def _states_are_true(records: Records, finding: Finding, allowed: AllowedOutcomes) -> None:
    """Every row has its end, with a reason where nobody got it; and what is said not to have left did not."""
    reasons: Counter[str] = Counter()
    unknown_ids = {row["message_id"] for row in records.unknown}
    for key, row in records.rows.items():
        state = State(row["state"])
        if state in OPEN:
            reasons[f"are still {state} ({row.get('place') or row['reason']})"] += 1
        elif records.reported.get(key) != state:
            reasons[f"are {state}, and their last event says {records.reported.get(key)}"] += 1
        elif state not in LEFT:
            granted = allowed.failed if state is State.FAILED else allowed.withdrawn
            # who got a copy that we know nothing of may have answered it before another was sent
            answered = row["campaign"] == FEEDBACK and row["reason"] == Reason.ANSWERED and key in records.arrived
            if row["reason"] not in granted and not answered:
                reasons[f"are {state} ({row['reason']})"] += 1
            if key in records.arrived and key not in unknown_ids:
                reasons[f"are {state}, and arrived"] += 1
    finding.broken += [f"{number} messages {words}" for words, number in sorted(reasons.items())]


def _unknown_is_bounded(environment: Environment, records: Records, finding: Finding, allowed: AllowedOutcomes) -> None:
    twice = {"email": 2 * environment.scale.smtp_connections, "sms": 2 * environment.scale.sms_connections}
    by_worker = Counter((row["channel"], row["pid"]) for row in records.unknown if row["pid"] in environment.killed)
    for (channel, pid), number in by_worker.items():
        if number > twice[channel]:
            finding.broken.append(f"killed worker {pid} left {number} by {channel} unknown, more than {twice[channel]}")
    others = Counter(row["channel"] for row in records.unknown if row["pid"] not in environment.killed)
    for channel, number in others.items():
        most = allowed.ambiguous[channel]
        if most is not None and number > most:
            finding.broken.append(f"{number} by {channel} became unknown under workers that were not killed ({most})")


def _nothing_given_up_leaves(records: Records, finding: Finding) -> None:
    """What had been taken from its worker arrives only after somebody took it anew."""
    late = [
        key
        for key, arrivals in records.arrived.items()
        if (turns := records.turns.get(key))
        for arrival in arrivals
        if _given_up(turns, arrival.at)
        and not any(taken and arrival.at - SLACK < at <= arrival.at for at, taken in turns)
    ]
    if late:
        finding.broken.append(f"{len(late)} left after they had been taken from their worker: {late[:5]}")


def _given_up(turns: Sequence[tuple[float, bool]], moment: float) -> bool:
    before = [taken for at, taken in turns if at <= moment - SLACK]
    return bool(before) and not before[-1] and any(before)


def _nothing_after_an_answer(environment: Environment, records: Records, finding: Finding) -> None:
    """After a commit, only what was on the wire: twice the connections of each worker."""
    workers = max(1, environment.most_workers)
    bound = {
        "email": 2 * environment.scale.smtp_connections * workers,
        "sms": 2 * environment.scale.sms_connections * workers,
    }
    after = [
        Counter(
            arrival.channel for key in messages for arrival in records.arrived.get(key, ()) if arrival.at > committed_at
        )
        for committed_at, messages in environment.answered
    ]
    everything = [
        arrival
        for key, arrivals in records.arrived.items()
        if records.rows[key]["campaign"] == CAMPAIGN
        for arrival in arrivals
    ]
    after += [
        Counter(entry.channel for entry in everything if start < entry.at < end) for start, end in environment.paused
    ]
    for late in after:
        finding.late = max(finding.late or 0, *late.values(), 0)
        for channel, number in late.items():
            if number > bound[channel]:
                finding.broken.append(f"{number} by {channel} left after a commit, more than {bound[channel]}")


async def _counts_agree(environment: Environment, records: Records, finding: Finding) -> None:
    """What the console and reports show is what a recount gives."""
    campaigns = {row["campaign_id"] for row in records.rows.values()} - {None}

    async def count(db: Connection) -> list[StepCounts]:
        return [step for campaign_id in campaigns for step in await step_counts(db, campaign_id)]

    shown = await environment.ask(count)
    recount = Counter((row["step_id"], row["state"]) for row in records.rows.values() if row["campaign"] is not None)
    claimed = Counter({(step.step_id, state.value): n for step in shown for state, n in step.counts.items()})
    if claimed != recount:
        finding.broken.append(f"counts by state are {dict(claimed)}, a recount gives {dict(recount)}")
    if differences := await environment.ask(count_differences):
        finding.broken.append(f"{len(differences)} sums are wrong: {[tuple(row.values()) for row in differences[:3]]}")


def _receipts_count(environment: Environment, records: Records, finding: Finding) -> None:
    """Every text stands at least where the highest of the receipts says that our webhook took."""
    below = 0
    for key, said in environment.providers.told().items():
        highest = max(RANK[State(word)] for word in said)
        below += RANK[State(records.rows[key]["state"])] < highest
    if below:
        finding.broken.append(f"{below} texts stand below what a receipt said that our webhook took")
