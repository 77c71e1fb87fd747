"""Replies that people send by text, by meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final


@dataclass(frozen=True, slots=True)
class TypedReply:
    """Reply as it is typed.

    Attributes:
        text: all of it.
        comment: the part of it that stands beside the answer; empty for none.
    """

    text: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """Words for each meaning of a reply; a test reads every phrase with Muster's own rules.

    Attributes:
        phrases: replies in words, realistic and unambiguous, by meaning.
        labels: patterns of the label behind the digit of a meaning, in a text that offers it.
        remarks: comments beside an answer, by its meaning.
        careless: share of people who leave out the letter that a text shows behind its digits.
    """

    phrases: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, str]
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    careless: float = 0.0

    def reply(self, wish: str, message: str, rng: Random) -> TypedReply:
        """Draw a reply; half the people use the digits, if the text offered them.

        Args:
            wish: a meaning; with `+` behind it for a remark beside the answer.
            message: the text that is answered.
            rng: the random generator.
        """
        meaning, beside, _ = wish.partition("+")
        digit = self._digit(meaning, message, rng)
        if beside:
            remark = rng.choice(self.remarks[meaning])
            if digit:
                return TypedReply(
                    rng.choice((f"{digit} {remark}", f"{digit} - {remark}", f"{digit}, {remark}")), remark
                )
            return TypedReply(f"{rng.choice(self.phrases[meaning])}. {remark}", remark)
        if digit and rng.random() < 0.5:
            return TypedReply(rng.choice((digit, f"{digit}.", f" {digit.lower()} ")))
        return TypedReply(rng.choice(self.phrases[meaning]))

    def remark(self, meaning: str, rng: Random) -> str:
        """Draw a comment that somebody writes beside an answer on a page."""
        return rng.choice(self.remarks[meaning])

    def _digit(self, meaning: str, message: str, rng: Random) -> str:
        """Return the digit that a text offers for a meaning, with its letter; empty if it offers none."""
        if meaning not in self.labels:
            return ""
        offer = re.search(rf"\b(\d[A-Z]?) (?:{self.labels[meaning]})", message)
        if offer is None:
            return ""
        forgets = len(offer[1]) > 1 and rng.random() < self.careless
        return offer[1][0] if forgets else offer[1]


OF_A_BALLOT: Final = Phrasebook(
    phrases={
        "voted": (
            "Voted",
            "voted 👍",
            "I've voted already, posted it Monday",
            "done, sent it off this morning",
            "Have voted",
            "Already voted thanks",
        ),
        "not_voted": ("haven't voted yet", "Not voted", "not voted yet, sorry", "Havent voted yet"),
        "will_vote": ("I will vote tomorrow", "gonna post it tonight", "will do it at the weekend"),
        "no_ballot_paper": ("my ballot paper never arrived", "where is my ballot? nothing has come"),
        "call_me": ("can someone ring me about this",),
        "opt_out": ("STOP", "stop", "Stop", "UNSUBSCRIBE"),
        "opt_in": ("START",),
        "help": ("HELP",),
        "unclear": (
            "who is this",
            "thanks",
            "Yes",
            "We have got to STOP this terrible pay offer",
            "👍",
            "is the rally still on saturday",
        ),
    },
    labels={"voted": "posted|ydw", "not_voted": "not yet|ddim eto", "no_ballot_paper": "none came|dim papur"},
)
"""Replies to a text about a ballot.

`opt_out` holds only keywords that the provider acts on as well: so both sides know of every opt-out by text.
"""
