"""The one way to a member through their link: found, or turned away like anybody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from messaging.content.tokens import Action, read_token
from messaging.db import Connection
from messaging.errors import Unavailable
from messaging.runtime import Runtime
from messaging.web import RUNTIME
from webhooks.asked import Asked, find_asked
from webhooks.inbox import within_reach
from webhooks.misses import Misses, network
from webhooks.pages import respond_to_nobody

Act = Callable[[web.Request, Connection, Asked], Awaitable[web.Response]]
"""Something done for the member a link was made for, in one transaction."""


class Door:
    """Lets requests in by the token in their path.

    Args:
        misses: counts links that do not exist.
        action: what the links are for.
    """

    def __init__(self, misses: Misses, action: Action) -> None:
        self._misses = misses
        self._action = action

    async def enter(self, request: web.Request, act: Act) -> web.Response:
        """Do something for the member behind a link.

        Args:
            request: its path holds `{token}`.
            act: what to do; everything it does in the database is committed before the answer.
        """
        runtime = request.app[RUNTIME]
        try:
            return await within_reach(self._enter(request, runtime, act))
        except Unavailable:
            return respond_to_nobody(runtime.settings, "unavailable", status=503, wait=30)

    async def _enter(self, request: web.Request, runtime: Runtime, act: Act) -> web.Response:
        where, now = network(request), runtime.clock()
        if self._misses.floods(where, now):
            return respond_to_nobody(runtime.settings, "waiting", status=429, wait=60)
        token = read_token(request.match_info["token"])
        if token is not None:
            async with runtime.pool.acquire() as db, db.transaction():
                asked = await find_asked(db, token, self._action, now)
                if asked is not None:
                    return await act(request, db, asked)
        if await self._misses.count(runtime.redis, where, now):
            return respond_to_nobody(runtime.settings, "waiting", status=429, wait=60)
        return respond_to_nobody(runtime.settings, "missing", status=404)
