"""Why a reply waits for a person, and why what it claims does not count."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from campaigns.replies.classification import Classification

FOR_A_PERSON: Final = frozenset({"call_me", "help", "no_ballot_paper", "wrong_number", "unclear"})
"""Readings somebody has to do something about."""


def too_soon_or_late(asked: asyncpg.Record, at: datetime) -> str | None:
    """Why a claim does not count: it was made `early` or `late`; None where the ballot was open.

    Args:
        asked: has `opens_at` and `closes_at` of the ballot it is about.
        at: when it was said.
    """
    if at < asked["opens_at"]:
        return "early"
    return "late" if at > asked["closes_at"] else None


def why_open(read: Classification, nobody: str | None, channel: str) -> str | None:
    """Why a person has to look at a reply that was read; None where nobody has to.

    Args:
        read: what it says.
        nobody: why nobody knows who said it, if nobody does.
        channel: by which it came. Mails hold words of others: an opt-out in one that says anything else is looked at.
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
