"""Magic numbers, which always misbehave in the same way: the simulated Twilio's numbers that apply to Vonage.

`docs/sandbox.md` has the table for people; a test compares it with this one.
"""

from __future__ import annotations

from typing import Final

from sandbox.twilio.magic import Trick

TO: Final[dict[str, Trick]] = {
    "+447700900901": Trick("not a valid number", refuse=1170),
    "+447700900903": Trick("a number a trial account may not text", refuse=1160),
    "+447700900904": Trick("has opted out", refuse=1240),
    "+447700900906": Trick("the sender is not allowed", refuse=1120),
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
    "+447700900953": Trick("undeliverable: handset off", ending=("undeliverable", 1180)),
    "+447700900955": Trick("undeliverable: number no longer in use", ending=("undeliverable", 1190)),
    "+447700900957": Trick("rejected: filtered as spam", ending=("rejected", 1210)),
    "+447700900958": Trick("rejected: no reason given", ending=("rejected", 1330)),
    "+447700900960": Trick("accepted, but no receipt ever comes", receipts="none"),
    "+447700900961": Trick("receipts in reverse order", receipts="reversed"),
    "+447700900962": Trick("every receipt twice", receipts="twice"),
    "+447700900963": Trick("receipts late", receipts="late"),
    "+447700900964": Trick("the first receipt before the answer to the create", receipts="early"),
}
"""Tricks by `to`, in Muster's notation."""

PROBLEMS: Final[dict[int, str]] = {
    1120: "Illegal Sender Address - rejected",
    1150: "Invalid params: The value of one or more parameters is invalid.",
    1160: "Non White-listed Destination",
    1170: "Invalid or Missing Msisdn Param",
    1180: "Absent Subscriber Temporary",
    1190: "Absent Subscriber Permanent",
    1210: "Anti-Spam Rejection",
    1240: "Illegal Number",
    1330: "Unknown",
}
"""Error texts by code."""


def problem(code: int, instance: str) -> dict[str, object]:
    """Make an error as Vonage writes it (RFC 7807)."""
    return {
        "type": f"https://developer.vonage.com/api-errors/messages#{code}",
        "title": code,
        "detail": PROBLEMS[code],
        "instance": instance,
    }
