"""Replies that members send by text, by meaning."""

from __future__ import annotations

import re
from random import Random
from typing import Final

REPLIES: Final[dict[str, tuple[str, ...]]] = {
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
}
"""Realistic, unambiguous replies by meaning; a test classifies each with Muster's own rules.

`opt_out` holds only keywords that the provider acts on as well: so both sides know of every opt-out by text.
"""

DIGITS: Final = {"voted": ("1", "1.", " 1 "), "not_voted": ("2",), "no_ballot_paper": ("3", "3.")}
"""Replies by digit, for texts that offer that menu."""
_OFFERS_DIGITS = re.compile(r"\b(?:reply|atebwch) 1\b.*\b2\b.*\b3\b", re.IGNORECASE | re.DOTALL)


def word(meaning: str, message: str, rng: Random) -> str:
    """Draw a reply with a meaning; half the people use the digits, if the text offered them.

    Args:
        meaning: a key of `REPLIES`.
        message: the text that is answered.
        rng: the random generator.
    """
    by_digit = meaning in DIGITS and rng.random() < 0.5 and _OFFERS_DIGITS.search(message)
    return rng.choice(DIGITS[meaning] if by_digit else REPLIES[meaning])
