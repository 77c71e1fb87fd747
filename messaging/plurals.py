"""Counted nouns, as every sentence for a person has them."""

from __future__ import annotations


def plural(count: float, one: str, many: str | None = None) -> str:
    """`1 reply`, `2,000 replies`.

    Args:
        count: how many; rounded.
        one: of one, with the words that follow its number: `reply waits`.
        many: of any other number; default with an s.
    """
    return f"{round(count):,} {one if count == 1 else many or one + 's'}"
