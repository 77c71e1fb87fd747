"""HTTP API of the simulated account: https://www.twilio.com/docs/messaging/api/message-resource."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Final
from urllib.parse import parse_qsl, urlencode

import orjson
from aiohttp import web

from sandbox.twilio.magic import Trick
from sandbox.twilio.messages import FINAL, Message
from sandbox.twilio.refusals import Refusal
from sandbox.twilio.simulator import Twilio

_Handler = Callable[[web.Request], Awaitable[web.Response]]

PAGE_SIZE: Final = 50
"""Messages on a page of the list if the request names no number, as at Twilio."""
MAX_PAGE_SIZE: Final = 1000
"""Messages on a page of the list."""


class TwilioApi:
    """Handles requests for one account.

    Args:
        twilio: the account.
    """

    def __init__(self, twilio: Twilio) -> None:
        self._twilio = twilio
        config = twilio.config
        self._account = config.account_sid
        self._credentials = "Basic " + b64encode(f"{config.account_sid}:{config.auth_token}".encode()).decode()
        self._allowance = Allowance(config.rate) if config.rate else None

    def routes(self) -> list[web.RouteDef]:
        """List the resource's routes."""
        many = "/2010-04-01/Accounts/{account}/Messages.json"
        path = "/2010-04-01/Accounts/{account}/Messages/{sid}.json"
        return [
            web.post(many, self._guarded(self._create)),
            web.get(many, self._guarded(self._list)),
            web.get(path, self._guarded(self._fetch)),
            web.post(path, self._guarded(self._update)),
            web.delete(path, self._guarded(self._delete)),
        ]

    def _guarded(self, handler: _Handler) -> _Handler:
        """Wrap a handler: check the password, and answer refusals in Twilio's format."""

        async def answer(request: web.Request) -> web.Response:
            try:
                self._check_password(request)
                return await handler(request)
            except Refusal as refusal:
                self._twilio.refused[refusal.code] += 1
                headers = {"Retry-After": "1"} if refusal.status == 429 else None
                return web.Response(
                    body=refusal.body(), status=refusal.status, headers=headers, content_type="application/json"
                )

        return answer

    def _check_password(self, request: web.Request) -> None:
        credentials = request.headers.get("Authorization"), request.match_info["account"]
        if credentials != (self._credentials, self._account):
            raise Refusal(20003, status=401)

    async def _create(self, request: web.Request) -> web.Response:
        form = await _form(request)
        twilio, config = self._twilio, self._twilio.config
        if self._allowance is not None and not self._allowance.take():
            raise Refusal(20429, status=429)
        trick = twilio.trick(form)
        self._conditions()
        if config.latency[1]:
            await asyncio.sleep(twilio.rng.uniform(*config.latency))
        message = None
        if trick.stored or (trick.status is None and not trick.drop):
            message = twilio.create(form, trick)
        await self._misbehave(trick, message)
        if message is not None and config.silent and twilio.rng.random() < config.silent:
            await asyncio.sleep(config.silence)
            return _hang_up(request)
        if message is None or trick.drop or (config.dropped and twilio.rng.random() < config.dropped):
            return _hang_up(request)
        return self._show(message, status=201, now=message.created)

    def _conditions(self) -> None:
        """Fail some requests as busy or broken, for any recipient."""
        config, rng = self._twilio.config, self._twilio.rng
        if config.busy and rng.random() < config.busy:
            raise Refusal(20429, status=429)
        if config.broken and rng.random() < config.broken:
            raise Refusal(20500, status=500)

    async def _misbehave(self, trick: Trick, message: Message | None) -> None:
        """Apply a number's trick to the response."""
        if trick.delay:
            await asyncio.sleep(trick.delay)
        if trick.status is not None:
            code = {429: 20429, 503: 20503}.get(trick.status, 20500)
            raise Refusal(code, status=trick.status)
        if trick.receipts == "early" and message is not None:
            await self._twilio.notify_early(message)

    async def _fetch(self, request: web.Request) -> web.Response:
        return self._show(self._find(request))

    async def _update(self, request: web.Request) -> web.Response:
        """Redact (`Body=`) or cancel (`Status=canceled`)."""
        message, form = self._find(request), await _form(request)
        if form.get("Status") == "canceled":
            self._twilio.cancel(message)
        elif form.get("Body") == "":
            now = time.time()
            if message.stage(now).status not in FINAL:
                raise Refusal(20009, status=409)
            message.body, message.updated = "", now
        else:
            raise Refusal(20001, "only an empty Body or Status=canceled can be set")
        return self._show(message)

    async def _delete(self, request: web.Request) -> web.Response:
        message = self._find(request)
        if message.stage(time.time()).status not in FINAL:
            raise Refusal(20009, status=409)
        self._twilio.messages.delete(message)
        return web.Response(status=204)

    async def _list(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        size, page = _whole(query, "PageSize", PAGE_SIZE, 1, MAX_PAGE_SIZE), _whole(query, "Page", 0, 0, 10**9)
        now = time.time()
        # one more than the page holds shows whether there is another page
        wanted = list(islice(self._matching(query, now), page * size, page * size + size + 1))
        more, shown = len(wanted) > size, wanted[:size]
        path = request.path

        def uri(number: int) -> str:
            return f"{path}?{urlencode({**query, 'PageSize': size, 'Page': number})}"

        return web.Response(
            body=orjson.dumps(
                {
                    "first_page_uri": uri(0),
                    "previous_page_uri": uri(page - 1) if page else None,
                    "next_page_uri": uri(page + 1) if more else None,
                    "uri": uri(page),
                    "page": page,
                    "page_size": size,
                    "start": page * size,
                    "end": page * size + max(len(shown) - 1, 0),
                    "messages": [message.to_json(self._account, now) for message in shown],
                }
            ),
            content_type="application/json",
        )

    def _matching(self, query: Mapping[str, str], now: float) -> Iterator[Message]:
        """Iterate over the messages that match To, From and DateSent, newest first."""
        period = Period.of(query)
        store = self._twilio.messages
        for message in store.to(query["To"]) if "To" in query else store.newest():
            if "From" in query and message.sender != query["From"]:
                continue
            if period is not None and message.sent_at(now) not in period:
                continue
            yield message

    def _find(self, request: web.Request) -> Message:
        message = self._twilio.messages.get(request.match_info["sid"])
        if message is None:
            raise Refusal(20404, request.path, status=404)
        return message

    def _show(self, message: Message, *, status: int = 200, now: float | None = None) -> web.Response:
        body = orjson.dumps(message.to_json(self._account, time.time() if now is None else now))
        return web.Response(body=body, status=status, content_type="application/json")


class Period:
    """Period that `DateSent`, `DateSent<` and `DateSent>` select, in seconds, both ends included.

    `DateSent<=2026-03-01` arrives as a parameter called `DateSent<`. A message that has not been sent is in no period.
    """

    def __init__(self, start: float, end: float) -> None:
        self._start, self._end = start, end

    def __contains__(self, at: float | None) -> bool:
        return at is not None and self._start <= int(at) <= self._end

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Period | None:
        """Read it from a query; None if it has no such parameter.

        Raises:
            Refusal: a date cannot be read.
        """
        start, end = float("-inf"), float("inf")
        if on := query.get("DateSent"):
            moment = _moment(on)
            start, end = moment, moment + (timedelta(days=1).total_seconds() - 1 if len(on) == 10 else 0)
        if since := query.get("DateSent>"):
            start = max(start, _moment(since))
        if until := query.get("DateSent<"):
            end = min(end, _moment(until))
        return None if (start, end) == (float("-inf"), float("inf")) else cls(start, end)


class Allowance:
    """Token bucket: so many creates a second, with a burst of a second's worth."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = rate
        self._at = time.monotonic()

    def take(self) -> bool:
        """Take one create from the allowance; return whether there was room."""
        now = time.monotonic()
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


async def _form(request: web.Request) -> dict[str, str]:
    return dict(parse_qsl((await request.read()).decode(errors="replace"), keep_blank_values=True))


def _hang_up(request: web.Request) -> web.Response:
    """Drop the connection, so that no response arrives."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _moment(text: str) -> float:
    """Parse a date (as its midnight in GMT) or time into seconds since 1970."""
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(20001, f"DateSent {text}") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _whole(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise Refusal(20001, name)
    return min(max(int(text), least), most)
