"""`muster user invite|withdraw`: invite staff by mail; the account exists once they accept."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import click

from core.access import Actor
from core.addresses import normalise_email
from core.db import Connection
from core.runtime import Runtime
from core.times_in_words import moment_in_words
from muster.cli.moments import TypedDate
from muster.cli.options import actor_option
from muster.cli.session import open_session, run
from muster.cli.user_grants import find_unit, read_end, role_option, say_the_role, unit_option, until_option
from muster.cli.user_messages import remarks, sandbox_page
from staff.grants_in_words import grant_in_words
from staff.roles import find_role


@click.command()
@click.argument("email")
@click.argument("name", required=False)
@role_option
@unit_option
@until_option
@click.option("--days", type=click.IntRange(1, 60), default=7, show_default=True, help="How long the link works.")
@click.option("--again", is_flag=True, help="Send a new link for the invitation that is open; the old one ends.")
@actor_option
def invite(
    email: str,
    name: str | None,
    role: str | None,
    unit: str | None,
    until: TypedDate | None,
    days: int,
    again: bool,
    actor: Actor,
) -> None:
    """Mail somebody an invitation: a link that works once, for days. Their account and role begin when they accept."""
    mailbox = normalise_email(email)
    if again:
        if role is not None or unit is not None or until:
            raise click.UsageError("--again sends the same invitation; to change it, withdraw it first.")
        click.echo(run(_again(mailbox, days, actor)))
        return
    if role is None:
        raise say_the_role("Say what they will be: --role ROLE")
    click.echo(run(_invite(mailbox, name or mailbox.partition("@")[0], role, unit, until, days, actor)))


@click.command()
@click.argument("email")
@actor_option
def withdraw(email: str, actor: Actor) -> None:
    """Withdraw an invitation that was not accepted yet."""
    run(_withdraw(normalise_email(email), actor))
    click.echo(f"The invitation of {email} is withdrawn; its link no longer works.")


async def _invite(
    email: str, name: str, role: str, unit: str | None, until: TypedDate | None, days: int, by: Actor
) -> str:
    from staff.invitations import invite as make_invitation

    async with open_session() as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            page = sandbox_page(runtime.settings, "email", way_out="add them by hand: muster user add")
            unit_id, where = await find_unit(db, unit)
            now, ends_at, zone = runtime.clock(), read_end(runtime, until), ZoneInfo(runtime.settings.time_zone)
            path = await make_invitation(
                db, email, name, role, by=by, now=now, unit_id=unit_id, ends_at=ends_at, lasts=timedelta(days=days)
            )
            grant = grant_in_words(find_role(role).name, where, None, ends_at, now=now, zone=zone)
            await _queue(runtime, db, email, name, grant, path, days, by)
            words = f"The invitation as {grant} goes to {email}; its link works until"
            words += f" {moment_in_words(now + timedelta(days=days), zone)}.{await remarks(db, page)}"
        await runtime.wake("deliver")
        return words


async def _again(email: str, days: int, by: Actor) -> str:
    from staff.invitations import renew_invitation

    async with open_session() as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            page = sandbox_page(runtime.settings, "email", way_out="add them by hand: muster user add")
            now, zone = runtime.clock(), ZoneInfo(runtime.settings.time_zone)
            path, invited = await renew_invitation(db, email, by=by, now=now, lasts=timedelta(days=days))
            grant = grant_in_words(invited["role"], invited["unit"], None, invited["ends_at"], now=now, zone=zone)
            await _queue(runtime, db, email, invited["name"], grant, path, days, by)
            words = f"The invitation as {grant} goes to {email} again; its link works until"
            words += f" {moment_in_words(now + timedelta(days=days), zone)}.{await remarks(db, page)}"
        await runtime.wake("deliver")
        return words


async def _queue(
    runtime: Runtime, db: Connection, email: str, name: str, grant: str, path: str, days: int, by: Actor
) -> None:
    from staff.account_messages import queue_invitation

    settings, now = runtime.settings, runtime.clock()
    await queue_invitation(
        db, settings, address=email, name=name, grant=grant, link=settings.public_url + path, days=days,
        until=now + timedelta(days=days), by=by.name, now=now,
    )  # fmt: skip


async def _withdraw(email: str, by: Actor) -> None:
    from staff.invitations import withdraw_invitation

    async with open_session() as runtime, runtime.pool.acquire() as db:
        await withdraw_invitation(db, email, by=by, now=runtime.clock())
