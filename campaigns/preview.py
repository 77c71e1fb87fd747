"""Preview of a launch: who gets which step by which channel, who gets nothing and why, and the cost.

Recipients are chosen by the same code as in the launch. Costs come from rendering the message, for everybody or, where
there are many, for a sample spread evenly over them; the plan says which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.addressing import Decision, decide
from campaigns.advice import greets_by_name, step_advice
from campaigns.audience import step_audience
from campaigns.date_plan import DatePlan, plan_dates
from campaigns.languages import LanguagePlan, plan_languages, variables_of
from campaigns.launching_step import LaunchingStep
from campaigns.sending_windows import NIGHT
from campaigns.spec import Quiet
from core.db import Connection, load_queries
from core.frequency_caps import Cap, effective
from core.plurals import plural
from messaging.content.render import Renderer
from messaging.content.templates import Template
from messaging.states import ChannelName

SQL = load_queries(__file__)

SAMPLE_SIZE: Final = 4_000
"""Most messages rendered for the estimate."""


@dataclass(frozen=True, slots=True)
class Example:
    """Example of a text or email as somebody would get it.

    Attributes:
        channel: `sms` or `email`.
        language: its language.
        messages: how many get it by this channel in this language.
        text: the whole text; an email's begins with its subject.
    """

    channel: ChannelName
    language: str
    messages: int
    text: str


@dataclass(frozen=True, slots=True)
class StepPlan:
    """Preview of launching one step now.

    Attributes:
        position: its number in the campaign.
        template: its name.
        channels: in order of preference.
        due_at: when it starts, where it has a time.
        after: how long after the step before, where it follows one.
        starts_at: when that is, as far as is known now; in the subject's time zone, as the next two.
        opens_at: when its first message may be sent in the subject's time zone, where that is after its start.
        opens: the same by channel; None where its hours leave no time at all.
        never: whether its hours leave no time at all in which it may be sent.
        quiet: quiet hours of some of its channels, in each recipient's time zone; None where there are none.
        at_night: texts that recipients would get at night, if sent as soon as the step's hours allow.
        audience: people the filter finds.
        by_channel: messages, by channel.
        not_sent: people who would get nothing, by reason.
        capped_wait: of those who get a message, how many are at a frequency cap, so that theirs waits first.
        capped_out: how many would get theirs too late because of a frequency cap, and so get nothing.
        segments: SMS segments of all texts.
        rendered: texts rendered for that number; less than all of them means it is an estimate.
        ucs2: of those rendered, texts with characters that make a segment hold 70 instead of 160.
        ucs2_segments: the segments of these.
        dear: those characters, each once.
        cost: by the prices in the file; None where it names none.
        currency: of the cost.
        languages: the same for the people of each language, the most spoken first.
        warnings: things about its template that are allowed but seldom intended.
        examples: one message of each channel and language, the one most people get first.
        dates: of a step whose messages are due by dates of people, when these are.
    """

    position: int
    template: str
    channels: tuple[str, ...]
    due_at: datetime | None
    after: timedelta | None
    starts_at: datetime
    opens_at: datetime | None
    opens: Mapping[str, datetime | None]
    never: bool
    quiet: Quiet | None
    at_night: int
    audience: int
    by_channel: Mapping[str, int]
    not_sent: Mapping[str, int]
    capped_wait: int
    capped_out: int
    segments: int
    rendered: int
    ucs2: int
    ucs2_segments: int
    dear: str
    cost: float | None
    currency: str
    languages: tuple[LanguagePlan, ...]
    warnings: tuple[str, ...]
    examples: tuple[Example, ...]
    dates: DatePlan | None = None

    @property
    def exact(self) -> bool:
        """Return whether every text was rendered."""
        return self.rendered == self.by_channel.get("sms", 0)


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """Preview of launching a campaign now, step by step."""

    campaign_id: int
    steps: tuple[StepPlan, ...]


@dataclass(frozen=True, slots=True)
class WaitingStep(LaunchingStep):
    """Step that is still to be launched.

    Attributes:
        template: the name of its template.
        due_at: when it is to be launched; None where that depends on the step before it. Aware, like every time here.
        after: how long after the step before it; None where it has a time of its own, or none.
        quiet_from, quiet_until: its quiet hours; None for none.
        quiet_channels: the channels that keep them; None for all.
        send_before: its deadline; None for none.
        frequency_caps: its own caps; None for the organisation's.
        sms_from: the sender of its texts; None where it has none.
    """

    template: str
    due_at: datetime | None
    after: timedelta | None
    quiet_from: time | None
    quiet_until: time | None
    quiet_channels: list[ChannelName] | None
    send_before: datetime | None
    frequency_caps: list[dict[str, Any]] | None
    sms_from: str | None


async def plan(
    db: Connection,
    campaign_id: int,
    *,
    public_url: str,
    now: datetime | None = None,
    caps: Sequence[Cap] = (),
    at_once: int | None = None,
) -> LaunchPlan:
    """Preview a launch; changes nothing.

    Later steps are previewed by what is known now: people who answer before they start will get nothing from them.

    Args:
        db: a connection.
        campaign_id: the campaign.
        public_url: the beginning of members' links; its length counts in a text.
        now: when it would be launched; the current time where it is left out.
        caps: the organisation's frequency caps.
        at_once: the number of a step that would be launched before its time.

    Raises:
        SpecError: the audience names a unit that is no longer there.
        TemplateError: the message cannot be rendered for somebody.
    """
    async with db.transaction(isolation="repeatable_read", readonly=True):
        waiting = await waiting_steps(db, campaign_id, now or datetime.now(UTC), at_once=at_once)
        steps = [await _step(db, step, times, public_url, caps) for step, times in waiting]
    return LaunchPlan(campaign_id, tuple(steps))


async def waiting_steps(
    db: Connection, campaign_id: int, now: datetime, *, at_once: int | None = None
) -> list[tuple[WaitingStep, StepTimes]]:
    """List the steps that are still to be launched, in their order, and when each starts.

    Args:
        db: a connection.
        campaign_id: the campaign.
        now: when it would be launched.
        at_once: the number of a step that would be launched before its time.
    """
    waiting: list[tuple[WaitingStep, StepTimes]] = []
    for row in await db.fetch(SQL["list_waiting_steps"], campaign_id):
        step = WaitingStep.of(row)
        before = row["after_launch"] or (waiting[-1][1].starts_at if waiting else None)
        times = await _times(db, step, before, now, early=step.position == at_once)
        waiting.append((step, times))
    return waiting


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Times of a step: when it starts, and when its first message may be sent by each channel; None for never."""

    starts_at: datetime
    opens: Mapping[str, datetime | None]

    @property
    def opens_at(self) -> datetime | None:
        """Return when the first message may be sent by any channel."""
        return min((at for at in self.opens.values() if at is not None), default=None)

    @property
    def goes_at(self) -> datetime:
        """Return when the first message is sent, as far as is known."""
        return self.opens_at or self.starts_at


