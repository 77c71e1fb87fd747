"""Advice about a campaign before it is launched: warnings about what is allowed but seldom intended."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from campaigns.launching_step import LaunchingStep
from campaigns.replies.classification import GENERAL
from campaigns.variables import SUBJECTS
from core.settings import Settings
from messaging.content.templates import Template

_NAMED: Final = re.compile(r"\{\{-?\s*first_name\s*-?\}\}")
_IF_NAMED: Final = re.compile(r"\{%-?\s*if\s+first_name\b")


def step_advice(step: LaunchingStep, sms_from: str | None, at: datetime) -> tuple[str, ...]:
    """List things in a step's message that are seldom intended, a sentence each.

    Args:
        step: the step.
        sms_from: the sender of its texts; None if it has none.
        at: when its first message may be sent.
    """
    template, subject = Template.from_json(step.content), step.subject
    meanings = GENERAL | subject.meanings
    return (
        *template.warnings(subjects=SUBJECTS, sms_from=sms_from, meanings=meanings, channels=step.channels),
        *subject.past_dates(template, subject.constants_at(step.constants, at), at, step.channels),
        *subject.warnings(template),
    )


def greets_by_name(template: Template) -> bool:
    """Tell whether a template uses a first name without a default, also for people who have none."""
    sources = [
        source.text
        for channel in template.channels
        for version in template.versions(channel).values()
        for source in (version.sms_source() if channel == "sms" else version.email_source(),)
    ]
    return any(_NAMED.search(source) and not _IF_NAMED.search(source) for source in sources)


def unset_settings(settings: Settings, spec: Mapping[str, Any], *, organisation: str) -> Iterator[str]:
    """Warn of unset settings that people would notice, a sentence each.

    Args:
        settings: the settings.
        spec: the campaign's file, as stored.
        organisation: the subject's organisation; "" if it names none.
    """
    by_email = any("email" in step["channels"] for step in spec["steps"])
    sender = spec.get("senders", {}).get("email")
    known = settings.model_fields_set
    if "organisation" not in known:
        yield (
            "MUSTER_ORGANISATION is not set: "
            + ("outside this campaign" if organisation else "in every message and on every page")
            + " people read no name, or “Your organisation”. Set it to the name they know you by."
        )
    if by_email and not sender and "email_from" not in known:
        yield (
            f"MUSTER_EMAIL_FROM is not set: emails come from {settings.email_from}, which is nobody's and no relay "
            "takes. Set it to an address of your own, or name one as campaign.senders.email."
        )
    if not settings.contact:
        yield "MUSTER_CONTACT is not set: neither emails nor pages say how to reach you."
