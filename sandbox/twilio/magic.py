"""Magic numbers, which always misbehave in the same way: Twilio's test numbers, and UK numbers reserved for drama.

`docs/sandbox.md` has the table for people; a test compares it with this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Receipts = Literal["usual", "none", "reversed", "twice", "late", "early"]


@dataclass(frozen=True, slots=True)
class Trick:
    """Treatment of messages to one number.

    Attributes:
        what: description for people.
        refuse: error code of a 400; nothing is stored.
        status: HTTP status of a 429 or 5xx; nothing is stored unless `stored`.
        once: only the first of every two requests is treated so; the second succeeds.
        stored: the message is accepted and delivered although the caller sees an error.
        drop: the connection is dropped instead of a response.
        delay: seconds before the response.
        ending: the last status and error code of a message that was accepted.
        receipts: timing and order of the status callbacks.
    """

    what: str
    refuse: int | None = None
    status: int | None = None
    once: bool = False
    stored: bool = False
    drop: bool = False
    delay: float = 0.0
    ending: tuple[str, int] | None = None
    receipts: Receipts = "usual"


_INVALID: Final = Trick("not a valid number", refuse=21211)
_NO_ROUTE: Final = Trick("cannot be routed to", refuse=21612)
_NO_PERMISSION: Final = Trick("a country the account may not send to", refuse=21408)
_BLOCKED: Final = Trick("has opted out", refuse=21610)
_LANDLINE: Final = Trick("a landline, refused", refuse=21614)

TO: Final[dict[str, Trick]] = {
    # Twilio's own, https://www.twilio.com/docs/iam/test-credentials
    "+15005550001": _INVALID,
    "+15005550002": _NO_ROUTE,
    "+15005550003": _NO_PERMISSION,
    "+15005550004": _BLOCKED,
    "+15005550009": _LANDLINE,
    # the same, and every other failure, at numbers Ofcom reserves for drama
    "+447700900901": _INVALID,
    "+447700900902": _NO_ROUTE,
    "+447700900903": _NO_PERMISSION,
    "+447700900904": _BLOCKED,
    "+447700900905": Trick("the sender's queue is full", refuse=21611),
    "+447700900906": Trick("the sender is not ours", refuse=21606),
    "+447700900908": Trick("a landline, refused by type", refuse=21635),
    "+447700900909": _LANDLINE,
    "+447700900920": Trick("429 at first, then accepted", status=429, once=True),
    "+447700900921": Trick("429 always", status=429),
    "+447700900930": Trick("500 at first, nothing stored, then accepted", status=500, once=True),
    "+447700900931": Trick("500 always, nothing stored", status=500),
    "+447700900932": Trick("500 although accepted", status=500, stored=True),
    "+447700900933": Trick("503 always", status=503),
    "+447700900940": Trick("accepted, then the connection drops", drop=True, stored=True),
    "+447700900941": Trick("the connection drops, nothing stored", drop=True),
    "+447700900942": Trick("slow: accepted after 3 s", delay=3.0),
    "+447700900943": Trick("hangs for a minute, nothing stored", delay=60.0, drop=True),
    "+447700900944": Trick("accepted, then hangs for a minute", delay=60.0, drop=True, stored=True),
    "+447700900951": Trick("failed: the provider's queue overflowed", ending=("failed", 30001)),
    "+447700900953": Trick("undelivered: handset off", ending=("undelivered", 30003)),
    "+447700900954": Trick("undelivered: blocked", ending=("undelivered", 30004)),
    "+447700900955": Trick("undelivered: unknown handset", ending=("undelivered", 30005)),
    "+447700900956": Trick("undelivered: landline or unreachable carrier", ending=("undelivered", 30006)),
    "+447700900957": Trick("undelivered: filtered by the carrier", ending=("undelivered", 30007)),
    "+447700900958": Trick("undelivered: unknown error", ending=("undelivered", 30008)),
    "+447700900960": Trick("accepted, but no receipt ever comes", receipts="none"),
    "+447700900961": Trick("receipts in reverse order", receipts="reversed"),
    "+447700900962": Trick("every receipt twice", receipts="twice"),
    "+447700900963": Trick("receipts late", receipts="late"),
    "+447700900964": Trick("the first receipt before the answer to the create", receipts="early"),
}
"""Tricks by `To`."""

FROM: Final[dict[str, Trick]] = {
    "+15005550001": Trick("not a valid sender", refuse=21212),
    "+15005550007": Trick("a sender that is not ours", refuse=21606),
    "+15005550008": Trick("a sender whose queue is full", refuse=21611),
}
"""Tricks by `From`: Twilio's own test senders; +15005550006 is the one that works."""
