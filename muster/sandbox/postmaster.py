"""Recipients whose mail always goes wrong in the same way, and how well the rest of the post works.

`docs/sandbox.md` has the table for people; a test holds it against this one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal
from zlib import crc32

Phase = Literal["rcpt", "data"]


@dataclass(frozen=True, slots=True)
class Quirk:
    """What happens to mail for one kind of recipient.

    Attributes:
        what: the words for people.
        phase: at which command `reply` is given.
        reply: what the server says instead of 250.
        once: only the first of every two tries is treated so; the second goes well.
        close: the connection is closed after the reply, or instead of one.
        stored: the mail is taken.
        fate: what becomes of a mail that is taken.
        delay: seconds before the reply to the text.
    """

    what: str
    phase: Phase = "data"
    reply: str = ""
    once: bool = False
    close: bool = False
    stored: bool = False
    fate: str = "delivered"
    delay: float = 0.0


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
    "drop": Quirk("the connection drops after the text, nothing taken", close=True),
    "hang": Quirk("taken, then the connection drops without an answer", close=True, stored=True, fate="unacknowledged"),
    "slow": Quirk("taken, answered after 3 s", stored=True, delay=3.0),
    "bounced": Quirk("taken, bounces later", stored=True, fate="bounced"),
    "complain": Quirk("taken, marked as spam later", stored=True, fate="complained"),
}
"""By keyword: `KEYWORD@…`, `KEYWORD.anything@…` or `anything+KEYWORD@…`."""


class Postmaster:
    """Says what happens to mail for a recipient.

    Args:
        bouncing: share of addresses that do not exist, always the same ones.
        seed: which ones.
    """

    def __init__(self, *, bouncing: float = 0.0, seed: int = 1) -> None:
        self._bouncing = bouncing
        self._seed = seed
        self._tried: Counter[str] = Counter()

    def quirk(self, recipient: str) -> Quirk:
        """What happens to this try."""
        local = recipient.partition("@")[0].lower()
        found = QUIRKS.get(local.rpartition("+")[2]) or QUIRKS.get(local.partition(".")[0])
        if found is None:
            return QUIRKS["bounce"] if self._is_gone(recipient) else ORDINARY
        if found.once:
            self._tried[recipient] += 1
            return found if self._tried[recipient] % 2 else ORDINARY
        return found

    def _is_gone(self, recipient: str) -> bool:
        if not self._bouncing:
            return False
        return crc32(f"{self._seed}:gone:{recipient.lower()}".encode()) / 2**32 < self._bouncing
