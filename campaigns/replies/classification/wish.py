"""A wish to be left alone, taken out of a reply, so that the rest is read by itself: a vote beside it counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from campaigns.replies.classification.plain import Plain

PARTS: Final = ("begins", "before", "after")
"""The lists of a language's `[wish]`."""
_DIGIT: Final = re.compile(r"(?<!\S)\d{1,2}(?!\S)")


@dataclass(frozen=True, slots=True)
class Wish:
    """Words of a wish to be left alone, and those that only join it to what is said besides.

    Attributes:
        begins: how the wish itself begins, inside the words that a rule found.
        before: what leads to it, at the end of the words before it: "but please".
        after: what it is about, at the beginning of the words after it: "me from this list".
    """

    begins: re.Pattern[str]
    before: re.Pattern[str]
    after: re.Pattern[str]

    @classmethod
    def of(cls, words: Mapping[str, Sequence[str]]) -> Wish:
        """Compile the lists of all languages, put together.

        Args:
            words: a list of patterns for each of `PARTS`.
        """
        some = {part: "|".join(words[part]) for part in PARTS}
        return cls(
            begins=re.compile(rf"\b(?:{some['begins']})\b"),
            before=re.compile(rf"(?:(?:^| )(?:{some['before']}))+$"),
            after=re.compile(rf"^(?:(?:{some['after']})(?: |$))+"),
        )

    def without(self, plain: Plain, found: str) -> Plain:
        """What a reply says besides; before the wish and after it are clauses of their own.

        Args:
            plain: the reply.
            found: the words that a rule of opting out found in it.
        """
        clauses = plain.clauses if any(found in clause for clause in plain.clauses) else (plain.words,)
        return Plain(tuple(part for clause in clauses for part in self._parts(clause, found)), plain.names)

    def _parts(self, clause: str, found: str) -> Iterator[str]:
        at = clause.find(found)
        if at < 0:
            yield clause
            return
        begins = self.begins.search(found)
        before = clause[: at + (begins.start() if begins else 0)].strip()
        digit = _DIGIT.search(found, begins.end() if begins else len(found))
        after = f"{digit[0] if digit else ''} {clause[at + len(found) :]}".strip()
        yield from filter(None, (self.before.sub("", before).strip(), self.after.sub("", after).strip()))
