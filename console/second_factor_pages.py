"""Pages on which staff prove a second factor, or set one up: an authenticator app, a passkey, recovery codes."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from console.guard import (
    ACCOUNT_PATH,
    SECOND_FACTOR_PATH,
    SET_UP_PATH,
    TOKEN,
    PageHandler,
    device,
    for_staff,
    set_session,
    site,
)
from console.json_answers import read_json_object, refuse, respond
from console.rendering import STAFF, render_page, to
from core.db import Connection
from core.errors import Conflict, NotFound
from core.http.client_network import client_network
from core.http.request_bodies import read_form
from core.http.web import RUNTIME
from staff.backoff import TooManyTries
from staff.passkeys import authentication_options, list_passkeys
from staff.recovery_codes import count_recovery_codes
from staff.second_factor import (
    begin_app,
    confirm_app,
    may_set_up,
    passkey_options,
    renew_recovery_codes,
    set_up_passkey,
)
from staff.second_factor_check import Proof, is_fresh, prove_by_code, prove_by_passkey
from staff.totp import has_totp, otpauth_uri, pending_secret, qr_code

APP: Final = f"{SECOND_FACTOR_PATH}/app"
_THEN: Final = {"account": ACCOUNT_PATH, "set-up": SET_UP_PATH}
"""Pages to go on to after a proof, as the query names them; the overview for anything else."""
_GROUP_LENGTH: Final = 4


def second_factor_routes() -> list[web.RouteDef]:
    """List the routes of second factors."""
    return [
        web.get(SECOND_FACTOR_PATH, _proof(get_proof)),
        web.post(SECOND_FACTOR_PATH, _proof(post_code)),
        web.post(f"{SECOND_FACTOR_PATH}/passkey/options", _proof(post_proof_options)),
        web.post(f"{SECOND_FACTOR_PATH}/passkey", _proof(post_proof)),
        web.get(SET_UP_PATH, _proof(get_set_up)),
        web.post(f"{SET_UP_PATH}/passkey/options", _proof(post_new_options)),
        web.post(f"{SET_UP_PATH}/passkey", _proof(post_new_passkey)),
        web.post(f"{SET_UP_PATH}/codes", for_staff(post_new_codes, fresh=True, without_grants=True)),
        web.post(APP, _proof(post_app)),
        web.get(APP, _proof(get_app)),
        web.get(f"{APP}.svg", _proof(get_qr_code)),
        web.post(f"{APP}/confirm", _proof(post_confirm)),
    ]


def _proof(handler: PageHandler) -> PageHandler:
    """Wrap a handler that is open before a second factor was proven; pages that need one send staff there first."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except TooManyTries as error:
            return await _proof_page(request, problem=str(error), status=429)
        except Conflict as error:
            if request.content_type == "application/json":
                return refuse(str(error), status=409)
            return to(f"{SECOND_FACTOR_PATH}?then=account")
        if request.method == "POST":
            await request.app[RUNTIME].wake("deliver")  # the owner may have been told by mail
        return response

    return for_staff(guarded, allows_unproven=True)


async def get_proof(request: web.Request) -> web.Response:
    """Show where to enter a code; if nothing is left to prove, go on to the next page."""
    staff = request[STAFF]
    if not staff.has_second_factor:
        return to(SET_UP_PATH if staff.needs_second_factor else ACCOUNT_PATH)
    if is_fresh(staff, request.app[RUNTIME].clock()):
        return to(_then(request))
    return await _proof_page(request)


async def post_code(request: web.Request) -> web.Response:
    """Take a code of the app, or a recovery code."""
    runtime, code = request.app[RUNTIME], (await read_form(request)).get("code", "")
    async with runtime.pool.acquire() as db:
        proof = await prove_by_code(
            db, request[STAFF], request[TOKEN], code, settings=runtime.settings,
            came_from=client_network(request), now=runtime.clock(),
        )  # fmt: skip
    if proof is None:
        problem = "That code is wrong, or was used already. The app shows a new one every half minute."
        return await _proof_page(request, problem=problem, status=422)
    return _proven(request, proof, to(_then(request)))


async def post_proof_options(request: web.Request) -> web.Response:
    """Answer with what the browser needs to prove the second factor by a passkey."""
    runtime, ours, staff = request.app[RUNTIME], site(request), request[STAFF]
    if ours is None:
        return refuse("Passkeys need HTTPS and a name instead of a number in the address.", status=404)
    async with runtime.pool.acquire() as db:
        return respond(
            await authentication_options(db, ours, staff_id=staff.staff_id, session=staff.session, now=runtime.clock())
        )


async def post_proof(request: web.Request) -> web.Response:
    """Take the answer that a passkey has signed."""
    runtime, ours, answer = request.app[RUNTIME], site(request), await read_json_object(request)
    proof = None
    if ours is not None:
        async with runtime.pool.acquire() as db:
            try:
                proof = await prove_by_passkey(
                    db, ours, request[STAFF], request[TOKEN], answer, settings=runtime.settings,
                    came_from=client_network(request), now=runtime.clock(),
                )  # fmt: skip
            except NotFound as error:
                return refuse(str(error))
            except TooManyTries as error:
                return refuse(str(error), status=429)
    if proof is None:
        return refuse("That passkey did not work here. Try again, or enter a code.")
    return _proven(request, proof, respond({"to": _then(request)}))


async def get_set_up(request: web.Request) -> web.Response:
    """Show what can be set up."""
    staff, runtime = request[STAFF], request.app[RUNTIME]
    if not may_set_up(staff, runtime.clock()):
        return to(f"{SECOND_FACTOR_PATH}?then=set-up")
    return render_page(request, "set_up", passkeys=site(request) is not None, problem="")


