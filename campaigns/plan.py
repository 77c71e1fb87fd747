"""What a launch would do, before anybody says yes: who gets what by which channel, who gets nothing and why, the cost.

People are decided by the same code as in the launch. Costs come from really rendering the message, for everybody or,
where there are many, for a sample spread evenly over them; the plan says which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg

from campaigns.assign import Decision, decide
from campaigns.audience import step_audience
from messaging.content.render import RenderedSms, Renderer
from messaging.content.templates import Template
from messaging.content.tokens import LENGTH
from messaging.db import Connection, load_queries
from messaging.outbox.caps import Cap, effective

SQL = load_queries(__file__)

SAMPLE: Final = 4_000
"""Messages rendered for the estimate; with fewer, everybody's is."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What launching one step now would do.

    Attributes:
        position: its number in the campaign.
        template: what it says.
        channels: in order of preference.
        due_at: when it starts, where it has a time.
        after: how long after the step before, where it follows one.
        opens_at: when its first message may go by the ballot's clock, and in its zone, where that is after its start.
        never: its hours leave no time at all in which it may be sent.
        audience: people the filter finds.
        by_channel: messages, by channel.
        not_sent: people who would get nothing, by reason.
        capped_wait: of those who get a message, who has had so many by its start that it waits first.
        capped_out: who has had so many that it would come too late, and get nothing.
        segments: SMS segments of all texts.
        rendered: texts really rendered for that number; less than all of them means it is an estimate.
        ucs2: of those rendered, texts with characters that make a segment hold 70 instead of 160.
        cost: by the prices in the file; None where it names none.
        currency: of the cost.
        example: one text or email as somebody would get it; empty where nobody gets anything.
    """

    position: int
    template: str
    channels: tuple[str, ...]
    due_at: datetime | None
    after: timedelta | None
    opens_at: datetime | None
    never: bool
    audience: int
    by_channel: Mapping[str, int]
    not_sent: Mapping[str, int]
    capped_wait: int
    capped_out: int
    segments: int
    rendered: int
    ucs2: int
    cost: float | None
    currency: str
    example: str

    @property
    def exact(self) -> bool:
        """Whether every text was rendered."""
        return self.rendered == self.by_channel.get("sms", 0)


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """What launching a campaign would do, step by step, as things stand now."""

    campaign_id: int
    steps: tuple[StepPlan, ...]


async def plan(
    db: Connection, campaign_id: int, *, public_url: str, now: datetime | None = None, caps: Sequence[Cap] = ()
) -> LaunchPlan:
    """Work out what a launch would do; changes nothing.

    Later steps are judged as things stand now: whoever answers before they start gets nothing from them.

    Args:
        db: a connection.
        campaign_id: the campaign.
        public_url: what members' links start with; its length counts in a text.
        now: when it would be launched; the moment where it is left out.
        caps: the organisation's, on how often people are written to.

    Raises:
        SpecError: the audience names a unit that is no longer there.
        TemplateError: the message cannot be rendered for somebody.
    """
    async with db.transaction(isolation="repeatable_read", readonly=True):
        rows = await db.fetch(SQL["waiting_steps"], campaign_id, now or datetime.now(UTC))
        steps = [await _step(db, row, public_url, caps) for row in rows]
    return LaunchPlan(campaign_id, tuple(steps))


@dataclass(slots=True)
class _Tally:
    """What a step comes to, added up page by page."""

    audience: int = 0
    by_channel: Counter[str] = field(default_factory=Counter)
    not_sent: Counter[str] = field(default_factory=Counter)
    people: list[int] = field(default_factory=list)  # who get one
    texts: list[int] = field(default_factory=list)  # … as a text
    first: Decision | None = None

    def add(self, decisions: Sequence[Decision]) -> None:
        self.audience += len(decisions)
        for one in decisions:
            if one.channel is None:
                self.not_sent[str(one.reason)] += 1
                continue
            self.by_channel[one.channel] += 1
            self.first = self.first or one
            self.people.append(one.person_id)
            if one.channel == "sms":
                self.texts.append(one.person_id)


async def _step(db: Connection, step: asyncpg.Record, public_url: str, caps: Sequence[Cap]) -> StepPlan:
    tally = await _decide(db, step)
    waiting, too_late = await _capped(db, step, tally.people, effective(step["frequency_caps"], caps))
    renderer = Renderer(Template.from_json(step["content"]), step["constants"])
    texts = await _render_texts(db, renderer, tally.texts, public_url)
    segments = round(sum(text.segments.segments for text in texts) / len(texts) * len(tally.texts)) if texts else 0
    price = step["spec"].get("price")
    return StepPlan(
        position=step["position"],
        template=step["template"],
        channels=tuple(step["channels"]),
        due_at=step["due_at"],
        after=step["after"],
        opens_at=_opens_later(step),
        never=step["opens_at"] is None,
        audience=tally.audience,
        by_channel=tally.by_channel,
        not_sent=tally.not_sent,
        capped_wait=waiting,
        capped_out=too_late,
        segments=segments,
        rendered=len(texts),
        ucs2=sum(text.segments.encoding == "ucs2" for text in texts),
        cost=segments * price["sms_segment"] + tally.by_channel["email"] * price["email"] if price else None,
        currency=price["currency"] if price else "",
        example=await _example(db, renderer, tally.first, public_url),
    )


def _opens_later(step: asyncpg.Record) -> datetime | None:
    opens: datetime | None = step["opens_at"]
    return None if opens is None or opens <= step["starts_at"] else opens.astimezone(ZoneInfo(step["time_zone"]))


async def _capped(
    db: Connection, step: asyncpg.Record, people: Sequence[int], caps: Sequence[Mapping[str, Any]]
) -> tuple[int, int]:
    """How many of some people would wait, and how many would get nothing, for having had enough."""
    if not caps:
        return 0, 0
    at = step["opens_at"] or step["starts_at"]
    row = await db.fetchrow(SQL["capped"], people, step["purpose"], at, caps, step["send_before"])
    assert row is not None
    return row["wait"], row["too_late"]


async def _decide(db: Connection, step: asyncpg.Record) -> _Tally:
    tally = _Tally()
    # the cursor is not 0 where a launch was interrupted: only the rest is planned
    async for page in decide(db, step, await step_audience(db, step), after=step["launch_cursor"], written=False):
        tally.add(page)
    return tally


async def _render_texts(
    db: Connection, renderer: Renderer, people: Sequence[int], public_url: str
) -> list[RenderedSms]:
    """The texts of everybody who gets one, or of a sample spread evenly over them."""
    if len(people) > SAMPLE:
        people = [people[n * len(people) // SAMPLE] for n in range(SAMPLE)]
    return [renderer.sms(variables) for variables in await _variables(db, people, public_url)]


async def _example(db: Connection, renderer: Renderer, one: Decision | None, public_url: str) -> str:
    if one is None:
        return ""
    [variables] = await _variables(db, [one.person_id], public_url)
    if one.channel == "sms":
        return renderer.sms(variables).text
    mail = renderer.email(variables)
    return f"Subject: {mail.subject}\n\n{mail.text}"


async def _variables(db: Connection, people: Sequence[int], public_url: str) -> list[dict[str, Any]]:
    token = "0" * LENGTH
    links = {
        "confirm_link": f"{public_url}/{token}",
        "unsubscribe_link": f"{public_url}/u/{token}",
        "preferences_link": f"{public_url}/p/{token}",
    }
    return [row["variables"] | links for row in await db.fetch(SQL["variables"], people)]
