"""Staff console: live, read-only pages under `/console/`.

A web application needs only `setup(app)`, and the runtime at `app[core.http.web.RUNTIME]`. `explain` makes
the page for errors under `/console/` outside the console's own handlers.
"""

from __future__ import annotations

from aiohttp import web

from console.guard import SCOPED
from console.link_requests import REQUESTS, LinkRequests
from console.live import LIVE, Live
from console.pages import routes
from console.rendering import render_page
from console.sign_in_pages import HOME, finish_requests
from core.http.web import RUNTIME
from people.scope import ScopedPools

__all__ = ["explain", "routes", "setup"]


def setup(app: web.Application) -> None:
    """Add the console to a web application, and end its open streams when the application stops."""
    runtime = app[RUNTIME]
    pools = ScopedPools(runtime.pool, runtime.staff_pool, runtime.staff_all_pool)
    live = Live(runtime, pools)

    async def close(_app: web.Application) -> None:
        await live.close()

    app[SCOPED] = pools
    app[LIVE] = live
    app[REQUESTS] = LinkRequests()
    app.on_shutdown.append(close)
    app.on_shutdown.append(finish_requests)
    app.add_routes(routes())


def explain(request: web.Request, status: int, message: str, remedy: str) -> web.Response:
    """Make the page that shows staff what went wrong and what to do.

    Args:
        request: the request that failed.
        status: HTTP status.
        message: the error.
        remedy: the way to mend it; may be empty.
    """
    return render_page(request, "failed", status=status, message=message, remedy=remedy, back=HOME)
