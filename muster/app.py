"""Web application: webhooks and members' pages, the turnout API, the staff console, health and metrics."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Final

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from redis.exceptions import RedisError

import api
import console
import webhooks
from core.db.migrate import missing
from core.errors import Conflict, DatabaseAway, InputError, MusterError, NotFound, Unavailable
from core.http.web import RUNTIME, problem, refuse_compressed, refuse_nul
from core.log_limit import LOG_LIMIT, LogLimit
from core.outages import POSTGRES
from core.plurals import plural
from core.runtime import Runtime
from muster.metrics import METRICS, Metrics, get_metrics, route_of
from muster.server_errors import server_of

MAX_REQUEST_SIZE: Final = 1024 * 1024
"""Bytes; far more than any provider's webhook or any form of ours."""

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
    "Server": "Muster",
}
"""Headers of every response that does not set them itself."""

KEPT: Final = ("Accept-Encoding", "Allow", "WWW-Authenticate")
"""Headers of an aiohttp error that its response keeps."""

FOR_PROGRAMS: Final = ("/api/", "/webhooks/", "/healthz", "/readyz", "/metrics")
"""Paths at which errors are reported as JSON."""

_STATUS: Final[dict[type[MusterError], int]] = {NotFound: 404, Conflict: 409, InputError: 400, Unavailable: 503}

log = structlog.get_logger(__name__)


def make_app(runtime: Runtime) -> web.Application:
    """Make the whole web application on one runtime."""
    middlewares = [_measure, _explain, refuse_nul, refuse_compressed]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_REQUEST_SIZE)
    app[RUNTIME] = runtime
    app[METRICS] = Metrics()
    app[LOG_LIMIT] = LogLimit()
    app.on_response_prepare.append(_add_headers)
    app.add_routes([web.get("/healthz", get_health), web.get("/readyz", get_ready), web.get("/metrics", get_metrics)])
    app.add_routes([web.get("/", get_front)])
    console.setup(app)
    api.setup(app)
    app.add_routes(webhooks.routes())  # last: a member's link is any first word in a path
    return app


async def get_front(request: web.Request) -> web.Response:
    """Answer a visitor who comes without a link."""
    return webhooks.respond_at_front(request)


async def get_health(_request: web.Request) -> web.Response:
    """Report that this process is alive, whether or not its servers answer."""
    return web.Response(text="alive\n")


async def get_ready(request: web.Request) -> web.Response:
    """Report whether this process can do its work: 200, or 503 and what is missing."""
    runtime = request.app[RUNTIME]
    database, redis = await asyncio.gather(_database_state(runtime), _redis_state(runtime))
    ready = database == redis == "ok"
    body = {"ready": ready, "database": database, "redis": redis}
    return web.json_response(body, status=200 if ready else 503, dumps=lambda value: orjson.dumps(value).decode())


async def _database_state(runtime: Runtime) -> str:
    try:
        async with asyncio.timeout(3), runtime.pool.acquire() as db:
            pending = await missing(db)
    except Conflict as error:
        return error.message
    except Exception as error:  # noqa: BLE001  # any failure means not ready
        return f"does not answer ({type(error).__name__})"
    return f"lacks {plural(len(pending), 'migration')}; run: muster migrate" if pending else "ok"


async def _redis_state(runtime: Runtime) -> str:
    try:
        async with asyncio.timeout(3):
            await runtime.redis.ping()
    except (RedisError, OSError) as error:
        return f"does not answer ({type(error).__name__})"
    return "ok"


@web.middleware
async def _measure(request: web.Request, handler: Handler) -> web.StreamResponse:
    started, status = time.perf_counter(), 499  # the client hung up
    try:
        response = await handler(request)
        status = response.status
    except web.HTTPException as answer:
        status = answer.status
        raise
    else:
        return response
    finally:
        request.app[METRICS].record(request, status, time.perf_counter() - started)


@web.middleware
async def _explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn an error into a response that a person or a program can read."""
    try:
        return await handler(request)
    except web.HTTPException as answer:
        own_words = answer.text != f"{answer.status}: {answer.reason}"
        kept = own_words and not webhooks.is_members(request) and not request.path.startswith("/webhooks/")
        if answer.status < 400 or kept:
            raise  # a redirect, or an error with a text of its own for a person
        words = ((answer.text or "").strip(), "") if own_words else _words(answer.status)
        response = _answer(request, answer.status, *words)
        response.headers.update({name: answer.headers[name] for name in KEPT if name in answer.headers})
        return response
    except (HttpProcessingError, web.RequestPayloadError):
        return _answer(request, 400, "The request's body could not be read.", "")  # the error's text may quote the body
    except MusterError as error:
        return _answer_error(request, error)
    except Exception as error:
        if isinstance(error, ConnectionError) and _has_hung_up(request):
            raise
        if (server := server_of(error)) is not None:
            return _answer_away(request, server, error)
        log.exception("a request failed", route=route_of(request))
        return _answer(request, 500, *_words(500))


def _answer_error(request: web.Request, error: MusterError) -> web.Response:
    if isinstance(error, DatabaseAway):
        return _answer_away(request, POSTGRES, error)
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    return _answer(request, status, error.message, error.remedy)


def _answer_away(request: web.Request, server: str, error: Exception) -> web.Response:
    """Answer 503 when a server that Muster needs is away; the log says which one."""
    request.app[RUNTIME].outages.note_outage(server, error)
    return _answer(request, 503, "Muster cannot answer just now.", "Please try again in a few minutes.")


def _has_hung_up(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _words(status: int) -> tuple[str, str]:
    match status:
        case 404:
            return "There is nothing here.", "Check the address: it may have been cut off when it was copied."
        case 413:
            return "That is too large.", f"At most {MAX_REQUEST_SIZE // 1024} KB are taken."
        case 500:
            return "Something went wrong on our side.", "It has been written down. Please try again later."
        case _:
            return f"{HTTPStatus(status).phrase}.", ""


def _answer(request: web.Request, status: int, message: str, remedy: str) -> web.Response:
    if not webhooks.is_members(request) and _is_program(request):
        return problem(status, message, remedy=remedy, headers={"Retry-After": "30"} if status == 503 else {})
    if request.path.startswith("/console/"):
        return console.explain(request, status, message, remedy)
    return webhooks.respond_to_unknown_link(request, status)  # a visitor at an unknown path may well be a member


def _is_program(request: web.Request) -> bool:
    """Tell whether the client is a program: by the path, or because no header says that a person reads the response."""
    if request.path.startswith(FOR_PROGRAMS):
        return True
    agent = webhooks.classify(request.headers.get("User-Agent", ""))
    return agent in {"tool", "none"} and "text/html" not in request.headers.get("Accept", "")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        if name == "Server":
            response.headers[name] = value  # hides the library and its version
        else:
            response.headers.setdefault(name, value)
    if request.app[RUNTIME].settings.is_https:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
