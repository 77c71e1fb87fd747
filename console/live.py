"""Live updates of pages: one reader of the database for all viewers with the same scope, and events to each of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

import orjson
import structlog
from aiohttp import web
from aiohttp_sse import sse_response

from console import attention
from console.guard import HEADERS, session_token
from console.rendering import ACTOR
from console.views import Figures, PageState, Section, View, read_page_state
from core.access import ReadScope
from core.db import AWAY
from core.http.web import RUNTIME
from core.outages import POSTGRES
from core.runtime import Runtime
from people.scope import ScopedPools
from staff.sessions import admit_session

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = 2.0
"""Seconds between two reads of the database."""
REST_FACTOR: Final = 10
"""After a slow read, the pause is this many times as long: updates never take more than a tenth of a connection."""
CHECK_EVERY: Final = timedelta(seconds=10)
"""Time between two looks at whether a stream's session has ended, or what its reader may see has changed."""
REPLIES: Final = "replies"
"""Name of the section with replies."""


class Viewer:
    """Viewer of one open page, with the updates still to send.

    A slow viewer gets only the latest state of each section.

    Args:
        have: digests of the sections the page already shows.
    """

    def __init__(self, have: Collection[str]) -> None:
        self._have = set(have)
        self._changed: dict[str, Section] = {}
        self._beat: dict[str, str] | None = None
        self._stir = asyncio.Event()
        self._replies: frozenset[int] = frozenset()
        self._recorded: frozenset[int] = frozenset()
        self.over = False

    def show(self, page_state: PageState, beat: dict[str, str]) -> None:
        """Queue the sections that have changed, and the beat."""
        sections = page_state.sections.values()
        for section in sections:
            if section.digest not in self._have:
                self._changed[section.name] = section
        if REPLIES in self._changed:
            # "5 minutes ago" changes the section too: somebody who was shown a reply is not recorded again for it
            self._replies = page_state.replies - self._recorded
        else:
            self._recorded |= page_state.replies
        self._have = {section.digest for section in sections}
        self._beat = beat
        self._stir.set()

    def end(self) -> None:
        """End the stream."""
        self.over = True
        self._stir.set()

    def take_replies(self) -> frozenset[int]:
        """Take the ids of new replies in the updates that were returned last, to be recorded before they are sent."""
        taken, self._replies = self._replies, frozenset()
        self._recorded |= taken
        return taken

    async def updates(self, idle_timeout: float) -> list[tuple[str, dict[str, str]]]:
        """Wait for updates: pairs `(event, data)`; none after `idle_timeout` seconds without one."""
        try:
            async with asyncio.timeout(idle_timeout):
                await self._stir.wait()
        except TimeoutError:
            return []
        self._stir.clear()
        events = [
            ("section", {"name": section.name, "digest": section.digest, "html": str(section.html)})
            for section in self._changed.values()
        ]
        self._changed.clear()
        if self._beat is not None:
            events.append(("beat", self._beat))
        return events


class Live:
    """Reads the database while any page is open, and sends every page what has changed on it.

    Args:
        runtime: has the settings and the clock.
        pools: open the transactions that see what a viewer may.
        every: seconds between two reads.
    """

    def __init__(self, runtime: Runtime, pools: ScopedPools, *, every: float = LOOK_EVERY) -> None:
        self.figures = Figures(runtime, pools, max_age=every / 2)
        self._runtime = runtime
        self._zone = ZoneInfo(runtime.settings.time_zone)
        self._every = every
        self._viewers: dict[tuple[View, ReadScope], set[Viewer]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    @contextlib.asynccontextmanager
    async def watch(self, view: View, scope: ReadScope, have: Collection[str] = ()) -> AsyncIterator[Viewer]:
        """Follow a view while the context is open.

        Args:
            view: the view to follow.
            scope: what its viewer sees; only those who see the same share updates.
            have: digests of the sections the page already shows.

        Raises:
            NotFound: there is no campaign or ballot of that name.
        """
        viewer, watched = Viewer(have), (view, scope)
        page_state = await read_page_state(view, self.figures, scope)
        self._viewers.setdefault(watched, set()).add(viewer)
        try:
            viewer.show(page_state, self._beat(page_state))
            if not self.looking:
                self._looking = asyncio.create_task(self._look())
            if self._closed:
                viewer.end()
            yield viewer
        finally:
            self._viewers[watched].discard(viewer)
            if not self._viewers[watched]:
                del self._viewers[watched]

    @property
    def looking(self) -> bool:
        """Tell whether the database is being read for any page."""
        return self._looking is not None and not self._looking.done()

    async def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closed = True
        for viewers in self._viewers.values():
            for viewer in viewers:
                viewer.end()
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while self._viewers:
            await asyncio.sleep(self._every)
            began = loop.time()
            for view, scope in list(self._viewers):
                await self._show(view, scope)
            await asyncio.sleep(max(0.0, REST_FACTOR * (loop.time() - began) - self._every))

    async def _show(self, view: View, scope: ReadScope) -> None:
        """Send a view's updates to all its viewers. Without a beat, their pages show that they are not live."""
        try:
            page_state = await read_page_state(view, self.figures, scope)
            beat = self._beat(page_state)
        except AWAY as error:
            self._runtime.outages.note_outage(POSTGRES, error)
            return
        except Exception:
            # the other views must still be read
            log.exception("a live page could not be rendered", page=type(view).__name__)
            return
        for viewer in self._viewers.get((view, scope), ()):
            viewer.show(page_state, beat)

    def _beat(self, page_state: PageState) -> dict[str, str]:
        now = self._runtime.clock().astimezone(self._zone)
        return {"at": f"{now:%H:%M:%S}", "summary": page_state.summary}


LIVE: Final = web.AppKey("live", Live)


async def stream(request: web.Request, view: View) -> web.StreamResponse:
    """Send a page its updates until it goes away, the session ends or the server stops.

    It ends, too, when its reader's grants have changed: the page asks again, and gets what they see now. Replies are
    recorded in the audit before they are sent.

    Events: `section` replaces one section, `beat` says that the page is up to date, `over` that it is signed out.
    """
    runtime = request.app[RUNTIME]
    have = request.query.get("have", "").split(",")
    checked, actor = runtime.clock(), request[ACTOR]
    scope = actor.read_scope()
    async with request.app[LIVE].watch(view, scope, have) as viewer, sse_response(request, headers=HEADERS) as response:
        while response.is_connected() and not viewer.over:
            updates = await viewer.updates(idle_timeout=15)
            try:
                if replies := viewer.take_replies():
                    async with runtime.pool.acquire() as db:
                        await attention.record_seen(db, actor, replies, runtime.clock())
                for event, data in updates:
                    await response.send(orjson.dumps(data).decode(), event=event, retry=3000)
            except (*AWAY, ConnectionError, TimeoutError):
                return response
            if runtime.clock() - checked > CHECK_EVERY:
                checked = runtime.clock()
                seen = await _sees_now(request, runtime, scope)
                if seen is None:
                    await response.send("{}", event="over")
                if seen != scope:
                    break
    return response


async def _sees_now(request: web.Request, runtime: Runtime, scope: ReadScope) -> ReadScope | None:
    """Return what the reader of a stream sees now; None if they are no longer signed in, or a second factor is due."""
    try:
        async with runtime.pool.acquire() as db:
            admission = await admit_session(db, session_token(request), now=runtime.clock(), opens_page=False)
    except AWAY:
        return scope  # the page shows that it is not live; signing out would only hide the reason
    if admission is None or admission.staff.awaits_second_factor:
        return None
    return admission.staff.actor("").read_scope()
