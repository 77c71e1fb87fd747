"""Validation of a campaign file: everything it names exists, and somebody can be reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.addressing import assign_addresses, list_candidates
from campaigns.audience import check_audience, compile_audience, unheld_in_audience
from campaigns.replies.classification import GENERAL
from campaigns.replies.classification.named_answers import read_words
from campaigns.spec import CampaignSpec, StepSpec
from campaigns.subjects.subject import Subject
from campaigns.variables import SUBJECTS, known_variables
from core.db import Connection
from core.errors import InputError, NotFound, SpecError, TemplateError
from core.plurals import plural
from core.settings import Settings
from core.spec_errors import near_miss
from core.spec_file import at_zone
from messaging.channels import has_sms
from messaging.content.advice import offered_network_words
from messaging.content.template_files import load_template
from messaging.content.templates import Template
from messaging.reasons import sentence
from messaging.states import ChannelName, State
from people.attributes import missing_attribute

_PAGE_SIZE: Final = 20_000
_NEVER: Final = datetime.max.replace(tzinfo=UTC)

_UNSET: Final = {
    "sms": "no SMS provider is set up (MUSTER_SMS_FROM, and what docs/providers.md names for each)",
    "email": "no mail relay is set up (MUSTER_SMTP_URL)",
}


async def check_campaign(
    db: Connection, settings: Settings, spec: CampaignSpec, subject: Subject, now: datetime
) -> list[Template]:
    """Check a campaign file against the database, the settings and the templates.

    Args:
        db: a connection.
        settings: providers and template folders.
        spec: the file.
        subject: its subject, whose population is up to date.
        now: the current time.

    Returns:
        The template of each step.

    Raises:
        SpecError: with a line for each thing that is wrong, or for each reason why nobody can be reached.
    """
    known = await known_variables(db)
    problems = await check_audience(db, spec.audience, subject, key="campaign.audience")
    templates: list[Template] = []
    for position, step in enumerate(spec.steps, start=1):
        key = f"campaign.steps[{position}]"
        template, wrong = _template(settings, spec, step, subject, known)
        if template is not None:
            templates.append(template)
        problems += [f"{key}.{line}" for line in (*wrong, *_times(spec, step, subject, now))]
        if step.when.of is not None:
            problems += await missing_attribute(db, step.when.of, key=f"{key}.when.of")
        if step.audience is not None:
            problems += await check_audience(db, step.audience, subject, key=f"{key}.audience")
    problems += _two_dates(spec, subject)
    if spec.senders.email and "@" not in parseaddr(spec.senders.email)[1]:
        problems.append(
            "campaign.senders.email: write an address, or a name and an address: Your Name <hello@example.org>"
        )
    if problems:
        raise SpecError(f"The campaign {spec.name} cannot be made.", problems=problems)
    await _refuse_unreachable(db, spec, subject, templates)
    return templates


def check_phrases(subject: Subject) -> None:
    """Check that no phrase of an answer means something else in every reply, such as an opt-out or another's digit.

    Raises:
        SpecError: one does; a line for each.
    """
    wrong = [
        f"{subject.kind}.answers: “{phrase}” ({answer}) is read as {reading.replace('_', ' ')} in every reply; choose"
        " other words"
        for phrase, answer in subject.phrases().items()
        if (reading := read_words(phrase).reading) != "unclear"
    ]
    wrong += [
        f"{subject.kind}.answers: “{phrase}” ({answer}) is read as the digit of {read.answer}; choose other words"
        for phrase, answer in subject.phrases().items()
        if (read := subject.reads(phrase, subject.digits)) is not None and read.answer != answer
    ]
    if wrong:
        raise SpecError(f"The {subject.kind} {subject.name} cannot be used.", problems=wrong)


def check_template(
    template: Template,
    kind: type[Subject],
    known: frozenset[str],
    sms_from: str | None,
    subject: Subject | None = None,
) -> None:
    """Check a template for campaigns about one kind of subject, or about one subject.

    Args:
        template: the template.
        kind: the class of the kind.
        known: every variable that templates may use.
        sms_from: the sender of texts; None if there is none, or it is not known.
        subject: the subject itself, which must have the menu's answers; None for any subject of the kind.

    Raises:
        TemplateError: it cannot be used; each problem names its line.
    """
    own = [kind.variable] if kind.variable else []
    template.check(
        known - {variable.name for variable in SUBJECTS if variable not in own}, subjects=own, sms_from=sms_from
    )
    own_refusals = subject.menu_refusals(template) if subject is not None else ()
    if wrong := [*kind.refusals(template), *_menu_refusals(template, kind), *own_refusals]:
        label = subject.label if subject is not None else f"a {kind.kind}"
        raise TemplateError(f"The template {template.name} cannot be used for {label}.", problems=wrong)


def _menu_refusals(template: Template, kind: type[Subject]) -> Iterator[str]:
    """Refuse words that never arrive as answers, and digits that no campaign about this kind understands.

    Digits for answers that each subject of the kind names itself are checked by its own `menu_refusals`.
    """
    versions = template.versions("sms").values()
    for word in dict.fromkeys(word for version in versions for word in offered_network_words(version)):
        yield (
            f"the text of {template.name} offers {word} as an answer, on which mobile networks act themselves; offer"
            " digits"
        )
    if kind.reads_answers or not kind.common_meanings:
        return
    known = GENERAL | kind.common_meanings
    unknown = {
        digit: meaning for version in versions for digit, meaning in version.menu.items() if meaning not in known
    }
    for digit, meaning in unknown.items():
        yield (
            f"the template {template.name} offers {digit} for {meaning}, which is no answer to a"
            f" {kind.kind}{near_miss(meaning, known)}; it understands {', '.join(sorted(known))}"
        )


def _template(
    settings: Settings, spec: CampaignSpec, step: StepSpec, subject: Subject, known: frozenset[str]
) -> tuple[Template | None, list[str]]:
    """Load a step's template, and list its problems, each line starting with the key."""
    wrong = [f"channels: {_UNSET[channel]}" for channel in step.channels if not _has(settings, channel)]
    try:
        template = load_template(settings.template_roots, step.template)
        sms_from = spec.senders.sms or settings.sms_from if "sms" in step.channels else None
        check_template(template, type(subject), known, sms_from, subject)
    except InputError as error:
        return None, [*wrong, *(f"template: {line}" for line in error.problems or (error.message,))]
    except NotFound as error:
        return None, [*wrong, f"template: {error}"]
    wrong += [
        f"channels: the template {template.name} has no {channel} text, only {' and '.join(template.channels)}"
        for channel in step.channels
        if channel not in template.channels
    ]
    return template, wrong


