"""Lines that begin with `>` and are no quotation: a person began them so.

Mail programs mark what they quote. Where a mail quotes nothing else, a line or two so marked that the message does not
say are the person's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MOST: Final = 3
"""Lines so marked that may be a person's own; what is quoted from elsewhere is longer."""
FEWEST: Final = 3
"""Words that somebody quotes who says nothing else: STOP alone is an answer, though the message has that word, too."""

_MARK: Final = re.compile(r">\s?(?!>)")
_WORD: Final = re.compile(r"[^\W_]+")


def own_marked(lines: Sequence[str], sent: Sequence[str]) -> list[int]:
    """Find the lines marked with `>` that are the person's own; none where any of them may be quoted.

    Args:
        lines: of a mail, stripped.
        sent: the message it answers, in each of its forms. Where it is not known, only a mail that says nothing else is
            theirs.
    """
    marked = [number for number, line in enumerate(lines) if line.startswith(">")]
    said = [number for number in marked if _WORD.search(lines[number])]
    if not 0 < len(said) <= MOST or not all(_MARK.match(lines[number]) for number in marked):
        return []
    if any(line.endswith((":", "\uff1a")) for line in lines[: marked[0]]):  # it leads on to what somebody else said
        return []
    alone = all(number in marked or not _WORD.search(line) for number, line in enumerate(lines)) and len(said) == 1
    if not sent or (alone and len(_WORD.findall(lines[said[0]])) < FEWEST):
        return said if alone else []
    ours = [f" {_words(form)} " for form in sent]
    repeated = any(f" {_words(lines[number])} " in form for number in said for form in ours)
    return [] if repeated else said


def unmarked(line: str) -> str:
    """A line without the mark it begins with."""
    return _MARK.sub("", line, count=1)


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
