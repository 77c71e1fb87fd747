"""Terminal tables of `muster campaign`: a plan and a status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from campaigns.campaigns import CampaignStatus
from campaigns.launch_plan import Example, StepPlan
from campaigns.sending_windows import NIGHT
from campaigns.subjects.answer import AnswerTable
from core.plurals import plural, verb
from core.times_in_words import pause_in_words
from messaging.content.languages import language_name
from messaging.outbox.counts import StepCounts
from messaging.reasons import sentence
from messaging.states import STATE_GROUPS

_EXAMPLE_LINES: Final = 12
_MAX_UNITS: Final = 20
_MAX_SHOWN_CHARACTERS: Final = 12
_MAX_REASONS: Final = 6
_UNDER_WAY: Final = ("launching", "running", "paused")


def plan_table(step: StepPlan, *, now: bool = False) -> RenderableType:
    """Show what launching one step would do; `now`: before its time."""
    heading = Text(f"\nStep {step.position}: {step.template}", style="bold")
    heading.append(f"  {_starts(step, now=now)}", style="not bold dim")
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{step.audience:,}", "people in the audience")
    for channel in step.channels:
        table.add_row(f"{step.by_channel.get(channel, 0):,}", f"get it by {'text' if channel == 'sms' else 'email'}")
    for reason, n in sorted(step.not_sent.items(), key=lambda item: -item[1]):
        table.add_row(f"{n:,}", f"get nothing: {sentence(reason)}", style="yellow")
    for count, words, style in _times(step):
        table.add_row(count, words, style=style)
    for count, words in _held_back(step):
        table.add_row(count, words, style="yellow")
    if step.by_channel.get("sms"):
        table.add_row(f"{step.segments:,}", f"SMS segments, {_certainty(step)}")
        if step.ucs2:
            table.add_row("", _non_gsm_characters(step))
    for count, words, missing in _languages(step):
        table.add_row(count, words, style="yellow" if missing else None)
    if step.cost is not None:
        table.add_row(f"{step.cost:,.2f}", f"{step.currency}, by the prices in the file")
    elif step.by_channel:
        table.add_row("", Text("without a cost: the file has no prices, [campaign.price]"))
    parts: list[RenderableType] = [heading, table]
    parts += [Text(f"Warning: {warning}", style="yellow") for warning in step.warnings]
    parts += [part for example in step.examples for part in _example(example, step)]
    return Group(*parts)


def _non_gsm_characters(step: StepPlan) -> str:
    """Say which characters make texts cost more, and how much those texts cost."""
    some = f"{step.ucs2:,} of {plural(step.rendered, 'text')}" + ("" if step.exact else " looked at")
    characters = step.non_gsm_characters
    shown = " ".join(characters[:_MAX_SHOWN_CHARACTERS]) + (" …" if len(characters) > _MAX_SHOWN_CHARACTERS else "")
    return (
        f"{some} {verb(step.ucs2, 'holds', 'hold')} 70 characters a segment, not 160, because of {shown}:"
        f" {plural(step.ucs2_segments, 'segment')} together"
    )


def _example(example: Example, step: StepPlan) -> Iterator[RenderableType]:
    """Show a message as its recipient gets it, and how many get it in this form if not everybody does."""
    what = "text" if example.channel == "sms" else "email"
    if len(step.examples) > 1:
        languages = {each.language for each in step.examples}
        spoken = f" in {language_name(example.language)}" if len(languages) > 1 else ""
        yield Text(f"  The {what}{spoken}, as {example.messages:,} of {sum(step.by_channel.values()):,} get it:")
    lines = example.text.splitlines()
    more = (
        [f"… {len(lines) - _EXAMPLE_LINES} more lines"] if len(lines) > _EXAMPLE_LINES + 1 else lines[_EXAMPLE_LINES:]
    )
    yield Padding(Text("\n".join([*lines[:_EXAMPLE_LINES], *more]), style="dim"), (0, 4))


def _held_back(step: StepPlan) -> Iterator[tuple[str, str]]:
    """Describe what holds messages back when they are claimed: frequency caps, windows, quiet hours."""
    if step.capped_wait:
        yield f"{step.capped_wait:,}", "of them wait first: they have had enough messages lately"
    if step.capped_out:
        yield f"{step.capped_out:,}", "of them get nothing: they have had enough messages lately, and later is too late"
    if step.dates:
        return
    if step.never:
        yield "", "its window and quiet hours leave no time in which it may be sent"
        return
    yield from _opens(step)
    if step.at_night:
        start, end = NIGHT
        yield (
            f"{step.at_night:,}",
            f"texts go at night ({start:%H:%M} to {end:%H:%M}) where they are read; quiet_hours would keep them back",
        )


def _opens(step: StepPlan) -> Iterator[tuple[str, str]]:
    """Say when the first message may go, if that is later than the step; by channel if these differ."""
    later = {channel: at for channel, at in step.opens.items() if at is None or at > step.starts_at}
    if step.opens_at is not None and len(set(step.opens.values())) == 1:
        yield "", f"the first may go on {_moment(step.opens_at)}, by the campaign's clock"
        return
    for channel, at in later.items():
        what = "text" if channel == "sms" else "email"
        if at is None:
            yield "", f"its window and quiet hours leave no time in which a {what} may be sent"
        else:
            yield "", f"the first {what} may go on {_moment(at)}, by the campaign's clock"


def _times(step: StepPlan) -> Iterator[tuple[str, str, str | None]]:
    """Say when nothing is sent, and when messages that are due by dates of people go."""
    if quiet := _quiet_hours(step):
        yield "", quiet, None
    plan = step.dates
    if plan is None:
        return
    if plan.first is not None and plan.last is not None:
        until = f", the last on {_moment(plan.last)}" if plan.last > plan.first else ""
        yield "", f"the first is due on {_moment(plan.first)}{until}, by the campaign's clock", None
    if plan.at_once:
        yield f"{plan.at_once:,}", "of them go at once: their time has passed, and nothing later takes its place", None
    if plan.in_vain:
        yield (
            f"{plan.in_vain:,}",
            "of them expire: quiet hours, the window or the end of the step leave no time",
            "yellow",
        )
    if plan.shared:
        yield (
            f"{plan.shared:,}",
            "of them share a phone or mailbox, and each gets their own: the text has to name them",
            None,
        )
    if plan.unreadable:
        yield (
            "",
            f"{plan.attribute} cannot be read, such as {', '.join(f'“{text}”' for text in plan.unreadable)}",
            "yellow",
        )


def _moment(at: datetime) -> str:
    return f"{at:%A} {at.day} {at:%B at %H:%M}"


def _quiet_hours(step: StepPlan) -> str:
    """Describe the quiet hours in words; "" if a step sends no texts and has none."""
    if step.quiet is None:
        return "texts go at any hour: there are no quiet hours" if "sms" in step.channels else ""
    what = "no texts" if step.quiet.channels == ("sms",) else "nothing"
    return f"{what} between {step.quiet.start:%H:%M} and {step.quiet.end:%H:%M}, by each person's own clock"


def _languages(step: StepPlan) -> Iterator[tuple[str, str, bool]]:
    """List how many get it in each language, if there is more than one or the template lacks one of them."""
    if len(step.languages) < 2 and not any(language.missing or language.page_in for language in step.languages):
        return
    for language in step.languages:
        by = " and ".join(f"{n:,} by {'text' if name == 'sms' else 'email'}" for name, n in language.messages.items())
        words = f"have the language {language_name(language.language)}: {by}"
        if language.segments:
            words += f", {plural(language.segments, 'segment')}"
        for channel, missing_channel in language.missing.items():
            what = "text" if channel == "sms" else "email"
            theirs = language_name(language.language)
            words += f"; the {what} is not in {theirs}, they get it in {language_name(missing_channel)}"
        if language.page_in:
            words += f"; their page is in {language_name(language.page_in)}"
        yield f"{sum(language.messages.values()):,}", words, bool(language.missing or language.page_in)


def _starts(step: StepPlan, *, now: bool) -> str:
    if now:
        return "starts now, whatever its own time"
    if step.dates is not None:
        return f"each {step.dates.pause.words} {step.dates.side} their {step.dates.attribute}, until the step ends"
    if step.due_at is not None:
        return f"starts {_moment(step.due_at.astimezone(step.starts_at.tzinfo))}, by the campaign's clock"
    if step.after is not None:
        return (
            f"starts {pause_in_words(step.after)} after the step before, {_moment(step.starts_at)} at the earliest; "
            "this is as things stand now"
        )
    return "starts at once"


def _certainty(step: StepPlan) -> str:
    if step.exact:
        return "every text counted"
    return f"estimated from {step.rendered:,} of {step.by_channel.get('sms', 0):,} texts"


def status_table(now: CampaignStatus) -> RenderableType:
    """Show the progress of a campaign's steps, and the answers so far."""
    campaign = now.campaign
    heading = Text(campaign.name, style="bold")
    heading.append(f"  {campaign.title}", style="not bold")
    until = now.answers_until
    state = campaign.state if until is None else f"all sent; answers count until {campaign.subject.local(until)}"
    heading.append(f"  {state}", style="green" if campaign.state == "running" or until else "yellow")
    if campaign.paused_reason:
        heading.append(f": {campaign.paused_reason}", style="yellow")
    table = Table(box=None, header_style="bold")
    table.add_column("step", no_wrap=True)
    for column in ("waiting", "sent", "delivered", "failed", "unknown", "not sent"):
        table.add_column(column, justify="right", no_wrap=True)
    for step in now.steps:
        table.add_row(*_progress(step))
    zone = ZoneInfo(campaign.subject.time_zone)
    return Group(
        heading,
        table,
        *(Text(f"step {step.position}: {left}") for step in now.steps if (left := _left(step, zone))),
        *_stopped(now.steps),
        *(_reasons(step) for step in now.steps if step.reasons or step.remarks),
        *([Text(_opted_out(now.opted_out))] if now.opted_out else []),
        *([Text(now.outcome.sentence)] if now.outcome.sentence else []),
        *([_answers(now.outcome.answers)] if now.outcome.answers else []),
    )


