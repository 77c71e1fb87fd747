"""Shared parts of web handlers: the runtime at `request.app[RUNTIME]`, errors for programs, refusals."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from core.runtime import Runtime

RUNTIME: Final = web.AppKey("runtime", Runtime)


def problem(
    status: int, detail: str, *, remedy: str = "", headers: Mapping[str, str] | None = None, **more: Any
) -> web.Response:
    """Build an error response for a program (RFC 9457).

    Args:
        status: the HTTP status.
        detail: the error, in one sentence for the person who runs that program.
        remedy: the next step.
        headers: beside the content type.
        more: further members.
    """
    members = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body = orjson.dumps({**members, **({"remedy": remedy} if remedy else {}), **more})
    return web.Response(status=status, body=body, content_type="application/problem+json", headers=headers)


@web.middleware
async def refuse_compressed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a compressed body: no legitimate client sends one, and a small one may unpack to a huge one."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        raise web.HTTPUnsupportedMediaType(
            text="Compressed requests are not taken. Send it without Content-Encoding.\n",
            headers={"Accept-Encoding": "identity"},  # RFC 9110, 12.5.3
        )
    return await handler(request)


@web.middleware
async def refuse_nul(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 404 for a path with a NUL, which PostgreSQL takes in no text; a line end may be glued to a link."""
    if "\0" in request.path:
        raise web.HTTPNotFound
    return await handler(request)


def leads_here(host: str, names: Collection[str]) -> bool:
    """Tell whether a request names an address or a host name of ours.

    A page elsewhere may point its own host name here (DNS rebinding).

    Args:
        host: the header `Host`.
        names: host names, in lower case, that are ours beside `localhost`.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
