"""States of a message, their allowed changes, and the reasons with a sentence for each.

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


class Reason(StrEnum):
    """Reason of a message's state: a closed vocabulary, with a sentence for each in `SENTENCES`."""

    # withdrawn by us
    ANSWERED = "answered"
    CAMPAIGN_CANCELLED = "campaign_cancelled"
    PAST_DEADLINE = "past_deadline"
    # suppressed: this address or person must not be written to
    OPTED_OUT = "opted_out"
    HARD_BOUNCED = "hard_bounced"
    SOFT_BOUNCED = "soft_bounced"
    COMPLAINED = "complained"
    INVALID_NUMBER = "invalid_number"
    WRONG_NUMBER = "wrong_number"
    MOVED = "moved"
    DECEASED = "deceased"
    DO_NOT_CONTACT = "do_not_contact"
    BY_STAFF = "by_staff"
    LEFT = "left"
    ERASED = "erased"
    # skipped: decided at launch
    NO_ADDRESS = "no_address"
    SHARED_ADDRESS = "shared_address"
    LANDLINE = "landline"
    NO_CONSENT = "no_consent"
    # … … or later, if the message is due by a date of its person
    NO_DATE = "no_date"
    UNREADABLE_DATE = "unreadable_date"
    PAST_DATE = "past_date"
    LATER_REMINDER = "later_reminder"
    LEFT_AUDIENCE = "left_audience"
    ADDRESS_CHANGED = "address_changed"
    DATE_MOVED = "date_moved"
    DATE_MOVED_LATE = "date_moved_late"
    DATE_MOVED_BACK = "date_moved_back"
    FREQUENCY_CAP = "frequency_cap"
    # refused or lost on the way, because of the recipient
    RECIPIENT_REFUSED = "recipient_refused"
    MAILBOX_FULL = "mailbox_full"
    UNREACHABLE = "unreachable"
    EXPIRED_AT_PROVIDER = "expired_at_provider"
    UNKNOWN_AT_PROVIDER = "unknown_at_provider"
    UNREAD_BOUNCE = "unread_bounce"
    # … because of the sender, the content or the account
    SENDER_REFUSED = "sender_refused"
    ACCOUNT_REFUSED = "account_refused"
    CONTENT_REFUSED = "content_refused"
    FILTERED = "filtered"
    CANNOT_RENDER = "cannot_render"
    # … or for a time
    BUSY = "busy"
    NOT_REACHED = "not_reached"
    NO_ANSWER = "no_answer"
    WORKER_LOST = "worker_lost"
    GAVE_UP = "gave_up"
    HELD = "held"
    QUIET_HOURS = "quiet_hours"
    DOMAIN_PACE = "domain_pace"
    SENDING_WINDOW = "sending_window"
    HANDED_BACK = "handed_back"
    NO_TRACE = "no_trace"
    FOUND_AT_PROVIDER = "found_at_provider"
    SENDER_MENDED = "sender_mended"
    TRIED_AGAIN = "tried_again"


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

