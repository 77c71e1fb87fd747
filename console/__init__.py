"""What staff see: a live, read-only console under `/console/`.

`setup(app)` is all a web application needs; it must hold the runtime at `app[core.http.web.RUNTIME]`. `explain` is the
page for what goes wrong under `/console/` before or behind the console's own handlers.
"""

from __future__ import annotations

from aiohttp import web

from console.live import LIVE, Live
from console.pages import routes
from console.rendering import render_page
from core.http.web import RUNTIME

__all__ = ["explain", "routes", "setup"]


def setup(app: web.Application) -> None:
    """Add the console to a web application, and end its open streams when the application stops."""
    live = Live(app[RUNTIME])

    async def close(_app: web.Application) -> None:
        await live.close()

    app[LIVE] = live
    app.on_shutdown.append(close)
    app.add_routes(routes())


def explain(request: web.Request, status: int, message: str, remedy: str) -> web.Response:
    """Show staff what went wrong and what to do.

    Args:
        request: what asked for a page.
        status: HTTP status.
        message: what went wrong.
        remedy: what to do; may be empty.
    """
    return render_page(request, "failed", status=status, message=message, remedy=remedy)
