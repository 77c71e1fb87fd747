"""Dates of a ballot that are past by the time a step is sent: templates can test for them, and plans warn of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ballots.template_fields import BALLOT, PAST_FIELDS
from messaging.content.render import Branding, Renderer
from messaging.content.templates import Template
from messaging.content.vocabulary import CONSTANTS, LINKS

_SAMPLES: Final = ("Sample", "")
"""Values tried for each of a member's variables, so that text inside an `if` is checked, too."""

Dates = Mapping[str, datetime | None]


def constants_at(constants: Mapping[str, Any], dates: Dates, at: datetime) -> dict[str, Any]:
    """Return a step's constants at a moment: `ballot.replacement_past` and the like are "yes" once the date is past.

    Args:
        constants: of the step.
        dates: of its ballot.
        at: when its messages are sent.
    """
    past = {field: "yes" if _is_past(dates, date, at) else "" for date, field in PAST_FIELDS.items()}
    others = constants.get("languages", {})
    return {
        **constants,
        "ballot": {**constants.get("ballot", {}), **past},
        **({"languages": {name: _with(value, past) for name, value in others.items()}} if others else {}),
    }


def past_dates(
    template: Template, constants: Mapping[str, Any], dates: Dates, at: datetime, channels: Sequence[str]
) -> Iterator[str]:
    """Yield a warning sentence for each date that a template names although it is past when the message is sent.

    Args:
        template: the template.
        constants: of the step, as they are at that moment.
        dates: of the ballot.
        at: when its messages are sent.
        channels: the step's channels.
    """
    past = [date for date in PAST_FIELDS if _is_past(dates, date, at)]
    words = list(_words(template, constants, channels)) if past else []
    for date in past:
        written_dates = {
            constants["ballot"].get(date),
            *(constants_of_language["ballot"].get(date) for constants_of_language in _others(constants)),
        } - {"", None}
        if any(each in word for each in written_dates for word in words):
            yield (
                f"It says “{constants['ballot'][date]}” (ballot.{date}), which is past when the step starts: "
                f"leave it out with {{% if ballot.{date} and not ballot.{PAST_FIELDS[date]} %}}, "
                "or choose another template."
            )


def _is_past(dates: Dates, date: str, at: datetime) -> bool:
    moment = dates[date]
    return moment is not None and moment < at


def _with(values: Mapping[str, Any], past: Mapping[str, str]) -> dict[str, Any]:
    return {**values, "ballot": {**values.get("ballot", {}), **past}}


def _others(constants: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return tuple(constants.get("languages", {}).values())


def _words(template: Template, constants: Mapping[str, Any], channels: Sequence[str]) -> Iterator[str]:
    """Yield every text the template may produce, in each language, on one line each."""
    renderer = Renderer(template, constants, Branding())
    names = (template.variables - CONSTANTS - {BALLOT.name}) | LINKS
    for language in template.languages:
        for sample in _SAMPLES:
            variables = {**dict.fromkeys(names, sample), "language": language}
            if template.sms is not None and "sms" in channels:
                yield " ".join(renderer.sms(variables).text.split())
            if template.email is not None and "email" in channels:
                mail = renderer.email(variables)
                yield " ".join(f"{mail.subject} {mail.text}".split())
