"""Routes and handlers under `/console/`, each with its access control."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from aiohttp import web

from console import attention
from console.assets import PATH as ASSETS
from console.assets import get_asset
from console.ballot_status import DEFAULT_ORDER
from console.guard import for_anyone, for_staff, forget_session, session_token, set_session
from console.live import LIVE, stream
from console.rendering import ACTOR, render_page
from console.views import BallotView, CampaignView, OverviewView, View, read_page_state
from core.errors import NotFound
from core.http.client_network import client_network
from core.http.web import RUNTIME
from staff.sign_in import SIGN_IN_PATH, admit, end_session, link_works, use_link

HOME: Final = "/console/"
MAX_SEARCH_LENGTH: Final = 80

MakeView = Callable[[web.Request], View]
"""Function that reads the view to show from the path and query."""


def routes() -> list[web.RouteDef]:
    """List every route of the console."""
    return [
        web.get("/console", for_anyone(go_home)),
        web.get(f"{ASSETS}/{{name}}", for_anyone(get_asset)),
        web.get(SIGN_IN_PATH, for_anyone(get_sign_in)),
        web.get(f"{SIGN_IN_PATH}/{{token}}", for_anyone(get_link)),
        web.post(f"{SIGN_IN_PATH}/{{token}}", for_anyone(post_link)),
        web.post("/console/sign-out", for_anyone(post_sign_out)),
        *_page(HOME, "overview", overview),
        *_page("/console/campaigns/{name}", "campaigns/{name}", campaign),
        *_page("/console/ballots/{name}", "ballots/{name}", ballot),
        web.route("*", "/console/{rest:.*}", for_staff(no_such_page)),
    ]


def _page(path: str, live: str, make: MakeView) -> list[web.RouteDef]:
    """Make the routes of a page and of the stream of its updates."""
    return [
        web.get(path, for_staff(partial(show, make))),
        web.get(f"/console/live/{live}", for_staff(partial(follow, make), opens_page=False), allow_head=False),
    ]


def overview(_request: web.Request) -> View:
    """Return the view of the first page."""
    return OverviewView()


def campaign(request: web.Request) -> View:
    """Return the view of one campaign."""
    return CampaignView(request.match_info["name"])


def ballot(request: web.Request) -> View:
    """Return the view of one ballot, sorted and filtered as the query says."""
    return BallotView(
        request.match_info["name"],
        request.query.get("sort", DEFAULT_ORDER)[:MAX_SEARCH_LENGTH],
        request.query.get("find", "").strip()[:MAX_SEARCH_LENGTH],
    )


async def show(make: MakeView, request: web.Request) -> web.Response:
    """Answer with the page in its current state, and record whose replies are on it."""
    view, actor, runtime = make(request), request[ACTOR], request.app[RUNTIME]
    page_state = await read_page_state(view, request.app[LIVE].figures, actor.sight())
    if page_state.replies:
        async with runtime.pool.acquire() as db:
            await attention.record_seen(db, actor, page_state.replies, runtime.clock())
    return render_page(request, view.template, page_state=page_state, stream=view.stream, **page_state.facts)


async def follow(make: MakeView, request: web.Request) -> web.StreamResponse:
    """Stream the page's updates."""
    return await stream(request, make(request))


async def go_home(_request: web.Request) -> web.Response:
    """Redirect `/console` to `/console/`."""
    return _to(HOME)


async def get_sign_in(request: web.Request) -> web.Response:
    """Show how to sign in."""
    return render_page(request, "sign_in")


async def get_link(request: web.Request) -> web.Response:
    """Show a button: link scanners press none, so that fetching the link does not use it up."""
    runtime = request.app[RUNTIME]
    async with runtime.pool.acquire() as db:
        works = await link_works(db, request.match_info["token"], now=runtime.clock())
    return render_page(request, "link") if works else _spent(request)


async def post_link(request: web.Request) -> web.Response:
    """Sign in after the button was pressed: the link is used up and a session begins."""
    runtime = request.app[RUNTIME]
    current_token = session_token(request)
    async with runtime.pool.acquire() as db:
        token = await use_link(
            db,
            request.match_info["token"],
            now=runtime.clock(),
            replaces=current_token,
            came_from=client_network(request),
        )
        if token is None and await admit(db, current_token, now=runtime.clock(), opens_page=False) is not None:
            return _to(HOME)  # a double click: the first click signed in
    if token is None:
        return _spent(request)
    response = _to(HOME)
    set_session(response, token, runtime.settings)
    return response


async def post_sign_out(request: web.Request) -> web.Response:
    """End the session here and in the browser."""
    runtime = request.app[RUNTIME]
    if (token := session_token(request)) is not None:
        async with runtime.pool.acquire() as db:
            await end_session(db, token, now=runtime.clock(), came_from=client_network(request))
    response = _to(SIGN_IN_PATH)
    forget_session(response, runtime.settings)
    return response


async def no_such_page(request: web.Request) -> web.Response:
    """Answer any other path; only staff learn which paths exist."""
    raise NotFound(f"There is no page at {request.path}.", remedy="The overview links to all pages.")


def _spent(request: web.Request) -> web.Response:
    """Show one page for links that are unknown, used or expired, so that it does not reveal which."""
    return render_page(request, "spent", status=404)


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path, "Cache-Control": "no-store"})
