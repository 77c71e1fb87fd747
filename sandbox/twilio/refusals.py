"""Error responses of Twilio: the codes of https://www.twilio.com/docs/api/errors, in Twilio's format."""

from __future__ import annotations

from typing import Final

import orjson

MESSAGES: Final[dict[int, str]] = {
    20001: "Invalid parameter: {detail}",
    20003: "Authenticate",
    20004: "Method not allowed",
    20009: "Cannot change this resource before it has completed",
    20404: "The requested resource {detail} was not found",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    20503: "Service unavailable",
    21211: "Invalid 'To' Phone Number: {detail}",
    21212: "Invalid 'From' Number: {detail}",
    21266: "'To' and 'From' number cannot be the same: {detail}",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {detail}",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: (
        "The 'From' phone number provided ({detail}) is not a valid message-capable Twilio phone number "
        "for this destination."
    ),
    21609: "The 'StatusCallback' URL {detail} is not a valid URL.",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21612: "Message cannot be sent with the current combination of 'To' ({detail}) and/or 'From' parameters",
    21614: "'To' number: {detail}, is not a valid mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit.",
    21635: "'To' number cannot be a Landline: {detail}",
    21701: "The Messaging Service does not exist: {detail}",
    30409: "The message cannot be canceled because it is no longer in a cancelable state",
    35114: "SendAt is required, with a MessagingServiceSid, for messages with ScheduleType 'fixed'",
}

ENDINGS: Final[dict[int, str]] = {
    30001: "Queue overflow",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Carrier violation",
    30008: "Unknown error",
    30034: "Message from an unregistered number",
    30450: "Message delivery blocked by the carrier",
}
"""Error messages of an `error_code` on a message that was accepted, and then failed."""


class Refusal(Exception):  # noqa: N818  # it is the API's response, not an error of ours
    """Raised to answer a request with an error.

    Args:
        code: Twilio's code.
        detail: the value that the error message names.
        status: HTTP status.
    """

    def __init__(self, code: int, detail: str = "", *, status: int = 400) -> None:
        self.code = code
        self.status = status
        self.message = MESSAGES[code].format(detail=detail)
        super().__init__(self.message)

    def body(self) -> bytes:
        """Return the JSON body of Twilio's response."""
        return orjson.dumps(
            {
                "code": self.code,
                "message": self.message,
                "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
                "status": self.status,
            }
        )
