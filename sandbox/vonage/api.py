"""HTTP API of the simulated account: https://developer.vonage.com/en/api/messages, and …/api/reports."""

from __future__ import annotations

import asyncio
import re
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import orjson
from aiohttp import web

from sandbox.vonage.magic import problem
from sandbox.vonage.simulator import Vonage, VonageMessage

_Handler = Callable[[web.Request], Awaitable[web.Response]]

_NUMBER: Final = re.compile(r"[1-9]\d{6,14}")
_SENDER: Final = re.compile(r"[1-9]\d{2,14}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
MAX_BODY_LENGTH: Final = 1000
"""Characters of a text; a longer one is refused."""
MAX_PERIOD: Final = timedelta(hours=24)
"""Longest time between the first and the last moment of a search."""
_GENERAL: Final = {
    401: ("unauthorized", "Unauthorized", "You did not provide correct credentials."),
    403: ("forbidden", "Forbidden", "Your account does not have permission to perform this action."),
    429: ("throttled", "Rate Limit Hit", "Please wait, then retry your request"),
    500: ("internal-error", "Internal server error", "There was an error processing your request in the Platform."),
    503: ("unavailable", "Service unavailable", "Please try again later."),
}


class VonageApi:
    """Handles requests for one account.

    Args:
        vonage: the account.
    """

    def __init__(self, vonage: Vonage) -> None:
        self._vonage = vonage

    def routes(self) -> list[web.RouteDef]:
        """List the two resources' routes."""
        return [
            web.post("/v1/messages", self._guarded(self._create)),
            web.get("/v2/reports/records", self._guarded(self._records)),
        ]

    def _guarded(self, handler: _Handler) -> _Handler:
        """Wrap a handler: check the password, and answer refusals in Vonage's format."""

        async def answer(request: web.Request) -> web.Response:
            try:
                self._check_password(request)
                return await handler(request)
            except VonageRefusal as refusal:
                headers = {"Retry-After": "1"} if refusal.status == 429 else None
                return _json(refusal.body, refusal.status, headers)

        return answer

    def _check_password(self, request: web.Request) -> None:
        config = self._vonage.config
        credentials = b64encode(f"{config.api_key}:{config.api_secret}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {credentials}":
            raise VonageRefusal(401)

    async def _create(self, request: web.Request) -> web.Response:
        vonage, config = self._vonage, self._vonage.config
        parameters = _parameters(await request.read())
        self._conditions()
        trick = vonage.trick(f"+{parameters['to']}")
        if trick.refuse is not None:
            raise VonageRefusal(422, trick.refuse)
        message: VonageMessage | None = None
        if trick.stored or (trick.status is None and not trick.drop):
            message = vonage.create(parameters, trick)
        if trick.delay:
            await asyncio.sleep(trick.delay)
        if trick.status is not None:
            raise VonageRefusal(trick.status)
        if message is None or trick.drop or (config.dropped and vonage.rng.random() < config.dropped):
            return _hang_up(request)
        if trick.receipts == "early":
            await vonage.notify(message, "submitted")
        return _json({"message_uuid": message.uuid}, 202)

    def _conditions(self) -> None:
        """Fail some requests as busy or broken, for any recipient."""
        config, rng = self._vonage.config, self._vonage.rng
        if config.busy and rng.random() < config.busy:
            raise VonageRefusal(429)
        if config.broken and rng.random() < config.broken:
            raise VonageRefusal(500)

    async def _records(self, request: web.Request) -> web.Response:
        """Answer with the texts sent to a number in a period."""
        vonage, query = self._vonage, request.query
        if not vonage.config.reports or query.get("account_id") != vonage.config.api_key:
            raise VonageRefusal(403)
        try:
            begin, end = (datetime.fromisoformat(query[name]) for name in ("date_start", "date_end"))
        except (KeyError, ValueError):
            raise VonageRefusal(422, 1150, ["date_start", "date_end"]) from None
        if end - begin > MAX_PERIOD or query.get("product") != "MESSAGES" or query.get("direction") != "outbound":
            raise VonageRefusal(422, 1150, ["date_end", "product", "direction"])
        shown = time.time() - vonage.config.reported_after
        records = [
            vonage.to_record(message)
            for message in vonage.messages
            if message.direction == "outbound"
            and message.to == f"+{query['to']}"
            and begin.timestamp() <= message.created < end.timestamp()
            and message.created <= shown
        ]
        return _json({"request_id": str(uuid4()), "request_status": "SUCCESS", "records": records}, 200)


class VonageRefusal(Exception):  # noqa: N818  # it is the API's response, not an error of ours
    """Raised to answer a request with an error.

    Args:
        status: HTTP status.
        code: code of the Messages API; 0: only the status is given.
        wrong: the wrong parameters.
    """

    def __init__(self, status: int, code: int = 0, wrong: Sequence[str] = ()) -> None:
        super().__init__(status, code)
        self.status = status
        self.body: dict[str, object]
        if code:
            self.body = problem(code, str(uuid4()))
        else:
            kind, title, detail = _GENERAL[status]
            address = f"https://developer.vonage.com/api-errors#{kind}"
            self.body = {"type": address, "title": title, "detail": detail, "instance": str(uuid4())}
        if wrong:
            self.body["invalid_parameters"] = [{"name": name, "reason": "is missing or wrong"} for name in wrong]


def _parameters(body: bytes) -> dict[str, Any]:
    """Read and check the parameters of a create.

    Raises:
        VonageRefusal: some are wrong.
    """
    try:
        parameters = orjson.loads(body)
    except ValueError:
        raise VonageRefusal(422, 1150, ["body"]) from None
    if not isinstance(parameters, dict):
        raise VonageRefusal(422, 1150, ["body"])
    fits = {
        "channel": parameters.get("channel") == "sms",
        "message_type": parameters.get("message_type") == "text",
        "to": bool(_NUMBER.fullmatch(str(parameters.get("to") or ""))),
        "from": bool(_SENDER.fullmatch(str(parameters.get("from") or ""))),
        "text": bool(parameters.get("text")) and len(str(parameters.get("text"))) <= MAX_BODY_LENGTH,
        "client_ref": len(str(parameters.get("client_ref") or "")) <= 100,
        "webhook_url": str(parameters.get("webhook_url") or "https://x.test").startswith(("https://", "http://")),
    }
    wrong = [name for name, right in fits.items() if not right]
    if wrong:
        raise VonageRefusal(422, 1150, wrong)
    return parameters


def _hang_up(request: web.Request) -> web.Response:
    """Drop the connection, so that no response arrives."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _json(content: object, status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, headers=headers, content_type="application/json")
