"""Words of the message that is answered, found again in the answer: they are ours, and never what the member says.

A quotation is known by rows of words of the message (`overlap`), whatever became of line breaks, quoting marks, links
and entities on the way. Where it cannot be told whose words are, that is a doubt, and nothing beside it acts but a wish
to get no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from campaigns.replies.classification.alignment import SEED, Words
from campaigns.replies.classification.overlap import Overlap

FEWEST: Final = 3
"""Words a subject has at least that repeats ours."""
MOST_WORDS: Final = 4000
"""Words of a message that are looked for."""


@dataclass(frozen=True, slots=True)
class Quotation:
    """Where an answer repeats the message it answers.

    Attributes:
        spans: from which character to which, in order.
        share: how much of the message is repeated, 0 to 1.
        doubts: characters beside which it cannot be told what is ours and what the member's.
    """

    spans: tuple[tuple[int, int], ...] = ()
    share: float = 0.0
    doubts: tuple[int, ...] = ()

    def around(self, text: str) -> tuple[str, str]:
        """The text before it, and what is left of the rest: lines of which nothing is left go."""
        if not self.spans:
            return text, ""
        begin = self.spans[0][0]
        rest = Quotation(tuple((start - begin, end - begin) for start, end in self.spans))
        lines = text[begin:].split("\n")
        left = (new for line, new in zip(lines, rest.lines(lines), strict=True) if new or not line)
        return text[:begin], "\n".join(left).strip()

    def lines(self, lines: Sequence[str]) -> list[str]:
        """The lines of the text without it, one for each; those it does not touch stay as they are."""
        gone = bytearray(sum(map(len, lines)) + len(lines))
        for start, end in self.spans:
            gone[start:end] = b"\1" * (end - start)
        left, at = list[str](), 0
        for line in lines:
            here = gone[at : at + len(line)]
            at += len(line) + 1
            kept = "".join("\0" if is_gone else letter for letter, is_gone in zip(line, here, strict=True))
            left.append(" ".join(part.strip() for part in kept.split("\0") if part.strip()) if any(here) else line)
        return left


def find_quotation(text: str, sent: Iterable[str]) -> Quotation:
    """Find the words of a message in an answer to it.

    Args:
        text: the answer.
        sent: what the message said; of several forms (its text, its HTML as text) the one that fits best counts.
    """
    reply = Words(text)
    found = [_quotation(Overlap(reply, Words(form, MOST_WORDS))) for form in sent]
    return max(found, key=_how_well, default=Quotation())


def repeats(text: str, sent: Iterable[str]) -> bool:
    """Whether a line, such as a subject, only says what the message says, in three words at least."""
    words = Words(text).said
    if len(words) < FEWEST:
        return False
    sought = f" {' '.join(words)} "
    return any(sought in f" {' '.join(Words(form).said)} " for form in sent)


def begins(text: str, sent: Iterable[str]) -> bool:
    """Whether a text is a message, or its beginning: some words of it at least, the last of which may be cut short."""
    words = Words(text).said
    for form in sent:
        message = Words(form).said
        same = message[: len(words)]
        if (
            words and same[:-1] == words[:-1] and len(same) == len(words) and same[-1].startswith(words[-1])
            and len(words) >= min(SEED, len(message))
        ):  # fmt: skip
            return True
    return False


def _quotation(overlap: Overlap) -> Quotation:
    overlap.find()
    share = sum(overlap.used) / max(1, len(overlap.message))
    return Quotation(tuple(overlap.spans()), share, tuple(overlap.doubts))


def _how_well(found: Quotation) -> tuple[int, float, int]:
    return sum(end - start for start, end in found.spans), found.share, -len(found.doubts)