def _answers(answers: AnswerTable) -> RenderableType:
    """Show how many people gave each answer, by unit; if there are many units, the first."""
    table = Table("unit", *answers.answers, box=None, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    for column in table.columns[1:]:
        column.justify = "right"
    for path, counts in (*answers.units[:_MAX_UNITS], ("everybody", answers.everybody)):
        table.add_row(path or "(no unit)", *(f"{n:,}" for n in counts))
    more = len(answers.units) - _MAX_UNITS
    return Group(table, Text(f"{plural(more, 'more unit')} in --json.", style="dim")) if more > 0 else table


def _stopped(steps: Sequence[StepCounts]) -> list[Text]:
    """Explain why steps do not send although the campaign runs, once for each sender, and how to resume."""
    stopped = {step.sender: step.stopped for step in steps if step.stopped and step.state in _UNDER_WAY}
    return [
        Text(f"Nothing is sent from {sender}: {why} Fix it, then: muster messages resume {sender}", style="yellow")
        for sender, why in stopped.items()
    ]


def _opted_out(n: int) -> str:
    return f"{plural(n, 'person', 'people')} opted out in answer to it."


def _progress(step: StepCounts) -> list[str]:
    def total(group: str) -> str:
        return f"{sum(step.counts.get(state, 0) for state in STATE_GROUPS[group]):,}"

    return [
        f"{step.position} {step.state}",
        total("waiting"),
        total("sent"),
        total("delivered"),
        total("failed"),
        total("unknown"),
        total("left_out"),
    ]


def _left(step: StepCounts, zone: tzinfo) -> str:
    """Show the time left and the rate it is estimated by, or when the next message is due by a date of its person."""
    if step.next_at is not None:
        return f"the next goes on {_moment(step.next_at.astimezone(zone))}"
    if not step.seconds_left:
        return ""
    minutes, rest = divmod(round(step.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{clock} left at {step.rate_per_second:,.0f} a second"


def _reasons(step: StepCounts) -> Text:
    words = [f"{n:,} {sentence(reason)}" for reason, n in sorted(step.reasons.items(), key=lambda item: -item[1])]
    more = len(words) - _MAX_REASONS
    words = words[:_MAX_REASONS] + ([f"{plural(more, 'more reason')} in --json"] if more > 0 else [])
    words += [f"sent all the same: {n:,} {sentence(reason)}" for reason, n in step.remarks.items()]
    return Text("\n".join(f"  step {step.position}: {line}" for line in words), style="dim")
