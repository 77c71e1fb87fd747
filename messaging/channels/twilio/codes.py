"""Map Twilio's statuses and error codes to our states and reasons: https://www.twilio.com/docs/api/errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from messaging.reasons import Reason
from messaging.states import State


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """Meaning of an error code.

    Attributes:
        reason: our reason; it decides whose fault it is and whether the number is suppressed.
        retry: the request was not processed and may be tried again.
        again: how often an accepted message may be tried again when its receipt has this code.
    """

    reason: Reason
    retry: bool = False
    again: int = 0


CODES: Final[Mapping[int, CodeMeaning]] = MappingProxyType(
    {
        # the account or the sender: everybody's messages would fail, so the sender pauses
        20003: CodeMeaning(Reason.ACCOUNT_REFUSED),  # authentication failed
        20005: CodeMeaning(Reason.ACCOUNT_REFUSED),  # account not active
        20008: CodeMeaning(Reason.ACCOUNT_REFUSED),  # resource not accessible with test credentials
        21212: CodeMeaning(Reason.SENDER_REFUSED),  # the From is not a valid number or name
        21408: CodeMeaning(Reason.ACCOUNT_REFUSED),  # permission to send to that country not enabled
        21603: CodeMeaning(Reason.SENDER_REFUSED),  # a From is required
        21606: CodeMeaning(Reason.SENDER_REFUSED),  # the From is not ours or cannot send texts
        21612: CodeMeaning(Reason.SENDER_REFUSED),  # this To cannot be reached from this From
        21659: CodeMeaning(Reason.SENDER_REFUSED),  # the From is not a Twilio number or short code of this country
        21660: CodeMeaning(Reason.SENDER_REFUSED),  # From and account do not match
        21701: CodeMeaning(Reason.SENDER_REFUSED),  # no such messaging service
        21703: CodeMeaning(Reason.SENDER_REFUSED),  # the messaging service has no senders
        21705: CodeMeaning(Reason.SENDER_REFUSED),  # the messaging service's id is invalid
        30002: CodeMeaning(Reason.ACCOUNT_REFUSED),  # account suspended between request and sending
        30034: CodeMeaning(Reason.SENDER_REFUSED),  # the number is not registered (US A2P 10DLC)
        # the text: staff have to look at it
        21602: CodeMeaning(Reason.CONTENT_REFUSED),  # a body is required
        21617: CodeMeaning(Reason.CONTENT_REFUSED),  # the body is longer than 1600 characters
        30007: CodeMeaning(Reason.FILTERED),  # filtered by the carrier or by Twilio
        30004: CodeMeaning(Reason.FILTERED),  # blocked: by the carrier's filter or by the subscriber
        30450: CodeMeaning(Reason.FILTERED),  # blocked by a policy
        # the recipient: this number only
        21211: CodeMeaning(Reason.INVALID_NUMBER),  # not a valid number
        21214: CodeMeaning(Reason.INVALID_NUMBER),  # cannot be reached
        21217: CodeMeaning(Reason.INVALID_NUMBER),  # does not look like a number
        21610: CodeMeaning(Reason.OPTED_OUT),  # replied STOP; only their START lifts it
        21614: CodeMeaning(Reason.INVALID_NUMBER),  # not a mobile number
        21635: CodeMeaning(Reason.INVALID_NUMBER),  # a landline
        30003: CodeMeaning(Reason.UNREACHABLE, again=2),  # handset off or out of reach: later it may be on
        30005: CodeMeaning(Reason.INVALID_NUMBER),  # unknown or inactive handset
        30006: CodeMeaning(Reason.INVALID_NUMBER),  # landline, or a carrier that cannot be reached
        30008: CodeMeaning(
            Reason.UNKNOWN_AT_PROVIDER, again=1
        ),  # unknown error: tried once more only, because each try costs a text
        30036: CodeMeaning(Reason.EXPIRED_AT_PROVIDER),  # its validity period passed
        # busy: not processed, so trying again cannot double
        20429: CodeMeaning(Reason.BUSY, retry=True),  # too many requests
        21611: CodeMeaning(Reason.BUSY, retry=True),  # this sender's queue is full
        30001: CodeMeaning(Reason.BUSY, retry=True, again=2),  # queue overflow
    }
)

STATES: Final[Mapping[str, State]] = MappingProxyType(
    {
        "accepted": State.ACCEPTED,
        "scheduled": State.ACCEPTED,
        "queued": State.ACCEPTED,
        "sending": State.ACCEPTED,
        "sent": State.SENT,
        "delivered": State.DELIVERED,
        "partially_delivered": State.DELIVERED,
        "undelivered": State.UNDELIVERED,
        "failed": State.FAILED,
        "canceled": State.FAILED,
        "read": State.READ,
    }
)
"""Our states for Twilio's statuses of an outgoing message."""

_DEFAULT: Final = CodeMeaning(Reason.RECIPIENT_REFUSED)
"""Meaning of an unknown code: that one message fails, and nothing is suppressed or paused for it."""


def meaning_of(code: int | str | None) -> CodeMeaning:
    """Return the meaning of an error code; an unknown code fails only the one message."""
    try:
        return CODES.get(int(code or 0), _DEFAULT)
    except ValueError:
        return _DEFAULT


def reason_of(code: int | str | None) -> Reason | None:
    """Return the reason for the `ErrorCode` of a status callback; None if it has none."""
    return meaning_of(code).reason if code not in {None, "", "0", 0} else None
