"""`muster turnout`: the turnout as far as it is known, and its export and import by file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ballots.ballots import Ballot, get_ballot
from ballots.counts import MEASURES, UnitTurnout, refresh_reach, unit_counts
from ballots.figures import at_least, estimate, format_number, needed, over_report, percent, threshold
from ballots.score import Score, assess_unit, find_score
from core.errors import NotFound
from core.files.guarded_csv import GuardedCsv
from core.files.sheets import SheetWriter, sheet_or_nothing
from core.plurals import plural
from core.spec_errors import names_instead
from muster.cli.noun import Noun
from muster.cli.options import force_option, json_option, xlsx_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run
from muster.cli.turnout_files import export, import_

_EVERY_UNIT: Final = "unit"
_NO_UNIT: Final = "(none)"

_HELP: Final = """Show the state of BALLOT: how many members there are, can be reached, and say that they have voted.

What members say is never called turnout: people over-report voting, and most say nothing. So there is an estimate with
a band, how it is made is in docs/turnout.md, and what is still needed is compared with the last seven days.

\b
muster turnout pay-2026                    the ballot
muster turnout pay-2026 --by branch        each branch (any kind of unit: region, workplace …)
muster turnout pay-2026 --by unit          every unit of every kind
muster turnout pay-2026 --by unit --csv    for a spreadsheet; --xlsx FILE writes an Excel workbook
"""

_GROUP_HELP: Final = """Show, import and export a ballot's turnout.

\b
muster turnout pay-2026                    the counts of the ballot; the same as muster turnout show pay-2026
muster turnout pay-2026 --by branch        each branch
"""


class _Ballots(Noun):
    """Group that reads an unknown command as a ballot: `muster turnout pay-2026` is `muster turnout show pay-2026`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or self.commands["show"]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Ballots, help=_GROUP_HELP)
def command() -> None:
    """Group the commands; the help text people see is `_GROUP_HELP`."""


@command.command(help=_HELP, short_help="Show who has voted, as far as we know, by unit.")
@click.argument("ballot")
@click.option("--by", "kind", help="Also by this kind of unit: branch, region, workplace …; unit for all of them.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print the units as CSV, every branch if --by does not say.")
@xlsx_option
@force_option
def show(ballot: str, kind: str | None, xlsx: Path | None, *, as_json: bool, as_csv: bool, force: bool) -> None:
    """Show a ballot's turnout; the help text people see is `_HELP`."""
    if as_json + as_csv + (xlsx is not None) > 1:
        raise click.UsageError("Choose one of --json, --csv and --xlsx.")
    named, whole, units = run(_turnout(ballot, kind or ("branch" if as_csv or xlsx else None)))
    if as_json:
        value = {"ballot": named.name, "score": whole, **({} if units is None else {"units": units})}
        print_json(value, indent=True)
    elif as_csv:
        _write(GuardedCsv(sys.stdout), units or ())
    elif xlsx is not None:
        with sheet_or_nothing(xlsx, replace=force, kind="xlsx") as sheet:
            _write(sheet, units or ())
        click.echo(f"{plural(len(units or ()), 'unit')} written to {xlsx}.")
    else:
        _print(named, whole, units)


async def _turnout(name: str, kind: str | None) -> tuple[Ballot, Score, list[UnitTurnout] | None]:
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        ballot = await get_ballot(db, name)
        await refresh_reach(db, ballot.ballot_id)
        whole = await find_score(db, ballot.ballot_id, runtime.clock())
        if kind is None:
            return ballot, whole, None
        units = await unit_counts(db, ballot.ballot_id, None if kind == _EVERY_UNIT else kind)
        if whole.electorate and kind != _EVERY_UNIT and all(unit.unit_id is None for unit in units):
            kinds = {unit.kind for unit in await unit_counts(db, ballot.ballot_id, None) if unit.kind}
            known = names_instead(kind, sorted(kinds)) if kinds else "No member has any unit."
            raise NotFound(f"No member of the ballot is in a unit of the kind {kind!r}.", remedy=known)
        return ballot, whole, units


def _write(sheet: SheetWriter, units: Sequence[UnitTurnout]) -> None:
    sheet.writerow(["unit_id", "kind", "name", "path", *MEASURES])
    for unit in units:
        sheet.writerow([unit.unit_id or "", unit.kind, unit.name or _NO_UNIT, unit.path, *unit.measures.values()])


def _print(ballot: Ballot, whole: Score, units: Sequence[UnitTurnout] | None) -> None:
    console = Console()
    console.print(Text.assemble((ballot.name, "bold"), f"  {ballot.title}"))
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for row in _lines(whole):
        table.add_row(*row)
    console.print(table)
    if whole.constituencies:
        console.print(_constituencies(whole))
    if units is not None:
        console.print(_units(units, whole))


def _lines(whole: Score) -> list[tuple[str, str, str]]:
    def share(n: float) -> str:
        return percent(n / whole.electorate, mark=whole.threshold) if whole.electorate else ""

    by_channel = f"{format_number(whole.reachable_sms)} by text, {format_number(whole.reachable_email)} by email"
    band = f"between {share(whole.low)} and {share(whole.high)}"
    a_day = f"{at_least(whole.needed_per_day)} a day" if whole.needed_per_day is not None else "no time left"
    passed = " · passed" if whole.passed else " · reached" if whole.reached else ""
    lacking = f"{a_day}, {whole.days_left:.1f} days left" if whole.needed else needed(whole)
    return [
        ("electorate", format_number(whole.electorate), ""),
        ("reachable", format_number(whole.reachable), f"{share(whole.reachable)}: {by_channel}"),
        ("contacted", format_number(whole.contacted), share(whole.contacted)),
        ("confirmed", format_number(whole.confirmed), f"{share(whole.confirmed)} say that they have voted"),
        ("estimate", estimate(whole), f"{share(whole.estimated)}, {band}; {over_report(whole)} taken off"),
        ("threshold", format_number(whole.target), f"{threshold(whole.threshold)}{passed}"),
        ("still needed", format_number(whole.needed), lacking),
        ("a day lately", format_number(whole.rate_per_day), f"at this rate {share(whole.projection)} in the end"),
    ]


def _constituencies(whole: Score) -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column("must pass by itself")
    for heading in ("electorate", "confirmed", "estimate", "needed"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for unit in whole.constituencies:
        table.add_row(
            unit.name,
            format_number(unit.electorate),
            format_number(unit.confirmed),
            estimate(unit),
            needed(unit),
            "[green]passed[/green]" if unit.passed else "",
        )
    return table


def _units(units: Sequence[UnitTurnout], whole: Score) -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column("unit")
    for heading in ("electorate", "reachable", "contacted", "confirmed", "share"):
        table.add_column(heading, justify="right")
    table.add_column(f"estimate, {threshold(whole.threshold)} needed")
    table.add_column("needed", justify="right")
    for unit in units:
        result = assess_unit(unit, whole)
        table.add_row(
            unit.path or _NO_UNIT,
            format_number(result.electorate),
            format_number(result.reachable),
            format_number(result.contacted),
            format_number(result.confirmed),
            percent(result.confirmed / result.electorate) if result.electorate else "",
            _bar(result),
            needed(result),
        )
    return table


def _bar(result: Score, width: int = 10) -> str:
    """Draw a bar of the estimate that is full only when it has reached the threshold."""
    filled = result.estimated / result.target if result.target else 0.0
    full = width if result.reached else min(width - 1, round(filled * width))
    return "█" * full + "·" * (width - full)


command.add_command(export)
command.add_command(import_)
