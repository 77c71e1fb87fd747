"""The turnout feed for other systems: changes, snapshots, and keys to read them with.

`setup(app)` is all a web application needs; it must hold the runtime at `app[messaging.web.RUNTIME]`.
"""

from __future__ import annotations

from aiohttp import web

from messaging.web import RUNTIME
from webhooks.feed.changes import get_changes
from webhooks.feed.gate import Gate
from webhooks.feed.openapi import get_openapi
from webhooks.feed.snapshots import Snapshots
from webhooks.feed.tide import TIDE, Tide

__all__ = ["setup"]


def setup(app: web.Application) -> None:
    """Add the feed to a web application, and end what waits when the application stops."""
    gate, tide = Gate(), Tide(app[RUNTIME])

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
