"""Pages on which staff sign in and out: by a link that they ask for, by a passkey, by an invitation."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from console.guard import delete_session_cookie, device, for_anyone, session_token, set_session, sign_in_page, site
from console.json_answers import read_json_object, refuse, respond
from console.link_requests import REQUESTS
from console.rendering import render_page, to
from core.addresses import normalise_email
from core.errors import AddressError
from core.http.client_network import client_network
from core.http.request_bodies import read_form
from core.http.web import RUNTIME
from messaging.channels import has_sms
from staff.backoff import TooManyTries
from staff.grants_in_words import grant_in_words
from staff.invitations import INVITATION_PATH, accept_invitation, find_invitation
from staff.passkeys import authentication_options
from staff.second_factor_check import sign_in_by_passkey
from staff.sessions import admit_session, end_session
from staff.sign_in import REQUESTED_LINK_MINUTES, SIGN_IN_PATH, link_works, use_link

HOME: Final = "/console/"


def sign_in_routes() -> list[web.RouteDef]:
    """List the routes of signing in and out."""
    return [
        web.get(SIGN_IN_PATH, for_anyone(get_sign_in)),
        web.post(SIGN_IN_PATH, for_anyone(post_sign_in)),
        web.get(f"{SIGN_IN_PATH}/{{token}}", for_anyone(get_link)),
        web.post(f"{SIGN_IN_PATH}/{{token}}", for_anyone(post_link)),
        web.get(f"{INVITATION_PATH}/{{token}}", for_anyone(get_invitation)),
        web.post(f"{INVITATION_PATH}/{{token}}", for_anyone(post_invitation)),
        web.post("/console/passkey/options", for_anyone(post_options)),
        web.post("/console/passkey", for_anyone(post_passkey)),
        web.post("/console/sign-out", for_anyone(post_sign_out)),
    ]


async def get_sign_in(request: web.Request) -> web.Response:
    """Show how to sign in."""
    return sign_in_page(request, signed_out="signed-out" in request.query)


async def post_sign_in(request: web.Request) -> web.Response:
    """Answer a request for a link; the answer is the same for every mailbox."""
    runtime = request.app[RUNTIME]
    form = await read_form(request)
    typed, by_text = form.get("email", "").strip(), form.get("by") == "text" and has_sms(runtime.settings)
    try:
        email = normalise_email(typed)
    except AddressError as error:
        return sign_in_page(request, status=422, email=typed, problem=str(error), by_text=by_text)
    request.app[REQUESTS].add(runtime, email, client_network(request), channel="sms" if by_text else "email")
    return render_page(request, "link_sent", email=email, minutes=REQUESTED_LINK_MINUTES, by_text=by_text)


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
            db, request.match_info["token"], now=runtime.clock(), replaces=current_token, device=device(request)
        )
    return await _signed_in(request, token)


async def get_invitation(request: web.Request) -> web.Response:
    """Show who is invited to what, and a button."""
    runtime = request.app[RUNTIME]
    async with runtime.pool.acquire() as db:
        invitation = await find_invitation(db, request.match_info["token"], now=runtime.clock())
    if invitation is None:
        return _spent(request)
    zone = ZoneInfo(runtime.settings.time_zone)
    grant = grant_in_words(
        invitation["role"], invitation["unit"], None, invitation["ends_at"], now=runtime.clock(), zone=zone
    )
    return render_page(request, "invitation", invitation=invitation, grant=grant)


async def post_invitation(request: web.Request) -> web.Response:
    """Accept an invitation after the button was pressed: the account exists, and a session begins."""
    runtime = request.app[RUNTIME]
    async with runtime.pool.acquire() as db:
        token = await accept_invitation(
            db,
            request.match_info["token"],
            now=runtime.clock(),
            device=device(request),
            replaces=session_token(request),
        )
    return await _signed_in(request, token)


async def post_options(request: web.Request) -> web.Response:
    """Answer with what the browser needs to sign in by a passkey."""
    runtime, ours = request.app[RUNTIME], site(request)
    if ours is None:
        return refuse("Passkeys need HTTPS and a name instead of a number in the address.", status=404)
    async with runtime.pool.acquire() as db:
        return respond(await authentication_options(db, ours, now=runtime.clock()))


async def post_passkey(request: web.Request) -> web.Response:
    """Sign in by the answer that a passkey has signed."""
    runtime, ours, answer = request.app[RUNTIME], site(request), await read_json_object(request)
    token = None
    if ours is not None:
        try:
            async with runtime.pool.acquire() as db:
                token = await sign_in_by_passkey(
                    db,
                    ours,
                    answer,
                    settings=runtime.settings,
                    device=device(request),
                    replaces=session_token(request),
                    now=runtime.clock(),
                )
        except TooManyTries as error:
            return refuse(str(error), status=429)
    if token is None:
        return refuse("That passkey did not work here. Try again, or ask for a link.")
    response = respond({"to": HOME})
    set_session(response, token, runtime.settings)
    return response


async def post_sign_out(request: web.Request) -> web.Response:
    """End the session here and in the browser."""
    runtime = request.app[RUNTIME]
    if (token := session_token(request)) is not None:
        async with runtime.pool.acquire() as db:
            await end_session(db, token, now=runtime.clock(), came_from=client_network(request))
    response = to(f"{SIGN_IN_PATH}?signed-out")
    delete_session_cookie(response, runtime.settings)
    return response


async def _signed_in(request: web.Request, token: str | None) -> web.Response:
    """Go on to the console with a new session, or say that the link does not work."""
    runtime = request.app[RUNTIME]
    if token is None:
        async with runtime.pool.acquire() as db:
            if await admit_session(db, session_token(request), now=runtime.clock(), opens_page=False) is not None:
                return to(HOME)  # a double click: the first click signed in
        return _spent(request)
    response = to(HOME)
    set_session(response, token, runtime.settings)
    return response


def _spent(request: web.Request) -> web.Response:
    """Show one page for links that are unknown, used or expired, so that it does not reveal which."""
    return render_page(request, "spent", status=404)


async def finish_requests(app: web.Application) -> None:
    """Wait for the links that were asked for, when the application stops."""
    await app[REQUESTS].done()