async def advice_of_steps(db: Connection, campaign_id: int, now: datetime) -> list[tuple[int, str]]:
    """List what is allowed but seldom intended in the steps still to be launched: step number and sentence.

    Args:
        db: a connection.
        campaign_id: the campaign.
        now: when it would be launched.
    """
    waiting = await waiting_steps(db, campaign_id, now)
    return [
        (step.position, warning)
        for step, times in waiting
        for warning in step_advice(step, step.sms_from, times.goes_at)
    ]


async def _times(
    db: Connection, step: WaitingStep, before: datetime | None, now: datetime, *, early: bool
) -> StepTimes:
    here = ZoneInfo(step.subject.time_zone)
    rows = await db.fetch(SQL["find_opening"], step.step_id, before, now, early)
    opens = {row["channel"]: row["opens_at"] and row["opens_at"].astimezone(here) for row in rows}
    return StepTimes(rows[0]["starts_at"].astimezone(here), opens)


@dataclass(slots=True)
class _Tally:
    """Totals of a step, added up page by page."""

    audience: int = 0
    by_channel: Counter[str] = field(default_factory=Counter)
    not_sent: Counter[str] = field(default_factory=Counter)
    people: list[int] = field(default_factory=list)  # who get a message
    texts: list[int] = field(default_factory=list)  # … as a text
    by_date: list[Decision] = field(default_factory=list)  # what was decided by a date of the person

    def add(self, decisions: Sequence[Decision]) -> None:
        self.audience += len(decisions)
        self.by_date += [decision for decision in decisions if decision.due is not None]
        for decision in decisions:
            if decision.channel is None:
                self.not_sent[str(decision.reason)] += 1
                continue
            self.by_channel[decision.channel] += 1
            self.people.append(decision.person_id)
            if decision.channel == "sms":
                self.texts.append(decision.person_id)


