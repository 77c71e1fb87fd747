"""Access control of every console page: sign-in, protection from other sites' forms, and security headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from aiohttp import web
from yarl import URL

from console.rendering import ACTOR, STAFF, render_page
from core.access import Actor
from core.db import AWAY
from core.errors import NotFound
from core.http.client_network import client_network
from core.http.web import RUNTIME
from core.outages import POSTGRES
from core.settings import Settings
from staff.grants import grants_of
from staff.sign_in import SESSION_LASTS, Admission, admit

PageHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # our own forms need their Origin: `no-referrer` would make it "null"
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
"""Headers of every response of the console."""


def for_anyone(handler: PageHandler) -> PageHandler:
    """Wrap a handler open to everybody: refuse other sites' forms, and turn errors into pages that say what to do."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            if request.method == "POST" and not from_our_own_page(request):
                response: web.StreamResponse = render_page(
                    request, "refused", status=403, public_url=request.app[RUNTIME].settings.public_url
                )
            else:
                response = await handler(request)
        except NotFound as error:
            response = render_page(request, "missing", status=404, error=error)
        except AWAY as error:
            request.app[RUNTIME].outages.away(POSTGRES, error)
            response = render_page(request, "unavailable", status=503)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return guarded


def for_staff(handler: PageHandler, *, opens_page: bool = True) -> PageHandler:
    """Wrap a handler that is open to staff only; everybody else is shown how to sign in (401).

    Args:
        handler: the handler; it finds the person signed in at `request[STAFF]`, and what they may at `request[ACTOR]`.
        opens_page: see `staff.sign_in.admit`.
    """

    async def guarded(request: web.Request) -> web.StreamResponse:
        runtime = request.app[RUNTIME]
        admitted = await admit_actor(request, opens_page=opens_page)
        if admitted is None:
            response: web.StreamResponse = render_page(request, "sign_in", status=401)
            response.headers["WWW-Authenticate"] = 'Sign-In-Link realm="Muster console"'
            return response
        admission, actor = admitted
        request[STAFF], request[ACTOR] = admission.staff, actor
        if actor.sight().people:
            response = await handler(request)
        else:
            response = render_page(
                request, "failed", status=403, message="Your account may not see anything here.",
                remedy="Ask an administrator for a role in your branch or region; then load this page again.",
            )  # fmt: skip
        if admission.cookie is not None and not response.prepared:
            set_session(response, admission.cookie, runtime.settings)
        return response

    return for_anyone(guarded)


async def admit_actor(request: web.Request, *, opens_page: bool) -> tuple[Admission, Actor] | None:
    """Admit whoever holds the session of a request, with the grants that they have now.

    Args:
        request: the request, with its cookie.
        opens_page: see `staff.sign_in.admit`.

    Returns:
        Their session, and who they are for row-level security and the audit; None where nobody is signed in.
    """
    runtime = request.app[RUNTIME]
    now = runtime.clock()
    async with runtime.pool.acquire() as db:  # sessions and grants are for no login of staff
        admission = await admit(db, session_token(request), now=now, opens_page=opens_page)
        if admission is None:
            return None
        grants = await grants_of(db, admission.staff.staff_id, now)
    return admission, replace(admission.staff.actor(client_network(request)), grants=grants)


def from_our_own_page(request: web.Request) -> bool:
    """Whether a form was sent from a page of ours: by Sec-Fetch-Site, or by Origin if a browser sends none."""
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site == "same-origin"
    try:  # not with the request's Host, which anybody chooses who points a name of their own here
        return URL(request.headers.get("Origin", "")).origin() == URL(request.app[RUNTIME].settings.public_url).origin()
    except ValueError:
        return False


def is_https(settings: Settings) -> bool:
    """Whether browsers reach the console by HTTPS."""
    return settings.public_url.startswith("https://")


def cookie_name(settings: Settings) -> str:
    """Return the cookie's name; `__Host-` makes browsers accept it only from this host over HTTPS."""
    return "__Host-muster" if is_https(settings) else "muster"


def session_token(request: web.Request) -> str | None:
    """Return the token in the browser's cookie."""
    return request.cookies.get(cookie_name(request.app[RUNTIME].settings))


def set_session(response: web.StreamResponse, token: str, settings: Settings) -> None:
    """Set the session cookie; scripts cannot read it."""
    response.set_cookie(
        cookie_name(settings),
        token,
        path="/",
        max_age=int(SESSION_LASTS.total_seconds()),
        httponly=True,
        secure=is_https(settings),
        samesite="Lax",
    )


def forget_session(response: web.StreamResponse, settings: Settings) -> None:
    """Delete the session cookie."""
    response.del_cookie(cookie_name(settings), path="/", secure=is_https(settings), httponly=True, samesite="Lax")
