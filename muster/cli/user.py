"""`muster user`: who may use the staff console."""

from __future__ import annotations

from typing import Any

import click
import orjson

from messaging.addresses import normalise_email
from messaging.db import Connection, load_queries
from messaging.errors import Conflict, NotFound
from messaging.runtime import Runtime
from muster.cli.session import open_session, run

SQL = load_queries(__file__)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@click.group()
def command() -> None:
    """Let staff into the console: no passwords, everybody signs in with a link that works once."""


@command.command()
@click.argument("email")
@click.option("--name", help="What to call them; default the part before the @.")
def add(email: str, name: str | None) -> None:
    """Add a member of staff, and print their first sign-in link."""
    mailbox = normalise_email(email)
    click.echo(run(_add(mailbox, name or mailbox.partition("@")[0])))


@command.command()
@click.argument("email")
@click.option("--minutes", type=click.IntRange(1, 24 * 60), default=15, show_default=True, help="How long it works.")
def link(email: str, minutes: int) -> None:
    """Print a sign-in link. It works once; anybody who has it can use it."""
    click.echo(run(_link(email, minutes)))


@command.command(name="list")
@AS_JSON
def list_(as_json: bool) -> None:
    """List the staff, with their last sign-in."""
    staff = run(_list())
    if as_json:
        click.echo(orjson.dumps(staff).decode())
        return
    if not staff:
        click.echo("Nobody yet. Add somebody: muster user add EMAIL")
    for one in staff:
        seen = f"signed in {one['signed_in_at']:%Y-%m-%d %H:%M} UTC" if one["signed_in_at"] else "never signed in"
        click.echo(f"{one['email']:<40} {one['name']:<24} {'disabled' if one['disabled_at'] else seen}")


@command.command()
@click.argument("email")
def disable(email: str) -> None:
    """Take somebody's access away at once, open pages included."""
    run(_change(email, "disable"))
    click.echo(f"{email} is disabled.")


@command.command()
@click.argument("email")
def enable(email: str) -> None:
    """Give somebody's access back."""
    run(_change(email, "enable"))
    click.echo(f"{email} is enabled.")


async def _add(email: str, name: str) -> str:
    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        staff_id = await db.fetchval(SQL["add_staff"], email, name)
        if staff_id is None:
            raise Conflict(f"{email} is on the staff already.", remedy=f"For a link: muster user link {email}")
        await db.execute(SQL["record"], "added", staff_id)
        return await _make_link(runtime, db, email, 15)


async def _link(email: str, minutes: int) -> str:
    async with open_session() as runtime, runtime.pool.acquire() as db:
        return await _make_link(runtime, db, email, minutes)


async def _make_link(runtime: Runtime, db: Connection, email: str, minutes: int) -> str:
    from console.auth import make_sign_in_link

    return runtime.settings.public_url + await make_sign_in_link(db, email=email, now=runtime.clock(), minutes=minutes)


async def _list() -> list[dict[str, Any]]:
    async with open_session() as runtime:
        return [dict(row) for row in await runtime.pool.fetch(SQL["list_staff"])]


async def _change(email: str, what: str) -> None:
    async with open_session() as runtime, runtime.pool.acquire() as db, db.transaction():
        mailbox = email.strip().lower()
        arguments = (mailbox, runtime.clock()) if what == "disable" else (mailbox,)
        staff_id = await db.fetchval(SQL[f"{what}_staff"], *arguments)
        if staff_id is None:
            raise NotFound(f"Nobody on the staff has the address {mailbox}.", remedy="See: muster user list")
        await db.execute(SQL["record"], f"{what}d", staff_id)
