"""Rules of the simulated mail server: recipients whose mail always fails in the same way, and random failures.

`docs/sandbox.md` has the table for people; a test compares it with this one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal
from zlib import crc32

MailPhase = Literal["rcpt", "text", "data"]
"""At RCPT, in the middle of the text, or after it."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """Treatment of mail for one kind of recipient.

    Attributes:
        what: description for people.
        phase: when `reply` is given, or the connection closed.
        reply: the server's reply instead of 250.
        once: only the first of every two tries is treated so; the second succeeds.
        close: the connection is closed after the reply, or instead of one.
        stored: the mail is taken.
        fate: fate of a mail that is taken.
        pause: seconds before the recipient is answered.
        delay: seconds before the text is taken and answered.
        silence: seconds between taking a text and closing the connection.
    """

    what: str
    phase: MailPhase = "data"
    reply: str = ""
    once: bool = False
    close: bool = False
    stored: bool = False
    fate: str = "delivered"
    pause: float = 0.0
    delay: float = 0.0
    silence: float = 0.0


ORDINARY: Final = Quirk("ordinary", stored=True)

QUIRKS: Final[dict[str, Quirk]] = {
    "bounce": Quirk("no such user", "rcpt", "550 5.1.1 User unknown"),
    "nodomain": Quirk("no such domain", "rcpt", "550 5.1.2 Host unknown"),
    "disabled": Quirk("mailbox switched off", "rcpt", "550 5.2.1 Mailbox disabled"),
    "moved": Quirk("moved away", "rcpt", "551 5.1.6 User has moved"),
    "full": Quirk("mailbox full, for now", "rcpt", "452 4.2.2 Mailbox full"),
    "quota": Quirk("mailbox full, for good", "rcpt", "552 5.2.2 Mailbox full"),
    "greylist": Quirk("451 at first, then taken", "rcpt", "451 4.7.1 Greylisted, try again later", once=True),
    "tempfail": Quirk("451 always", "rcpt", "451 4.3.0 Temporary failure"),
    "busy": Quirk(
        "421 and hangs up at first, then taken", "rcpt", "421 4.3.2 Service shutting down", once=True, close=True
    ),
    "shutdown": Quirk("421 and hangs up always", "rcpt", "421 4.3.2 Service shutting down", close=True),
    "policy": Quirk("the sender is refused", "data", "550 5.7.1 Sender not authorised"),
    "spam": Quirk("the text is refused", "data", "554 5.7.1 Message looks like spam"),
    "toolarge": Quirk("too large", "data", "552 5.3.4 Message too large"),
    "later": Quirk("the text is not taken, for now", "data", "451 4.3.0 Try again later"),
    "cut": Quirk("the connection drops in the middle of the text at first, then taken", "text", once=True, close=True),
    "drop": Quirk("the connection drops after the text, nothing taken", close=True),
    "hang": Quirk("taken, then the connection drops without an answer", close=True, stored=True, fate="unacknowledged"),
    "slow": Quirk("taken, answered after 3 s", stored=True, delay=3.0),
    "bounced": Quirk("taken, bounces later", stored=True, fate="bounced"),
    "complain": Quirk("taken, marked as spam later", stored=True, fate="complained"),
}
"""Quirks by keyword: `KEYWORD@…`, `KEYWORD.anything@…` or `anything+KEYWORD@…`."""


@dataclass(frozen=True, slots=True)
class MailConditions:
    """Random failures of mail to any recipient; each share is drawn anew for every try.

    Attributes:
        busy: share answered with 421 at the recipient, and hung up on.
        deferred: share answered with 451 at the recipient.
        refused: share answered with 550 at the recipient.
        cut: share whose connection drops in the middle of the text; nothing is taken.
        silent: share taken and never answered: after `silence` the connection drops.
        silence: seconds.
        callout: seconds before any other recipient is answered, as with a relay that checks recipients elsewhere first.
        latency: seconds before any other text is answered.
    """

    busy: float = 0.0
    deferred: float = 0.0
    refused: float = 0.0
    cut: float = 0.0
    silent: float = 0.0
    silence: float = 75.0
    callout: float = 0.0
    latency: float = 0.0

    def quirks(self) -> tuple[tuple[float, Quirk], ...]:
        """Return the shares, each with its quirk."""
        return (
            (self.busy, QUIRKS["shutdown"]),
            (self.deferred, QUIRKS["tempfail"]),
            (self.refused, QUIRKS["bounce"]),
            (self.cut, QUIRKS["cut"]),
            (self.silent, replace(QUIRKS["hang"], silence=self.silence)),
            (1.0, replace(ORDINARY, pause=self.callout, delay=self.latency)),
        )


FAIR: Final = MailConditions()


class Postmaster:
    """Decides what happens to mail for a recipient.

    Args:
        bouncing: share of addresses that do not exist, always the same ones.
        seed: selects those addresses.
        conditions: random failures; see `turn`.
    """

    def __init__(self, *, bouncing: float = 0.0, seed: int = 1, conditions: MailConditions = FAIR) -> None:
        self._bouncing = bouncing
        self._seed = seed
        self._tried: Counter[str] = Counter()
        self._rng = Random(seed)  # noqa: S311  # random failures, not secrets
        self.turn(conditions)

    def turn(self, conditions: MailConditions) -> None:
        """Change the random failures from now on."""
        self._weather = [(share, quirk) for share, quirk in conditions.quirks() if share]

    def quirk(self, recipient: str) -> Quirk:
        """Return the quirk for this try."""
        local = recipient.partition("@")[0].lower()
        quirk = QUIRKS.get(local.rpartition("+")[2]) or QUIRKS.get(local.partition(".")[0])
        if quirk is None:
            return QUIRKS["bounce"] if self._is_gone(recipient) else self._draw()
        if quirk.once:
            self._tried[recipient] += 1
            return quirk if self._tried[recipient] % 2 else ORDINARY
        return quirk

    def _draw(self) -> Quirk:
        if len(self._weather) == 1:
            return self._weather[0][1]
        draw = self._rng.random()
        for share, quirk in self._weather:
            draw -= share
            if draw < 0:
                return quirk
        return ORDINARY

    def _is_gone(self, recipient: str) -> bool:
        if not self._bouncing:
            return False
        return crc32(f"{self._seed}:gone:{recipient.lower()}".encode()) / 2**32 < self._bouncing
