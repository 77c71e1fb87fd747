"""Preview of a launch: who gets which step by which channel, who gets nothing and why, and the cost.

Recipients are chosen by the same code as in the launch. Costs come from rendering the message, for everybody or, where
there are many, for a sample spread evenly over them; the plan says which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from campaigns.addressing import Decision, decide
from campaigns.advice import greets_by_name, step_advice
from campaigns.audience import step_audience
from campaigns.date_plan import plan_dates
from campaigns.languages import LanguagePlan, plan_languages, untranslated
from campaigns.launch_plan import Example, LaunchPlan, StepPlan
from campaigns.sending_windows import NIGHT
from campaigns.spec import Quiet
from campaigns.subject_letters import letters_for
from campaigns.variables import example_variables
from campaigns.waiting_steps import StepTimes, WaitingStep, waiting_steps
from core.db import Connection, load_queries
from core.frequency_caps import Cap, effective
from core.plurals import plural
from messaging.content.render import Renderer
from messaging.content.templates import Template
from messaging.content.vocabulary import LETTER
from messaging.states import ChannelName

SQL: Final = load_queries(__file__)

SAMPLE_SIZE: Final = 4_000
"""Most messages rendered for the estimate."""


async def plan_launch(
    db: Connection,
    campaign_id: int,
    *,
    public_url: str,
    now: datetime | None = None,
    caps: Sequence[Cap] = (),
    at_once: int | None = None,
) -> LaunchPlan:
    """Preview a launch; changes nothing.

    Later steps are previewed as things are now: people who answer before such a step starts will get nothing from it.

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


async def advice_of_steps(db: Connection, campaign_id: int, now: datetime) -> list[tuple[int, str]]:
    """List advice about the steps still to be launched: step number and sentence.

    Args:
        db: a connection.
        campaign_id: the campaign.
        now: when it would be launched.
    """
    waiting = await waiting_steps(db, campaign_id, now)
    advice: list[tuple[int, str]] = []
    for step, times in waiting:
        people = await (await step_audience(db, step)).languages(db) if step.subject.own_languages else {}
        lacking = untranslated(step.subject, Template.from_json(step.content), people)
        advice += [
            (step.position, sentence) for sentence in (*step_advice(step, step.sms_from, times.goes_at), *lacking)
        ]
    return advice


@dataclass(slots=True)
class _Tally:
    """Totals of a step, added up page by page."""

    audience: int = 0
    by_channel: Counter[str] = field(default_factory=Counter)
    not_sent: Counter[str] = field(default_factory=Counter)
    people: list[int] = field(default_factory=list)  # people who get a message
    texts: list[int] = field(default_factory=list)  # … as a text
    letters: dict[int, str] = field(default_factory=dict)  # … with a letter behind its digits
    by_date: list[Decision] = field(default_factory=list)  # decisions by a date of the person

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
    languages = await plan_languages(
        db, renderer, tally.people, tally.texts, public_url, letters=tally.letters, sample=SAMPLE_SIZE
    )
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
        non_gsm_characters="".join(sorted({char for language in languages for char in language.non_gsm_characters})),
        cost=segments * price["sms_segment"] + tally.by_channel["email"] * price["email"] if price else None,
        currency=price["currency"] if price else "",
        languages=languages,
        warnings=(
            *step_advice(step, step.sms_from, times.goes_at),
            *untranslated(step.subject, template, {each.language: sum(each.messages.values()) for each in languages}),
            *await _nameless(db, template, tally.people),
        ),
        examples=await _examples(db, renderer, languages, public_url, tally.letters),
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
    has_letters = LETTER in Template.from_json(step.content).variables
    # the cursor is not 0 if a launch was interrupted: only the rest is planned
    async for page in decide(db, step, await step_audience(db, step), after=step.launch_cursor, written=False, now=now):
        tally.add(page)
        if has_letters:
            of_page = await letters_for(db, step.subject, page, now)
            tally.letters |= {sent.person_id: letter for sent, letter in zip(page, of_page, strict=False) if letter}
    return tally


async def _examples(
    db: Connection,
    renderer: Renderer,
    languages: Sequence[LanguagePlan],
    public_url: str,
    letters: Mapping[int, str],
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
                await _render_text(db, renderer, channel, people[channel, language], public_url, letters),
            )
            for (channel, language), count in messages.most_common()
        ]
    )


async def _render_text(
    db: Connection,
    renderer: Renderer,
    channel: ChannelName,
    person_id: int,
    public_url: str,
    letters: Mapping[int, str],
) -> str:
    [variables] = await example_variables(db, [person_id], public_url, letters)
    if channel == "sms":
        return renderer.sms(variables).text
    mail = renderer.email(variables)
    return f"Subject: {mail.subject}\n\n{mail.text}"
