"""Map Vonage's statuses and error codes to our states and reasons: https://developer.vonage.com/api-errors/messages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from messaging.reasons import Reason
from messaging.states import State

CODES: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        # the account or the sender: everybody's messages would fail
        "unauthorized": Reason.ACCOUNT_REFUSED,  # HTTP 401: the key or the secret is wrong
        "low-balance": Reason.ACCOUNT_REFUSED,  # HTTP 402: no credit left
        "forbidden": Reason.ACCOUNT_REFUSED,  # HTTP 403: the account may not use this
        "1060": Reason.ACCOUNT_REFUSED,  # account barred
        "1070": Reason.ACCOUNT_REFUSED,  # no credit left
        "1080": Reason.ACCOUNT_REFUSED,  # account not enabled for this API
        "1110": Reason.ACCOUNT_REFUSED,  # the signature of a request is wrong
        "1120": Reason.SENDER_REFUSED,  # the from is not allowed in that country
        "1140": Reason.ACCOUNT_REFUSED,  # a facility the account does not have
        "1160": Reason.ACCOUNT_REFUSED,  # a trial account, and the number is not on its list
        # the text: staff have to look at it
        "1010": Reason.CONTENT_REFUSED,  # a parameter is missing
        "1090": Reason.CONTENT_REFUSED,  # too long
        "1130": Reason.CONTENT_REFUSED,  # the time to live is wrong
        "1150": Reason.CONTENT_REFUSED,  # the request is invalid
        "1210": Reason.FILTERED,  # filtered as spam
        # the recipient: this number only
        "1020": Reason.RECIPIENT_REFUSED,  # a parameter is wrong: usually the number
        "1040": Reason.RECIPIENT_REFUSED,  # an unknown prefix
        "1050": Reason.RECIPIENT_REFUSED,  # barred by Vonage
        "1170": Reason.INVALID_NUMBER,  # not a number
        "1180": Reason.UNREACHABLE,  # off or out of reach
        "1190": Reason.INVALID_NUMBER,  # no longer in use
        "1200": Reason.UNREACHABLE,  # lost between two networks while moving
        "1220": Reason.UNREACHABLE,  # handset busy
        "1230": Reason.UNREACHABLE,  # its network failed
        "1240": Reason.OPTED_OUT,  # has sent STOP
        "1250": Reason.RECIPIENT_REFUSED,  # no route to its network
        "1260": Reason.UNREACHABLE,  # could not be delivered
        "1270": Reason.RECIPIENT_REFUSED,  # blocked for the subscriber's age
        "1280": Reason.RECIPIENT_REFUSED,  # blocked by the carrier: no texts in its plan, or suspended
        "1290": Reason.RECIPIENT_REFUSED,  # a prepaid phone without credit
        "1300": Reason.RECIPIENT_REFUSED,  # not in the network
        "1310": Reason.RECIPIENT_REFUSED,  # a device that cannot show it
        "1360": Reason.EXPIRED_AT_PROVIDER,  # its time to live passed
        # for an unknown reason
        "1030": Reason.UNKNOWN_AT_PROVIDER,  # an error at Vonage
        "1100": Reason.UNKNOWN_AT_PROVIDER,  # Vonage did not reach the carrier
        "1330": Reason.UNKNOWN_AT_PROVIDER,  # the carrier gave no reason
        # busy
        "throttled": Reason.BUSY,  # HTTP 429
        "1000": Reason.BUSY,  # faster than the account may
        "1241": Reason.BUSY,  # too many texts to one number
    }
)

STATUSES: Final[Mapping[int, Reason]] = MappingProxyType(
    {
        401: Reason.ACCOUNT_REFUSED,
        402: Reason.ACCOUNT_REFUSED,
        403: Reason.ACCOUNT_REFUSED,
        404: Reason.ACCOUNT_REFUSED,  # not Vonage's API at that address
        405: Reason.ACCOUNT_REFUSED,
    }
)
"""Reasons by HTTP status, if the body has no known code."""

PARAMETERS: Final[Mapping[str, Reason]] = MappingProxyType(
    {"to": Reason.INVALID_NUMBER, "from": Reason.SENDER_REFUSED, "text": Reason.CONTENT_REFUSED}
)
"""Reasons for a 422, by the parameter it names."""

STATES: Final[Mapping[str, State]] = MappingProxyType(
    {
        "submitted": State.SENT,
        "delivered": State.DELIVERED,
        "rejected": State.FAILED,
        "undeliverable": State.UNDELIVERED,
        "read": State.READ,
    }
)
"""Our states for its statuses: https://developer.vonage.com/en/messages/concepts/sms-status-callbacks."""


def code_of(problem: Mapping[str, Any]) -> str:
    """Return the code in an error as Vonage writes it (RFC 7807): the end of its `type`, or else its `title`.

    `type` is `…/api-errors/messages#1240` with the title `1240` or 1240, or `…/api-errors#low-balance` with a title in
    words.
    """
    _, _, fragment = str(problem.get("type") or "").rpartition("#")
    title = str(problem.get("title") or "")
    return title if title.isdigit() else fragment or title


def reason_of(problem: Mapping[str, Any], status: int | None = None) -> Reason:
    """Return the reason for an error; an unknown one fails the one message, and suppresses or pauses nothing.

    Args:
        problem: the error, of an answer or of a status webhook.
        status: the answer's HTTP status; None for a webhook.
    """
    named = problem.get("invalid_parameters")
    for parameter in named if isinstance(named, list) else ():
        if isinstance(parameter, Mapping) and parameter.get("name") in PARAMETERS:
            return PARAMETERS[str(parameter["name"])]
    return CODES.get(code_of(problem)) or STATUSES.get(status or 0) or Reason.RECIPIENT_REFUSED
