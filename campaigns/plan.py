"""What a launch would do, before anybody says yes: who gets what by which channel, who gets nothing and why, the cost.

People are decided by the same code as in the launch. Costs come from really rendering the message, for everybody or,
where there are many, for a sample spread evenly over them; the plan says which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from campaigns.assign import Decision, addresses_taken, assign, candidates
from campaigns.audience import step_audience
from messaging.content.render import RenderedSms, Renderer
from messaging.content.templates import Template
from messaging.content.tokens import LENGTH
from messaging.db import Connection, load_queries

SQL = load_queries(__file__)

PAGE: Final = 20_000
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
        audience: people the filter finds.
        by_channel: messages, by channel.
        not_sent: people who would get nothing, by reason.
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
    audience: int
    by_channel: Mapping[str, int]
    not_sent: Mapping[str, int]
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


async def plan(db: Connection, campaign_id: int, *, public_url: str) -> LaunchPlan:
    """Work out what a launch would do; changes nothing.

    Later steps are judged as things stand now: whoever answers before they start gets nothing from them.

    Args:
        db: a connection.
        campaign_id: the campaign.
        public_url: what members' links start with; its length counts in a text.

    Raises:
        SpecError: the audience names a unit that is no longer there.
        TemplateError: the message cannot be rendered for somebody.
    """
    async with db.transaction(isolation="repeatable_read", readonly=True):
        steps = [await _step(db, row, public_url) for row in await db.fetch(SQL["waiting_steps"], campaign_id)]
    return LaunchPlan(campaign_id, tuple(steps))


async def _step(db: Connection, step: asyncpg.Record, public_url: str) -> StepPlan:
    decisions = await _decisions(db, step)
    queued = [one for one in decisions if one.channel is not None]
    by_channel = Counter(one.channel for one in queued if one.channel)
    renderer = Renderer(Template.from_json(step["content"]), step["constants"])
    texts = await _render_texts(db, renderer, queued, public_url)
    segments = round(sum(text.segments.segments for text in texts) / len(texts) * by_channel["sms"]) if texts else 0
    price = step["spec"].get("price")
    return StepPlan(
        position=step["position"],
        template=step["template"],
        channels=tuple(step["channels"]),
        due_at=step["due_at"],
        after=step["after"],
        audience=len(decisions),
        by_channel=by_channel,
        not_sent=Counter(str(one.reason) for one in decisions if one.channel is None),
        segments=segments,
        rendered=len(texts),
        ucs2=sum(text.segments.encoding == "ucs2" for text in texts),
        cost=segments * price["sms_segment"] + by_channel["email"] * price["email"] if price else None,
        currency=price["currency"] if price else "",
        example=await _example(db, renderer, queued[:1], public_url),
    )


async def _decisions(db: Connection, step: asyncpg.Record) -> list[Decision]:
    audience = await step_audience(db, step)
    decisions: list[Decision] = []
    after = step["launch_cursor"]  # not 0 where a launch was interrupted: only the rest is planned
    taken = await addresses_taken(db, step["step_id"]) if after else set()
    while people := await audience.page(db, after=after, limit=PAGE):
        after = people[-1]
        page = await candidates(
            db,
            people=people,
            channels=step["channels"],
            goal_id=step["goal_id"],
            purpose=step["purpose"],
        )
        decisions += assign(page, taken)
    return decisions


async def _render_texts(
    db: Connection, renderer: Renderer, queued: Sequence[Decision], public_url: str
) -> list[RenderedSms]:
    """The texts of everybody who gets one, or of a sample spread evenly over them."""
    people = [one.person_id for one in queued if one.channel == "sms"]
    if len(people) > SAMPLE:
        people = [people[n * len(people) // SAMPLE] for n in range(SAMPLE)]
    return [renderer.sms(variables) for variables in await _variables(db, people, public_url)]


async def _example(db: Connection, renderer: Renderer, one: Sequence[Decision], public_url: str) -> str:
    for variables in await _variables(db, [decision.person_id for decision in one], public_url):
        if one[0].channel == "sms":
            return renderer.sms(variables).text
        mail = renderer.email(variables)
        return f"Subject: {mail.subject}\n\n{mail.text}"
    return ""


async def _variables(db: Connection, people: Sequence[int], public_url: str) -> list[dict[str, Any]]:
    token = "0" * LENGTH
    links = {"confirm_link": f"{public_url}/{token}", "unsubscribe_link": f"{public_url}/u/{token}"}
    return [row["variables"] | links for row in await db.fetch(SQL["variables"], people)]
