"""Reasons of messages' states, with a sentence for each, and what follows from some of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


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
        Reason.DATE_MOVED_LATE: "Their date was moved or taken away after this was sent, and nothing has told them.",
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
