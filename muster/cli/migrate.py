"""`muster migrate`."""

from __future__ import annotations

import asyncio
from contextlib import closing

import click

from core.db.migrate import migrate
from messaging.settings import load_settings
from muster.cli.session import run
from muster.embedded.client import connect_to_servers


@click.command()
def command() -> None:
    """Bring the database to the newest schema.

    Safe to run at any time, from several machines at once, and again: what is done is not done twice. The embedded
    database is made by this where there is none yet, and otherwise brought up to date by whatever starts it.
    """
    applied = run(_migrate())
    for name in applied:
        click.echo(f"applied  {name}")
    click.echo("The database has the newest schema." if applied else "Nothing to do: the schema is the newest.")


async def _migrate() -> list[str]:
    settings = load_settings()
    if settings.database_url is not None:
        return await migrate(settings.database_url)
    with closing(await asyncio.to_thread(connect_to_servers, settings.home)) as servers:
        return await migrate(servers.owner_url)
