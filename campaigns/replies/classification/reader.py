"""Read a reply: what did the person mean? Rules are data (`rules/`), tried in order; the first that fits decides.

Two mistakes are not made: taking for a vote what is none, and missing a plain STOP. Everything else that is not clear
is `unclear`, and a person reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from campaigns.replies.classification.own import own_text
from campaigns.replies.classification.plain import Plain
from campaigns.replies.classification.quotation import begins
from campaigns.replies.classification.reactions import find_reaction
from campaigns.replies.classification.rules import Rule, Rules, load_rules

READINGS: Final = frozenset(
    {
        "opt_out",
        "opt_in",
        "help",
        "voted",
        "not_voted",
        "will_vote",
        "no_ballot_paper",
        "call_me",
        "wrong_number",
        "reaction",
        "unclear",
    }
)

REPEATED: Final = "repeated"
"""The rule of a reply that says only what the message it answers says, or cannot be told from it."""

WISHES: Final = 4
"""How often a reply may say that it wishes to be left alone, for what it says besides to be looked for."""
ALONE: Final = 8
"""Words of politeness that may stand beside what is said alone."""

ALONE_WISH: Final = 16
"""… and beside a wish, which people put into a letter's form."""

_LABEL: Final = re.compile(
    r"(?<![\w.:/-])(\d{1,2})[ \t]{0,3}(?:[=:.)\u2013-][ \t]{0,3}|(?:for|if|os|am) )?([^\W\d][^\n,;.!?\d()]{0,60})"
)
_OWN_WISH: Final = frozenset({"me", "us", "my", "i", "id", "im", "fi", "mi", "ni", "fy"})
"""Words for whom a wish is about."""
_DIGIT_FIRST: Final = re.compile(r"(?P<digit>\d{1,2}) (?P<rest>.+)")


@dataclass(frozen=True, slots=True)
class Classification:
    """What a reply says.

    Attributes:
        reading: one of `READINGS`.
        rule: the rule that decided; `none` where none fits.
        version: of the rules.
        also: a second thing the same reply says, such as the vote in "Voted, now stop texting me".
        language: the one it was understood in.
        alone: whether it says nothing else at all.
    """

    reading: str
    rule: str
    version: str
    also: str | None = None
    language: str = "en"
    alone: bool = False


def read_reply(text: str, menu: Mapping[str, str] | None = None, sent: Sequence[str] = ()) -> Classification:
    """Read one reply.

    Args:
        text: as it came.
        menu: the digits the message offered and what each means, `{"1": "voted"}`.
        sent: the message it answers, in each of its forms, where it is known: its words are not the member's.
    """
    rules = load_rules()
    if _is_reaction(rules, text, sent):
        return Classification("reaction", "reaction", rules.version, alone=True)
    own = own_text(text, sent)
    if own.repeats and not own.text:
        return Classification("unclear", REPEATED, rules.version)
    read = _read(rules, own.text, menu or {}, sent)
    if not own.doubtful:
        return read
    # a wish is obeyed all the same; what stands beside it may be ours
    return replace(read, also=None) if read.reading == "opt_out" else Classification("unclear", REPEATED, rules.version)


def _is_reaction(rules: Rules, text: str, sent: Sequence[str]) -> bool:
    """Whether a text only says that somebody reacted to a message of ours; nobody will read it.

    What it repeats is the message, from its beginning. Where that is unknown, or another than the one that is answered,
    it may be a member's own word in quotation marks, such as "STOP" beside a picture: if a rule understands it, it is.
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
    found, rule = rules.read(plain)
    if menu and not (rule and rule.reading in {"opt_out", "opt_in", "help"}):
        chosen = _by_digit(rules, plain.words, menu) or _by_label(rules, plain.words, menu, sent)
        if chosen is not None:
            return chosen
    if rule is None:
        return Classification("unclear", "none", rules.version)
    opts_out = rule.reading == "opt_out"
    also = _beside_wish(rules, plain, found, menu, sent) if opts_out else _also(rules, plain, found, rule)
    alone = also is None and _is_alone(rules, plain, found, wish=opts_out)
    return Classification(rule.reading, rule.name, rules.version, also, rule.language, alone)


def _by_digit(rules: Rules, words: str, menu: Mapping[str, str]) -> Classification | None:
    """A digit the message offered; words after it must not say something else."""
    if (alone := rules.digit.fullmatch(words)) is not None:
        reading = menu.get(str(int(rules.numbers.get(alone["digit"], alone["digit"]))), "unclear")
        return Classification(reading if reading in READINGS else "unclear", "digit", rules.version)
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
    """The words that the message put beside a digit, with the digit or without it: "3 none came"."""
    digit, _, rest = words.partition(" ")
    for form in sent:
        for number, label in _LABEL.findall(form):
            reading = menu.get(number)
            said = rules.plain(label).words
            if reading in READINGS and said and (words == said or (digit == number and rest == said)):
                return Classification(reading, "digit_and_words", rules.version)
    return None


def _is_alone(rules: Rules, plain: Plain, found: str, *, wish: bool) -> bool:
    """Whether nothing else is said. "From your list" is part of what somebody wishes for themself, and of no footer."""
    rest = plain.words.replace(found, " ", 1).split()
    polite = rules.familiar | rules.polite
    if wish and _OWN_WISH & set(plain.words.split()):
        polite |= rules.wishing
    else:
        wish = False
    return all(word in polite or word in plain.names for word in rest) and len(rest) <= (ALONE_WISH if wish else ALONE)


def _beside_wish(rules: Rules, plain: Plain, found: str, menu: Mapping[str, str], sent: Sequence[str]) -> str | None:
    """What a reply says besides its wish to be left alone, in whatever order, and however often it wishes."""
    for _ in range(WISHES):
        plain = rules.wish.without(plain, found)
        found, rule = rules.read(plain)
        if rule is None or rule.reading != "opt_out":
            chosen = _by_digit(rules, plain.words, menu) or _by_label(rules, plain.words, menu, sent) if menu else None
            said = chosen.reading if chosen else rule.reading if rule else "unclear"
            return said if said not in {"unclear", "opt_in"} else None
    return None


def _also(rules: Rules, plain: Plain, found: str, first: Rule) -> str | None:
    """Whether somebody asks to be rung besides, once the words that decided are taken out."""
    rest = Plain(tuple(left for clause in plain.clauses if (left := clause.replace(found, " ").strip())))
    if rest.words == plain.words and first.reading != "call_me":
        rest = Plain(tuple(left for left in (plain.words.replace(found, " ").strip(),) if left))
    _, rule = rules.read(rest)
    # anything more delicate a person reads in full
    return "call_me" if rule and rule.reading == "call_me" and first.reading != "call_me" else None
