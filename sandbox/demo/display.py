"""Terminal output of the demo: the phase and its numbers while it runs, and the tables at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from core.plurals import plural
from messaging.outbox.counts import StepCounts, step_counts
from messaging.states import State
from sandbox.demo.progress import DemoProgress
from sandbox.demo.scenario import Scenario
from sandbox.demo.summary import Summary

Unit = TypeVar("Unit")
_MAX_UNITS: Final = 8


@asynccontextmanager
async def live(scenario: Scenario, progress: DemoProgress, console: Console) -> AsyncIterator[None]:
    """Show the phase's numbers twice a second while the block lasts."""
    with Live(console=console, transient=True, auto_refresh=False) as display:
        task = asyncio.create_task(_refresh(scenario, progress, display))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _refresh(scenario: Scenario, progress: DemoProgress, display: Live) -> None:
    spinner = Spinner("dots")
    while True:
        spinner.update(text=Text(progress.title, style="bold"))
        display.update(Group(spinner, *await _numbers(scenario, progress)), refresh=True)
        await asyncio.sleep(0.25)


async def _numbers(scenario: Scenario, progress: DemoProgress) -> list[RenderableType]:
    """Make the rows of the counts there are so far."""
    shown: list[RenderableType] = []
    if not progress.campaigns:
        rows, total = progress.rows
        if rows:
            shown.append(ProgressBar(total=total, completed=rows, width=60))
            shown.append(Text(f"{plural(rows, 'row')} read"))
        return shown
    if progress.environment is None:
        return shown
    sandbox = progress.environment.sandbox
    async with progress.environment.runtime.pool.acquire() as db:
        counts = [step for campaign in progress.campaigns for step in await step_counts(db, campaign.campaign_id)]
        figures = await scenario.figures(db)
    shown.extend(_step(step) for step in counts if step.counts)
    if figures is not None:
        shown.append(_bar(figures.label, figures.done, figures.wanted, figures.words))
    shown.append(
        Text(
            f"sandbox: {plural(len(sandbox.record.acts), 'thing')} done by people, "
            f"{len(sandbox.record.hits):,} by link scanners, {sum(sandbox.pending.values()):,} still to happen",
            style="dim",
        )
    )
    return shown


def _step(step: StepCounts) -> RenderableType:
    done = sum(step.counts.values()) - sum(step.counts.get(state, 0) for state in (State.QUEUED, State.SENDING))
    states = ", ".join(f"{n:,} {state}" for state, n in sorted(step.counts.items(), key=lambda item: -item[1])[:5])
    return _bar(f"step {step.position}", done, sum(step.counts.values()), states)


def _bar(label: str, done: int, total: int, words: str) -> RenderableType:
    row = Table.grid(padding=(0, 1))
    row.add_column(width=16)
    row.add_column(width=30)
    row.add_column()
    row.add_row(label, ProgressBar(total=max(total, 1), completed=min(done, total), width=30), f"{done:,}  {words}")
    return row


def print_summary(scenario: Scenario, summary: Summary, console: Console) -> None:
    """Print the summary as tables, and say whether it agrees with the record."""
    for table in (_steps(summary), *scenario.tables(summary), _checks(summary)):
        console.print(table)
    seconds = summary["seconds"]["total"]
    if summary["reconciled"]:
        console.print(f"[bold green]Every count agrees with the sandbox's own record.[/] {seconds:.0f} seconds.")
    else:
        console.print("[bold red]Counts do not agree with the sandbox's own record: that is a bug in Muster.[/]")


def new_table(title: str, *columns: str) -> Table:
    """Make an empty table; its first column has words, the others numbers."""
    table = Table(
        title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2)
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def add_others(table: Table, summary: Summary) -> None:
    """Add what people do in every scenario: they opt out, say what staff have to read, and have scanners."""
    table.add_row("addresses opted out", f"{summary['opted_out']['total']:,}")
    table.add_row("answers that wait for a person", f"{summary['replies']['waiting_for_a_person']:,}")
    scanners = summary["scanners"]
    table.add_row(f"link scanners' {scanners['hits']:,} requests that counted", f"{scanners['counted']:,}")


def ends(units: Sequence[Unit]) -> Sequence[Unit]:
    """Return the first and the last few of some units; all of them if there are not many."""
    return units if len(units) <= _MAX_UNITS else (*units[: _MAX_UNITS // 2], *units[-_MAX_UNITS // 2 :])


def _steps(summary: Summary) -> Table:
    table = new_table(
        "What was sent", "step", "audience", "sent", "arrived", "bounced", "segments", "got nothing, and why"
    )
    for step in summary["steps"]:
        why = ", ".join(
            f"{n:,} {reason.replace('_', ' ')}"
            for reason, n in sorted(step["not_sent"].items(), key=lambda entry: -entry[1])
        )
        sent = ", ".join(f"{n:,} {channel}" for channel, n in step["sent"].items())
        table.add_row(
            f"{step['position']} {step['template']}", f"{step['audience']:,}", sent or "0", f"{step['delivered']:,}",
            f"{step['bounced']:,}", f"{step['segments']:,}", why or "-",
        )  # fmt: skip
    return table


def _checks(summary: Summary) -> Table:
    table = new_table("Held against what really happened", "", "Muster", "sandbox", "")
    for check in summary["checks"]:
        agreement = "[green]agrees[/]" if check["agrees"] else f"[red]differs[/] {' '.join(check['odd'])}"
        table.add_row(check["name"], f"{check['muster']:,}", f"{check['sandbox']:,}", agreement)
    return table
