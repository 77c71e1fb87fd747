"""What every web handler shares: the runtime at `request.app[RUNTIME]`, and how programs are told what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

from messaging.runtime import Runtime

RUNTIME: Final = web.AppKey("runtime", Runtime)


def problem(
    status: int, detail: str, *, remedy: str = "", headers: Mapping[str, str] | None = None, **more: Any
) -> web.Response:
    """An error for a program (RFC 9457).

    Args:
        status: HTTP.
        detail: what went wrong, one sentence for the person who runs that program.
        remedy: what to do about it.
        headers: beside the content type.
        more: further members.
    """
    said = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body = orjson.dumps({**said, **({"remedy": remedy} if remedy else {}), **more})
    return web.Response(status=status, body=body, content_type="application/problem+json", headers=headers)
