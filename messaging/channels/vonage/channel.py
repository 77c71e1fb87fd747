"""Send SMS by Vonage's Messages API: https://developer.vonage.com/en/api/messages.

The older SMS API is not used: it answers 200 to everything, with an id and a receipt for each part of a long text. This
one has a real HTTP status, one id a text, and receipts signed over their body, which return our signed id. Vonage's own
library is not used: it blocks a thread during each request.

The API has no idempotency key: nothing here ever repeats a request.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp
import orjson

from core.errors import Unavailable
from core.http.http_answers import describe_failure, read_retry_after
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
from messaging.channels.guarded_body import GuardedBody
from messaging.channels.vonage.codes import code_of, reason_of
from messaging.reasons import Reason

BASE_URL: Final = "https://api.nexmo.com"
VONAGE_TIMEOUT: Final = 30.0
"""Seconds a request may take; a shorter timeout would only make outcomes unknown."""
MAX_CLOCK_SKEW: Final = timedelta(minutes=2)
"""Allowed difference between Vonage's clock and ours when its records are searched."""
MAX_SEARCH_PERIOD: Final = timedelta(hours=24)
"""Longest period of its records that one request can search; the end is exclusive."""
NO_LIST: Final = frozenset({400, 401, 402, 403, 404, 422})
"""HTTP statuses that a repeated request would not change: the Reports API costs extra, and not all accounts have it."""


class VonageChannel:
    """Channel for texts through one Vonage account.

    Args:
        settings: has the account and base URL.
        http: the shared session; not closed here.
        timeout: seconds for a request.
    """

    name: Final = "sms"
    provider: Final = "vonage"

    def __init__(self, settings: Settings, http: aiohttp.ClientSession, *, timeout: float = VONAGE_TIMEOUT) -> None:
        self._http = http
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(10.0, timeout))
        self._url = (settings.vonage_base_url or BASE_URL).rstrip("/")
        self._webhook = f"{settings.public_url}/webhooks/vonage/status"
        self._account = settings.vonage_api_key or ""
        secret = settings.vonage_api_secret.get_secret_value() if settings.vonage_api_secret else ""
        credentials = base64.b64encode(f"{self._account}:{secret}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}", "Accept": "application/json"}
        self.connections: Final = settings.sms_connections

    async def send(self, outbound: OutboundMessage) -> SendResult:
        """Create one message at Vonage."""
        assert isinstance(outbound, OutboundText)
        body = {
            "channel": "sms",
            "message_type": "text",
            "to": outbound.to.removeprefix("+"),
            "from": outbound.sender.removeprefix("+"),
            "text": outbound.body,
            "sms": {"encoding_type": "auto"},
        }
        if outbound.signed_id:
            body |= {"client_ref": outbound.signed_id, "webhook_url": self._webhook, "webhook_version": "v1"}
        guarded = GuardedBody(orjson.dumps(body), outbound.still_ours)
        try:
            async with self._http.post(
                f"{self._url}/v1/messages",
                data=guarded,
                headers=self._headers | {"Content-Type": "application/json"},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return _outcome(response.status, response.headers.get("Retry-After"), await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Retry(Reason.NOT_REACHED, reply=describe_failure(error), slow=True)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Withheld() if guarded.withheld else Unknown(describe_failure(error))

    async def trace(self, outbound: OutboundMessage, since: datetime) -> list[Trace] | None:
        """Find the record with our signed id among the records of this number since then.

        A missing record proves nothing: records come late, and accounts without the Reports API have none.

        Returns:
            The record; None if none is found.

        Raises:
            Unavailable: the records could not be read.
        """
        assert isinstance(outbound, OutboundText)
        begin = since.astimezone(UTC) - MAX_CLOCK_SKEW
        query = {
            "account_id": self._account,
            "product": "MESSAGES",
            "direction": "outbound",
            "to": outbound.to.removeprefix("+"),
            "date_start": begin.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "date_end": (begin + MAX_SEARCH_PERIOD).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        try:
            async with self._http.get(
                f"{self._url}/v2/reports/records",
                params=query,
                headers=self._headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                if response.status in NO_LIST:
                    return None
                response.raise_for_status()
                records = orjson.loads(await response.read())["records"]
            traces = [
                Trace(str(record["message_id"])) for record in records if record.get("client_ref") == outbound.signed_id
            ]
        except (
            aiohttp.ClientError,
            TimeoutError,
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
        ) as error:
            raise Unavailable(f"Vonage's records could not be read: {describe_failure(error)}.") from error
        return traces or None

    async def close(self) -> None:
        """Do nothing: the session belongs to the runtime."""


def _outcome(status: int, after: str | None, body: bytes) -> SendResult:
    """Return the result for an answer. Only a 4xx is a certain refusal: a proxy may have given any other answer."""
    answer = _object(body)
    words = str(answer.get("detail") or answer.get("title") or f"Vonage answered {status}.")[:500]
    if status == 429:
        return Retry(Reason.BUSY, code_of(answer) or "429", words, slow=True, after=read_retry_after(after))
    if status == 202:
        uuid = answer.get("message_uuid")
        return Accepted("202", uuid) if isinstance(uuid, str) and uuid else Unknown("The answer had no id in it.")
    if 400 <= status < 500 and status != 408:
        reason, code = reason_of(answer, status), code_of(answer) or str(status)
        return Retry(reason, code, words, slow=True) if reason is Reason.BUSY else Refused(reason, code, words)
    return Unknown(words)


def _object(body: bytes) -> Mapping[str, Any]:
    """Read the JSON object in an answer; an empty one if there is none."""
    try:
        answer = orjson.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
