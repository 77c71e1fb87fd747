"""JSON for programs: the turnout feed, keys to read it with, and its OpenAPI document.

A web application needs only `setup(app)`, and the runtime at `app[core.http.web.RUNTIME]`.
"""

from __future__ import annotations

from aiohttp import web

from api.auth import ApiAuth
from api.openapi import get_openapi
from api.turnout.changes import get_changes
from api.turnout.long_poll import LONG_POLL, LongPoll
from api.turnout.snapshots import Snapshots
from core.http.web import RUNTIME

__all__ = ["setup"]


def setup(app: web.Application) -> None:
    """Add the feed to a web application, and end what waits when the application stops."""
    api_auth, long_poll = ApiAuth(), LongPoll(app[RUNTIME])

    async def close(_app: web.Application) -> None:
        await long_poll.close()

    app[LONG_POLL] = long_poll
    app.on_shutdown.append(close)
    app.add_routes(
        [
            web.get("/api/v1/openapi.json", get_openapi),
            web.get("/api/v1/turnout/{ballot}/changes", api_auth.reads_turnout(get_changes), allow_head=False),
            web.get("/api/v1/turnout/{ballot}/snapshot", api_auth.reads_turnout(Snapshots().get), allow_head=False),
        ]
    )
