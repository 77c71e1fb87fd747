"""Overlap of a reply with the message it answers: which of the reply's words are ours, and where that is uncertain.

"Ours" are words quoted from the message: rows of its words, long enough and in its order. Words that both sides use
("not yet", "no ballot paper") are the member's unless they are inside such a row. A few separate words of the message
are ours where they fill a line beside quoted lines, and never where they mean something by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from campaigns.replies.classification.alignment import (
    MIN_SEED_WORDS,
    Run,
    Words,
    crosses_sentences,
    find_runs,
    has_long_sentence,
    is_cut,
    leads_on,
    parted,
    stops,
)
from campaigns.replies.classification.compound import says_something
from campaigns.replies.classification.offers import contradicts_itself

SURE_QUOTED_WORDS: Final = 12
"""Words in a row that are a quotation wherever they stand; for a shorter message, half of its words."""
MIN_QUOTED_WORDS: Final = 5
"""Fewest words of a quotation, unless the message has fewer."""
MAX_MISSING_WORDS: Final = 2
"""Most words of the message that may be missing between two rows of one quotation."""
MAX_LOST_WORDS: Final = 20
"""Most words of the message between a quotation and a line of ours that says something."""
MIN_UNLIKELY_WORDS: Final = 7
"""Fewest words of a whole sentence of ours that nobody writes by chance, even if it says something."""
MAX_RUNS: Final = 200
"""Most short rows that are examined."""
PASS_COUNT: Final = 4
"""Passes over the short rows, in alternating direction, because each row taken may lead to the next."""
MAX_LINK_LENGTH: Final = 500
"""Most characters of a link above a row that belongs to it."""
MAX_LINE_WORDS: Final = 400
"""Most words of a line that is classified; a longer one is taken for the member's."""
MAX_LOOK_UPS: Final = 60
"""Most lines that are classified by themselves; a reply with more is no answer."""

_MARKS: Final = (
    " \t.,;:!?()[]<>*|/\\'\"_=#~-\u00a0\u00ab\u00b7\u00bb\u2022\u2026\u2039\u203a\u200b\u2060\ufeff"
    + "".join(map(chr, range(0x2010, 0x2020)))
)
"""Characters around words that belong to them."""
_AFTER: Final = re.compile(rf"(?:[{re.escape(_MARKS)}]|&#?\w{{1,8}};|(?:https?://|www\.)[^\s<>\"]+)*")
_LINK_ABOVE: Final = re.compile(r"(?:^|\n)[ \t]{0,9}<?(?:https?://|www\.)[^\s<>\"]+>?\s{1,9}$")
_LINK_BELOW: Final = re.compile(r"\s{0,9}<?(?:https?://|www\.)[^\s<>\"]+>?[ \t]{0,9}(?=\n|$)")


