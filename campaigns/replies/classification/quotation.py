"""Quotations of the answered message in a reply: those words are ours, and never what the member says.

A quotation is recognised by rows of words of the message (`overlap`), even if line breaks, quote marks, links and
entities were changed. A place where it is uncertain whose words they are is a doubt; beside a doubt only an opt-out
counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from campaigns.replies.classification.alignment import MIN_SEED_WORDS, Words
from campaigns.replies.classification.overlap import Overlap

MIN_SUBJECT_WORDS: Final = 3
"""Fewest words that make a subject a repetition of ours."""
MAX_WORDS: Final = 4000
"""Most words of a message that are searched for."""


@dataclass(frozen=True, slots=True)
class Quotation:
    """Quotation of a message in the answer to it.

    Attributes:
        spans: start and end characters, in order.
        share: the share of the message that is repeated, 0 to 1.
        doubts: character positions where it is uncertain what is ours and what the member's.
    """

    spans: tuple[tuple[int, int], ...] = ()
    share: float = 0.0
    doubts: tuple[int, ...] = ()

    def around(self, text: str) -> tuple[str, str]:
        """Return the text before it, and the rest without it; lines left empty are removed."""
        if not self.spans:
            return text, ""
        begin = self.spans[0][0]
        rest = Quotation(tuple((start - begin, end - begin) for start, end in self.spans))
        lines = text[begin:].split("\n")
        left = (new for line, new in zip(lines, rest.lines(lines), strict=True) if new or not line)
        return text[:begin], "\n".join(left).strip()

    def lines(self, lines: Sequence[str]) -> list[str]:
        """Remove it from the lines of the text; return as many lines, of which those outside it are unchanged."""
        removed = bytearray(sum(map(len, lines)) + len(lines))
        for start, end in self.spans:
            removed[start:end] = b"\1" * (end - start)
        left, at = list[str](), 0
        for line in lines:
            here = removed[at : at + len(line)]
            at += len(line) + 1
            kept = "".join("\0" if is_gone else letter for letter, is_gone in zip(line, here, strict=True))
            left.append(" ".join(part.strip() for part in kept.split("\0") if part.strip()) if any(here) else line)
        return left


def find_quotation(text: str, sent: Iterable[str]) -> Quotation:
    """Find the words of a message in an answer to it.

    Args:
        text: the answer.
        sent: the message; of several forms (its text, its HTML as text) the best match counts.
    """
    reply = Words(text)
    quotations = [_quotation(Overlap(reply, Words(form, MAX_WORDS))) for form in sent]
    return max(quotations, key=_how_well, default=Quotation())


def begins(text: str, sent: Iterable[str]) -> bool:
    """Tell whether a text is a message or its beginning: at least some words, the last of which may be cut short."""
    words = Words(text).plain
    for form in sent:
        message = Words(form).plain
        same = message[: len(words)]
        if (
            words and same[:-1] == words[:-1] and len(same) == len(words) and same[-1].startswith(words[-1])
            and len(words) >= min(MIN_SEED_WORDS, len(message))
        ):  # fmt: skip
            return True
    return False


def _quotation(overlap: Overlap) -> Quotation:
    overlap.find()
    share = sum(overlap.used) / max(1, len(overlap.message))
    return Quotation(tuple(overlap.spans()), share, tuple(overlap.doubts))


def _how_well(quotation: Quotation) -> tuple[int, float, int]:
    return sum(end - start for start, end in quotation.spans), quotation.share, -len(quotation.doubts)
