"""Requests for sign-in links: made after the answer, a few at a time, so that the answer tells nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Final

import structlog
from aiohttp import web

from core.access import Actor, ActorKind
from core.db import AWAY
from core.runtime import Runtime
from messaging.states import ChannelName
from staff.account_messages import queue_sign_in_link
from staff.accounts import find_staff
from staff.backoff import LINKS, TooManyTries, take_try
from staff.sign_in import REQUESTED_LINK_MINUTES, make_requested_link

MAX_AT_ONCE: Final = 2
"""Links made at a time: members' pages use the same connections."""
MAX_REQUESTS: Final = 200
"""Requests that wait or are under way; more are dropped."""
MAX_OF_A_NETWORK: Final = 50
"""Most requests of one network, so that a flood from one leaves room for the others."""

log = structlog.get_logger(__name__)


class LinkRequests:
    """Makes the links that were asked for, after the answer: how long it takes must not tell whose mailbox exists.

    A mailbox has one request under way at a time, so that further requests for it take no room.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._networks: Counter[str] = Counter()
        self._turn = asyncio.Semaphore(MAX_AT_ONCE)

    def add(self, runtime: Runtime, email: str, came_from: str, *, channel: ChannelName = "email") -> bool:
        """Make a link for a mailbox, and queue its message, if the mailbox belongs to somebody on the staff.

        Args:
            runtime: has the database, the clock and the settings.
            email: the mailbox.
            came_from: network of the browser.
            channel: `email`, or `sms` for a text to the account's phone, if it has one.

        Returns:
            Whether it was taken up; it must not show in the answer.
        """
        full = len(self._under_way) >= MAX_REQUESTS or self._networks[came_from] >= MAX_OF_A_NETWORK
        if full or email in self._under_way:
            return False
        task = self._under_way[email] = asyncio.create_task(self._make(runtime, email, came_from, channel))
        self._networks[came_from] += 1
        task.add_done_callback(lambda _: self._remove(email, came_from))
        return True

    @property
    def under_way(self) -> int:
        """Number of requests that wait or are being made."""
        return len(self._under_way)

    async def done(self) -> None:
        """Wait for those that are under way."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    def _remove(self, email: str, came_from: str) -> None:
        del self._under_way[email]
        self._networks[came_from] -= 1
        if not self._networks[came_from]:
            del self._networks[came_from]

    async def _make(self, runtime: Runtime, email: str, came_from: str, channel: ChannelName) -> None:
        try:
            async with self._turn:
                is_queued = await _queue(runtime, email, came_from, channel)
            if is_queued:
                await runtime.wake("deliver")
        except TooManyTries:
            log.info("a sign-in link was asked for too often")  # the earlier links are in their mailbox
        except AWAY:
            log.warning("a sign-in link could not be made: the database is away")
        except Exception:
            log.exception("a sign-in link could not be made")


REQUESTS: Final = web.AppKey("link_requests", LinkRequests)


async def _queue(runtime: Runtime, email: str, came_from: str, channel: ChannelName) -> bool:
    """Queue the message with a link; return whether there is anybody to get it.

    Raises:
        TooManyTries: somebody asks again and again for this account from this network.
    """
    settings, now = runtime.settings, runtime.clock()
    by_text = channel == "sms"
    by = Actor(ActorKind.SYSTEM, "sign-in page", None, came_from)
    async with runtime.pool.acquire() as db:
        staff = await find_staff(db, email)
        if staff is None:
            return False
        await take_try(db, LINKS, f"{staff['staff_id']} {came_from}", now=now)
        async with db.transaction():
            path = await make_requested_link(db, email, now=now, by=by, by_text=by_text)
            if path is None:
                return False
            await queue_sign_in_link(
                db, settings, channel=channel, sender=settings.sms_from or "" if by_text else settings.email_from,
                address=staff["phone" if by_text else "email"], name=staff["name"],
                link=settings.public_url + path, minutes=REQUESTED_LINK_MINUTES,
                until=now + timedelta(minutes=REQUESTED_LINK_MINUTES), by=by.name, now=now,
            )  # fmt: skip
    return True
