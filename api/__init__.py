"""JSON for programs: the turnout feed, keys to read it with, and its OpenAPI document.

`setup(app)` is all a web application needs; it must hold the runtime at `app[core.http.web.RUNTIME]`.
"""

from __future__ import annotations

from aiohttp import web

from api.auth import ApiAuth
from api.openapi import get_openapi
from api.turnout.changes import get_changes
from api.turnout.long_poll import TIDE, LongPoll
from api.turnout.snapshots import Snapshots
from core.http.web import RUNTIME

__all__ = ["setup"]


def setup(app: web.Application) -> None:
    """Add the feed to a web application, and end what waits when the application stops."""
    gate, tide = ApiAuth(), LongPoll(app[RUNTIME])

    async def close(_app: web.Application) -> None:
        await tide.close()

    app[TIDE] = tide
    app.on_shutdown.append(close)
    app.add_routes(
        [
            web.get("/api/v1/openapi.json", get_openapi),
            web.get("/api/v1/turnout/{ballot}/changes", gate.reads_turnout(get_changes), allow_head=False),
            web.get("/api/v1/turnout/{ballot}/snapshot", gate.reads_turnout(Snapshots().get), allow_head=False),
        ]
    )
