"""What staff see: a live, read-only console under `/console/`.

`setup(app)` is all a web application needs; it must hold the runtime at `app[messaging.web.RUNTIME]`.
"""

from __future__ import annotations

from aiohttp import web

from console.live import LIVE, Live
from console.pages import routes
from messaging.web import RUNTIME

__all__ = ["routes", "setup"]


def setup(app: web.Application) -> None:
    """Add the console to a web application, and end its open streams when the application stops."""
    live = Live(app[RUNTIME])

    async def close(_app: web.Application) -> None:
        await live.close()

    app[LIVE] = live
    app.on_shutdown.append(close)
    app.add_routes(routes())
