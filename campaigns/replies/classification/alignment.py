"""Alignment of two texts: the rows of words they share, and where their lines, sentences and clauses end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from core.folding import fold

MIN_SEED_WORDS: Final = 4
"""Fewest words in a row that may begin a run."""
MAX_GAP_WORDS: Final = 8
"""Most words between two rows when the first rows of a quotation are joined."""
MIN_BESIDE: Final = 3
"""Fewest words that a run may have of each of two sentences."""
MAX_PLACES: Final = 8
"""Most places in a message that are tried for one beginning: "the the the" has many."""

_TOKEN: Final = re.compile(r"(?:https?://|www\.|mailto:|tel:)[^\s<>\"]+|&#?\w{1,8};|([^\W_]+)", re.IGNORECASE)
_CUT: Final = re.compile('["\u201c\u201d\u201e\u201f\u00ab\u00bb\u300c\u300d\u300e\u300f\u275d\u275e\u2026]|\\.\\.')
"""Characters where a quotation begins, ends or is cut short."""
_SENTENCE_END: Final = re.compile(r"[.?!:;\n]")
_STOP: Final = re.compile(r"[.?!:;\u2026]")


class Run(NamedTuple):
    """Run of consecutive words of a message in a reply.

    Attributes:
        length: number of words.
        at: position of the first word in the reply.
        place: position of the first word in the message.
    """

    length: int
    at: int
    place: int

    @property
    def end(self) -> int:
        """Return the position in the reply of the word after it."""
        return self.at + self.length

    @property
    def over(self) -> int:
        """Return the position in the message of the word after it."""
        return self.place + self.length

    def part(self, first: int, end: int) -> Run:
        """Return the part of the run between two positions in the reply."""
        return Run(end - first, first, self.place + first - self.at)


@dataclass(frozen=True, slots=True)
class Word:
    """Word of a text, normalised for comparison, with its start and end characters."""

    word: str
    start: int
    end: int


class Words:
    """Words of a text, in order. Links are not words, because programs rewrite them.

    Attributes:
        text: the text.
        words: its words.
        plain: the same as strings.
    """

    def __init__(self, text: str, most: int | None = None) -> None:
        self.text = text
        self.words = [Word(fold(match[1]), match.start(), match.end()) for match in _TOKEN.finditer(text) if match[1]][
            :most
        ]
        self.plain = [word.word for word in self.words]

    def __len__(self) -> int:
        return len(self.words)

    def gap(self, position: int) -> str:
        """Return the characters before a word; with the number of words as position, those after the last."""
        start = self.words[position - 1].end if position else 0
        return self.text[start : self.words[position].start if position < len(self.words) else len(self.text)]

    def ends_sentence(self, position: int) -> bool:
        """Tell whether a sentence or line ends before a word; the start and end of the text count."""
        return position in {0, len(self.words)} or _SENTENCE_END.search(self.gap(position)) is not None

    def segments(self) -> list[int]:
        """Number each word's segment: a line, or a piece of it beside quotation marks or an ellipsis."""
        segments, number = list[int](), 0
        for position in range(len(self.words)):
            gap = self.gap(position)
            number += position > 0 and ("\n" in gap or _CUT.search(gap) is not None)
            segments.append(number)
        return segments

    def is_marked(self, position: int) -> bool:
        """Tell whether the line of a word is marked as quoted."""
        start = self.text.rfind("\n", 0, self.words[position].start) + 1
        return self.text[start : start + 8].lstrip().startswith(">")


def is_cut(gap: str) -> bool:
    """Tell whether characters between two words begin, end or cut short a quotation."""
    return _CUT.search(gap) is not None


def stops(gap: str) -> bool:
    """Tell whether characters between two words end a sentence by more than a new line."""
    return _STOP.search(gap) is not None


def find_runs(reply: Words, message: Words, seed: int) -> list[Run]:
    """Find the runs of words of a message in a reply, the longest at each place."""
    places: dict[tuple[str, ...], list[int]] = {}
    ours, theirs = message.plain, reply.plain
    for position in range(len(ours) - seed + 1):
        known = places.setdefault(tuple(ours[position : position + seed]), [])
        if len(known) < MAX_PLACES:
            known.append(position)
    runs, at = list[Run](), 0
    while at <= len(theirs) - seed:
        tries = places.get(tuple(theirs[at : at + seed]), ())
        longest = max((Run(_together(theirs, at, ours, place), at, place) for place in tries), default=None)
        if longest is not None:
            runs.append(longest)
        at += 1 if longest is None else longest.length
    return runs


def has_long_sentence(run: Run, message: Words, least: int) -> bool:
    """Tell whether a run is whole sentences of a message, one of them of at least `least` words."""
    ends = [place for place in range(run.place, run.over + 1) if message.ends_sentence(place)]
    whole = ends[:1] == [run.place] and ends[-1:] == [run.over]
    return whole and any(end - first >= least for first, end in pairwise(ends))


def leads_on(run: Run, following: Run) -> bool:
    """Tell whether a run follows another closely, in the message and in the reply."""
    return 0 <= following.place - run.over <= MAX_GAP_WORDS and following.at - run.end <= MAX_GAP_WORDS


def crosses_sentences(run: Run, reply: Words, message: Words) -> bool:
    """Tell whether a run has the end of one sentence of a message and the beginning of the next, as nobody writes."""
    ends = range(run.place + MIN_BESIDE, run.over - MIN_BESIDE + 1)
    return any(stops(message.gap(place)) and stops(reply.gap(run.at + place - run.place)) for place in ends)


def parted(run: Run, reply: Words, message: Words) -> Iterator[Run]:
    """Split a run where only the reply begins, ends or cuts short a quotation, or where quote marks change."""
    first = run.at
    for position in range(run.at + 1, run.end):
        gap = reply.gap(position)
        if (is_cut(gap) and not is_cut(message.gap(run.place + position - run.at))) or (
            "\n" in gap and reply.is_marked(position) != reply.is_marked(position - 1)
        ):
            yield run.part(first, position)
            first = position
    yield run.part(first, run.end)


def _together(theirs: Sequence[str], at: int, ours: Sequence[str], place: int) -> int:
    length = 0
    most = min(len(theirs) - at, len(ours) - place)
    while length < most and theirs[at + length] == ours[place + length]:
        length += 1
    return length
