"""States of a message and their allowed changes.

```
queued ──claim──► sending ──accepted──► accepted ─► sent ─► delivered ─► read
  │  ▲               │  │                    └────────► undelivered │ bounced │ complained
  │  └──retry────────┘  └──refused──► failed
  │                     └──no answer──► ambiguous ──reconcile──► accepted │ queued │ failed
  └──► cancelled(reason) · suppressed(reason) · expired · skipped(reason)

undelivered │ failed │ bounced ──temporary reason, or its sender is resumed──► queued: another try
```

Receipts are *ranked*: one changes a message only to a state of higher rank, so any order, repetition or delay of the
same receipts ends in the same state. A receipt (it left, it arrived) outranks what we only assumed, so a message that
counts as withdrawn or failed changes on proof that an earlier try went out after all.

A message that is tried again keeps the provider's ids of its earlier tries. Receipts for these change nothing any more,
with one exception: proof that such a try was delivered ends the message and withdraws the next try.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

ChannelName = Literal["sms", "email"]
"""Name of the channel that a message goes by."""
MessagePurpose = Literal["service", "marketing"]
"""Purpose of a message: marketing needs consent."""


class State(StrEnum):
    """State of a message; the values are the same as in the database's `message_state`."""

    QUEUED = "queued"
    SENDING = "sending"
    AMBIGUOUS = "ambiguous"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    SKIPPED = "skipped"


STATE_GROUPS: Final[Mapping[str, tuple[State, ...]]] = MappingProxyType(
    {
        "delivered": (State.DELIVERED, State.READ),
        "sent": (State.ACCEPTED, State.SENT),
        "unknown": (State.AMBIGUOUS,),
        "failed": (State.UNDELIVERED, State.BOUNCED, State.COMPLAINED, State.FAILED),
        "waiting": (State.QUEUED, State.SENDING),
        "left_out": (State.CANCELLED, State.SUPPRESSED, State.EXPIRED, State.SKIPPED),
    }
)
"""Groups of states as staff think of them, in the order that pages show them; each state is in one group."""

WITHDRAWN: Final = frozenset({State.CANCELLED, State.SUPPRESSED, State.EXPIRED})
"""States of messages that we withdrew before they left."""

EXCEPTIONAL: Final = frozenset(
    {
        State.AMBIGUOUS,
        State.UNDELIVERED,
        State.BOUNCED,
        State.COMPLAINED,
        State.FAILED,
        State.CANCELLED,
        State.SUPPRESSED,
        State.EXPIRED,
        State.SKIPPED,
    }
)
"""States of the few messages that ended otherwise than most, or have no outcome yet; as the database's
`is_exceptional`."""

RECEIPTS: Final = frozenset(
    {
        State.ACCEPTED,
        State.SENT,
        State.FAILED,
        State.UNDELIVERED,
        State.DELIVERED,
        State.READ,
        State.BOUNCED,
        State.COMPLAINED,
    }
)
"""States that a receipt can report."""

RANK: Final[Mapping[State, int]] = MappingProxyType(
    {
        State.QUEUED: 0,
        State.SENDING: 1,
        State.AMBIGUOUS: 2,
        State.CANCELLED: 3,
        State.SUPPRESSED: 3,
        State.EXPIRED: 3,
        State.ACCEPTED: 4,
        State.SENT: 5,
        State.FAILED: 6,
        State.UNDELIVERED: 7,  # a network's guess: replaced by a receipt from the handset
        State.DELIVERED: 8,
        State.READ: 9,
        State.BOUNCED: 10,  # an email that was delivered may still bounce …
        State.COMPLAINED: 11,  # … or be reported as spam
        State.SKIPPED: 12,  # never had an address; nothing can be received about it
    }
)
"""Rank of each state. A receipt never changes a message to a state of lower or equal rank."""

PROOF: Final = frozenset({State.DELIVERED, State.READ, State.COMPLAINED})
"""States that prove that a message reached its recipient, whichever try it was."""


def apply_receipt(current: State, received: State, *, earlier: bool = False) -> State:
    """Return a message's state after a receipt: a higher one, or the same.

    Args:
        current: its present state.
        received: the reported state; one that is not in `RECEIPTS` changes nothing.
        earlier: the receipt is for a try before the current one.
    """
    if earlier and received not in PROOF:
        return current
    return received if received in RECEIPTS and RANK[received] > RANK[current] else current


STATE_NAMES: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.DELIVERED: "Delivered",
        State.READ: "Read",
        State.SENT: "Sent",
        State.ACCEPTED: "Taken by the provider",
        State.AMBIGUOUS: "Outcome unknown",
        State.UNDELIVERED: "Not delivered",
        State.BOUNCED: "Bounced",
        State.COMPLAINED: "Marked as spam",
        State.FAILED: "Refused",
        State.QUEUED: "Waiting",
        State.SENDING: "Being sent",
        State.CANCELLED: "Withdrawn",
        State.SUPPRESSED: "Opted out or blocked",
        State.EXPIRED: "Too late to send",
        State.SKIPPED: "Left out",
    }
)
"""Name of each state, for staff, in the order that a table lists them."""

STATE_SENTENCES: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.QUEUED: "It was queued.",
        State.SENDING: "A worker took it for sending.",
        State.AMBIGUOUS: "Whether it left became unknown.",
        State.ACCEPTED: "The provider took it.",
        State.SENT: "The provider sent it on.",
        State.DELIVERED: "It was delivered.",
        State.READ: "It was read.",
        State.UNDELIVERED: "The network could not deliver it.",
        State.BOUNCED: "It bounced.",
        State.COMPLAINED: "It was reported as spam.",
        State.FAILED: "It failed.",
        State.CANCELLED: "It was withdrawn.",
        State.SUPPRESSED: "It was stopped.",
        State.EXPIRED: "It expired.",
        State.SKIPPED: "It was not sent.",
    }
)
"""Sentence for a change to each state, for staff."""
