"""Link access: finds the member a link was made for, and answers unknown links and guesses the same way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from aiohttp import web

from core.db import Connection
from core.db.in_time import answer_in_time
from core.errors import Unavailable
from core.http.client_network import client_network
from core.http.rate_limit import RateLimit
from core.http.web import RUNTIME
from core.keyring import MemberLink, example_token, find_token
from core.runtime import Runtime
from people.people_lock import lock_people_shared
from webhooks.members.page_views import new_nonce
from webhooks.members.pages import respond_to_unknown_link
from webhooks.members.recipient import ButtonPress, LinkPage, Recipient, find_recipient, use_page_view, view_page
from webhooks.members.user_agents import classify, inconsistencies

RecipientAction = Callable[[web.Request, Connection, Recipient], Awaitable[web.Response]]
"""Callback that does something for the member of a link, in one transaction."""
OnPress = Callable[[web.Request, Connection, ButtonPress], Awaitable[web.Response]]
"""Response to the press of a button."""
Show = Callable[[web.Request, Recipient, str], web.Response | Awaitable[web.Response]]
"""Callback that renders the member's page, with the nonce of this page view."""
_Do = Callable[[Runtime, MemberLink, datetime], Awaitable[web.Response | None]]
"""Callback that handles a link; return None if it leads nowhere."""


class LinkAccess:
    """Handles requests whose path holds a member's token.

    Args:
        rate_limit: counts requests for unknown links.
        page: which of the message's pages is shown.
    """

    def __init__(self, rate_limit: RateLimit, page: LinkPage) -> None:
        self._rate_limit = rate_limit
        self._page = page

    async def enter(self, request: web.Request, act: RecipientAction) -> web.Response:
        """Do something for the member of a link.

        Args:
            request: its path holds `{token}`.
            act: the work to do; everything it changes in the database is committed before the answer.
        """

        async def do(runtime: Runtime, link: MemberLink, now: datetime) -> web.Response | None:
            async with runtime.pool.acquire() as db, db.transaction():
                await lock_people_shared(db)
                recipient = await find_recipient(db, link, self._page, now)
                return None if recipient is None else await act(request, db, recipient)

        return await self._let_in(request, do)

    async def handle_press(self, request: web.Request, act: OnPress, *, nonce: str, answer: str) -> web.Response:
        """Handle the press of a button on the member's page.

        Args:
            request: its path holds `{token}`.
            act: the work to do; everything it changes in the database is committed before the answer.
            nonce: the form's nonce.
            answer: the button's value.
        """

        async def do(runtime: Runtime, link: MemberLink, now: datetime) -> web.Response | None:
            async with runtime.pool.acquire() as db, db.transaction():
                await lock_people_shared(db)
                pressed = await use_page_view(db, link, self._page, now, nonce=nonce, answer=answer)
                return None if pressed is None else await act(request, db, pressed)

        return await self._let_in(request, do)

    async def show_page(self, request: web.Request, show: Show, *, signals: Sequence[str] = ()) -> web.Response:
        """Show the member of a link a page, and record the page view; HEAD requests are not recorded.

        Args:
            request: its path holds `{token}`.
            show: renders the page.
            signals: signs of a machine that are known already.
        """
        agent = classify(request.headers.get("User-Agent", ""))
        seen = [
            *signals,
            *inconsistencies(request.headers, secure=request.app[RUNTIME].settings.is_https, presses=False),
        ]

        async def do(runtime: Runtime, link: MemberLink, now: datetime) -> web.Response | None:
            if request.method == "HEAD":
                recipient = await find_recipient(runtime.pool, link, self._page, now)
                return (
                    None if recipient is None else await _made(show(request, recipient, new_nonce()))
                )  # not stored: HEAD
            viewed = await view_page(runtime.pool, link, self._page, now, agent=agent, signals=seen, alone=True)
            return None if viewed is None else await _made(show(request, *viewed))

        return await self._let_in(request, do)

    async def _let_in(self, request: web.Request, do: _Do) -> web.Response:
        runtime = request.app[RUNTIME]
        given, where, now = request.match_info["token"], client_network(request), runtime.clock()
        token = find_token(given)
        if token is None and "." in given:
            return respond_to_unknown_link(request, 404)  # robots.txt, favicon.ico: not a guess at a link
        if token == example_token():
            return respond_to_unknown_link(request, 200)  # of a test's link: nothing is looked up
        if token is not None:
            async with self._rate_limit.turn(where, now):
                try:
                    answer = await answer_in_time(do(runtime, runtime.keyring.read_link(token), now))
                except Unavailable:
                    return respond_to_unknown_link(request, 503)
            if answer is not None:
                return answer
        if await self._rate_limit.count(runtime.redis, where, now):
            return respond_to_unknown_link(request, 429)
        return respond_to_unknown_link(request, 404)


async def _made(page: web.Response | Awaitable[web.Response]) -> web.Response:
    return page if isinstance(page, web.Response) else await page
