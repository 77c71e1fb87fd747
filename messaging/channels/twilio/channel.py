"""Send SMS by Twilio's Messages API, through the official SDK on our own HTTP session.

The API has no idempotency key, and a request that was written and not answered may have sent a text. So nothing here
ever repeats a request. An unanswered request ends as `Unknown`, and `trace` searches Twilio's own list afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp
import orjson
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException

from core.errors import Unavailable
from core.http.http_answers import describe_failure
from core.settings import Settings
from messaging.channels.channel import (
    Accepted,
    OutboundMessage,
    OutboundText,
    Refused,
    Retry,
    SendResult,
    Trace,
    Unknown,
    Withheld,
)
from messaging.channels.twilio.client import (
    TWILIO_TIMEOUT,
    UNREADABLE,
    NotHandedOver,
    SessionClient,
    TooManyRequests,
    open_client,
)
from messaging.channels.twilio.codes import meaning_of
from messaging.reasons import Reason

RETRIES: Final = "#rc=5&rp=all"
"""Fragment of the callback URL that makes Twilio repeat a callback after a 5xx; it is neither sent nor signed.
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides"""
MAX_CLOCK_SKEW: Final = timedelta(minutes=2)
"""Allowed difference between Twilio's clock and ours when its list is searched."""
MAX_SEARCHED_MESSAGES: Final = 50
"""Number of newest messages to a number that are searched."""


class TwilioChannel:
    """Channel for texts through one Twilio account.

    Args:
        settings: has the account, token and base URL.
        http: the shared session; not closed here.
        timeout: seconds for a request.
    """

    name: Final = "sms"
    provider: Final = "twilio"

    def __init__(self, settings: Settings, http: aiohttp.ClientSession, *, timeout: float = TWILIO_TIMEOUT) -> None:
        self.connections: Final = settings.sms_connections
        client = open_client(settings, http, timeout=timeout)
        self._http: SessionClient = client.http_client
        self._api = client.api.v2010
        self._messages = client.messages
        self._headers = {
            **client.get_headers("POST", None),
            "Authorization": aiohttp.encode_basic_auth(*client.auth),
        }
        self._url = client.get_hostname(
            self._api.absolute_url(f"/Accounts/{settings.twilio_account_sid}/Messages.json")
        )
        self._callback = f"{settings.public_url}/webhooks/twilio/status?m="

    async def send(self, outbound: OutboundMessage) -> SendResult:
        """Create one message at Twilio."""
        assert isinstance(outbound, OutboundText)
        form = {
            "To": outbound.to,
            "MessagingServiceSid" if outbound.sender.startswith("MG") else "From": outbound.sender,
            "Body": outbound.body,
            "StatusCallback": f"{self._callback}{outbound.signed_id}{RETRIES}",
        }
        try:
            created = await self._create(form, outbound.still_ours)
            accepted = Accepted(f"201 {created['status']}", created["sid"], _whole(created.get("num_segments")))
        except NotHandedOver:
            return Withheld()
        except TooManyRequests as error:
            return Retry(Reason.BUSY, "20429", str(error), slow=True, after=error.after)
        except (TwilioRestException, TwilioServiceException) as error:
            return _refusal(error)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Retry(Reason.NOT_REACHED, reply=describe_failure(error), slow=True)
        except (TwilioException, aiohttp.ClientError, TimeoutError, OSError, *UNREADABLE) as error:
            return Unknown(describe_failure(error))
        return accepted if accepted.provider_id else Unknown("The answer had no id in it.")

    async def _create(self, form: Mapping[str, str], still_ours: Callable[[], bool]) -> Any:
        """Do what `messages.create_async` does, but without 120 µs for repeated headers and unused fields."""
        response = await self._http.post(self._url, form, self._headers, still_ours)
        if not 200 <= response.status_code < 300:
            raise self._api.exception("POST", self._url, response, "Unable to create record")
        return orjson.loads(response.text)

    async def trace(self, outbound: OutboundMessage, since: datetime) -> list[Trace] | None:
        """Find messages with this text, recipient and sender, created after `since`, in Twilio's list."""
        assert isinstance(outbound, OutboundText)
        # DateSent is empty until a message has left, so the list is not filtered by it
        from_ = {} if outbound.sender.startswith("MG") else {"from_": outbound.sender}
        try:
            listed = await self._messages.list_async(to=outbound.to, limit=MAX_SEARCHED_MESSAGES, **from_)
        except (TwilioException, aiohttp.ClientError, TimeoutError, OSError, *UNREADABLE) as error:
            raise Unavailable(f"Twilio's list of messages could not be read: {describe_failure(error)}.") from error
        return [
            Trace(message.sid, _whole(message.num_segments))
            for message in listed
            if message.body == outbound.body
            and message.date_created is not None
            and message.date_created >= since - MAX_CLOCK_SKEW
        ]

    async def close(self) -> None:
        """Do nothing: the session belongs to the runtime."""


def _refusal(error: TwilioRestException | TwilioServiceException) -> SendResult:
    """Return the result for a 4xx: nothing was sent. The code says whether it may be tried again."""
    meaning = meaning_of(error.code)
    words = error.msg if isinstance(error, TwilioRestException) else error.detail or error.title
    if meaning.retry:
        return Retry(meaning.reason, str(error.code), words, slow=True)
    return Refused(meaning.reason, str(error.code), words)


def _whole(text: Any) -> int | None:
    """Read a count that Twilio gives as text; 0 means that it has not counted yet, and becomes None."""
    return int(text) or None if str(text or "").isdigit() else None
