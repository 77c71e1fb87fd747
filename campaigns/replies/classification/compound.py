"""Compound replies: an opt-out wish and something else in one breath, "STOP not voted", "no paper so stop".

Rules read the words of a wish if they stand alone, or if further words make them certain; beside a claim, one word is
enough. A word such as "stop" is a wish if the words on both sides of it, up to the end of its clause, are empty, polite
or a whole claim, and at least one side is a claim or stands next to one. "I will post it at the bus stop" and "stop the
vote" have other words there, so they are no wish.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from campaigns.replies.classification.plain import Plain
from campaigns.replies.classification.rules import Rules, load_rules
from campaigns.replies.classification.wish import WishPlace

CLAIMS: Final = frozenset({"voted", "not_voted", "will_vote"})
"""Readings that count by themselves: a reply with one is closed, and no member of staff sees it."""
BESIDE: Final = CLAIMS | {"no_ballot_paper", "call_me", "wrong_number", "help"}
"""Readings of what may stand beside a wish."""

ReadingOf = Callable[[Plain], tuple[str, str | None]]
"""Reads a text: the words that were matched, and the reading; "" and None if no rule fits."""
_Side = Literal["empty", "polite", "claim", "other"]


@dataclass(frozen=True, slots=True)
class Compound:
    """Reply that is an opt-out, and more.

    Attributes:
        language: of the wish.
        rest: the reply without the wish.
    """

    language: str
    rest: Plain


def find_compound(rules: Rules, plain: Plain, reading_of: ReadingOf, *, weak: bool = True) -> Compound | None:
    """Find an opt-out wish beside a claim; None if there is none.

    Args:
        rules: have the words of wishes.
        plain: the reply.
        reading_of: reads a part of it.
        weak: whether words that often mean something else may be a wish: "end", "cancel".
    """
    for place in rules.wish.places(plain):
        if (weak or not place.weak) and _asks(rules, place, plain, reading_of):
            return Compound(place.language, plain.part(rules.wish.without_links(place.rest)))
    return None


def says_something(text: str) -> bool:
    """Tell whether a text means something by itself: a rule fits it, it is a number, or a wish is beside a claim."""
    rules = load_rules()
    plain = rules.plain(text)
    if rules.read(plain)[1] is not None or rules.digit.fullmatch(plain.words) is not None:
        return True
    return find_compound(rules, plain, lambda part: _by_rules(rules, part)) is not None


def _by_rules(rules: Rules, plain: Plain) -> tuple[str, str | None]:
    reading, rule = rules.read(plain)
    return reading, rule.reading if rule is not None else None


def _asks(rules: Rules, place: WishPlace, plain: Plain, reading_of: ReadingOf) -> bool:
    if rules.wish.is_bound(place):
        return False
    before = _side(rules, place.before, plain, reading_of, above=True)
    after = _side(rules, place.after, plain, reading_of, above=False)
    if "other" in {before, after} or (place.weak and "polite" in {before, after}):
        return False
    if "claim" in {before, after}:
        return True
    if before == "polite":
        return False
    beside = (_nearest(rules, place.above[::-1], plain), _nearest(rules, place.below, plain))
    return any(_says(rules, clause, plain, reading_of) for clause in beside if clause is not None)


def _nearest(rules: Rules, clauses: Sequence[str], plain: Plain) -> str | None:
    """Return the first clause that is more than thanks or a name; the first of all if there is none."""
    polite = rules.courteous | plain.names
    more = (clause for clause in clauses if not all(word in polite for word in clause.split()))
    return next(more, next(iter(clauses), None))


def _says(rules: Rules, clause: str, plain: Plain, reading_of: ReadingOf) -> bool:
    """Tell whether the clause above or below a wish is a claim, or a reason for it."""
    return reading_of(plain.part((clause,)))[1] in BESIDE or rules.wish.asides.fullmatch(clause) is not None


def _side(rules: Rules, words: str, plain: Plain, reading_of: ReadingOf, *, above: bool) -> _Side:
    """Tell how a wish may be read that stands below or above these words in its clause."""
    if not words:
        return "empty"
    known = rules.familiar | rules.polite | plain.names
    matched, reading = reading_of(plain.part((words,)))
    if reading in BESIDE:
        at = words.find(matched)
        if at < 0:
            return "claim"
        # the word next to the wish must be the claim's, or one that adds nothing: else it is "the Oak Street stop"
        beside = words[at + len(matched) :].split()[-1:] if above else words[:at].split()
        allowed = known | rules.trailing if above else rules.leading
        return "claim" if all(word in allowed or word.isdigit() for word in beside) else "other"
    if rules.wish.asides.fullmatch(words):
        return "claim"
    return "polite" if all(word in rules.courteous | plain.names for word in words.split()) else "other"