class Overlap:
    """Overlap of one reply with one message: which of the reply's words are ours.

    Attributes:
        ours: for each word of the reply, its position in the message; -1 where it is the member's.
        used: for each word of the message, whether the reply repeats it.
        doubts: character positions in the reply where it is uncertain what is ours and what the member's.
    """

    def __init__(self, reply: Words, message: Words) -> None:
        self.reply, self.message = reply, message
        self.ours = [-1] * len(reply)
        self.used = [False] * len(message)
        self._segments = reply.segments()
        self._look_ups = 0
        self.doubts = list[int]()

    def find(self) -> None:
        """Find the words of the reply that are ours; none if there is no quotation."""
        if not len(self.message) or not len(self.reply):
            return
        chosen = self._chosen(find_runs(self.reply, self.message, min(MIN_SEED_WORDS, len(self.message))))
        core = self._core(chosen)
        for run in core:
            self._take(run)
        if core:
            self._grow([run for run in chosen if run not in core])
            self._give_back_edges()
            self._give_back_answers()
            self._take_leftovers()
            self._doubt_open_ends()

    def _chosen(self, runs: Iterable[Run]) -> list[Run]:
        """Choose runs, longest first, each word of the message once except in long copies; in the reply's order."""
        taken = [False] * len(self.message)
        chosen = list[Run]()
        for run in sorted(runs, key=lambda run: (-run.length, run.at)):
            if run.length >= SURE_QUOTED_WORDS or not any(taken[run.place : run.over]):
                taken[run.place : run.over] = [True] * run.length
                chosen += parted(run, self.reply, self.message)
        return sorted(chosen, key=lambda run: run.at)

    def _core(self, chosen: Sequence[Run]) -> list[Run]:
        """Choose the runs that are a quotation by themselves: long ones, or the longest with the adjoining ones."""
        needed = min(len(self.message), max(MIN_QUOTED_WORDS, min(SURE_QUOTED_WORDS, len(self.message) // 2)))
        core = [run for run in chosen if run.length >= needed or self._is_sentence(run)]
        if core or not chosen:
            return core
        first = last = max(range(len(chosen)), key=lambda number: chosen[number].length)
        while first and leads_on(chosen[first - 1], chosen[first]):
            first -= 1
        while last + 1 < len(chosen) and leads_on(chosen[last], chosen[last + 1]):
            last += 1
        core = list(chosen[first : last + 1])
        return core if sum(run.length for run in core) >= needed else []

    def _is_sentence(self, run: Run) -> bool:
        """Tell whether a row is one or more whole sentences of ours that say nothing by themselves.

        The message's last lines, a long sentence, and button labels that contradict each other ("I have voted", "Not
        yet") count as well, although they say something: quoted alone, they are no answer.
        """
        if run.length < MIN_QUOTED_WORDS:
            return False
        if not (self._is_whole(run) or has_long_sentence(run, self.message, MIN_UNLIKELY_WORDS)):
            if contradicts_itself(run, self.message):
                return True
            crosses = run.length >= MIN_UNLIKELY_WORDS and crosses_sentences(run, self.reply, self.message)
            if crosses and self._says_something(run.at, run.end):
                self._doubt(run.at)
            return crosses
        if not self._says_something(run.at, run.end) or contradicts_itself(run, self.message):
            return True
        if run.over < len(self.message) and not has_long_sentence(run, self.message, MIN_UNLIKELY_WORDS):
            return False
        self._doubt(run.at)
        return True

    def _grow(self, waiting: Sequence[Run]) -> None:
        """Take shorter rows: those adjoining words of ours, and whole lines that say nothing."""
        left = [run for run in waiting if not any(self.used[run.place : run.over])][:MAX_RUNS]
        for _ in range(PASS_COUNT):
            for run in list(left):
                if self._is_tight(run):
                    left.remove(run)
                    self._take(run)
            left.reverse()
        for run in left:
            if run.length >= MIN_SEED_WORDS and self._stands_alone(run) and not any(self.used[run.place : run.over]):
                self._take_alone(run)

    def _is_tight(self, run: Run) -> bool:
        """Tell whether a row continues the one before it in the message, or leads to the next.

        One after quotation marks or an ellipsis, or on a line with other quote marks, has to do both, or be long:
        "Reply 1 posted…" may be followed by the member's "2 not yet".
        """
        before = next((self.ours[at] for at in range(run.at - 1, -1, -1) if self.ours[at] >= 0), None)
        after = next((self.ours[at] for at in range(run.end, len(self.ours)) if self.ours[at] >= 0), None)
        goes_on = before is not None and 0 <= run.place - before - 1 <= MAX_MISSING_WORDS
        leads_to = after is not None and 0 <= after - run.over <= MAX_MISSING_WORDS
        return (goes_on and leads_to) or ((goes_on or leads_to) and run.length >= MIN_SEED_WORDS)

    def _take(self, run: Run) -> None:
        self.ours[run.at : run.end] = range(run.place, run.over)
        self.used[run.place : run.over] = [True] * run.length

    # ---- borders between our words and the member's

    def _rows(self) -> list[Run]:
        """Return the words that are ours, in rows without a break."""
        rows = list[Run]()
        for at, place in enumerate(self.ours):
            if place < 0:
                continue
            if rows and rows[-1].end == at and rows[-1].over == place:
                rows[-1] = rows[-1]._replace(length=rows[-1].length + 1)
            else:
                rows.append(Run(1, at, place))
        return rows

    def _give_back(self, first: int, end: int) -> None:
        self.ours[first:end] = [-1] * (end - first)
        self.used = [False] * len(self.message)
        for place in self.ours:
            if place >= 0:
                self.used[place] = True

    def _give_back_edges(self) -> None:
        """Return to the member a few words at an end of a row that share a line with theirs; mark answers as doubts.

        In "I have voted", with our "Your Union" from below "Have you voted?" under it, our words begin on their own
        line.
        """
        given = True
        while given:  # words given back may share a line with more of ours
            given = False
            for row in self._rows():
                for at_end in (False, True):
                    given |= self._give_back_edge(row, at_end=at_end)

    def _give_back_edge(self, row: Run, *, at_end: bool) -> bool:
        if self.ours[row.at] != row.place or self.ours[row.end - 1] != row.over - 1:
            return False  # its other end has been given back
        edge = row.end if at_end else row.at
        if not self._meets_theirs(edge, at_end=at_end) or self._is_seam(row, at_end=at_end):
            return False
        segment = self._segments[edge - at_end]
        here = [at for at in range(row.at, row.end) if self._segments[at] == segment]
        if len(here) >= MIN_SEED_WORDS:
            return False
        if at_end and "\n" in self.message.gap(row.place + here[0] - row.at):  # it may be the beginning of our line
            end = row.end
            while end < len(self.reply) and self._goes_with(end, here[0]):
                end += 1
            if self._says_something(here[0], end):
                self._doubt(here[0])
                return False
        self._give_back(here[0], here[-1] + 1)
        return True

    def _meets_theirs(self, edge: int, *, at_end: bool) -> bool:
        """Tell whether a word of the member's is next to the end of a row, on the same line."""
        beside = edge if at_end else edge - 1
        return (
            0 <= beside < len(self.reply)
            and self.ours[beside] < 0
            and self._segments[beside] == self._segments[edge - at_end]
        )

    def _is_seam(self, row: Run, *, at_end: bool) -> bool:
        """Tell whether a row ends at a sentence end in both message and reply, or at the message's start or end."""
        edge, border = (row.end, row.over) if at_end else (row.at, row.place)
        if border in {0, len(self.message)}:
            return True
        return self.message.ends_sentence(border) and stops(self.reply.gap(edge))

    def _doubt_open_ends(self) -> None:
        """Mark as doubts words that say something, directly beside a row that is cut in the middle of a sentence."""
        for row in self._rows():
            for at_end in (False, True):
                edge = row.end if at_end else row.at
                if not self._meets_theirs(edge, at_end=at_end) or self._is_seam(row, at_end=at_end):
                    continue
                first = edge if at_end else edge - 1
                end = first + 1
                while first > 0 and self._goes_with(first - 1, edge - at_end):
                    first -= 1
                while end < len(self.reply) and self._goes_with(end, edge - at_end):
                    end += 1
                if self._says_something(first, end):
                    self._doubt(first)

    def _goes_with(self, at: int, other: int) -> bool:
        """Tell whether a word is the member's, on the line of another word."""
        return self.ours[at] < 0 and self._segments[at] == self._segments[other]

    def _doubt(self, at: int) -> None:
        self.doubts.append(self.reply.words[at].start)

    def _give_back_answers(self) -> None:
        """Return to the member the first or last line of a row that says something, if the message has no break there.

        An example is "2 not yet" below "Reply 1 posted", which is ours too. If our text was rewrapped, the line is a
        doubt.
        """
        for row in self._rows():
            breaks = [at for at in range(row.at + 1, row.end) if "\n" in self.reply.gap(at)]
            ends = [(breaks[-1], row.end), (row.at, breaks[0])] if breaks else []
            for first, end in ends:
                at_end = end == row.end
                border = row.place + (first if at_end else end) - row.at
                edge = (row.over, row.end) if at_end else (row.place, row.at)
                if (
                    edge[0] in {0, len(self.message)}
                    or "\n" in self.message.gap(border)
                    or self._meets_theirs(edge[1], at_end=at_end)
                    or not self._says_something(first, end)
                ):
                    continue
                if end - first >= MIN_UNLIKELY_WORDS or any(
                    "\n" not in self.message.gap(row.place + at - row.at) for at in breaks if at not in {first, end}
                ):
                    self._doubt(first)
                else:
                    self._give_back(first, end)
                break

    # ---- separate lines of ours

    def _take_leftovers(self) -> None:
        """Take lines made only of our words, if they say nothing by themselves; mark some lines that do as doubts."""
        begin = next((at for at, place in enumerate(self.ours) if place >= 0), len(self.reply))
        places: dict[str, list[int]] = {}
        for place, word in enumerate(self.message.plain):
            if not self.used[place]:
                places.setdefault(word, []).append(place)
        for first, end in self._lines(begin):
            if self.ours[first] >= 0 or end - first > SURE_QUOTED_WORDS:
                continue
            before = first > 0 and self.ours[first - 1] >= 0
            after = end < len(self.reply) and self.ours[end] >= 0
            beside = before and (after or (end == len(self.reply) and end - first > 1))
            sought = self.reply.plain[first:end]
            for place in places.get(sought[0], ()):
                run = Run(end - first, first, place)
                if self.message.plain[place : run.over] == sought and not any(self.used[place : run.over]):
                    self._take_alone(run, beside=beside)
                    break

    def _lines(self, begin: int) -> Iterator[tuple[int, int]]:
        """Yield the segments from a word on that are entirely the member's or entirely ours."""
        first = begin
        for at in range(begin, len(self.reply) + 1):
            if at < len(self.reply) and self._segments[at] == self._segments[first]:
                continue
            if first < at and len({place >= 0 for place in self.ours[first:at]}) == 1:
                yield first, at
            first = at

    def _stands_alone(self, run: Run) -> bool:
        """Tell whether the lines of a row hold no words of the member's."""
        beside = [at for at in (run.at - 1, run.end) if 0 <= at < len(self.reply)]
        return not any(
            self._segments[at] == self._segments[run.at if at < run.at else run.end - 1] and self.ours[at] < 0
            for at in beside
        )

    def _take_alone(self, run: Run, *, beside: bool = True) -> None:
        """Take a row that is a line beside lines of ours, unless it says something.

        A row that does, below the beginning of ours, is taken as a doubt if it is long, or if the reply also repeats
        words near it in the message: a footer rewritten by a program is no opt-out. A line below closing quotation
        marks or an ellipsis is the member's, and so is a line whose quote marks differ from ours.
        """
        if not self._says_something(run.at, run.end):
            if beside:
                self._take(run)
            return
        before = next((at for at in range(run.at - 1, -1, -1) if self.ours[at] >= 0), None)
        if (
            before is None
            or is_cut(self.reply.gap(before + 1))
            or self.reply.is_marked(before) != self.reply.is_marked(run.at)
        ):
            return
        if run.length >= MIN_SEED_WORDS or (
            self._is_whole(run) and any(self.used[max(0, run.place - MAX_LOST_WORDS) : run.over + MAX_LOST_WORDS])
        ):
            self._take(run)
            self._doubt(run.at)

    def _is_whole(self, run: Run) -> bool:
        """Tell whether a row is one or more whole sentences or lines of the message, with the same ends."""
        ends, end = self.message.gap(run.over), self.reply.gap(run.end)
        return (
            self.message.ends_sentence(run.place)
            and self.message.ends_sentence(run.over)
            and (stops(ends) == stops(end) or run.over == len(self.message))
        )

    def _says_something(self, first: int, end: int) -> bool:
        """Tell whether words of the reply say something by themselves, or contain a number as a menu does."""
        self._look_ups += 1
        if self._look_ups > MAX_LOOK_UPS or end - first > MAX_LINE_WORDS:
            return True
        words = self.reply.words
        text = self.reply.text[words[first].start : words[end - 1].end] + self.reply.gap(end).rstrip()[:1]
        return says_something(text) or any(word.isdigit() for word in (self.reply.plain[first], *self._before(first)))

    def _before(self, at: int) -> tuple[str, ...]:
        """Return the word of the message before one that is ours: "1" before "posted"."""
        place = self.ours[at]
        return (self.message.plain[place - 1],) if place > 0 else ()

    # ---- spans to remove

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield the character spans of words that are ours, with the punctuation and links around and between them."""
        reply, text = self.reply.words, self.reply.text
        begin = end = -1
        for position, word in enumerate(reply):
            if self.ours[position] < 0:
                continue
            if begin < 0:
                least = max(reply[position - 1].end if position else 0, text.rfind("\n", 0, word.start) + 1)
                begin = least + len(text[least : word.start].rstrip(_MARKS))
                link = _LINK_ABOVE.search(text, max(0, begin - MAX_LINK_LENGTH), begin) if begin == least else None
                begin = link.start() if link is not None else begin
            end = word.end
            if position + 1 < len(reply) and self.ours[position + 1] >= 0:
                continue
            limit = reply[position + 1].start if position + 1 < len(reply) else len(text)
            after = _AFTER.match(text, end, limit)
            end = after.end() if after is not None else end
            link = _LINK_BELOW.match(text, end, limit)
            yield begin, link.end() if link is not None else end
            begin = -1
