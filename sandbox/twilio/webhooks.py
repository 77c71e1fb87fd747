"""Webhook requests of Twilio: signed, form-encoded, and retried only if the URL asks for it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import parse_qs, quote_plus, urldefrag
from uuid import uuid4
from xml.etree import ElementTree as ET

import aiohttp
import structlog
from yarl import URL

from sandbox.agenda import Agenda

log = structlog.get_logger(__name__)

TIMEOUT: Final = aiohttp.ClientTimeout(total=15, sock_connect=5)


class WebhookAnswer(NamedTuple):
    """Response of a webhook.

    Attributes:
        outcome: `2xx`, `3xx`, `4xx`, `5xx`; `ct` if it could not be reached, `rt` if it did not answer.
        text: the body of a 2xx.
    """

    outcome: str
    text: str

    @property
    def ok(self) -> bool:
        """Tell whether it accepted the request."""
        return self.outcome == "2xx"


@dataclass(frozen=True, slots=True)
class Retries:
    """Retry policy of a webhook, from the URL's fragment.

    https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides: `#rc=3&rp=5xx,ct`.

    Attributes:
        count: how often, 0 to 5.
        policies: of `ct` (no connection), `rt` (no answer), `4xx`, `5xx`, `all`.
    """

    count: int = 1
    policies: frozenset[str] = frozenset({"ct"})

    @classmethod
    def parse(cls, fragment: str) -> Retries:
        """Read the policy from a fragment; anything missing has Twilio's default."""
        options = parse_qs(fragment)
        count = options.get("rc", ["1"])[-1]
        policies = options.get("rp", ["ct"])[-1]
        return cls(min(int(count), 5) if count.isdecimal() else 1, frozenset(policies.split(",")))

    def covers(self, failure: str) -> bool:
        """Tell whether that kind of failure is retried."""
        return failure in self.policies or "all" in self.policies


# most values recur in the next receipt
_quoted = lru_cache(maxsize=4096)(quote_plus)


def sign_form(token: str, url: str, form: Mapping[str, str]) -> str:
    """Make `X-Twilio-Signature`: base64 of HMAC-SHA1 over the URL and every parameter's name and value, sorted.

    https://www.twilio.com/docs/usage/security#validating-requests
    """
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


class TwilioWebhooks:
    """Posts to our webhooks over one shared session, with a limit of concurrency.

    Args:
        token: the auth token, which signs requests.
        at_once: most requests open at the same time.
    """

    def __init__(self, token: str, *, at_once: int) -> None:
        self._token = token
        self._at_once = at_once
        self._session: aiohttp.ClientSession | None = None
        self.agenda = Agenda("webhooks", at_once=at_once)
        self.answers: Counter[str] = Counter()
        """Count of responses by HTTP status or kind of failure."""

    async def close(self) -> None:
        """Stop posting."""
        await self.agenda.close()
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, form: Mapping[str, str]) -> WebhookAnswer:
        """Post a signed form; retry as the URL's fragment says."""
        address, fragment = urldefrag(url)
        retries = Retries.parse(fragment) if fragment else Retries()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": str(uuid4()),
            # the fragment is for Twilio only: it is neither sent nor signed
            "X-Twilio-Signature": sign_form(self._token, address, form),
        }
        body = "&".join(f"{name}={_quoted(value)}" for name, value in form.items()).encode()
        attempt = 0
        while True:
            answer = await self._try(address, body, headers)
            self._count(answer, address)
            if answer.ok or attempt == retries.count or not retries.covers(answer.outcome):
                return answer
            await asyncio.sleep(0.1 * 2**attempt)
            attempt += 1

    def _count(self, answer: WebhookAnswer, address: str) -> None:
        self.answers[answer.outcome] += 1
        if not answer.ok and self.answers[answer.outcome] == 1:  # the summary counts the others
            log.warning("a webhook failed", outcome=answer.outcome, path=URL(address, encoded=True).path)

    async def _try(self, address: str, body: bytes, headers: Mapping[str, str]) -> WebhookAnswer:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._at_once)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()
            )
        try:
            # the URL is sent byte for byte as it was signed
            async with self._session.post(URL(address, encoded=True), data=body, headers=headers) as response:
                body = await response.read()
                if response.status < 300:
                    return WebhookAnswer("2xx", body.decode(errors="replace"))
                return WebhookAnswer(f"{response.status // 100}xx", "")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return WebhookAnswer("ct", "")
        except (aiohttp.ClientError, TimeoutError):
            return WebhookAnswer("rt", "")


def read_twiml(text: str) -> list[str]:
    """Read the texts that a response to an inbound message asks Twilio to send back: `<Response><Message>…`."""
    if not text.lstrip().startswith("<"):
        return []
    try:
        root = ET.fromstring(text)  # noqa: S314  # it comes from the webhook this sandbox was pointed at
    except ET.ParseError:
        log.warning("a webhook answered with XML that cannot be read")
        return []
    texts = []
    for message in root.iter("Message"):
        body = message.find("Body")
        texts.append("".join((message if body is None else body).itertext()).strip())
    return [text for text in texts if text]


def done_date(at: float) -> str:
    """Format `RawDlrDoneDate`, when the carrier was done: `YYMMDDhhmm`."""
    return time.strftime("%y%m%d%H%M", time.gmtime(at))
