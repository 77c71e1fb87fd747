"""Words of the message that is answered, found again in the answer: they are ours, and never what the member says.

A quotation is known by its words in their order, whatever became of line breaks, quoting marks, quotation marks, links
and entities on the way. A few words that happen to be ours too ("no ballot paper has come") are no quotation: there
have to be many, or all there are. Beside and below a quotation also scraps of it are ours; above stands only theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from campaigns.reading.plain import make_bare

SEED: Final = 4
"""Words in a row that may begin a quotation."""
ENOUGH: Final = 12
"""Words that are a quotation wherever they stand; of a shorter message half of them are."""
FEWEST: Final = 5
"""… but never fewer than these, unless the message has no more."""
MOST_PLACES: Final = 8
"""Places of a message that are tried for one beginning: "the the the" has many."""
NEAR: Final = 8
"""Words that may stand between two pieces of one quotation, at its beginning."""
MOST_WORDS: Final = 4000
"""Words of a message that are looked for."""

_TOKEN: Final = re.compile(r"(?:https?://|www\.)[^\s<>\"]+|&#?\w{1,8};|([^\W_]+)", re.IGNORECASE)
_MARKS: Final = (
    " \t.,;:!?()[]<>*|/\\'\"_=#~-\u00a0\u00ab\u00b7\u00bb\u2022\u2026\u2039\u203a\u200b\u2060\ufeff"
    + "".join(map(chr, range(0x2010, 0x2020)))
)
"""Characters around words that go with them."""
_AFTER: Final = re.compile(rf"(?:[{re.escape(_MARKS)}]|&#?\w{{1,8}};|(?:https?://|www\.)[^\s<>\"]+)*")
_BREAK: Final = re.compile(r"[\n.?!:;]")
"""Where a line or a sentence of a message ends."""
_LINK_BELOW: Final = re.compile(r"\s{0,9}<?(?:https?://|www\.)[^\s<>\"]+>?[ \t]{0,9}(?=\n|$)")


_Run = tuple[int, int, int]
"""How many words, from which of the reply, and from which of the message."""


@dataclass(frozen=True, slots=True)
class Quotation:
    """Where an answer repeats the message it answers.

    Attributes:
        spans: from which character to which, in order.
        share: how much of the message is repeated, 0 to 1.
    """

    spans: tuple[tuple[int, int], ...] = ()
    share: float = 0.0

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
            kept = "".join(letter for letter, is_gone in zip(line, here, strict=True) if not is_gone).strip()
            left.append(kept if any(here) else line)
        return left


@dataclass(slots=True)
class _Word:
    word: str
    start: int
    end: int
    ours: bool = False


def find_quotation(text: str, sent: Iterable[str]) -> Quotation:
    """Find the words of a message in an answer to it.

    Args:
        text: the answer.
        sent: what the message said; of several forms (its text, its HTML as text) the one that fits best counts.
    """
    found = (_quotation(text, form) for form in sent)
    return max(found, key=lambda one: (sum(end - start for start, end in one.spans), one.share), default=Quotation())


def repeats(text: str, sent: Iterable[str]) -> bool:
    """Whether a line, such as a subject, only says what the message says, in three words at least."""
    words = [one.word for one in _words(text)]
    if len(words) < FEWEST - 2:
        return False
    sought = f" {' '.join(words)} "
    return any(sought in f" {' '.join(one.word for one in _words(form))} " for form in sent)


def begins(text: str, sent: Iterable[str]) -> bool:
    """Whether a text is a message, or its beginning: some words of it at least, the last of which may be cut short."""
    words = [one.word for one in _words(text)]
    for form in sent:
        message = [one.word for one in _words(form)]
        same = message[: len(words)]
        if (
            words and same[:-1] == words[:-1] and len(same) == len(words) and same[-1].startswith(words[-1])
            and len(words) >= min(SEED, len(message))
        ):  # fmt: skip
            return True
    return False


def _quotation(text: str, sent: str) -> Quotation:
    reply, message = _words(text), _words(sent)[:MOST_WORDS]
    if not message or not reply:
        return Quotation()
    taken = _take(message, _runs(reply, message, min(SEED, len(message))))
    for run in taken:
        length, at, _ = run
        own = _own_before(text, reply, sent, message, run)
        _mark(reply, at + own, length - own)
    needed = min(len(message), max(FEWEST, min(ENOUGH, len(message) // 2)))
    if sum(length for length, _, _ in taken) < needed:
        return Quotation()
    _take_scraps(reply, message, taken[0][1])
    share = sum(word.ours for word in message) / len(message)
    return Quotation(tuple(_spans(text, reply)), share)


def _words(text: str) -> list[_Word]:
    """The words of a text, and where they stand; links are no words, for programs write them anew."""
    return [_Word(make_bare(match[1]), match.start(), match.end()) for match in _TOKEN.finditer(text) if match[1]]


def _runs(reply: Sequence[_Word], message: Sequence[_Word], seed: int) -> list[_Run]:
    """Where words of the message stand in a row."""
    places: dict[tuple[str, ...], list[int]] = {}
    said = [one.word for one in message]
    for position in range(len(said) - seed + 1):
        known = places.setdefault(tuple(said[position : position + seed]), [])
        if len(known) < MOST_PLACES:
            known.append(position)
    heard = [one.word for one in reply]
    runs, at = list[_Run](), 0
    while at <= len(heard) - seed:
        longest = max(
            ((_together(heard, at, said, place), at, place) for place in places.get(tuple(heard[at : at + seed]), ())),
            default=(1, at, -1),
        )
        if longest[2] >= 0:
            runs.append(longest)
        at += longest[0]
    return runs


def _together(heard: Sequence[str], at: int, said: Sequence[str], place: int) -> int:
    length = 0
    most = min(len(heard) - at, len(said) - place)
    while length < most and heard[at + length] == said[place + length]:
        length += 1
    return length


def _take(message: Sequence[_Word], runs: Iterable[_Run]) -> list[_Run]:
    """Choose runs, longest first, each word of the message once, and mark it; what is long is a second copy of it.

    Returns:
        Those chosen, in the order of the reply. A short one above the longest counts only where it leads on to it.
    """
    chosen = list[_Run]()
    for run in sorted(runs, key=lambda run: (-run[0], run[1])):
        length, _, place = run
        if length >= ENOUGH or not any(word.ours for word in message[place : place + length]):
            _mark(message, place, length)
            chosen.append(run)
    if not chosen:
        return []
    longest = chosen[0]
    chosen.sort(key=lambda run: run[1])
    first = chosen.index(longest)
    while first and (chosen[first - 1][0] >= ENOUGH or _leads_on(chosen[first - 1], chosen[first])):
        first -= 1
    return chosen[first:]


def _own_before(text: str, reply: Sequence[_Word], sent: str, message: Sequence[_Word], run: _Run) -> int:
    """Count the words a run begins with that end a line of the person's own, above a quotation.

    "I have voted", and below it our "Your Union", which came after "Have you voted?": what is ours begins on its own
    line.
    """
    length, at, place = run
    if not at or reply[at - 1].ours or "\n" in text[reply[at - 1].end : reply[at].start]:
        return 0
    for own in range(1, min(SEED, length)):
        if "\n" in text[reply[at + own - 1].end : reply[at + own].start]:
            between = sent[message[place + own - 1].end : message[place + own].start]
            return own if _BREAK.search(between) else 0
    return 0


def _leads_on(run: _Run, following: _Run) -> bool:
    return run[2] < following[2] and following[1] - run[1] - run[0] <= NEAR


def _take_scraps(reply: Sequence[_Word], message: Sequence[_Word], first: int) -> None:
    """Mark what is left of the message beside or below where its quotation begins."""
    left = {
        (before.word, word.word): position
        for position, (before, word) in enumerate(pairwise(message))
        if not before.ours and not word.ours
    }
    said = [one.word for one in message]
    heard = [one.word for one in reply]
    at = first
    while at < len(reply) - 1:
        place = -1 if reply[at].ours or reply[at + 1].ours else left.get((heard[at], heard[at + 1]), -1)
        if place < 0:
            at += 1
            continue
        length = 2
        while (
            at + length < len(reply) and place + length < len(message)
            and not reply[at + length].ours and not message[place + length].ours
            and heard[at + length] == said[place + length]
        ):  # fmt: skip
            length += 1
        _mark(reply, at, length)
        at += length


def _mark(words: Sequence[_Word], at: int, length: int) -> None:
    for word in words[at : at + length]:
        word.ours = True


def _spans(text: str, reply: Sequence[_Word]) -> Iterable[tuple[int, int]]:
    """The characters of words that are ours, with what stands around and between them that is no word."""
    begin = end = -1
    for position, word in enumerate(reply):
        if not word.ours:
            continue
        if begin < 0:
            least = max(reply[position - 1].end if position else 0, text.rfind("\n", 0, word.start) + 1)
            begin = least + len(text[least : word.start].rstrip(_MARKS))
        end = word.end
        if position + 1 < len(reply) and reply[position + 1].ours:
            continue
        limit = reply[position + 1].start if position + 1 < len(reply) else len(text)
        after = _AFTER.match(text, end, limit)
        end = after.end() if after is not None else end
        link = _LINK_BELOW.match(text, end, limit)
        yield begin, link.end() if link is not None else end
        begin = -1
