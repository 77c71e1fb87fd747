"""Phases of a ballot: whether members can vote, and what they can still do for it."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Phase of a ballot; it decides what members are asked to do."""

    BEFORE = "before"
    """Not open yet: members are asked for intentions and to volunteer."""
    OPEN = "open"
    """Papers are out, and another can still be asked for."""
    NO_REPLACEMENT = "no_replacement"
    """Too late for another paper, in time to post one."""
    LAST_POSTED = "last_posted"
    """After the last safe posting day: what is posted now may come too late."""
    CLOSED = "closed"
