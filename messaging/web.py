"""Where web handlers find the runtime: `request.app[RUNTIME]`."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from messaging.runtime import Runtime

RUNTIME: Final = web.AppKey("runtime", Runtime)
