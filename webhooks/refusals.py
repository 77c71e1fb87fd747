"""What a provider's webhook is told that we do not take: nothing of it is kept unless we know who sent it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiohttp import web

from messaging.control_characters import without_controls
from messaging.web import RUNTIME
from webhooks.inbox import keep_malformed

log = structlog.get_logger(__name__)


def forged(request: web.Request) -> web.HTTPForbidden:
    """Its signature is missing or wrong; nothing is kept."""
    log.warning("a webhook with a wrong signature", path=request.path, remote=request.remote)
    return web.HTTPForbidden(text="The signature is missing or wrong.\n")


async def malformed(request: web.Request, source: str, problem: str, body: bytes) -> web.HTTPBadRequest:
    """It is the provider's and cannot be read; it is kept for a person to look at.

    Args:
        request: the webhook.
        source: who sent it.
        problem: what is wrong with it.
        body: as it came.

    Raises:
        Unavailable: the database does not answer.
    """
    log.warning("a webhook that cannot be read", path=request.path, problem=problem)
    await keep_malformed(request.app[RUNTIME], source=source, problem=without_controls(problem)[:500], body=body)
    return web.HTTPBadRequest(text="The body cannot be read.\n")


def lacking(said: Mapping[str, Any], needed: Sequence[str]) -> list[str]:
    """Which of the fields we need are not there, or are no words."""
    return [name for name in needed if not isinstance(said.get(name), str) or not said[name]]
