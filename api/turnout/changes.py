"""`GET /api/v1/turnout/{ballot}/changes`: changes after a position in the feed; at once, by long poll, or streamed."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Final

from aiohttp import web
from aiohttp_sse import sse_response
from pydantic import TypeAdapter, ValidationError

from api.auth import still_admitted
from api.keys import Key
from api.turnout.long_poll import LONG_POLL
from api.turnout.payloads import Change, Changes, ChangesQuery, FeedPosition, read_query
from ballots import feed
from ballots.ballots import Ballot
from core.http.web import RUNTIME, problem
from core.runtime import Runtime

EVENT_STREAM: Final = "text/event-stream"
KEEPALIVE_AFTER: Final = 15.0
"""Seconds of silence after which a stream sends a keep-alive."""
SEND_TIMEOUT: Final = 30.0
"""Seconds a reader has to take a chunk; then it is disconnected, and can come back with its last position."""
CHECK_EVERY: Final = timedelta(seconds=60)
"""Time within which a stream ends after its key was revoked."""
_POSITION: Final[TypeAdapter[int]] = TypeAdapter(FeedPosition)


async def get_changes(request: web.Request, ballot: Ballot, _key: Key) -> web.StreamResponse:
    """Answer with the changes after a position in the feed."""
    query = read_query(request, ChangesQuery)
    if isinstance(query, web.Response):
        return query
    if EVENT_STREAM in request.headers.get("Accept", ""):
        return await _stream(request, ballot, query)
    runtime = request.app[RUNTIME]
    changes = await _changes(runtime, ballot, query.after, query.limit)
    if not changes and query.wait:
        await request.app[LONG_POLL].wait(ballot.ballot_id, query.after, query.wait)
        changes = await _changes(runtime, ballot, query.after, query.limit)
    answer = Changes(
        ballot=ballot.name,
        changes=changes,
        cursor=changes[-1].seq if changes else query.after,
        more=len(changes) == query.limit,
    )
    return web.Response(body=answer.model_dump_json().encode(), content_type="application/json")


async def _stream(request: web.Request, ballot: Ballot, query: ChangesQuery) -> web.StreamResponse:
    """Stream changes while the client is connected; each change is an event whose id is its position in the feed."""
    after = query.after
    if last := request.headers.get("Last-Event-ID"):
        try:
            after = _POSITION.validate_python(last)
        except ValidationError:
            return problem(400, "Last-Event-ID is not a position in the feed.")
    runtime, long_poll = request.app[RUNTIME], request.app[LONG_POLL]
    checked = runtime.clock()
    changes = await _changes(runtime, ballot, after, query.limit)  # errors here still become a response
    async with sse_response(request) as response:
        while response.is_connected() and not long_poll.closed:
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(SEND_TIMEOUT):
                    for change in changes:
                        await response.send(change.model_dump_json(), id=str(change.seq), event="change")
                        after = change.seq
            if len(changes) < query.limit:
                await long_poll.wait(ballot.ballot_id, after, KEEPALIVE_AFTER)
            if runtime.clock() - checked > CHECK_EVERY:
                checked = runtime.clock()
                if not await still_admitted(request):
                    break
            changes = await _changes(runtime, ballot, after, query.limit)
    return response


async def _changes(runtime: Runtime, ballot: Ballot, after: int, limit: int) -> list[Change]:
    async with runtime.pool.acquire() as db:
        return [Change.of(row) for row in await feed.read_changes(db, ballot.ballot_id, after, limit)]
