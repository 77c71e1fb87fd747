"""`muster user invite|withdraw`: invite staff by mail; the account exists once they accept."""

from __future__ import annotations

from datetime import timedelta

import click

from core.access import Actor
from core.addresses import normalise_email
from core.db import Connection
from core.runtime import Runtime
from muster.cli.moments import TypedDate
from muster.cli.options import actor_option
from muster.cli.session import open_session, run
from muster.cli.user_grants import find_unit, read_end, role_option, unit_option, until_option
from muster.cli.user_messages import remarks, sandbox_page


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
        raise click.UsageError("Say what they will be: --role ROLE")
    click.echo(run(_invite(mailbox, name or mailbox.partition("@")[0], role, unit, until, days, actor)))


@click.command()
@click.argument("email")
@actor_option
def withdraw(email: str, actor: Actor) -> None:
    """Withdraw an invitation that was not accepted yet."""
    run(_withdraw(normalise_email(email), actor))
    click.echo(f"The invitation of {email} is withdrawn; its link works no longer.")


async def _invite(
    email: str, name: str, role: str, unit: str | None, until: TypedDate | None, days: int, by: Actor
) -> str:
    from staff.invitations import invite as make_invitation

    async with open_session() as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            page = sandbox_page(runtime.settings, "email", way_out="add them by hand: muster user add")
            path = await make_invitation(
                db, email, name, role, by=by, now=runtime.clock(), unit_id=await find_unit(db, unit),
                ends_at=read_end(runtime, until), lasts=timedelta(days=days),
            )  # fmt: skip
            await _queue(runtime, db, email, name, path, days, by)
            words = f"The invitation goes to {email}.{await remarks(db, page)}"
        await runtime.wake("deliver")
        return words


async def _again(email: str, days: int, by: Actor) -> str:
    from staff.invitations import renew_invitation

    async with open_session() as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            page = sandbox_page(runtime.settings, "email", way_out="add them by hand: muster user add")
            path, name = await renew_invitation(db, email, by=by, now=runtime.clock(), lasts=timedelta(days=days))
            await _queue(runtime, db, email, name, path, days, by)
            words = f"The invitation goes to {email} again.{await remarks(db, page)}"
        await runtime.wake("deliver")
        return words


async def _queue(runtime: Runtime, db: Connection, email: str, name: str, path: str, days: int, by: Actor) -> None:
    from staff.account_messages import queue_invitation

    settings, now = runtime.settings, runtime.clock()
    await queue_invitation(
        db, settings, address=email, name=name, link=settings.public_url + path, days=days,
        until=now + timedelta(days=days), by=by.name, now=now,
    )  # fmt: skip


async def _withdraw(email: str, by: Actor) -> None:
    from staff.invitations import withdraw_invitation

    async with open_session() as runtime, runtime.pool.acquire() as db:
        await withdraw_invitation(db, email, by=by, now=runtime.clock())
