"""Error responses for webhook requests. Nothing of a request is kept unless its sender is verified."""

from __future__ import annotations

import structlog
from aiohttp import web

from core.control_characters import without_controls
from core.http.web import RUNTIME
from core.log_limit import LOG_LIMIT
from webhooks.inbound_log.inbound_log import store_malformed

log = structlog.get_logger(__name__)


def forged(request: web.Request) -> web.HTTPForbidden:
    """Refuse a request whose signature is missing or wrong; nothing is kept."""
    note_forged(request, "a webhook with a wrong signature")
    return web.HTTPForbidden(text="The signature is missing or wrong.\n")


def note_forged(request: web.Request, event: str, **more: object) -> None:
    """Log that a request did not come from the provider; rate-limited, because senders can repeat it at will."""
    request.app[LOG_LIMIT].write(event, request.path, remote=request.remote, **more)


async def malformed(request: web.Request, source: str, problem: str, body: bytes) -> web.HTTPBadRequest:
    """Refuse a verified request that cannot be read; the body is kept for a person to look at.

    Args:
        request: the webhook.
        source: its sender.
        problem: the error in it.
        body: as it came.

    Raises:
        Unavailable: the database does not answer.
    """
    log.warning("a webhook that cannot be read", path=request.path, problem=problem)
    await store_malformed(request.app[RUNTIME], source=source, problem=without_controls(problem)[:500], body=body)
    return web.HTTPBadRequest(text="The body cannot be read.\n")
