"""`muster ballot`: set up a ballot, list ballots and show one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ballots.ballots import Ballot, ballot_names, create_ballot, get_ballot
from ballots.counts import find_totals
from ballots.figures import threshold
from ballots.spec import load_ballot_spec
from ballots.template_fields import fields_of
from core.access import Actor
from core.db import Connection
from core.plurals import plural
from core.runtime import Runtime
from muster.cli.noun import Noun
from muster.cli.options import actor_option, json_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run


@click.group(cls=Noun)
def command() -> None:
    """Set up a ballot: its dates, threshold and electorate."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@actor_option
@json_option
def create(file: Path, actor: Actor, *, as_json: bool) -> None:
    """Make the ballot that FILE describes, and enrol its members.

    FILE is TOML with a [ballot] table; docs/campaigns.md explains every key. Members who are imported later are
    enrolled when a campaign is made or a step of it is launched.
    """
    created = run(_create(file, actor))
    _show(created, as_json=as_json)


@command.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the ballots, the soonest to close first."""
    ballots = run(_list())
    if as_json:
        print_json(ballots, indent=True)
        return
    table = Table("ballot", "title", "phase", "opens", "closes", "electorate", box=None, header_style="bold")
    for ballot in ballots:
        table.add_row(
            ballot["name"],
            ballot["title"],
            ballot["phase"].replace("_", " "),
            ballot["local"]["opens"],
            ballot["local"]["closes"],
            f"{ballot['electorate']:,}",
        )
    Console().print(table if ballots else "There is no ballot yet. Make one with: muster ballot create FILE")


@command.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show a ballot: its dates, its threshold, and how many may vote."""
    _show(run(_get(name)), as_json=as_json)


async def _create(file: Path, actor: Actor) -> dict[str, Any]:
    spec = load_ballot_spec(file)
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        made = await create_ballot(db, spec, actor=actor, time_zone=runtime.settings.time_zone)
        return await _described(runtime, db, made)


async def _get(name: str) -> dict[str, Any]:
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        return await _described(runtime, db, await get_ballot(db, name))


async def _list() -> list[dict[str, Any]]:
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        return [await _described(runtime, db, await get_ballot(db, name)) for name in await ballot_names(db)]


async def _described(runtime: Runtime, db: Connection, ballot: Ballot) -> dict[str, Any]:
    return {
        "name": ballot.name,
        "title": ballot.title,
        "organisation": ballot.organisation or runtime.settings.organisation,
        "phase": ballot.phase(runtime.clock()).value,
        "time_zone": ballot.time_zone,
        "opens_at": ballot.opens_at,
        "closes_at": ballot.closes_at,
        "last_posting_at": ballot.last_posting_at,
        "replacement_by": ballot.replacement_by,
        "threshold": ballot.threshold,
        "disaggregated_by": ballot.constituency if ballot.disaggregated else None,
        "attributes": ballot.attributes,
        "electorate": (await find_totals(db, ballot.ballot_id))["electorate"],
        "local": fields_of(ballot),
    }


def _show(ballot: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(ballot, indent=True)
        return
    table = Table.grid(padding=(0, 2))
    local = ballot["local"]
    rows = {
        "opens": local["opens"],
        "replacement papers until": local["replacement_by"],
        "last safe posting": local["last_posting"],
        "closes": local["closes"],
        "threshold": threshold(ballot["threshold"])
        + (f" in each {ballot['disaggregated_by']}" if ballot["disaggregated_by"] else ""),
        "electorate": plural(ballot["electorate"], "member") + _who(ballot["attributes"]),
        "phase": ballot["phase"].replace("_", " "),
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, value)
    console = Console()
    console.print(Text.assemble((ballot["name"], "bold"), f"  {ballot['title']} · {ballot['organisation']}"))
    console.print(table)
    if not ballot["electorate"]:
        console.print("Nobody is enrolled yet. Import the members with: muster people import FILE")


def _who(attributes: Mapping[str, bool | Sequence[str]]) -> str:
    """Describe in words the attributes electors must have."""
    if not attributes:
        return ""
    parts = [
        f"{name} {'given' if wanted else 'not given'}" if isinstance(wanted, bool) else f"{name} {' or '.join(wanted)}"
        for name, wanted in attributes.items()
    ]
    return f" with {' and '.join(parts)}"
