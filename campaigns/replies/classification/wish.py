"""Removal of an opt-out wish from a reply, so that the rest is read by itself: a vote beside it counts."""

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
    """Patterns for an opt-out wish, and for words that only join it to the rest of a reply.

    Attributes:
        begins: the beginning of the wish itself, inside the words that a rule matched.
        before: words that lead to it, at the end of the text before it: "but please".
        after: words that complete it, at the beginning of the text after it: "me from this list".
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
        """Return the reply without the wish; the text before it and after it become separate clauses.

        Args:
            plain: the reply.
            found: the words in it that an opt-out rule matched.
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
