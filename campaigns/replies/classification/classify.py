"""Classification of a reply: rules are data (`rules/`), tried in order; the first that fits decides the reading.

Two mistakes must not happen: counting a vote where nobody said so, and missing a plain STOP. Everything else that is
not clear is `unclear`, and staff read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from campaigns.replies.classification.compound import BESIDE, CLAIMS, ReadingOf, find_compound
from campaigns.replies.classification.own import own_text
from campaigns.replies.classification.plain import Plain
from campaigns.replies.classification.quotation import begins
from campaigns.replies.classification.reactions import find_reaction
from campaigns.replies.classification.remainder import sentences
from campaigns.replies.classification.rules import Rule, Rules, load_rules

GENERAL: Final = frozenset({"opt_out", "opt_in", "help", "call_me", "wrong_number", "reaction", "unclear"})
"""Readings that mean the same whatever a message asked about."""
READINGS: Final = GENERAL | CLAIMS | {"no_ballot_paper"}
"""Readings that rules give; the meanings of a message's digits are its subject's."""

REPEATED: Final = "repeated"
"""Rule of a reply that only repeats the message it answers, or cannot be told apart from it."""

COMPOUND: Final = "opt_out_beside"
"""Rule of an opt-out whose words stand beside a claim."""

MAYBE: Final = "maybe_opt_out"
"""Rule of a reply with an opt-out word that may be meant: beside a claim, which would close the reply, or with
limits."""

MAX_WISHES: Final = 4
"""Most opt-out wishes in one reply that are removed to read the rest."""
MAX_POLITE_WORDS: Final = 8
"""Most polite words beside the matched words of a reply that says nothing else."""

MAX_POLITE_WORDS_OF_WISH: Final = 16
"""Most polite words beside an opt-out that says nothing else: people often write one like a letter."""

_LABEL: Final = re.compile(
    r"(?<![\w.:/-])(\d{1,2})[ \t]{0,3}(?:[=:.)\u2013-][ \t]{0,3}|(?:for|if|os|am) )?([^\W\d][^\n,;.!?\d()]{0,60})"
)
_OWN_WISH: Final = frozenset({"me", "us", "my", "i", "id", "im", "fi", "mi", "ni", "fy"})
"""Words that show that a wish is about the writer."""
_DIGIT_FIRST: Final = re.compile(r"(?P<digit>\d{1,2}) (?P<rest>.+)")


@dataclass(frozen=True, slots=True)
class Classification:
    """Classification of a reply.

    Attributes:
        reading: one of `READINGS`, or a meaning of the subject's.
        rule: the rule that decided; `none` if none fits.
        version: of the rules.
        also: a second reading of the same reply, such as the vote in "Voted, now stop texting me".
        language: the language of the rule.
        alone: whether the reply says nothing else at all.
        comment: the words beside an answer that its subject read; "" for none.
    """

    reading: str
    rule: str
    version: str
    also: str | None = None
    language: str = "en"
    alone: bool = False
    comment: str = ""

    @property
    def answer(self) -> str | None:
        """Return the reading that may be an answer: the second one beside an opt-out. None if there is none."""
        return self.also if self.reading == "opt_out" else self.reading


def classify_reply(
    text: str,
    menu: Mapping[str, str] | None = None,
    sent: Sequence[str] = (),
    possible: Collection[str] = READINGS,
) -> Classification:
    """Classify a reply.

    Args:
        text: as received.
        menu: the digits the message offered and the reading of each, `{"1": "voted"}`.
        sent: the message it answers, in each of its forms, where it is known: its words are not the member's.
        possible: readings that answer the message; a menu's others are unclear.
    """
    meant = {digit: reading if reading in possible else "unclear" for digit, reading in (menu or {}).items()}
    return read_own_words(text, sent, lambda rules, words: _read(rules, words, meant, sent))


def read_own_words(
    text: str, sent: Sequence[str], read_words: Callable[[Rules, str], Classification]
) -> Classification:
    """Classify a reply by the words in it that are not ours; a reaction and a mere repetition have a reading each.

    Args:
        text: as received.
        sent: the message it answers, in each of its forms, where it is known.
        read_words: classifies the person's own words.
    """
    rules = load_rules()
    if _is_reaction(rules, text, sent):
        return Classification("reaction", "reaction", rules.version, alone=True)
    own = own_text(text, sent)
    if own.repeats and not own.text:
        return Classification("unclear", REPEATED, rules.version)
    read = read_words(rules, own.text)
    if not own.doubtful:
        return read
    # a plain opt-out is applied all the same; words beside it may be ours, and so may a single word beside a claim
    plain = read.reading == "opt_out" and read.rule != COMPOUND
    return replace(read, also=None) if plain else Classification("unclear", REPEATED, rules.version)


def restrict(read: Classification, possible: Collection[str]) -> Classification:
    """Return a classification that gives only readings that are possible: any other is unclear.

    Args:
        read: a classification by rules that know all readings.
        possible: readings that answer the message.
    """
    also = read.also if read.also in possible else None
    if read.reading in possible:
        return replace(read, also=also)
    if also is not None:
        return replace(read, reading=also, also=None, alone=False)
    return Classification("unclear", "none", read.version)


def _is_reaction(rules: Rules, text: str, sent: Sequence[str]) -> bool:
    """Tell whether a text only says that somebody reacted to a message of ours; staff need not read such a text.

    It repeats the beginning of the message. If the message is unknown, or differs, the quoted text may be a member's
    own, such as "STOP" beside an emoji; it is taken as the member's if a rule fits it.
    """
    reaction = find_reaction(text)
    if reaction is None:
        return False
    if begins(reaction.repeated, sent):
        return True
    own = own_text(reaction.repeated)
    _, rule = rules.read(rules.plain(own.text))
    if rule is not None and not (own.doubtful and rule.reading != "opt_out"):
        return False
    return reaction.named or not sent


def _read(rules: Rules, text: str, menu: Mapping[str, str], sent: Sequence[str]) -> Classification:
    plain = rules.plain(text)
    matched, rule = rules.read(plain)
    if rule is not None and rule.reading == "opt_out":
        also = _beside_wish(rules, plain, matched, menu, sent)
        alone = also is None and is_alone(rules, plain, matched, wish=True)
        wish = Classification("opt_out", rule.name, rules.version, also, rule.language, alone)
    elif (compound := find_compound(rules, plain, lambda part: _reading_of(rules, part, menu, sent))) is not None:
        also = _reading_of_rest(rules, compound.rest, menu, sent)
        wish = Classification("opt_out", COMPOUND, rules.version, also, compound.language)
    else:
        return _read_claim(rules, plain, matched, rule, menu, sent)
    limited = is_limited(rules, text, plain, lambda part: _reading_of(rules, part, menu, sent))
    return Classification("unclear", MAYBE, rules.version) if limited else wish


def _read_claim(
    rules: Rules, plain: Plain, matched: str, rule: Rule | None, menu: Mapping[str, str], sent: Sequence[str]
) -> Classification:
    """Classify a reply that asks for no opt-out, by the words that a rule matched or by a digit."""
    if menu and not (rule and rule.reading in {"opt_in", "help"}):
        chosen = _by_label(rules, plain.words, menu, sent) or _by_digit(rules, plain.words, menu)
        if chosen is not None:
            doubted = chosen.rule == "digit_and_words" and chosen.reading in CLAIMS and may_wish(rules, plain, matched)
            return Classification("unclear", MAYBE, rules.version) if doubted else chosen
    if rule is None:
        return Classification("unclear", "none", rules.version)
    if rule.reading in CLAIMS and may_wish(rules, plain, matched):
        return Classification("unclear", MAYBE, rules.version)
    also = _also(rules, plain, matched, rule)
    alone = also is None and is_alone(rules, plain, matched, wish=False)
    return Classification(rule.reading, rule.name, rules.version, also, rule.language, alone)


def is_limited(rules: Rules, text: str, plain: Plain, reading_of: ReadingOf) -> bool:
    """Tell whether a wish stops less than all messages: not at night, by email only. Staff then read the reply.

    Args:
        rules: have the words of wishes.
        text: the reply, as it was read as an opt-out.
        plain: the same, normalised.
        reading_of: reads a part of it.
    """
    rest = _without_qualified(rules, text, rules.wish.without_limited(plain), reading_of)
    if rest.clauses == plain.clauses:
        return False
    _, rule = rules.read(rest)
    if rule is not None and rule.reading == "opt_out":
        return False
    return find_compound(rules, rest, reading_of) is None


def _without_qualified(rules: Rules, text: str, plain: Plain, reading_of: ReadingOf) -> Plain:
    """Return a reply without the clauses of sentences that ask for something else than to stop all messages."""

    def is_answer_or_wish(words: str) -> bool:
        if all(word in plain.names for word in words.split()) or rules.wish.asides.fullmatch(words):
            return True
        matched, reading = reading_of(plain.part((words,)))
        at = words.find(matched)
        if at < 0 or reading not in BESIDE | {"opt_out"} or rules.remainder.narrows.match(matched):
            return False
        if not all(word in rules.leading for word in words[:at].split()):
            return False
        # "from the list" asks to opt out, "from the list of reps" does not
        return reading != "opt_out" or rules.remainder.completes(words[at + len(matched) :].strip(), is_answer_or_wish)

    left = list(plain.clauses)
    for sentence in sentences(text):
        clauses = rules.plain(sentence).clauses
        for number in rules.remainder.qualified(clauses, rules.wish.is_in, is_answer_or_wish):
            if clauses[number] in left:
                left.remove(clauses[number])
    return plain.part(left)


def may_wish(rules: Rules, plain: Plain, matched: str) -> bool:
    """Tell whether a claim may have an opt-out beside it: then staff read the reply, which the claim would close."""
    if not rules.wish.used_otherwise(plain) or rules.wish.without_limited(plain).clauses != plain.clauses:
        return True
    if any(rules.remainder.family.fullmatch(clause) for clause in plain.clauses):
        return True
    _, beside = rules.read(_without(plain, matched))
    return beside is not None and beside.reading == "opt_out"


def _without(plain: Plain, matched: str) -> Plain:
    """Return a reply without the words that a rule matched."""
    clauses = tuple(left for clause in plain.clauses if (left := clause.replace(matched, " ").strip()))
    return plain.part(clauses)


def _reading_of(rules: Rules, plain: Plain, menu: Mapping[str, str], sent: Sequence[str]) -> tuple[str, str | None]:
    """Return the words that decide the reading of a part of a reply, and the reading; a digit may stand before them."""
    words = plain.unsigned
    if menu:
        chosen = _by_label(rules, words, menu, sent) or _by_digit(rules, words, menu)
        if chosen is not None:
            return words, chosen.reading
    matched, rule = rules.read(plain)
    if rule is None and (first := _DIGIT_FIRST.fullmatch(words)) is not None:
        matched, rule = rules.read(plain.part((first["rest"],)))
    return matched, rule.reading if rule else None


def _by_digit(rules: Rules, words: str, menu: Mapping[str, str]) -> Classification | None:
    """Classify a digit that the message offered; words after it must agree with it."""
    if (alone := rules.digit.fullmatch(words)) is not None:
        reading = menu.get(str(int(rules.numbers.get(alone["digit"], alone["digit"]))), "unclear")
        return Classification(reading, "digit", rules.version)
    first = _DIGIT_FIRST.fullmatch(words)
    meant = menu.get(str(int(first["digit"]))) if first else None
    if first is None or meant is None:
        return None
    _, rule = rules.read(Plain((first["rest"],)))
    agreed = rules.agrees(meant, first["rest"]) or (rule is not None and rule.reading == meant)
    return (
        Classification(meant, "digit_and_words", rules.version)
        if agreed
        else Classification("unclear", "digit", rules.version)
    )


def _by_label(rules: Rules, words: str, menu: Mapping[str, str], sent: Sequence[str]) -> Classification | None:
    """Classify a reply that repeats the label of a digit, with the digit or without it: "3 none came"."""
    digit, _, rest = words.partition(" ")
    for form in sent:
        for number, label in _LABEL.findall(form):
            reading = menu.get(number)
            label_words = rules.plain(label).words
            if (
                reading not in {None, "unclear"}
                and label_words
                and (words == label_words or (digit == number and rest == label_words))
            ):
                return Classification(reading, "digit_and_words", rules.version)
    return None


def is_alone(rules: Rules, plain: Plain, matched: str, *, wish: bool) -> bool:
    """Tell whether a reply says nothing else. "From your list" belongs to a wish only about the writer."""
    rest = plain.words.replace(matched, " ", 1).split()
    polite = rules.familiar | rules.polite
    if wish and _OWN_WISH & set(plain.words.split()):
        polite |= rules.wishing
    else:
        wish = False
    return all(word in polite or word in plain.names for word in rest) and len(rest) <= (
        MAX_POLITE_WORDS_OF_WISH if wish else MAX_POLITE_WORDS
    )


def _beside_wish(rules: Rules, plain: Plain, matched: str, menu: Mapping[str, str], sent: Sequence[str]) -> str | None:
    """Return the reading of a reply besides its opt-out wish, in any order."""
    return _reading_of_rest(rules, rules.wish.without(plain, matched), menu, sent)


def _reading_of_rest(rules: Rules, rest: Plain, menu: Mapping[str, str], sent: Sequence[str]) -> str | None:
    """Return the reading of a reply without a wish that was removed, however often the wish is repeated."""
    for _ in range(MAX_WISHES):
        matched, rule = rules.read(rest)
        if rule is None or rule.reading != "opt_out":
            compound = find_compound(rules, rest, lambda part: _reading_of(rules, part, menu, sent))
            if compound is None:
                _, reading = _reading_of(rules, rest, menu, sent)
                return reading if reading in BESIDE else None
            rest = compound.rest
        else:
            rest = rules.wish.without(rest, matched)
    return None


def _also(rules: Rules, plain: Plain, matched: str, first: Rule) -> str | None:
    """Return `call_me` if the reply, without the matched words, also asks for a call; else None."""
    if first.reading == "call_me":
        return None
    rest = _without(plain, matched)
    if rest.words == plain.words:
        rest = plain.part(tuple(left for left in (plain.words.replace(matched, " ").strip(),) if left))
    _, rule = rules.read(rest)
    # other readings beside it are left to staff
    return "call_me" if rule and rule.reading == "call_me" else None
