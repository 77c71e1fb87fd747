"""Mutants of the claim and of the eligibility check: each is one mistake in SQL that some test has to notice.

Left out is what would change nothing that can be seen: conditions that only save work (caps are not counted for who is
stopped anyway), and those that another one repeats (whether a message is still `sending`, before it goes on the wire).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.db import Connection, load_queries

ROOT: Final = Path(__file__).parents[2]
CLAIM: Final = "messaging/outbox/claim.sql"
OUTCOMES: Final = "messaging/outbox/outcomes.sql"


@dataclass(frozen=True, slots=True)
class SqlMutant:
    """One replacement in a query, or in a function of the database.

    Attributes:
        name: what is wrong with it, in a few words.
        within: the name of the query or function.
        old: the text that is replaced; it occurs once in the query or function.
        new: the text in its place.
        file: the file of the query; None for a function, whose newest definition is in the database.
    """

    name: str
    within: str
    old: str
    new: str
    file: str | None = None

    def of(self, text: str) -> str:
        """Return a query or function with the replacement.

        Raises:
            ValueError: the text to replace does not occur once, so the list of mutants has to follow the SQL.
        """
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"“{self.name}” replaces {self.old!r}, which {self.within} has {times} times")
        return text.replace(self.old, self.new)

    def query(self) -> str:
        """Return the mutated query."""
        assert self.file is not None
        return self.of(load_queries(str((ROOT / self.file).with_suffix(".py")))[self.within])

    async def function(self, db: Connection) -> str:
        """Return the statement that replaces the function by the mutated one."""
        body: str = await db.fetchval(
            "select pg_get_functiondef(oid) from pg_proc where proname = $1 and pronamespace = 'public'::regnamespace",
            self.within,
        )
        return self.of(body)


def _in_query(file: str, query: str, *replacements: tuple[str, str, str]) -> tuple[SqlMutant, ...]:
    return tuple(SqlMutant(name, query, old, new, file) for name, old, new in replacements)


def _in_function(function: str, *replacements: tuple[str, str, str]) -> tuple[SqlMutant, ...]:
    return tuple(SqlMutant(name, function, old, new) for name, old, new in replacements)


MUTANTS: Final = (
    *_in_query(
        CLAIM,
        "list_due_queues",
        ("a paused step is offered", "s.state = 'running' and f.paused_reason", "f.paused_reason"),
        ("a paused sender is offered", " and f.paused_reason is null", ""),
        ("channels that nobody asked for are offered", "c.channel = any ($1::text[])", "cardinality($1::text[]) > 0"),
        ("messages of other queues count as due", "q.queue_id = queue_of(s.step_id, c.channel, null) and", ""),
        ("messages that wait count as due", "q.not_before <= $2", "$2::timestamptz is not null"),
        ("a message is due a moment late", "q.not_before <= $2", "q.not_before < $2"),
        ("what was taken counts as due", "coalesce(place.not_before, '-infinity')", "'-infinity'::timestamptz"),
        ("the least urgent step comes first", "s.priority desc", "s.priority"),
        ("the senders are swapped", "when 'sms' then", "when 'email' then"),
    ),
    *_in_query(
        CLAIM,
        "claim",
        ("messages of other queues are taken", "q.queue_id = queue_of($1, $2, null) and", ""),
        ("messages in any state are taken", "$1 and m.state = 'queued'", "$1"),
        ("messages that wait are taken", " and q.not_before <= $3", ""),
        ("a message is taken a moment late", "q.not_before <= $3", "q.not_before < $3"),
        (
            "the latest is taken first",
            "order by q.not_before, q.message_id",
            "order by q.not_before desc, q.message_id",
        ),
        (
            "those due together are taken in any order",
            "order by q.not_before, q.message_id",
            "order by q.not_before, q.message_id desc",
        ),
        ("the limit is not kept", "limit $4", "limit 9 * $4"),
        ("a worker waits for the rows of another", " skip locked", ""),
        ("rows are taken without a lock", "  for update skip locked\n", ""),
        ("a goal stops nothing", "stops_of(s.goal_id, m", "stops_of(null, m"),
        ("another channel's stops hold", "m.person_id, $2, m.address", "m.person_id, 'none', m.address"),
        ("stops for marketing alone are missed", "m.address, s.purpose) as stop", "m.address, 'service') as stop"),
        ("a start alone does not hold", " or s.send_after > $3", ""),
        ("a window of days alone does not hold", " or s.window_days is not null", ""),
        ("a window of hours alone does not hold", " or s.window_from is not null", ""),
        ("quiet hours alone do not hold", "when s.asleep_from is not null or s.window_days", "when s.window_days"),
        (
            "our own clock decides",
            "$3, m.time_zone, s.asleep_from, s.asleep_until, s.send_after",
            "$3, 'Europe/London', s.asleep_from, s.asleep_until, s.send_after",
        ),
        ("the zone of the window is not asked", "s.window_zone", "null"),
        ("hours that never come let it go", "        'infinity'\n      )\n", "        $3\n      )\n"),
        (
            "quiet hours of one channel hold for every channel",
            "or $2 = any (quiet_channels) then quiet_from",
            "or true then quiet_from",
        ),
        (
            "quiet hours for every channel hold for none",
            "quiet_channels is null or $2 = any (quiet_channels) then quiet_from",
            "$2 = any (quiet_channels) then quiet_from",
        ),
        ("a paused step is sent", "when not running then 'back'", "when false then 'back'"),
        ("caps count for those who wait for hours", " and coalesce(opens <= $3, true)", ""),
        ("caps are not counted where there are no hours", "coalesce(opens <= $3, true)", "opens <= $3"),
        ("caps are never counted", "$6::jsonb <> '[]'", "$6::jsonb = '[]'"),
        ("what never opens is asked again in a day", "interval '7 days'", "interval '1 day'"),
        ("the earlier of two hindrances decides", "greatest(case opens when", "least(case opens when"),
        (
            "a suppression comes before an answer",
            "      when answered then 'cancelled'\n      when suppressed is not null then 'suppressed'\n",
            "      when suppressed is not null then 'suppressed'\n      when answered then 'cancelled'\n",
        ),
        (
            "a cap that frees too late is waited for",
            "when frees >= send_before then 'suppressed'",
            "when false then 'suppressed'",
        ),
        (
            "a cap that frees at the deadline is waited for",
            "when frees >= send_before then 'suppressed'",
            "when frees > send_before then 'suppressed'",
        ),
        (
            "a message goes at its deadline",
            "when greatest(opens, $3) >= send_before then 'expired'",
            "when greatest(opens, $3) > send_before then 'expired'",
        ),
        (
            "hours that open after the deadline are waited for",
            "when greatest(opens, $3) >= send_before then 'expired'",
            "when $3 >= send_before then 'expired'",
        ),
        (
            "a deadline that is past is forgotten",
            "when greatest(opens, $3) >= send_before then 'expired'",
            "when opens >= send_before then 'expired'",
        ),
        (
            "a cap only notes a reason",
            "when frees is not null or opens > $3 then 'queued'",
            "when opens > $3 then 'queued'",
        ),
        (
            "hours only note a reason",
            "when frees is not null or opens > $3 then 'queued'",
            "when frees is not null then 'queued'",
        ),
        (
            "a night is called a window",
            "when opens > $3 and asleep then 'quiet_hours'",
            "when false then 'quiet_hours'",
        ),
        ("a window is called a night", "when opens > $3 and asleep then", "when opens > $3 then"),
        ("what is put off is due at once", "queue_id, waits_until, date_at", "queue_id, now(), date_at"),
        ("a receipt at that moment is overwritten", " and m.state = 'queued' and j.state", " and j.state"),
        ("attempts are not numbered", "date_at, attempt + 1, $5, waited_for", "date_at, attempt, $5, waited_for"),
        (
            "what is put off is an attempt",
            "waits_until, date_at, attempt from written",
            "waits_until, date_at, attempt + 1 from written",
        ),
        ("nobody owns what was taken", "attempt + 1, $5, waited_for from", "attempt + 1, 0 * $5, waited_for from"),
        ("waiting is told as a change of state", "nullif(state, 'queued')", "state"),
        (
            "the rows come in any order",
            "where state <> 'back'\norder by not_before, message_id",
            "where state <> 'back'\norder by not_before, message_id desc",
        ),
        (
            "the same are looked at again and again",
            "(q.not_before, q.message_id) > ($7, $8)",
            "($7::timestamptz, $8::bigint) is not null",
        ),
    ),
    *_in_query(
        CLAIM,
        "hand_back",
        ("what another worker took is handed back", " and f.attempt = h.attempt", ""),
        ("what is on the wire is handed back", " and f.wire_at is null", ""),
        ("what has ended meanwhile is handed back", " and m.state = 'queued'", ""),
    ),
    *_in_query(
        CLAIM,
        "lock_caps",
        ("two workers count caps at once", "pg_advisory_xact_lock(", "abs("),
    ),
    *_in_query(
        OUTCOMES,
        "record_outcomes",
        ("an answer stops nothing any more", "stops_of(s.goal_id, m", "stops_of(null, m"),
        ("an opt-out stops nothing any more", "m.person_id, m.channel, m", "m.person_id, 'none', m"),
        (
            "missing consent stops nothing any more",
            "m.address, coalesce(s.purpose, t.purpose)) as stop",
            "m.address, 'service') as stop",
        ),
        (
            "an older attempt goes on the wire",
            "i.message_id = n.message_id and i.attempt = n.attempt -- or",
            "i.message_id = n.message_id -- or",
        ),
        ("a worker that was declared gone sends", "select c.gone_at is null from", "select true from"),
        ("a cancelled campaign is sent", "when step_state = 'cancelled' then", "when false then"),
        ("a deadline that has passed is forgotten", "when send_before <= $15::timestamptz then", "when false then"),
        ("a message goes at the moment of its deadline", "when send_before <= $15", "when send_before < $15"),
        ("a pause is forgotten", "when step_state <> 'running' or paused_reason", "when paused_reason"),
        (
            "a stopped sender is forgotten",
            "step_state <> 'running' or paused_reason is not null",
            "step_state <> 'running'",
        ),
        (
            "what was stopped seems to be on the wire",
            "where n.stopped is null and i.message_id",
            "where i.message_id",
        ),
        (
            "an outcome of an older attempt counts",
            "f.message_id = o.message_id and f.attempt = o.attempt",
            "f.message_id = o.message_id",
        ),
    ),
    *_in_query(
        OUTCOMES,
        "record_acceptances",
        ("what was accepted is still counted as queued", "r.reason, -r.n, 0, 0)", "r.reason, 0, 0, 0)"),
        ("what had waited is counted under no reason", "('queued', r.reason,", "('queued', null,"),
        ("segments of what was accepted are not counted", "null, r.n, r.n, r.segments)", "null, r.n, r.n, 0)"),
        ("a message that a receipt came first for is counted twice", "when m.state = 'queued' and", "when"),
        ("a text cannot be found by its provider's id", "simply and provider_id is not null", "false"),
        ("an answer no longer stops what is ordinary", "stops_of(s.goal_id, m", "stops_of(null, m"),
        ("an opt-out no longer stops what is ordinary", "m.person_id, m.channel, m", "m.person_id, 'none', m"),
        ("missing consent no longer stops it", "m.address, s.purpose) as stop", "m.address, 'service') as stop"),
        (
            "an older attempt goes",
            "i.message_id = n.message_id and i.attempt = n.attempt",
            "i.message_id = n.message_id",
        ),
        ("a worker that is gone sends", "select c.gone_at is null from", "select true from"),
        ("a step that does not run is sent", " and s.state = 'running'", ""),
        ("a stopped sender sends", " and f.paused_reason is null", ""),
        ("it goes at the moment of its deadline", "> $12::timestamptz", ">= $12::timestamptz"),
        (
            "an acceptance of an older attempt counts",
            "f.message_id = o.message_id and f.attempt = o.attempt",
            "f.message_id = o.message_id",
        ),
        (
            "a message that a receipt has moved is moved back",
            "case when m.state in ('queued', 'ambiguous') then 'accepted' else m.state end",
            "'accepted'",
        ),
    ),
    *_in_function(
        "stops_of",
        ("a goal that anybody has met is met", " and g.person_id = stops_of.person_id", ""),
        ("any goal that a person has met is met", "g.goal_id = stops_of.goal_id and ", ""),
        ("a suppression of the address is missed on its channel", "u.channel = stops_of.channel", "u.channel = 'none'"),
        ("a suppression holds on the other channel too", "u.channel = stops_of.channel and u.address", "u.address"),
        ("a suppression of any address holds", " and u.address = stops_of.address", ""),
        ("a suppression of any person holds", " and u.address = stops_of.person_id::text", ""),
        ("suppressions of the person are missed", "u.channel = 'person'", "u.channel = 'none'"),
        (
            "an address is only stopped for its own purpose",
            "u.address = stops_of.address and u.purpose in ('all', stops_of.purpose)",
            "u.address = stops_of.address and u.purpose = stops_of.purpose",
        ),
        (
            "an address is only stopped for all purposes",
            "u.address = stops_of.address and u.purpose in ('all', stops_of.purpose)",
            "u.address = stops_of.address and u.purpose = 'all'",
        ),
        (
            "an address is stopped for another purpose too",
            "u.address = stops_of.address and u.purpose in ('all', stops_of.purpose)",
            "u.address = stops_of.address",
        ),
        (
            "a person is only stopped for their own purpose",
            "u.address = stops_of.person_id::text and u.purpose in ('all', stops_of.purpose)",
            "u.address = stops_of.person_id::text and u.purpose = stops_of.purpose",
        ),
        (
            "a person is only stopped for all purposes",
            "u.address = stops_of.person_id::text and u.purpose in ('all', stops_of.purpose)",
            "u.address = stops_of.person_id::text and u.purpose = 'all'",
        ),
        (
            "marketing of another purpose stops a person",
            "u.address = stops_of.person_id::text and u.purpose in ('all', stops_of.purpose)",
            "u.address = stops_of.person_id::text",
        ),
        ("nothing needs consent", "stops_of.purpose = 'marketing' and not exists", "false and not exists"),
        ("service messages need consent", "stops_of.purpose = 'marketing' and not exists", "not exists"),
        ("anybody's consent is enough", "n.person_id = stops_of.person_id and ", ""),
        ("consent to another channel is enough", " and n.channel = stops_of.channel and n.given", " and n.given"),
        ("consent that was taken back is enough", " and n.given", ""),
        (
            "a stop for the person is forgotten",
            "reason.of_address, reason.of_person, reason",
            "reason.of_address, reason",
        ),
    ),
    *_in_function(
        "may_send_at",
        (
            "the first moment of the quiet time is free",
            "then (at at time zone here)::time < quiet_from or",
            "then (at at time zone here)::time <= quiet_from or",
        ),
        (
            "the last moment of the quiet time lasts",
            ">= quiet_until\n",
            "> quiet_until\n",
        ),
        (
            "a night begins a moment late",
            "else (at at time zone here)::time < quiet_from and",
            "else (at at time zone here)::time <= quiet_from and",
        ),
        (
            "a night ends a moment late",
            ">= quiet_until end",
            "> quiet_until end",
        ),
        ("every day is open", "(days is null or", "(true or"),
        ("a window opens a moment late", "::time >= opens", "::time > opens"),
        ("a window closes a moment late", "::time < closes", "::time <= closes"),
        (
            "days are those of the recipient",
            "extract(isodow from at at time zone coalesce(zone, here))",
            "extract(isodow from at at time zone here)",
        ),
        ("weeks begin on Sunday", "isodow", "dow"),
    ),
    *_in_function(
        "sending_opens",
        ("the start is forgotten", "greatest(at, starts)", "at"),
        (
            "a quiet time never ends",
            "(here, (earliest at time zone here)::date + n + quiet_until)",
            "(here, null::timestamp)",
        ),
        ("windows open at midnight", "coalesce(opens, '00:00')", "'00:00'"),
        ("only this week is looked at", "generate_series(0, 14)", "generate_series(0, 3)"),
        ("the last opening is found", "select min(edge.moment)", "select max(edge.moment)"),
        ("skipped hours are forgotten", "where gap.skipped > interval '0'", "where false"),
        (
            "an opening in quiet hours is one",
            "quiet_from, quiet_until, zone, days, opens, closes)\n  );",
            "null, null, zone, days, opens, closes)\n  );",
        ),
    ),
    *_in_function(
        "cap_frees_at",
        ("one more than the cap is sent", "had.messages >= cap.messages", "had.messages > cap.messages"),
        ("the newest decides when it frees", ")[cap.messages] as nth", ")[1] as nth"),
        ("the least strict cap holds", "select max(", "select min("),
        (
            "what is on its way does not count",
            " and exists (select from in_flight f where f.message_id = m.message_id)",
            " and false",
        ),
        ("everybody's messages count", " and m.person_id = person", ""),
        ("messages of any age count", "dispatch.left_at > at - cap.seconds * interval '1 second'\n", "true\n"),
        ("every purpose counts", "(cap.purpose = 'all' or s.purpose = cap.purpose)", "true"),
        ("a marketing cap holds service messages", "where cap.purpose in ('all', cap_frees_at.purpose)", ""),
        ("steps that ended lately are forgotten", "s.finished_at > at - cap.seconds * interval '1 second')", "false)"),
    ),
)