def _has(settings: Settings, channel: ChannelName) -> bool:
    return has_sms(settings) if channel == "sms" else settings.has_email


def step_ends(spec: CampaignSpec, step: StepSpec, subject: Subject) -> datetime | None:
    """Return when a step's sending ends: its own end or the subject's close, or its window's end if that is earlier.

    None if nothing ends it.
    """
    zone = ZoneInfo(subject.time_zone)
    own = at_zone(step.send_before, zone, end=True) if step.send_before else subject.closes_at
    until = step.window.within(spec.window).until
    return own if until is None else min(own or _NEVER, at_zone(until, zone, end=True))


def _times(spec: CampaignSpec, step: StepSpec, subject: Subject, now: datetime) -> Iterator[str]:
    zone = ZoneInfo(subject.time_zone)
    window = step.window.within(spec.window)
    starts = at_zone(step.when.at, zone) if step.when.at else None
    opens = at_zone(window.from_, zone) if window.from_ else None
    ends, closes = step_ends(spec, step, subject) or _NEVER, subject.closes_at or _NEVER
    key = "send_before" if window.until is None or ends < at_zone(window.until, zone, end=True) else "window.until"
    if starts is not None and starts <= now:
        yield f"when.at: that time has passed ({subject.local(starts)}); leave it out to start with the launch"
    if starts is not None and starts >= closes:
        yield f"when.at: the {subject.kind} is closed by then; it closes {subject.local(closes)}"
    if ends <= now:
        yield f"{key}: that time has passed"
    elif ends <= (starts or now):
        yield f"{key}: that is before the step starts"
    elif opens is not None and opens >= ends:
        yield f"window.from: that is after the last moment it may be sent, {subject.local(ends)}"


def _two_dates(spec: CampaignSpec, subject: Subject) -> Iterator[str]:
    """Yield a problem if messages before different dates ask one question: an answer is about one date."""
    dates = list(dict.fromkeys(step.when.of for step in spec.steps if step.when.dated == "before"))
    if subject.reads_answers and len(dates) > 1:
        yield (
            f"campaign.steps: it is asked before {dates[0]} and before {dates[1]}, and nobody knows which of them an"
            f" answer is about; make a {subject.kind} and a campaign for each"
        )


async def _refuse_unreachable(db: Connection, spec: CampaignSpec, subject: Subject, templates: list[Template]) -> None:
    """Refuse a campaign that would reach nobody at all, with the reasons.

    Raises:
        SpecError: with a line for each reason.
    """
    audience = await compile_audience(db, spec.audience, subject=subject)
    channels = sorted({channel for step in spec.steps for channel in step.channels})
    why: Counter[str] = Counter()
    after = 0
    while people := await audience.page(db, after=after, limit=_PAGE_SIZE):
        after = people[-1]
        page = await list_candidates(
            db, people=people, channels=channels, goal_id=subject.goal_id, purpose=templates[0].purpose
        )
        decisions = assign_addresses(page, set())
        if any(decision.state is State.QUEUED for decision in decisions):
            return
        why.update(str(decision.reason) for decision in decisions)
    if not why:
        raise SpecError(
            f"The audience of {spec.name} is empty.",
            problems=[
                f"campaign.audience: {subject.nobody_found}",
                *await unheld_in_audience(db, spec.audience, key="campaign.audience"),
            ],
            remedy=subject.population_hint,
        )
    raise SpecError(
        f"The campaign {spec.name} would reach nobody of its {plural(why.total(), 'person', 'people')}.",
        problems=[f"{n} x {reason}: {sentence(reason)}" for reason, n in why.most_common()],
        remedy="Import addresses, choose other channels, or widen the audience.",
    )
