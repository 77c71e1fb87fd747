"""Phase of answers: whether a ballot, a question or another subject still has to open, is open, or is closed."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

AnswerPhase = Literal["before", "open", "closed"]


def phase_of(opens_at: datetime | None, closes_at: datetime | None, at: datetime) -> AnswerPhase:
    """Tell whether something is still to open, open, or closed at a moment; at its close it is closed.

    Args:
        opens_at: aware, like every time here; None if it was always open.
        closes_at: None if it never closes.
        at: the moment.
    """
    if opens_at is not None and at < opens_at:
        return "before"
    return "closed" if closes_at is not None and at >= closes_at else "open"
