"""Counted nouns and their verbs, for sentences that people read."""

from __future__ import annotations


def plural(count: float, singular: str, many: str | None = None) -> str:
    """Format a count with its noun: `1 reply`, `2,000 replies`.

    Args:
        count: how many; rounded.
        singular: of one, with the words that follow its number: `reply waits`.
        many: of any other number; default with an s.
    """
    return f"{round(count):,} {singular if count == 1 else many or singular + 's'}"


def verb(count: float, singular: str, many: str) -> str:
    """Choose the verb for a count: `1 of 300 branches has`, `2 of 300 branches have`."""
    return singular if count == 1 else many
