"""Page of the reader's own account: sessions, second factors, grants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

from aiohttp import web

from console.guard import ACCOUNT_PATH, for_staff, site
from console.rendering import STAFF, render_page, to
from core.errors import NotFound
from core.http.client_network import client_network
from core.http.web import RUNTIME
from staff.grants import list_grants
from staff.passkeys import host_of, list_passkeys
from staff.recovery_codes import count_recovery_codes
from staff.second_factor import LastFactor, remove_app, remove_passkey
from staff.sessions import end_one, end_others, list_sessions
from staff.totp import has_totp


def account_routes() -> list[web.RouteDef]:
    """List the routes of the page."""
    return [
        web.get(ACCOUNT_PATH, for_staff(get_account, without_grants=True)),
        web.post(f"{ACCOUNT_PATH}/sessions/end", for_staff(post_end_others, without_grants=True)),
        web.post(f"{ACCOUNT_PATH}/sessions/{{session}}/end", for_staff(post_end, without_grants=True)),
        web.post(
            f"{ACCOUNT_PATH}/passkeys/{{passkey_id:[0-9]{{1,18}}}}/remove",
            for_staff(post_remove_passkey, fresh=True, without_grants=True),
        ),
        web.post(f"{ACCOUNT_PATH}/app/remove", for_staff(post_remove_app, fresh=True, without_grants=True)),
    ]


async def get_account(request: web.Request) -> web.Response:
    """Show the account."""
    runtime, staff = request.app[RUNTIME], request[STAFF]
    now = runtime.clock()
    async with runtime.pool.acquire() as db:
        passkeys = await list_passkeys(db, staff.staff_id, host=host_of(runtime.settings.public_url))
        has_app = await has_totp(db, staff.staff_id)
        return render_page(
            request, "account", passkeys_work=site(request) is not None,
            sessions=await list_sessions(db, staff.staff_id, now=now), passkeys=passkeys, has_app=has_app,
            keeps_last=staff.needs_second_factor and sum(row["works"] for row in passkeys) + has_app == 1,
            codes_left=await count_recovery_codes(db, staff.staff_id),
            grants=await list_grants(db, now=now, staff_id=staff.staff_id), now=now,
        )  # fmt: skip


async def post_end(request: web.Request) -> web.Response:
    """End one of the reader's sessions."""
    runtime, staff = request.app[RUNTIME], request[STAFF]
    try:
        session = UUID(request.match_info["session"])
    except ValueError:
        raise NotFound("There is no such session.", remedy="It may have ended already.") from None
    async with runtime.pool.acquire() as db:
        await end_one(db, staff.staff_id, session, by=staff.actor(client_network(request)), now=runtime.clock())
    return to(ACCOUNT_PATH)


async def post_end_others(request: web.Request) -> web.Response:
    """End all of the reader's sessions except this one."""
    runtime, staff = request.app[RUNTIME], request[STAFF]
    by = staff.actor(client_network(request))
    async with runtime.pool.acquire() as db:
        await end_others(db, staff.staff_id, but=staff.session, by=by, now=runtime.clock())
    return to(ACCOUNT_PATH)


async def post_remove_passkey(request: web.Request) -> web.Response:
    """Remove one of the reader's passkeys, after a fresh proof."""
    passkey_id = int(request.match_info["passkey_id"])
    return await _removed(request, partial(remove_passkey, passkey_id=passkey_id))


async def post_remove_app(request: web.Request) -> web.Response:
    """Remove the reader's authenticator app, after a fresh proof."""
    return await _removed(request, remove_app)


async def _removed(request: web.Request, remove: Callable[..., Awaitable[bool]]) -> web.Response:
    runtime = request.app[RUNTIME]
    try:
        async with runtime.pool.acquire() as db:
            await remove(
                db, request[STAFF], settings=runtime.settings, came_from=client_network(request), now=runtime.clock()
            )
    except LastFactor as error:
        return render_page(request, "failed", status=409, message=error.message, remedy=error.remedy, back=ACCOUNT_PATH)
    await runtime.wake("deliver")
    return to(ACCOUNT_PATH)
