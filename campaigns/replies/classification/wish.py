"""Opt-out wishes inside a reply: where they stand, what limits them, and the rest, which is read by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from campaigns.replies.classification.plain import Plain

PARTS: Final = (
    "opening", "lead_in", "completions", "conjunctions", "fillers", "not_after", "weak_not_after", "not_before",
    "weak_not_before", "other_uses", "limited_wishes", "doubtful_wishes", "asides", "ambiguous", "withdrawals",
)  # fmt: skip
"""The lists of a language's `[wish]` that all languages share …"""
WORDS: Final = ("strong", "weak")
"""… and the lists of the wish itself, by which its language is known."""
MAX_PLACES: Final = 8
"""Most places of a reply that are tried."""
_DIGIT: Final = re.compile(r"(?<!\S)\d{1,2}(?!\S)")


@dataclass(frozen=True, slots=True)
class WishPlace:
    """Place of what may be an opt-out wish.

    Attributes:
        language: of its words.
        weak: whether its words often mean something else: "end", "cancel".
        above: the clauses before its own.
        before: the words before it in its own clause, without words that only join it.
        after: the words after it in its own clause, without words that only join it.
        next: the words after it with those that complete it: "them".
        below: the clauses after its own.
    """

    language: str
    weak: bool
    above: tuple[str, ...]
    before: str
    after: str
    next: str
    below: tuple[str, ...]

    @property
    def rest(self) -> tuple[str, ...]:
        """Return the clauses of the reply without the wish."""
        return tuple(filter(None, (*self.above, self.before, self.after, *self.below)))


