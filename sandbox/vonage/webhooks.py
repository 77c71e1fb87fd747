"""Webhook requests of Vonage: JSON, signed by a token with a hash of the body, retried until accepted."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

import aiohttp
import jwt
import orjson
import structlog

from sandbox.agenda import Agenda
from sandbox.vonage.config import VonageConfig

log = structlog.get_logger(__name__)

TIMEOUT: Final = aiohttp.ClientTimeout(total=15, sock_connect=5)


def sign_body(secret: str, account: str, body: bytes) -> str:
    """Make the token of a request: https://developer.vonage.com/en/getting-started/concepts/webhooks."""
    claims = {
        "iat": int(time.time()),
        "jti": str(uuid4()),
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(body).hexdigest(),
        "api_key": account,
    }
    return jwt.encode(claims, secret, algorithm="HS256")


class VonageWebhooks:
    """Posts to our webhooks over one shared session, with a limit of concurrency.

    Args:
        config: has the account, its secret and the number of retries.
    """

    def __init__(self, config: VonageConfig) -> None:
        self._config = config
        self._session: aiohttp.ClientSession | None = None
        self.agenda = Agenda("vonage", at_once=config.webhooks_at_once)
        self.answers: Counter[str] = Counter()
        """Count of responses by HTTP status or kind of failure."""

    async def close(self) -> None:
        """Stop posting."""
        await self.agenda.close()
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, receipt: Mapping[str, object]) -> bool:
        """Post a signed body until it is accepted; return whether it was."""
        body = orjson.dumps(receipt)
        for again in range(self._config.retries + 1):
            if again:
                await asyncio.sleep(self._config.retry_after)
            answer = await self._try(url, body)
            self.answers[answer] += 1
            if answer == "2xx":
                return True
        log.warning("a webhook failed", answer=answer, url=url)
        return False

    async def _try(self, url: str, body: bytes) -> str:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        config = self._config
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {sign_body(config.signature_secret, config.api_key, body)}",
        }
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                await response.read()
                return f"{response.status // 100}xx"
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__
