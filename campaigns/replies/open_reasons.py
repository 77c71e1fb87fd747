"""Reasons why a reply is open for staff, with their words, and why its claim does not count."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

import asyncpg

from ballots.phase import VotePhase, vote_phase
from campaigns.replies.classification import Classification

FOR_A_PERSON: Final = frozenset({"call_me", "help", "no_ballot_paper", "wrong_number", "unclear"})
"""Readings that staff have to act on."""
WHY_OPEN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "unclear": "Needs reading",
        "call_me": "Wants a call",
        "no_ballot_paper": "No ballot paper",
        "wrong_number": "Wrong number",
        "opt_out": "Opted out by email, and said more",
        "help": "Asks for help",
        "shared_address": "Shared address: who is it?",
        "unknown_sender": "Unknown sender",
        "no_message": "Answers nothing we sent",
        "early": "Came before the ballot opened",
        "late": "Came after the ballot closed",
    }
)
"""Reasons why a reply is open, in words for staff."""
_OUTSIDE: Final[Mapping[VotePhase, str | None]] = MappingProxyType({"before": "early", "open": None, "closed": "late"})


def too_soon_or_late(message: asyncpg.Record, at: datetime) -> str | None:
    """Return why a claim does not count: it was made `early` or `late`; None where the ballot was open.

    Args:
        message: the answered message; has `opens_at` and `closes_at` of its ballot.
        at: when the claim was made.
    """
    return _OUTSIDE[vote_phase(message["opens_at"], message["closes_at"], at)]


def why_open(read: Classification, nobody: str | None, channel: str) -> str | None:
    """Return why staff have to look at a reply that was read; None where nobody has to.

    Args:
        read: its classification.
        nobody: why its author is unknown; None where the author is known.
        channel: its channel. Emails may quote others, so an opt-out in one that says anything else needs a look.
    """
    if read.reading in {"opt_in", "reaction"}:
        return None
    if read.reading == "opt_out":
        if nobody is None and read.also in FOR_A_PERSON:
            return read.also
        return "opt_out" if channel == "email" and not read.alone else None
    if nobody is not None:
        return nobody
    if read.reading in FOR_A_PERSON:
        return read.reading
    return read.also if read.also in FOR_A_PERSON else None
