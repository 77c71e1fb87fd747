"""`muster key`: keys by which other systems read the turnout feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from core.access import Actor
from muster.cli.noun import Noun
from muster.cli.options import actor_option, json_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run

if TYPE_CHECKING:
    from api.keys import ListedKey


@click.group(cls=Noun)
def command() -> None:
    """Let other systems read the turnout feed (docs/turnout.md): make, list and revoke keys."""


@command.command()
@click.argument("name")
@click.option("--ballot", "ballots", multiple=True, help="Only this ballot; may be repeated. Default: every ballot.")
@actor_option
@json_option
def add(name: str, ballots: Sequence[str], actor: Actor, *, as_json: bool) -> None:
    """Make a key and print it. It is shown only once."""
    from api.keys import make_key

    async def work() -> str:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            return await make_key(db, name, ballots=ballots, actor=actor, now=runtime.clock())

    key = run(work())
    if as_json:
        print_json({"name": name, "key": key})
    else:
        click.echo(key)


@command.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the keys: what each may read, when it was last used."""
    from api.keys import list_keys

    async def work() -> list[ListedKey]:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            return await list_keys(db)

    keys = run(work())
    if as_json:
        print_json(keys)
        return
    if not keys:
        click.echo("None yet. Make one: muster key add NAME")
        return
    table = Table("key", "begins with", "ballots", "made", "last used (UTC)", box=None, header_style="bold")
    for key in keys:
        used = f"{key.used_at:%Y-%m-%d %H:%M}" if key.used_at else "never"
        state = "revoked" if key.revoked_at else used
        ballots = ", ".join(key.ballots) if key.ballots else "all"
        table.add_row(key.name, f"mk_{key.handle}", ballots, f"{key.created_at:%Y-%m-%d} by {key.created_by}", state)
    Console().print(table)


@command.command()
@click.argument("name")
@actor_option
def revoke(name: str, actor: Actor) -> None:
    """Revoke a key; it is refused from now on."""
    from api.keys import revoke_key

    async def work() -> None:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            await revoke_key(db, name, actor=actor, now=runtime.clock())

    run(work())
    click.echo(f"The key {name} is refused from now on.")
