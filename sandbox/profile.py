"""Profile of the simulated members' behaviour: the share of people for each action, and how fast their time runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from sandbox.replies import OF_A_BALLOT, Phrasebook

Habits = Mapping[str, float]
"""Share of messages answered in each way; the remaining messages are ignored.

`open` (look at the page, press nothing), `press:` with the value of a button (`voted`, `not_yet`, `no_ballot_paper`,
`call_me`, `stop`), `unsubscribe_page` (the link in the foot), `one_click` (the mail program's own button), and for
texts `reply:` with a meaning from the phrasebook, and `+` for a remark beside it. The next action, such as a change of
mind, stands behind a `>`: `press:answer_poor>answer_fair`, `press:answer_good>comment`.
"""

BY_EMAIL: Final[Habits] = {
    "open": 0.08,
    "press:voted": 0.24,
    "press:not_yet": 0.05,
    "press:no_ballot_paper": 0.02,
    "press:call_me": 0.01,
    "press:stop": 0.004,
    "unsubscribe_page": 0.006,
    "one_click": 0.008,
}
BY_SMS: Final[Habits] = {
    "open": 0.05,
    "press:voted": 0.15,
    "press:not_yet": 0.03,
    "press:no_ballot_paper": 0.01,
    "press:call_me": 0.005,
    "press:stop": 0.003,
    "unsubscribe_page": 0.002,
    "reply:voted": 0.12,
    "reply:not_voted": 0.04,
    "reply:will_vote": 0.02,
    "reply:no_ballot_paper": 0.01,
    "reply:call_me": 0.005,
    "reply:opt_out": 0.02,
    "reply:help": 0.002,
    "reply:unclear": 0.02,
}
MAX_THOUGHT: Final = 6.0
"""Longest waiting time, as a multiple of the mean."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Behaviour of a membership.

    Attributes:
        seed: the same seed gives the same person the same reaction to the same message.
        email: shares of reactions to an email.
        sms: shares of reactions to a text.
        about: shares of reactions to messages with certain words in them, instead; the first that fits.
        phrasebook: their words.
        undo: share of people who undo a button they pressed.
        thinks: mean time before a person acts, in simulated seconds.
        speed: simulated seconds in a real one.
        at_once: most people acting at the same time.
        scanned: share of messages that link scanners look at.
        scanner_speed: the same as `speed`, for scanners, who wait seconds where people wait hours.
    """

    seed: int = 1
    email: Habits = field(default_factory=lambda: BY_EMAIL)
    sms: Habits = field(default_factory=lambda: BY_SMS)
    about: Mapping[str, Habits] = field(default_factory=dict)
    phrasebook: Phrasebook = OF_A_BALLOT
    undo: float = 0.01
    thinks: float = 2 * 3600.0
    speed: float = 7200.0
    at_once: int = 16
    scanned: float = 0.08
    scanner_speed: float = 20.0

    def __post_init__(self) -> None:
        for name, habits in (("email", self.email), ("sms", self.sms), *self.about.items()):
            if sum(habits.values()) > 1 + 1e-9 or min(habits.values(), default=0) < 0:
                raise ValueError(f"the shares of {name} must be positive and come to at most 1")

    def rng(self, who: str, nth: int, what: str = "") -> Random:
        """Return the random generator for a person's nth message; the order of other messages changes nothing."""
        return Random(f"{self.seed}:{what}:{who}:{nth}")  # noqa: S311  # behaviour, not secrets

    def habits(self, usual: Habits, words: str) -> Habits:
        """Return the habits for a message with these words; `usual` if no special words are in it."""
        return next((habits for about, habits in self.about.items() if about in words), usual)

    def wait(self, rng: Random) -> float:
        """Draw how long a person takes to act, in real seconds."""
        return min(rng.expovariate(1.0), MAX_THOUGHT) * self.thinks / self.speed


def choose(habits: Habits, rng: Random) -> str:
    """Draw a habit by its share; `ignore` for the rest."""
    draw = rng.random()
    for habit, share in habits.items():
        draw -= share
        if draw < 0:
            return habit
    return "ignore"
