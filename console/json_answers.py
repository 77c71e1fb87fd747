"""JSON that a page's script sends and gets, about passkeys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from core.http.request_bodies import plain_json, read_body


async def read_json_object(request: web.Request) -> dict[str, Any]:
    """Read the object that a script sent; an empty one if it sent none."""
    try:
        answer = plain_json(orjson.loads(await read_body(request)))
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def respond(answer: Mapping[str, Any] | str) -> web.Response:
    """Answer a script, with an object or with JSON that is made already."""
    body = answer.encode() if isinstance(answer, str) else orjson.dumps(answer)
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def refuse(message: str, *, status: int = 422) -> web.Response:
    """Tell a script what went wrong, in words for its reader."""
    response = respond({"message": message})
    response.set_status(status)
    return response