async def _step(db: Connection, step: WaitingStep, times: StepTimes, public_url: str, caps: Sequence[Cap]) -> StepPlan:
    tally = await _decide(db, step, times.starts_at)
    dates = await plan_dates(db, step, tally.by_date, times.starts_at)
    waiting, too_late = await _capped(db, step, times, tally.people, effective(step.frequency_caps, caps))
    template = Template.from_json(step.content)
    renderer = Renderer(template, step.subject.constants_at(step.constants, times.goes_at))
    languages = await plan_languages(db, renderer, tally.people, tally.texts, public_url, sample=SAMPLE_SIZE)
    segments = sum(language.segments for language in languages)
    price = step.spec.get("price")
    opens_at = times.opens_at
    return StepPlan(
        position=step.position,
        template=step.template,
        channels=tuple(step.channels),
        due_at=step.due_at,
        after=step.after,
        starts_at=times.starts_at,
        opens_at=opens_at if opens_at is not None and opens_at > times.starts_at else None,
        opens=times.opens,
        never=opens_at is None,
        quiet=_quiet(step),
        at_night=0
        if dates
        else await db.fetchval(SQL["count_at_night"], tally.texts, step.step_id, times.starts_at, *NIGHT),
        audience=tally.audience,
        by_channel=tally.by_channel,
        not_sent=tally.not_sent,
        capped_wait=waiting,
        capped_out=too_late,
        segments=segments,
        rendered=sum(language.rendered for language in languages),
        ucs2=sum(language.ucs2 for language in languages),
        ucs2_segments=sum(language.ucs2_segments for language in languages),
        dear="".join(sorted({char for language in languages for char in language.dear})),
        cost=segments * price["sms_segment"] + tally.by_channel["email"] * price["email"] if price else None,
        currency=price["currency"] if price else "",
        languages=languages,
        warnings=(*step_advice(step, step.sms_from, times.goes_at), *await _nameless(db, template, tally.people)),
        examples=await _examples(db, renderer, languages, public_url),
        dates=dates,
    )


async def _nameless(db: Connection, template: Template, people: Sequence[int]) -> list[str]:
    """Warn of people who would be greeted by a name that they do not have."""
    n = await db.fetchval(SQL["count_nameless"], people) if greets_by_name(template) else 0
    if not n:
        return []
    who = f"{plural(n, 'of them has', 'of them have')} no first name"
    return [f'{who}, and the message says it: write {{{{ first_name|default("there", true) }}}} in the template.']


def _quiet(step: WaitingStep) -> Quiet | None:
    if step.quiet_from is None or step.quiet_until is None:
        return None
    channels = None if step.quiet_channels is None else tuple(step.quiet_channels)
    return Quiet(step.quiet_from, step.quiet_until, channels)


async def _capped(
    db: Connection, step: WaitingStep, times: StepTimes, people: Sequence[int], caps: Sequence[Mapping[str, Any]]
) -> tuple[int, int]:
    """Count how many of these people would wait, and how many would get nothing, because of frequency caps."""
    if not caps:
        return 0, 0
    at = times.opens_at or times.starts_at
    row = await db.fetchrow(SQL["count_capped"], people, step.purpose, at, caps, step.send_before)
    assert row is not None
    return row["wait"], row["too_late"]


async def _decide(db: Connection, step: WaitingStep, now: datetime) -> _Tally:
    tally = _Tally()
    # the cursor is not 0 where a launch was interrupted: only the rest is planned
    async for page in decide(db, step, await step_audience(db, step), after=step.launch_cursor, written=False, now=now):
        tally.add(page)
    return tally


async def _examples(
    db: Connection, renderer: Renderer, languages: Sequence[LanguagePlan], public_url: str
) -> tuple[Example, ...]:
    """Render one message of each channel and language, the one most people get first."""
    messages: Counter[tuple[ChannelName, str]] = Counter()
    people: dict[tuple[ChannelName, str], int] = {}
    for planned in languages:
        for channel, count in planned.messages.items():
            kind = channel, planned.said_in[channel]
            messages[kind] += count
            people.setdefault(kind, planned.first[channel])
    return tuple(
        [
            Example(
                channel,
                language,
                count,
                await _render_text(db, renderer, channel, people[channel, language], public_url),
            )
            for (channel, language), count in messages.most_common()
        ]
    )


async def _render_text(
    db: Connection, renderer: Renderer, channel: ChannelName, person_id: int, public_url: str
) -> str:
    [variables] = await variables_of(db, [person_id], public_url)
    if channel == "sms":
        return renderer.sms(variables).text
    mail = renderer.email(variables)
    return f"Subject: {mail.subject}\n\n{mail.text}"
