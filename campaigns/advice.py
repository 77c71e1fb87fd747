"""Advice about a campaign before it is launched: warnings about what is allowed but seldom intended."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from asyncpg import Record

from ballots.past_dates import constants_at, dates_of, past_dates
from campaigns.replies.classification import READINGS
from campaigns.variables import SUBJECTS
from core.settings import Settings
from messaging.content.templates import Template

_CLAIMS: Final = frozenset({"voted", "not_voted", "will_vote", "no_ballot_paper"})
_OF_A_VOTE: Final = re.compile(
    r"\b(?:ballot|vot(?:e|es|ed|ing)|referendum|\w*pleidlais|\w*pleidleisi\w*)\b", re.IGNORECASE
)


def step_advice(step: Record, at: datetime) -> tuple[str, ...]:
    """List what is seldom intended in a step's message, a sentence each.

    Args:
        step: has its `content`, `constants`, `channels`, `sms_from`, and its ballot's dates.
        at: when its first message may be sent.
    """
    template, dates = Template.from_json(step["content"]), dates_of(step)
    constants = constants_at(step["constants"], dates, at)
    return (
        *template.warnings(subjects=SUBJECTS, sms_from=step["sms_from"], meanings=READINGS, channels=step["channels"]),
        *past_dates(template, constants, dates, at, step["channels"]),
        *_of_another_subject(template),
    )


def unset_settings(settings: Settings, spec: Mapping[str, Any], *, organisation: str) -> Iterator[str]:
    """Warn of unset settings that members would notice, a sentence each.

    Args:
        settings: the settings.
        spec: the campaign's file, as stored.
        organisation: the ballot's; "" where it names none.
    """
    by_email = any("email" in step["channels"] for step in spec["steps"])
    sender = spec.get("senders", {}).get("email")
    known = settings.model_fields_set
    if "organisation" not in known:
        yield (
            "MUSTER_ORGANISATION is not set: "
            + ("outside this ballot" if organisation else "in every message and on every page")
            + " members and staff read no name, or “Your organisation”. Set it to the name they know you by."
        )
    if by_email and not sender and "email_from" not in known:
        yield (
            f"MUSTER_EMAIL_FROM is not set: emails come from {settings.email_from}, which is nobody's and no relay "
            "takes. Set it to an address of your own, or name one as campaign.senders.email."
        )
    if not settings.contact:
        yield "MUSTER_CONTACT is not set: neither emails nor pages say how to reach you."


def _of_another_subject(template: Template) -> Iterator[str]:
    """Warn of a template that mentions neither a ballot nor a vote."""
    said = " ".join(source.text for source in template.sources())
    if "ballot" in template.variables or _CLAIMS & set(template.menu.values()) or _OF_A_VOTE.search(said):
        return
    yield f"The template {template.name} says nothing of a ballot or a vote. Is it the one you mean?"
