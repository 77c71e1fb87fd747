"""`muster migrate`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from typing import Final

import click

from core.db import connect
from core.db.login_script import LoginsError
from core.db.migrate import migrate
from core.plurals import plural
from messaging.settings import load_settings
from muster.cli.session import run
from muster.embedded.client import connect_to_servers
from muster.outside_database import migrate_outside
from staff.grants import count_made_administrators

_ROLES: Final = "20261130000100_accounts.sql"


@click.command()
def command() -> None:
    """Bring the database to the newest schema.

    Safe to run at any time, from several machines at once, and again: what is done is not done twice. The embedded
    database is made by this if there is none yet, and otherwise brought up to date by whatever starts it.

    On a PostgreSQL of yours it needs MUSTER_OWNER_DATABASE_URL, and the first time MUSTER_ADMIN_DATABASE_URL, to make
    Muster's logins. Without that it writes the SQL for an administrator to a file (muster migrate > logins.sql), and
    changes nothing.
    """
    try:
        applied, mended, administrators = run(_migrate())
    except LoginsError as error:
        if not sys.stdout.isatty():  # a screen full of SQL would hide the error, and nobody can keep it from there
            click.echo(error.script, nl=False)
        raise
    for sentence in mended:
        click.echo(f"mended: {sentence}")
    for name in applied:
        click.echo(f"applied  {name}")
    if administrators:
        click.echo(
            f"Accounts have roles from now on. Earlier ones are administrators, because they could do everything:"
            f" {plural(administrators, 'account')}. See: muster user list. For each that needs less:"
            " muster user grant EMAIL ROLE, then muster user revoke EMAIL administrator"
        )
    click.echo("The database has the newest schema." if applied else "Nothing to do: the schema is the newest.")


async def _migrate() -> tuple[list[str], list[str], int]:
    """Return the migrations applied, what was mended, and how many accounts the migrations made administrators."""
    settings = load_settings()
    if settings.database_url is not None:
        applied, mended = await migrate_outside(settings)
        return applied, mended, await _administrators(settings.database_url, applied)
    with closing(await asyncio.to_thread(connect_to_servers, settings.home)) as servers:
        applied = await migrate(servers.owner_url)
        return applied, [], await _administrators(servers.owner_url, applied)


async def _administrators(url: str, applied: list[str]) -> int:
    if _ROLES not in applied:
        return 0
    db = await connect(url)
    try:
        return await count_made_administrators(db)
    finally:
        await db.close()
