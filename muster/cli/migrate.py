"""`muster migrate`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing

import click

from core.db.login_script import LoginsError
from core.db.migrate import migrate
from messaging.settings import load_settings
from muster.cli.session import run
from muster.embedded.client import connect_to_servers
from muster.outside_database import migrate_outside


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
        applied, mended = run(_migrate())
    except LoginsError as error:
        if not sys.stdout.isatty():  # a screen full of SQL would hide the error, and nobody can keep it from there
            click.echo(error.script, nl=False)
        raise
    for sentence in mended:
        click.echo(f"mended: {sentence}")
    for name in applied:
        click.echo(f"applied  {name}")
    click.echo("The database has the newest schema." if applied else "Nothing to do: the schema is the newest.")


async def _migrate() -> tuple[list[str], list[str]]:
    """Return the migrations applied, and what was mended."""
    settings = load_settings()
    if settings.database_url is not None:
        return await migrate_outside(settings)
    with closing(await asyncio.to_thread(connect_to_servers, settings.home)) as servers:
        return await migrate(servers.owner_url), []
