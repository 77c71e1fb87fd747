"""Client of Twilio's API: the official SDK on our own HTTP session, never repeating a request."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
from twilio.base.exceptions import TwilioException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from yarl import URL

from core.http.http_answers import read_retry_after
from core.settings import Settings
from messaging.channels.guarded_body import GuardedBody

TWILIO_TIMEOUT: Final = 30.0
"""Seconds a request may take. Longer than Twilio ever takes: a shorter one would only make outcomes unknown."""
UNREADABLE: Final = (ValueError, LookupError, AttributeError, TypeError)
"""Errors the SDK raises for an answer that Twilio does not document, such as a proxy's."""
_QUERY: Final = URL("/")


def open_client(settings: Settings, http: aiohttp.ClientSession, *, timeout: float = TWILIO_TIMEOUT) -> Client:
    """Open the client of the account in the settings.

    Args:
        settings: has the account, token and base URL.
        http: the shared session; not closed by the client.
        timeout: seconds for a request.
    """
    client = Client(
        settings.twilio_account_sid,
        settings.twilio_auth_token[0].get_secret_value(),
        http_client=SessionClient(http, timeout),
        environment={"": ""},  # the SDK reads region and edge there, which would override the base URL
    )
    if settings.twilio_base_url:
        client.api.base_url = settings.twilio_base_url.rstrip("/")
    return client


class TooManyRequests(TwilioException):  # type: ignore[misc]  # the SDK is untyped
    """HTTP 429: refused before anything was done.

    Args:
        after: seconds Twilio asked to wait.
    """

    def __init__(self, after: float | None) -> None:
        super().__init__("Twilio answered 429 Too Many Requests.")
        self.after = after


class ServerFault(TwilioException):  # type: ignore[misc]
    """HTTP 5xx: unknown whether the message was accepted."""


class NotHandedOver(TwilioException):  # type: ignore[misc]
    """The request was given up before it was written, because its message is no longer this worker's."""


class SessionClient(AsyncHttpClient):  # type: ignore[misc]
    """HTTP client for the SDK on a shared session, with its own timeouts, which never repeats a request.

    Args:
        http: the session.
        timeout: seconds for a whole request.
    """

    def __init__(self, http: aiohttp.ClientSession, timeout: float) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True)
        self._http = http
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(10.0, timeout))

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109  # the SDK passes its own; the session's holds
        allow_redirects: bool = False,
    ) -> Response:
        """Send one request, once.

        Raises:
            TooManyRequests: 429, with Retry-After, which the SDK's own exception would lose.
            ServerFault: 5xx.
        """
        sent_headers = dict(headers or {})
        if auth is not None:
            sent_headers["Authorization"] = aiohttp.encode_basic_auth(*auth)
        return await self._ask(
            method, url, params, _form(data) if data else None, sent_headers, redirect=allow_redirects
        )

    async def post(
        self, url: str, data: Mapping[str, str], headers: Mapping[str, str], still_ours: Callable[[], bool]
    ) -> Response:
        """Post a form, unless its message is no longer this worker's when it is written.

        Raises:
            NotHandedOver: the message is no longer this worker's.
            TooManyRequests, ServerFault: see `request`.
        """
        body = GuardedBody(_form(data), still_ours)
        try:
            return await self._ask("POST", url, None, body, headers, redirect=False)
        except (aiohttp.ClientError, OSError) as error:
            if body.withheld:
                raise NotHandedOver(str(error)) from error
            raise

    async def _ask(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None,
        body: bytes | GuardedBody | None,
        headers: Mapping[str, str],
        *,
        redirect: bool,
    ) -> Response:
        async with self._http.request(
            method, url, params=params, data=body, headers=headers, timeout=self._timeout, allow_redirects=redirect
        ) as response:
            if response.status == 429:
                raise TooManyRequests(read_retry_after(response.headers.get("Retry-After")))
            if response.status >= 500:
                raise ServerFault(f"Twilio answered {response.status}.")
            # JSON is UTF-8; the page of a proxy may be decoded with replacements
            return Response(response.status, (await response.read()).decode(errors="replace"), response.headers)


def _form(data: Mapping[str, Any]) -> bytes:
    """Encode a form. yarl encodes a query the same way, in C; the SDK's headers name the content type."""
    return _QUERY.with_query(data).raw_query_string.encode()
