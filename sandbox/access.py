"""Access control of the sandbox: for this machine's programs and its owner's browser, not for other sites' pages.

Its pages hold every mail and text, in a demo with a real member file, too. A page of another site could point its own
name to this machine (DNS rebinding) and read them; so the host name of each request is checked.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from core.http.web import leads_here


def only_for(names: Collection[str]) -> Middleware:
    """Make the middleware that lets in requests for our own host names.

    Args:
        names: host names of the sandbox beside `localhost`. Requests for a plain IP address are always let in: no other
            site has a page at one of ours.
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
    """Tell whether a program or a page of ours sent a request, by Sec-Fetch-Site, or Origin if a browser sends none."""
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("Host", "").lower()
