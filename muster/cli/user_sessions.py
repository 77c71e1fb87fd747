"""`muster user sessions|reset`: where somebody is signed in, and what to do when a phone or laptop is lost."""

from __future__ import annotations

from typing import Any, Final

import click

from core.access import Actor
from core.db import Connection
from core.errors import NotFound, SettingsError
from core.plurals import plural
from core.runtime import Runtime
from messaging.states import ChannelName
from muster.cli.options import actor_option, json_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run
from muster.cli.user_grants import find_account
from muster.cli.user_messages import KINDS, remarks, sandbox_page, sender_of
from staff.browsers import network_in_words

_SHOWN_LENGTH: Final = 8
"""Characters of a session's name that are shown, and typed to end it."""


@click.command()
@click.argument("email")
@click.option("--end", "which", metavar="SESSION", help="End one, by the name in the list.")
@click.option("--end-all", is_flag=True, help="End all of them.")
@actor_option
@json_option
def sessions(email: str, which: str | None, end_all: bool, actor: Actor, as_json: bool) -> None:
    """List where somebody is signed in: browser and network, since when, last seen. With --end or --end-all: end it."""
    if which is not None and end_all:
        raise click.UsageError("Use either --end or --end-all.")
    if which is not None or end_all:
        click.echo(f"Ended: {plural(run(_end(email, which, actor)), 'session')}.")
        return
    rows = run(_list(email))
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo(f"{email} is signed in nowhere.")
    for row in rows:
        began, seen = f"{row['began_at']:%Y-%m-%d %H:%M}", f"{row['seen_at']:%Y-%m-%d %H:%M}"
        browser, network = row["browser"] or "a browser", network_in_words(row["came_from"])
        click.echo(f"{row['session'][:_SHOWN_LENGTH]}  {browser:<24} {network:<26} since {began}, last seen {seen} UTC")


@click.command()
@click.argument("email")
@actor_option
def reset(email: str, actor: Actor) -> None:
    """Remove somebody's second factors, when they have lost them, and sign them out; they are told by mail and text."""
    for line in run(_reset(email, actor)):
        click.echo(line)


async def _list(email: str) -> list[dict[str, Any]]:
    from staff.sessions import list_sessions

    async with open_session() as runtime, runtime.pool.acquire() as db:
        staff = await find_account(db, email)
        rows = await list_sessions(db, staff["staff_id"], now=runtime.clock())
        return [{"session": str(row["family"]), **{k: row[k] for k in row if k != "family"}} for row in map(dict, rows)]


async def _end(email: str, which: str | None, by: Actor) -> int:
    from staff.sessions import end_one, end_others, list_sessions

    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        staff, now = await find_account(db, email), runtime.clock()
        staff_id = staff["staff_id"]
        if which is None:
            return await end_others(db, staff_id, but=None, by=by, now=now)
        named = [
            row["family"]
            for row in await list_sessions(db, staff_id, now=now)
            if len(which) >= _SHOWN_LENGTH and str(row["family"]).startswith(which.lower())
        ]
        if len(named) != 1:
            raise NotFound(f"{email} has no session {which}.", remedy=f"See: muster user sessions {email}")
        return int(await end_one(db, staff_id, named[0], by=by, now=now))


async def _reset(email: str, by: Actor) -> list[str]:
    from staff.second_factor import reset_second_factors
    from staff.sign_in import end_access

    async with open_session() as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            staff, now = await find_account(db, email), runtime.clock()
            removed = await reset_second_factors(db, staff["staff_id"], by=by, now=now)
            await end_access(db, staff["staff_id"], now=now)  # links on their way, too, may be in the wrong hands
            removals = [
                plural(removed["apps"], "authenticator app"),
                plural(removed["passkeys"], "passkey"),
                plural(removed["recovery_codes"], "recovery code"),
            ]
            lines = [f"Removed: {', '.join(removals)}. Ended: {plural(removed['sessions'], 'session')}."]
            channels: list[tuple[ChannelName, str]] = [("email", staff["email"])]
            channels += [("sms", staff["phone"])] if staff["phone"] else []
            for channel, address in channels:
                try:
                    page = sandbox_page(runtime.settings, channel, way_out="tell them yourself")
                except SettingsError as error:  # somebody who has lost a phone must not wait for a relay
                    lines.append(f"They are not told by {KINDS[channel]}: {error}")
                    continue
                await _tell(runtime, db, channel, address, staff["name"], by)
                lines.append(f"They are told by {KINDS[channel]}, at {address}.{await remarks(db, page)}")
        await runtime.wake("deliver")
        return [*lines, f"They set up a new one when they sign in next. For a link: muster user link {staff['email']}"]


async def _tell(runtime: Runtime, db: Connection, channel: ChannelName, address: str, name: str, by: Actor) -> None:
    from staff.account_messages import queue_reset_notice

    await queue_reset_notice(
        db, runtime.settings, channel=channel, sender=sender_of(runtime.settings, channel), address=address, name=name,
        by=by.name, now=runtime.clock(),
    )  # fmt: skip