@dataclass(frozen=True, slots=True)
class Wish:
    """Patterns for an opt-out wish, and for words that only join it to the rest of a reply.

    Attributes:
        opening: the beginning of the wish itself, inside the words that a rule matched.
        lead_in: words that lead to it, at the end of the text before it: "but please".
        completions: words that complete it, at the beginning of the text after it: "me from this list".
        words: by language, the shortest words of a wish, "stop", and those that often mean something else, "end".
        conjunctions: words between a wish and something else: "and", "because", "so you can".
        fillers: words that begin or end a clause beside it, and say nothing: "but" in "Stop! But I voted".
        not_after: words at the end of the text before it that make it no wish: "never", "the", "bus".
        weak_not_after: the same before a weak one: "week" before "end".
        not_before: words after it that make it part of something else: "on" in "STOP on the ballot".
        weak_not_before: words after a weak one that begin what it is about: "my" or "Monday" after "cancel".
        asides: remarks beside a wish that are no claims: "not a member", "yes".
        other_uses: its words where they are no wish, with the words around them.
        limited_wishes: wishes for some times, places or ways only, with a comma between clauses: "do not email , text
            me".
        doubtful_wishes: words that may be a wish, but are not certainly: "halt", "cancel Monday".
        ambiguous: words that networks act on if they stand alone, and that beside others may mean the appointment:
            "end".
        withdrawals: the same words in other forms, which mostly mean the appointment: "cancelled".
    """

    opening: re.Pattern[str]
    lead_in: re.Pattern[str]
    completions: re.Pattern[str]
    words: Mapping[str, tuple[re.Pattern[str], re.Pattern[str]]]
    conjunctions: tuple[re.Pattern[str], re.Pattern[str]]
    fillers: re.Pattern[str]
    not_after: re.Pattern[str]
    weak_not_after: re.Pattern[str]
    not_before: re.Pattern[str]
    weak_not_before: re.Pattern[str]
    asides: re.Pattern[str]
    other_uses: re.Pattern[str]
    limited_wishes: re.Pattern[str]
    doubtful_wishes: re.Pattern[str]
    ambiguous: re.Pattern[str]
    withdrawals: re.Pattern[str]

    @classmethod
    def of(cls, languages: Mapping[str, Mapping[str, Sequence[str]]]) -> Wish:
        """Compile the lists of all languages.

        Args:
            languages: for each language, a list of patterns for each of `PARTS` and `WORDS`; a list that it lacks is
                empty.
        """
        some = {part: "|".join(word for words in languages.values() for word in words.get(part, ())) for part in PARTS}
        return cls(
            opening=re.compile(rf"\b(?:{some['opening']})\b"),
            lead_in=re.compile(rf"(?:(?:^| )(?:{some['lead_in']}|{some['conjunctions']}))+$"),
            completions=re.compile(rf"^(?:(?:{some['completions']}|{some['conjunctions']})(?: |$))+"),
            words={
                language: (_any_of(words["strong"]), _any_of(words["weak"]))
                for language, words in languages.items()
                if all(words.get(part) for part in WORDS)
            },
            conjunctions=(
                re.compile(rf"(?:(?:^| )(?:{some['conjunctions']}))+$"),
                re.compile(rf"^(?:(?:{some['conjunctions']})(?: |$))+"),
            ),
            fillers=re.compile(rf"^(?:(?:{some['fillers']})(?: |$))+|(?:(?:^| )(?:{some['fillers']}))+$"),
            not_after=re.compile(rf"(?:^| )(?:{some['not_after']})$"),
            weak_not_after=re.compile(rf"(?:^| )(?:{some['weak_not_after']})$"),
            not_before=re.compile(rf"^(?:{some['not_before']})(?: |$)"),
            weak_not_before=re.compile(rf"^(?:{some['weak_not_before']})(?: |$)"),
            asides=re.compile(rf"(?:(?:{some['asides']})(?: |$))+"),
            other_uses=re.compile(rf"\b(?:{some['other_uses']})\b"),
            limited_wishes=re.compile(rf"(?<!\S)(?:{some['limited_wishes']})(?!\S)"),
            doubtful_wishes=re.compile(rf"(?<!\S)(?:{some['doubtful_wishes']})(?!\S)"),
            ambiguous=re.compile(rf"(?<!\S)(?:{some['ambiguous'] or '(?!)'})(?!\S)"),
            withdrawals=re.compile(rf"(?<!\S)(?:{some['withdrawals'] or '(?!)'})(?!\S)"),
        )

    def without(self, plain: Plain, pattern: str) -> Plain:
        """Return the reply without the wish; the text before it and after it become separate clauses.

        Args:
            plain: the reply.
            pattern: the words in it that an opt-out rule matched.
        """
        clauses = plain.clauses if any(find_words(pattern, clause) for clause in plain.clauses) else (plain.words,)
        parts = (part for clause in clauses for part in self._parts(clause, pattern))
        return plain.part(self.without_links(parts))

    def without_links(self, clauses: Iterable[str]) -> tuple[str, ...]:
        """Return clauses beside a wish without the words that linked them to it; empty clauses are left out."""
        return tuple(left for clause in clauses if (left := self.fillers.sub("", clause).strip()))

    def without_limited(self, plain: Plain) -> Plain:
        """Return the reply without the clauses that ask to stop messages only at some times, places or in some ways."""
        limited = [match.span() for match in self.limited_wishes.finditer(" , ".join(plain.clauses))]
        left, at = list[str](), 0
        for clause in plain.clauses:
            end = at + len(clause)
            if not any(start < end and at < over for start, over in limited):
                left.append(clause)
            at = end + len(" , ")
        return plain.part(left)

    def is_ambiguous(self, words: str) -> bool:
        """Tell whether all words of a wish may mean something else: "please cancel"."""
        strong = any(patterns[0].search(words) for patterns in self.words.values())
        return not strong and self.ambiguous.search(words) is not None

    def is_in(self, words: str) -> bool:
        """Tell whether any words may ask to opt out."""
        known = (pattern for patterns in self.words.values() for pattern in patterns)
        return self.doubtful_wishes.search(words) is not None or any(pattern.search(words) for pattern in known)

    def places(self, plain: Plain) -> list[WishPlace]:
        """Return the places of words that ask to opt out, the strong ones of every language first."""
        places = [
            self._place(plain.clauses, number, match, language, weak=weak)
            for weak in (False, True)
            for language, words in self.words.items()
            for number, clause in enumerate(plain.clauses)
            for match in words[weak].finditer(clause)
        ]
        return places[:MAX_PLACES]

    def is_bound(self, place: WishPlace) -> bool:
        """Tell whether the words beside a place make it part of something else."""
        if self.not_after.search(place.before) or self.not_before.search(place.next):
            return True
        return place.weak and bool(self.weak_not_after.search(place.before) or self.weak_not_before.search(place.after))

    def used_otherwise(self, plain: Plain) -> bool:
        """Tell whether every strong opt-out word in a reply stands where it is known to be no wish."""
        left = self.other_uses.sub(" ", plain.words)
        if self.doubtful_wishes.search(left):
            return False
        return not any(strong.search(left) for strong, _ in self.words.values())

    def _place(
        self, clauses: Sequence[str], number: int, match: re.Match[str], language: str, *, weak: bool
    ) -> WishPlace:
        before, after = match.string[: match.start()].strip(), match.string[match.end() :].strip()
        leading, following = self.conjunctions
        before, after = leading.sub("", before).strip(), following.sub("", after).strip()
        # "cancel it" and "end of this" are about something else
        without = after if weak else self.completions.sub("", after).strip()
        return WishPlace(language, weak, tuple(clauses[:number]), before, without, after, tuple(clauses[number + 1 :]))

    def _parts(self, clause: str, pattern: str) -> Iterator[str]:
        place = find_words(pattern, clause)
        if place is None:
            yield clause
            return
        opening = self.opening.search(pattern)
        before = clause[: place.start() + (opening.start() if opening else 0)].strip()
        digit = _DIGIT.search(pattern, opening.end() if opening else len(pattern))
        after = f"{digit[0] if digit else ''} {clause[place.end() :]}".strip()
        yield from filter(None, (self.lead_in.sub("", before).strip(), self.completions.sub("", after).strip()))


def find_words(pattern: str, text: str) -> re.Match[str] | None:
    """Find whole words in a text: "end" is not in "send"."""
    return re.search(rf"(?<!\S){re.escape(pattern)}(?!\S)", text)


def _any_of(words: Sequence[str]) -> re.Pattern[str]:
    some = f"(?:{'|'.join(words)})"
    return re.compile(rf"(?<!\S){some}(?: {some}){{0,8}}(?!\S)")
