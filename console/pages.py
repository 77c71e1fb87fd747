"""Routes and handlers under `/console/`, each with its access control."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from aiohttp import web

from console import attention
from console.account_pages import account_routes
from console.assets import PATH as ASSETS
from console.assets import get_asset
from console.ballot_status import DEFAULT_ORDER
from console.guard import for_anyone, for_staff
from console.live import LIVE, stream
from console.rendering import ACTOR, render_page, to
from console.second_factor_pages import second_factor_routes
from console.sign_in_pages import HOME, sign_in_routes
from console.views import BallotView, CampaignView, OverviewView, View, read_page_state
from core.access import Permission
from core.errors import NotFound
from core.http.web import RUNTIME
from staff.grants import ENOUGH_ADMINISTRATORS, count_administrators

MAX_SEARCH_LENGTH: Final = 80
"""Characters of what a reader searches for."""

MakeView = Callable[[web.Request], View]
"""Function that reads the view to show from the path and query."""


def routes() -> list[web.RouteDef]:
    """List every route of the console."""
    return [
        web.get("/console", for_anyone(go_home)),
        web.get(f"{ASSETS}/{{name}}", for_anyone(get_asset)),
        *sign_in_routes(),
        *second_factor_routes(),
        *account_routes(),
        *_page(HOME, "overview", overview),
        *_page("/console/campaigns/{name}", "campaigns/{name}", campaign),
        *_page("/console/ballots/{name}", "ballots/{name}", ballot),
        web.route("*", "/console/{rest:.*}", for_staff(no_such_page)),
    ]


def _page(path: str, live: str, make: MakeView) -> list[web.RouteDef]:
    """Make the routes of a page and of the stream of its updates."""
    return [
        web.get(path, for_staff(partial(show, make), permission=Permission.SEE)),
        web.get(
            f"/console/live/{live}",
            for_staff(partial(follow, make), permission=Permission.SEE, opens_page=False),
            allow_head=False,
        ),
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
    page_state = await read_page_state(view, request.app[LIVE].figures, actor.read_scope())
    if page_state.replies:
        async with runtime.pool.acquire() as db:
            await attention.record_seen(db, actor, page_state.replies, runtime.clock())
    few = isinstance(view, OverviewView) and await _lacks_administrators(request)
    return render_page(
        request, view.template, page_state=page_state, stream=view.stream, few_administrators=few, **page_state.facts
    )


async def _lacks_administrators(request: web.Request) -> bool:
    """Tell somebody who can make an administrator whether there are too few to help each other."""
    if not request[ACTOR].scope(Permission.GRANT).is_everywhere:
        return False
    runtime = request.app[RUNTIME]
    return await count_administrators(runtime.pool, runtime.clock()) < ENOUGH_ADMINISTRATORS


async def follow(make: MakeView, request: web.Request) -> web.StreamResponse:
    """Stream the page's updates."""
    return await stream(request, make(request))


async def go_home(_request: web.Request) -> web.Response:
    """Redirect `/console` to `/console/`."""
    return to(HOME)


async def no_such_page(request: web.Request) -> web.Response:
    """Answer any other path; only staff learn which paths exist."""
    raise NotFound(f"There is no page at {request.path}.", remedy="The overview links to all pages.")