async def post_new_options(request: web.Request) -> web.Response:
    """Answer with what the browser needs to set up a passkey."""
    runtime, ours = request.app[RUNTIME], site(request)
    if ours is None:
        return refuse("Passkeys need HTTPS and a name instead of a number in the address.", status=404)
    async with runtime.pool.acquire() as db:
        return respond(await passkey_options(db, ours, request[STAFF], now=runtime.clock()))


async def post_new_passkey(request: web.Request) -> web.Response:
    """Add the passkey that the browser has made."""
    runtime, ours, answer = request.app[RUNTIME], site(request), await read_json_object(request)
    proof = None
    if ours is not None:
        async with runtime.pool.acquire() as db:
            proof = await set_up_passkey(
                db,
                ours,
                request[STAFF],
                request[TOKEN],
                answer,
                settings=runtime.settings,
                device=device(request),
                now=runtime.clock(),
            )
    if proof is None:
        return refuse("That passkey could not be set up. Try again, or set up an authenticator app.")
    return _proven(request, proof, respond({"to": ACCOUNT_PATH, "codes": proof.recovery_codes}))


async def post_new_codes(request: web.Request) -> web.Response:
    """Make new recovery codes, and show them once."""
    runtime = request.app[RUNTIME]
    async with runtime.pool.acquire() as db:
        codes = await renew_recovery_codes(
            db, request[STAFF], settings=runtime.settings, came_from=client_network(request), now=runtime.clock()
        )
    await runtime.wake("deliver")
    return render_page(request, "recovery_codes", codes=codes, headline="Your new recovery codes", next=ACCOUNT_PATH)


async def post_app(request: web.Request) -> web.Response:
    """Make the secret for an authenticator app."""
    runtime = request.app[RUNTIME]
    async with runtime.pool.acquire() as db:
        await begin_app(db, request[STAFF], keys=runtime.settings.secret_key, now=runtime.clock())
    return to(APP)


async def get_app(request: web.Request) -> web.Response:
    """Show the secret as a QR code and in letters, and where to enter its first code."""
    return await _app_page(request)


async def get_qr_code(request: web.Request) -> web.Response:
    """Draw the secret that is being set up as a QR code."""
    secret = await _pending(request)
    if secret is None:
        raise NotFound("There is no code to show.", remedy="Begin again on your account's page.")
    response = web.Response(body=qr_code(_uri(request, secret)), content_type="image/svg+xml")
    response.headers["Cache-Control"] = "no-store"
    return response


async def post_confirm(request: web.Request) -> web.Response:
    """Take the app into use by its first code; the recovery codes are shown once."""
    runtime, code = request.app[RUNTIME], (await read_form(request)).get("code", "")
    try:
        async with runtime.pool.acquire() as db:
            proof = await confirm_app(
                db, request[STAFF], request[TOKEN], code, settings=runtime.settings,
                came_from=client_network(request), now=runtime.clock(),
            )  # fmt: skip
    except TooManyTries as error:
        return await _app_page(request, problem=str(error), status=429)
    if proof is None:
        return await _app_page(request, problem="That is not the code the app shows now. Try the next one.", status=422)
    if not proof.recovery_codes:
        return _proven(request, proof, to(ACCOUNT_PATH))
    page = render_page(
        request, "recovery_codes", codes=proof.recovery_codes, headline="Your app is set up", next="/console/"
    )
    return _proven(request, proof, page)


async def _proof_page(request: web.Request, *, problem: str = "", status: int = 200) -> web.Response:
    staff = request[STAFF]
    async with request.app[RUNTIME].pool.acquire() as db:
        return render_page(
            request, "second_factor", status=status, problem=problem, has_app=await has_totp(db, staff.staff_id),
            codes_left=await count_recovery_codes(db, staff.staff_id),
            passkeys=await _passkeys(db, request), then=request.query.get("then", ""),
        )  # fmt: skip


async def _passkeys(db: Connection, request: web.Request) -> bool:
    ours = site(request)
    passkeys = [] if ours is None else await list_passkeys(db, request[STAFF].staff_id, host=ours.host)
    return any(row["works"] for row in passkeys)


async def _app_page(request: web.Request, *, problem: str = "", status: int = 200) -> web.Response:
    secret = await _pending(request)
    if secret is None:
        return to(SET_UP_PATH)
    letters = [secret[at : at + _GROUP_LENGTH] for at in range(0, len(secret), _GROUP_LENGTH)]
    return render_page(
        request, "app", status=status, problem=problem, letters=letters, uri=_uri(request, secret), picture=f"{APP}.svg"
    )


async def _pending(request: web.Request) -> str | None:
    """Return the secret that is being set up, if the reader may set one up."""
    runtime, staff = request.app[RUNTIME], request[STAFF]
    if not may_set_up(staff, runtime.clock()):
        return None
    async with runtime.pool.acquire() as db:
        secret = await pending_secret(
            db, staff.staff_id, staff.session, keys=runtime.settings.secret_key, now=runtime.clock()
        )
    return None if secret is None else secret.get_secret_value()


def _uri(request: web.Request, secret: str) -> str:
    named = request.app[RUNTIME].settings.organisation_name
    return otpauth_uri(secret, email=request[STAFF].email, issuer=f"Muster, {named}" if named else "Muster")


def _then(request: web.Request) -> str:
    return _THEN.get(request.query.get("then", ""), "/console/")


def _proven(request: web.Request, proof: Proof, response: web.Response) -> web.Response:
    """Give the browser the session's new token: the old one carries no proof."""
    set_session(response, proof.token, request.app[RUNTIME].settings)
    return response