SENTENCES: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.ANSWERED: "They have already answered.",
        Reason.CAMPAIGN_CANCELLED: "The campaign was cancelled before it was sent.",
        Reason.PAST_DEADLINE: "It could not be sent before its deadline, and is of no use after it.",
        Reason.OPTED_OUT: "They asked not to receive these messages.",
        Reason.HARD_BOUNCED: "The mail server says that this mailbox does not exist.",
        Reason.SOFT_BOUNCED: "The mailbox has been refusing mail for days.",
        Reason.COMPLAINED: "They reported a message from us as spam.",
        Reason.INVALID_NUMBER: "The network says that this number does not exist or cannot receive texts.",
        Reason.WRONG_NUMBER: "Somebody else answers at this number.",
        Reason.MOVED: "This address is no longer theirs.",
        Reason.DECEASED: "This person has died.",
        Reason.DO_NOT_CONTACT: "They asked not to be contacted at all.",
        Reason.BY_STAFF: "A member of staff stopped messages to them.",
        Reason.LEFT: "They have left.",
        Reason.ERASED: "They asked to be erased.",
        Reason.NO_ADDRESS: "There is no usable address on any channel of this step.",
        Reason.SHARED_ADDRESS: "Somebody else at the same number or mailbox gets this message.",
        Reason.LANDLINE: "The number is a landline.",
        Reason.NO_CONSENT: "They have not agreed to messages of this kind.",
        Reason.NO_DATE: "There is no date that says when to send it to them.",
        Reason.UNREADABLE_DATE: "The date that says when to send it to them cannot be read.",
        Reason.PAST_DATE: "The date that says when to send it to them is past.",
        Reason.LATER_REMINDER: "A later message about the same date was due already, and goes instead.",
        Reason.LEFT_AUDIENCE: "They are no longer in the audience of this step.",
        Reason.ADDRESS_CHANGED: "It may have gone to an address no longer theirs, so it is not sent to another.",
        Reason.DATE_MOVED: "The date that says when to send it to them has changed.",
        Reason.DATE_MOVED_LATE: "Their date changed after this was sent, and nothing has told them the new one.",
        Reason.DATE_MOVED_BACK: "Their date is again the one that they were told before.",
        Reason.FREQUENCY_CAP: "They have had enough messages from us lately.",
        Reason.RECIPIENT_REFUSED: "The provider will not deliver to this address.",
        Reason.MAILBOX_FULL: "Their mailbox is full.",
        Reason.UNREACHABLE: "Their phone was off or out of reach for too long.",
        Reason.EXPIRED_AT_PROVIDER: "The provider could not deliver it in time.",
        Reason.UNKNOWN_AT_PROVIDER: "The network gave no reason for not delivering it.",
        Reason.UNREAD_BOUNCE: "It came back, and Muster cannot read the reason.",
        Reason.SENDER_REFUSED: "The provider refused our sender, not this person.",
        Reason.ACCOUNT_REFUSED: "The provider refused our account, not this person.",
        Reason.CONTENT_REFUSED: "The provider refused the text of the message.",
        Reason.FILTERED: "A network filtered the message as unwanted.",
        Reason.CANNOT_RENDER: "The message could not be made from its template for this person.",
        Reason.BUSY: "The provider was busy and asked to try again later.",
        Reason.NOT_REACHED: "The provider could not be reached; nothing was sent.",
        Reason.NO_ANSWER: "It was handed over, but the provider never said whether it took it.",
        Reason.WORKER_LOST: "The process that was sending it stopped; it is not known whether it was sent.",
        Reason.GAVE_UP: "It was tried many times without success.",
        Reason.HELD: "It is not known whether it was sent, and a member of staff has to decide.",
        Reason.QUIET_HOURS: "It was their quiet time, so it waits.",
        Reason.DOMAIN_PACE: "Their mail provider accepts only so many of our emails a second, so it waits.",
        Reason.SENDING_WINDOW: "It was outside the days and hours in which the campaign may send, so it waits.",
        Reason.HANDED_BACK: "It was taken for sending and put back unsent.",
        Reason.NO_TRACE: "The provider has no trace of it, so it never left.",
        Reason.FOUND_AT_PROVIDER: "The provider's own list shows that it took it.",
        Reason.SENDER_MENDED: "The problem with its sender was solved, so it is tried again.",
        Reason.TRIED_AGAIN: "The problem is often temporary, so it is tried again.",
    }
)
"""Sentence for each reason, for staff."""

SUPPRESSES: Final = frozenset(
    {Reason.OPTED_OUT, Reason.HARD_BOUNCED, Reason.SOFT_BOUNCED, Reason.COMPLAINED, Reason.INVALID_NUMBER}
)
"""Reasons that concern the address itself: when a provider gives one, the address is suppressed."""

OUR_FAULT: Final = frozenset({Reason.SENDER_REFUSED, Reason.ACCOUNT_REFUSED, Reason.CONTENT_REFUSED, Reason.FILTERED})
"""Reasons that concern the sender, the account or the content: enough of them pause the sender."""

MENDABLE: Final = frozenset({Reason.SENDER_REFUSED, Reason.ACCOUNT_REFUSED})
"""Reasons that do not concern the message: it is tried again once staff have resumed the sender."""


def sentence(reason: str | None) -> str:
    """Return the sentence for a reason, or the word itself if it is not one of ours (a provider's code)."""
    try:
        return SENTENCES[Reason(reason or "")]
    except ValueError:
        return reason or ""
