"""Replies to a question with named answers: "4 nice staff", "good, thanks".

The question itself knows its answers, and the rules of ballots do not apply. Rules that mean the same everywhere come
first: an opt-out in any form wins, also beside an answer. A wish for a call beside an answer is a second reading.
"Wrong number" beside an answer contradicts it, and is unclear. CANCEL alone stops messages, because networks act on it,
but is shown to staff: it may be about the appointment. "Please cancel" stops nothing, and a person reads it. Words that
take back or correct the former answer ("undo", "sorry, I meant 1") are recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from campaigns.replies.classification.answer_corrections import (
    TAKE_BACK,
    corrected,
    taken_back_letter,
    takes_back,
)
from campaigns.replies.classification.classify import (
    COMPOUND,
    GENERAL,
    MAYBE,
    Classification,
    is_alone,
    is_limited,
    may_wish,
    read_own_words,
)
from campaigns.replies.classification.compound import find_compound
from campaigns.replies.classification.mail import OwnMail
from campaigns.replies.classification.plain import Plain
from campaigns.replies.classification.rules import Rule, Rules, load_rules
from campaigns.subjects.answer import NamedAnswer

WHICH: Final = "which_message"
"""Rule of a text that could answer several messages."""
WHICH_ANSWER: Final = "which_answer"
"""Rule of a text that takes back one of several answers."""
CONTRADICTION: Final = "contradiction"
"""Rule of an answer beside words that contradict it."""
CANCEL: Final = "cancel"
"""Rule of a reply with a word that may cancel our messages or the appointment: a person has to find out."""
_BESIDE: Final = "voted"
"""Reading that stands for an answer beside a wish, in rules that know only the readings of ballots."""
_CONTRADICTS: Final = frozenset({"wrong_number", "opt_in", "help"})
"""Readings that contradict an answer beside them."""


Reads = Callable[[str], NamedAnswer | None]
"""Reads an answer in a person's own words; None if it is unclear."""


def read_named_answer(text: str, sent: Sequence[str], reads: Reads) -> Classification:
    """Classify a text.

    Args:
        text: as received.
        sent: the message it answers, in each of its forms: its words are not the person's.
        reads: reads the answer.
    """
    return read_own_words(text, sent, lambda rules, words: _read(rules, words, reads))


def read_named_mail(mail: OwnMail, reads: Reads) -> Classification:
    """Classify a person's own words in a mail; an opt-out in its subject counts as well.

    Args:
        mail: the words and the subject.
        reads: reads the answer.
    """
    rules = load_rules()
    read = _read(rules, mail.words, reads)
    if read.reading == "opt_out" or not mail.subject:
        return read
    above = _read(rules, mail.subject, reads)
    if above.reading == "opt_out":
        return replace(above, also=read.reading if read.reading not in GENERAL else None, alone=False)
    return above if read.reading == "unclear" and not mail.words.strip() else read


def read_words(text: str) -> Classification:
    """Classify words beside an answer: a reading that means the same everywhere, or `unclear`."""
    return _read(load_rules(), text, lambda _text: None)


def letter_taken_back(text: str) -> str:
    """Return the letter of the question whose answer a text takes back; "" if it names none."""
    return taken_back_letter(load_rules().plain(text)) or ""


def as_unclear(read: Classification) -> Classification:
    """Return the classification of a text that could answer several messages: an opt-out alone, or unclear."""
    if read.reading == "opt_out":
        return replace(read, also=None)
    return Classification("unclear", WHICH_ANSWER if read.reading == TAKE_BACK else WHICH, read.version)


def _by_no_rule(rules: Rules, plain: Plain) -> Classification:
    """Return the classification of words that no rule fits: they take an answer back, or are unclear."""
    if takes_back(plain):
        return Classification(TAKE_BACK, TAKE_BACK, rules.version, alone=True)
    return Classification("unclear", CANCEL if rules.wish.withdrawals.search(plain.words) else "none", rules.version)


def _read(rules: Rules, text: str, reads: Reads) -> Classification:
    plain = rules.plain(text)
    matched, rule = rules.read(plain, GENERAL)
    if rule is not None and rule.reading == "opt_out":
        if rules.wish.is_ambiguous(plain.words):
            offered = reads(text)  # words that the question offers
            return _answered(rules, plain, "", None, offered) if offered else _by_ambiguous_word(rules, plain, rule)
        also = _reading_of_rest(rules.wish.without(plain, matched), reads)
        alone = also is None and is_alone(rules, plain, matched, wish=True)
        wish = Classification("opt_out", rule.name, rules.version, also, rule.language, alone)
        return _unless_limited(rules, text, plain, reads, wish)
    compound = find_compound(rules, plain, lambda part: _beside(part, reads), weak=False)
    if compound is not None:
        also = _reading_of_rest(compound.rest, reads)
        wish = Classification("opt_out", COMPOUND, rules.version, also, compound.language)
        return _unless_limited(rules, text, plain, reads, wish)
    answer = reads(text)
    if answer is None and (rest := corrected(text)):
        answer = reads(rest)
    if answer is not None:
        return _answered(rules, plain, matched, rule, answer)
    if rule is None:
        return _by_no_rule(rules, plain)
    alone = is_alone(rules, plain, matched, wish=False)
    return Classification(rule.reading, rule.name, rules.version, None, rule.language, alone)


def _by_ambiguous_word(rules: Rules, plain: Plain, rule: Rule) -> Classification:
    """Return an opt-out if its word stands alone; beside another word, as in "please cancel", a person reads it."""
    word = plain.unsigned
    if not rules.wish.ambiguous.fullmatch(word):
        return Classification("unclear", CANCEL, rules.version)
    by = CANCEL if rules.wish.withdrawals.fullmatch(word) else rule.name
    return Classification("opt_out", by, rules.version, None, rule.language, alone=True)


def _unless_limited(rules: Rules, text: str, plain: Plain, reads: Reads, wish: Classification) -> Classification:
    """Return an opt-out, or unclear if it asks to stop less than all messages."""

    def reading_of(part: Plain) -> tuple[str, str | None]:
        words, reading = _beside(part, reads)
        if reading is not None:
            return words, reading
        matched, rule = rules.read(part, GENERAL)
        return matched, rule.reading if rule is not None else None

    return Classification("unclear", MAYBE, rules.version) if is_limited(rules, text, plain, reading_of) else wish


def _answered(rules: Rules, plain: Plain, matched: str, rule: Rule | None, answer: NamedAnswer) -> Classification:
    """Classify a reply with an answer, and perhaps more."""
    if rule is not None and rule.reading in _CONTRADICTS:
        return Classification("unclear", CONTRADICTION, rules.version)
    if answer.comment and may_wish(rules, plain, matched):
        return Classification("unclear", MAYBE, rules.version)
    also = "call_me" if rule is not None and rule.reading == "call_me" else None
    by = f"{answer.by}_and_comment" if answer.comment else answer.by
    return Classification(answer.answer, by, rules.version, also, comment=answer.comment)


def _reading_of_rest(rest: Plain, reads: Reads) -> str | None:
    """Return the answer beside an opt-out, if it is all that is left."""
    answer = reads(rest.words)
    return answer.answer if answer is not None and not answer.comment else None


def _beside(part: Plain, reads: Reads) -> tuple[str, str | None]:
    """Return the words of an answer that may stand beside a wish, which must say nothing else."""
    answer = reads(part.words)
    return (part.words, _BESIDE) if answer is not None and not answer.comment else ("", None)
