"""Access control of every console page: sign-in, protection from other sites' forms, and security headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web
from yarl import URL

from console.rendering import ACTOR, STAFF, render_page, to
from core.access import Permission
from core.db import AWAY, Connection
from core.errors import NotFound
from core.http.client_network import client_network
from core.http.web import RUNTIME
from core.outages import POSTGRES
from core.settings import Settings
from core.times_in_words import day_in_words
from messaging.channels import has_sms
from people.scope import ScopedPools
from staff.browsers import browser_in_words
from staff.grants import list_ended_grants, list_grants
from staff.grants_in_words import WHOLE_ORGANISATION, grant_in_words
from staff.passkeys import Site, site_of
from staff.second_factor_check import is_fresh
from staff.sessions import SESSION_LASTS, Device, admit_session

PageHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ACCOUNT_PATH: Final = "/console/account"
SECOND_FACTOR_PATH: Final = "/console/second-factor"
SET_UP_PATH: Final = f"{SECOND_FACTOR_PATH}/set-up"
TOKEN: Final = web.RequestKey("token", str)
"""Token of the session: `request[TOKEN]`, in every handler behind `for_staff`."""

SCOPED: Final = web.AppKey("scoped", ScopedPools)
"""Opens transactions that see what an actor may: `as_reader` is for one of a request's own."""

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
            request.app[RUNTIME].outages.note_outage(POSTGRES, error)
            response = render_page(request, "unavailable", status=503)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return guarded


def for_staff(
    handler: PageHandler,
    *,
    permission: Permission | None = None,
    opens_page: bool = True,
    allows_unproven: bool = False,
    fresh: bool = False,
    without_grants: bool = False,
) -> PageHandler:
    """Wrap a handler that is open to staff only; everybody else is shown how to sign in (401).

    Staff who need a second factor and have not proven it are sent to that page first, and staff who have no grant in
    force see no page.

    Args:
        handler: the handler; it finds the person signed in at `request[STAFF]`, who they are for row-level security
            and the audit at `request[ACTOR]`, and the session's token at `request[TOKEN]`.
        permission: what they need in one unit at least; None if any grant will do.
        opens_page: see `staff.sessions.admit_session`.
        allows_unproven: whether the page is one on which a second factor is proven or set up.
        fresh: whether it takes a proof of the last ten minutes: they are led to give one first, or to set a factor up.
        without_grants: whether it opens without a grant in force, as the reader's own account does.
    """

    async def guarded(request: web.Request) -> web.StreamResponse:
        runtime = request.app[RUNTIME]
        async with runtime.pool.acquire() as db:
            admission = await admit_session(db, session_token(request), now=runtime.clock(), opens_page=opens_page)
        if admission is None or (admission.staff.awaits_second_factor and not opens_page):
            response: web.StreamResponse = sign_in_page(request, status=401)
            response.headers["WWW-Authenticate"] = 'Sign-In-Link realm="Muster console"'
            return response
        actor = admission.staff.actor(client_network(request))
        request[STAFF], request[ACTOR] = admission.staff, actor
        request[TOKEN] = admission.cookie or session_token(request) or ""
        if not allows_unproven and admission.staff.awaits_second_factor:
            response = to(SECOND_FACTOR_PATH)
        elif fresh and not is_fresh(admission.staff, runtime.clock()):
            response = to(f"{SECOND_FACTOR_PATH}?then=account" if admission.staff.has_second_factor else SET_UP_PATH)
        elif not (allows_unproven or without_grants or admission.staff.grants):
            response = await _no_access(request)
        elif permission is not None and not actor.scope(permission):
            response = render_page(
                request, "failed", status=403, message="Your role does not open this page.",
                remedy="Ask an administrator for a role that does, in your branch or region.", back=ACCOUNT_PATH,
            )  # fmt: skip
        else:
            response = await handler(request)
        if (
            admission.cookie is not None
            and not response.prepared
            and cookie_name(runtime.settings) not in response.cookies
        ):
            set_session(response, admission.cookie, runtime.settings)
        return response

    return for_anyone(guarded)


async def _no_access(request: web.Request) -> web.Response:
    """Say to somebody without a grant in force which grants are to come, or have ended."""
    runtime, staff = request.app[RUNTIME], request[STAFF]
    now, zone = runtime.clock(), ZoneInfo(runtime.settings.time_zone)
    async with runtime.pool.acquire() as db:
        to_come = await list_grants(db, now=now, staff_id=staff.staff_id)
        ended = await list_ended_grants(db, staff.staff_id, now=now)
    return render_page(
        request, "no_access", status=403,
        to_come=[
            grant_in_words(
                row["role"].capitalize(), row["unit"], row["starts_at"], row["ends_at"], now=now, zone=zone
            )
            for row in to_come
        ],
        ended=[
            f"{row['role'].capitalize()} of {row['unit'] or WHOLE_ORGANISATION},"
            f" {'taken back' if row['is_revoked'] else 'ended'} on {day_in_words(row['ended_at'], zone)}"
            for row in ended
        ],
    )  # fmt: skip


def as_reader(request: web.Request, permission: Permission = Permission.SEE) -> AbstractAsyncContextManager[Connection]:
    """Open a transaction that sees what the reader of a page may, and cannot write.

    Args:
        request: of a handler behind `for_staff`.
        permission: what they look by.
    """
    return request.app[SCOPED].as_actor(request[ACTOR], permission)


def sign_in_page(
    request: web.Request, *, status: int = 200, email: str = "", problem: str = "", by_text: bool = False,
    signed_out: bool = False,
) -> web.Response:  # fmt: skip
    """Render the sign-in page.

    Args:
        request: the request.
        status: HTTP status.
        email: what was typed.
        problem: why that is no mailbox; empty if nothing was typed.
        by_text: whether a link by text was asked for.
        signed_out: whether they have just signed out.
    """
    passkeys = site(request) is not None
    texts = has_sms(request.app[RUNTIME].settings)
    return render_page(
        request, "sign_in", status=status, email=email, problem=problem, passkeys=passkeys, texts=texts,
        by_text=by_text, signed_out=signed_out,
    )  # fmt: skip


def site(request: web.Request) -> Site | None:
    """Return the site that passkeys are bound to; None if browsers have none."""
    settings = request.app[RUNTIME].settings
    return site_of(settings.public_url, settings.organisation_name or "Muster")


def device(request: web.Request) -> Device:
    """Return the browser of a request, as "signed in on" shows it."""
    return Device(browser_in_words(request.headers.get("User-Agent", "")), client_network(request))


def from_our_own_page(request: web.Request) -> bool:
    """Tell whether a form was sent from a page of ours: by Sec-Fetch-Site, or by Origin if a browser sends none."""
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site == "same-origin"
    try:  # not compared with the request's Host, because anybody can point a name of their own here
        return URL(request.headers.get("Origin", "")).origin() == URL(request.app[RUNTIME].settings.public_url).origin()
    except ValueError:
        return False


def cookie_name(settings: Settings) -> str:
    """Return the cookie's name; `__Host-` makes browsers accept it only from this host over HTTPS."""
    return "__Host-muster" if settings.is_https else "muster"


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
        secure=settings.is_https,
        samesite="Lax",
    )


def delete_session_cookie(response: web.StreamResponse, settings: Settings) -> None:
    """Delete the session cookie."""
    response.del_cookie(cookie_name(settings), path="/", secure=settings.is_https, httponly=True, samesite="Lax")
