"""API authentication by a key in the header, for its scope and ballots; clients with too many bad keys have to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from api.keys import READ_TURNOUT, Key, admit_key, may_be_key
from ballots.ballots import Ballot, get_ballot
from core.db.in_time import answer_in_time
from core.errors import NotFound
from core.http.client_network import client_network
from core.http.rate_limit import RateLimit
from core.http.web import RUNTIME, problem

TurnoutHandler = Callable[[web.Request, Ballot, Key], Awaitable[web.StreamResponse]]

WAIT: Final = {"Retry-After": "60"}


@dataclass(frozen=True, slots=True)
class ApiAuth:
    """Authenticate requests by API key.

    Attributes:
        rate_limit: counts requests without a valid key, by network.
    """

    rate_limit: RateLimit = field(default_factory=lambda: RateLimit("keys"))

    def reads_turnout(self, answer: TurnoutHandler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Wrap a handler so that it answers only keys that may read the turnout of the ballot in the path."""

        async def handle(request: web.Request) -> web.StreamResponse:
            runtime = request.app[RUNTIME]
            where = client_network(request)
            key = await self._key(request, where)
            if key is None:  # only now, so that a valid key is never refused because of others on its network
                if await self.rate_limit.count(runtime.redis, where, runtime.clock()):
                    return _wait()
                return problem(
                    401, "A key is needed.", remedy="Send it in the header Authorization: Bearer mk_…",
                    headers={"WWW-Authenticate": 'Bearer realm="Muster"'},
                )  # fmt: skip
            name = request.match_info["ballot"]
            if not key.may(READ_TURNOUT, name):
                return problem(403, "This key is not for that.", remedy="Ask the person who runs Muster for one.")
            if not name.isprintable():
                raise NotFound("There is no such ballot.")
            async with runtime.pool.acquire() as db:
                ballot = await get_ballot(db, name)
            return await answer(request, ballot, key)

        return handle

    async def _key(self, request: web.Request, where: str) -> Key | None:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not may_be_key(given.strip()):
            return None
        async with self.rate_limit.turn(where, request.app[RUNTIME].clock()):
            return await answer_in_time(_admit(request, given.strip()))


async def still_admitted(request: web.Request) -> bool:
    """Tell whether the key of an admitted request still works."""
    return await _admit(request, request.headers["Authorization"].partition(" ")[2].strip()) is not None


async def _admit(request: web.Request, given: str) -> Key | None:
    runtime = request.app[RUNTIME]
    async with runtime.pool.acquire() as db:
        return await admit_key(db, given, now=runtime.clock())


def _wait() -> web.Response:
    return problem(429, "Too many requests without a key that works.", remedy="Wait a minute.", headers=WAIT)
