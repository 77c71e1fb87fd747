"""Lines that begin with `>` because a person typed it, although mail programs mark quotations so.

If a mail quotes nothing else, a line or two with this mark that are not in our message are the person's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MAX_OWN_LINES: Final = 3
"""Most marked lines that may be a person's own; a quotation from elsewhere is longer."""
MIN_LONE_WORDS: Final = 3
"""Least words of a lone marked line that counts as quoted: STOP is an answer, although our message has that word
too."""

_MARK: Final = re.compile(r">\s?(?!>)")
_WORD: Final = re.compile(r"[^\W_]+")


def own_marked(lines: Sequence[str], sent: Sequence[str]) -> list[int]:
    """Find the lines marked with `>` that are the person's own; none if any of them may be quoted.

    Args:
        lines: the lines of a mail, stripped.
        sent: the message it answers, in each of its forms. If it is not known, marked lines are theirs only in a mail
            that says nothing else.
    """
    marked = [number for number, line in enumerate(lines) if line.startswith(">")]
    worded = [number for number in marked if _WORD.search(lines[number])]
    if not 0 < len(worded) <= MAX_OWN_LINES or not all(_MARK.match(lines[number]) for number in marked):
        return []
    if any(line.endswith((":", "\uff1a")) for line in lines[: marked[0]]):  # introduces somebody else's words
        return []
    alone = all(number in marked or not _WORD.search(line) for number, line in enumerate(lines)) and len(worded) == 1
    if not sent or (alone and len(_WORD.findall(lines[worded[0]])) < MIN_LONE_WORDS):
        return worded if alone else []
    ours = [f" {_words(form)} " for form in sent]
    repeated = any(f" {_words(lines[number])} " in form for number in worded for form in ours)
    return [] if repeated else worded


def unmarked(line: str) -> str:
    """Return a line without its `>`."""
    return _MARK.sub("", line, count=1)


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
