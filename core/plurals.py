"""Counted nouns and their verbs, as every sentence for a person has them."""

from __future__ import annotations


def plural(count: float, one: str, many: str | None = None) -> str:
    """`1 reply`, `2,000 replies`.

    Args:
        count: how many; rounded.
        one: of one, with the words that follow its number: `reply waits`.
        many: of any other number; default with an s.
    """
    return f"{round(count):,} {one if count == 1 else many or one + 's'}"


def verb(count: float, one: str, many: str) -> str:
    """The verb of so many: `1 of 300 branches has`, `2 of 300 branches have`."""
    return one if count == 1 else many
