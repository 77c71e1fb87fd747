"""Who may use the sandbox: this machine's programs, and its owner's browser on no other site's behalf.

Its pages hold every mail and text, in a demonstration with a real member file too. A page of another site could have
its own name lead to this machine (DNS rebinding) and read them; so the name that a request is for is looked at.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from core.http.web import leads_here


def only_for(names: Collection[str]) -> Middleware:
    """Make the middleware that lets in what is asked for by a name of ours.

    Args:
        names: host names that lead here beside `localhost`. An address without a name always does: nobody else's
            page is at one of ours.
    """
    ours = {name.lower() for name in names}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not leads_here(request.headers.get("Host", ""), ours):
            raise web.HTTPMisdirectedRequest(
                text="The sandbox is not at that name. Open it by its address, or start it with --host-name.\n"
            )
        if request.method not in {"GET", "HEAD"} and not _is_own(request):
            raise web.HTTPForbidden(text="Only a page of the sandbox itself can answer for a member: press there.\n")
        return await handler(request)

    return guard


def _is_own(request: web.Request) -> bool:
    """Whether a program asks, or a browser for a page of ours: by Sec-Fetch-Site, or by Origin where it sends none."""
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("Host", "").lower()
