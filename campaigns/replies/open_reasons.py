"""Reasons why a reply is open for staff, with their words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from campaigns.replies.classification import Classification
from campaigns.replies.classification.named_answers import CANCEL
from campaigns.subjects.answering import Answering

FOR_A_PERSON: Final = frozenset({"call_me", "help", "wrong_number", "unclear"})
"""Readings that staff have to act on, whatever the message asked about."""
WHY_OPEN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "unclear": "Needs reading",
        "cancel": "Cancel: our messages, or what they were about?",
        "call_me": "Wants a call",
        "no_ballot_paper": "No ballot paper",
        "asked_back": "Asked back, no answer yet",
        "low_answer": "An answer to look into",
        "comment": "An answer with a question in it",
        "wrong_number": "Wrong number",
        "opt_out": "Opted out by email, and said more",
        "help": "Asks for help",
        "shared_address": "Shared address: who is it?",
        "unknown_sender": "Unknown number or mailbox",
        "staff_reply_failed": "A staff reply did not arrive",
        "no_message": "Answers nothing we sent",
        "early": "Came before it opened",
        "late": "Came after it closed",
    }
)
"""Reasons why a reply is open, in words for staff."""
COMMENT: Final = "comment"
"""Why staff have to look at an answer that has a question in its words."""


def reason_for(reading: str | None, subject: Answering | None) -> str | None:
    """Return why staff have to act on a reading; None if nobody has to.

    Args:
        reading: the reading; None for none.
        subject: what the message asked about; None if there is no message.
    """
    if reading in FOR_A_PERSON:
        return reading
    return None if subject is None else subject.why_open(reading)


def why_open(read: Classification, subject: Answering | None, author_doubt: str | None, channel: str) -> str | None:
    """Return why staff have to look at a reply that was read; None if nobody has to.

    Args:
        read: its classification.
        subject: what the answered message asked about; None if there is no message.
        author_doubt: why its author is unknown; None if the author is known.
        channel: its channel. Emails may quote others, so an opt-out in one that says anything else needs a look.
    """
    if read.reading in {"opt_in", "reaction"}:
        return None
    if read.rule == CANCEL and (author_doubt is None or read.reading == "opt_out"):
        return CANCEL
    if read.reading == "opt_out":
        if author_doubt is None and (why := reason_for(read.also, subject)) is not None:
            return why
        return "opt_out" if channel == "email" and not read.alone else None
    if author_doubt is not None:
        return author_doubt
    readings = (read.reading, read.also)  # the person who rings must know of the wish for a call, low answer or not
    why = next((reading for reading in readings if reading in FOR_A_PERSON), None)
    why = why or reason_for(read.reading, subject) or reason_for(read.also, subject)
    return why or (COMMENT if "?" in read.comment else None)
