"""Terminal output of the demo: the scene and its numbers while it runs, and the tables at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ballots.counts import totals
from ballots.figures import percent, threshold
from ballots.score import votes_needed
from core.plurals import plural, verb
from messaging.outbox.counts import StepCounts, step_counts
from messaging.states import State
from sandbox.demo.story import Scene
from sandbox.demo.summary import Summary

_BRANCHES = 8


@asynccontextmanager
async def live(scene: Scene, console: Console) -> AsyncIterator[None]:
    """Show the scene's numbers twice a second while the block lasts."""
    with Live(console=console, transient=True, auto_refresh=False) as display:
        task = asyncio.create_task(_refresh(scene, display))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _refresh(scene: Scene, display: Live) -> None:
    spinner = Spinner("dots")
    while True:
        spinner.update(text=Text(scene.title, style="bold"))
        display.update(Group(spinner, *await _numbers(scene)), refresh=True)
        await asyncio.sleep(0.25)


async def _numbers(scene: Scene) -> list[RenderableType]:
    """Make the rows of the counts there are so far."""
    shown: list[RenderableType] = []
    if scene.campaign is None:
        rows, total = scene.rows
        if rows:
            shown.append(ProgressBar(total=total, completed=rows, width=60))
            shown.append(Text(f"{plural(rows, 'row')} read"))
        return shown
    if scene.stage is None or scene.ballot is None:
        return shown
    async with scene.stage.runtime.pool.acquire() as db:
        steps = await step_counts(db, scene.campaign.campaign_id)
        counted = await totals(db, scene.ballot.ballot_id)
    shown.extend(_step(step) for step in steps if step.counts)
    goal = votes_needed(float(scene.ballot.threshold), counted["electorate"])
    shown.append(_bar("confirmed votes", counted["voted"], goal, f"of the {goal:,} needed"))
    pending = scene.stage.sandbox.pending
    shown.append(
        Text(
            f"sandbox: {plural(len(scene.stage.sandbox.record.acts), 'thing')} done by members, "
            f"{len(scene.stage.sandbox.record.hits):,} by link scanners, {sum(pending.values()):,} still to happen",
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


def tell(summary: Summary, console: Console) -> None:
    """Print the summary as tables, and say whether it agrees with the record."""
    console.print(_steps(summary))
    console.print(_answers(summary))
    console.print(_turnout(summary))
    console.print(_checks(summary))
    seconds = summary["seconds"]["total"]
    if summary["reconciled"]:
        console.print(f"[bold green]Every count agrees with the sandbox's own record.[/] {seconds:.0f} seconds.")
    else:
        console.print("[bold red]Counts do not agree with the sandbox's own record: that is a bug in Muster.[/]")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2))
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _steps(summary: Summary) -> Table:
    table = _table(
        "\nWhat was sent", "step", "audience", "sent", "arrived", "bounced", "segments", "got nothing, and why"
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


def _answers(summary: Summary) -> Table:
    table = _table("\nWhat members said", "", "members")
    for source, number in summary["confirmed"].items():
        table.add_row(
            "voted, all routes" if source == "total" else f"voted, by {source.replace('_', ' ')}", f"{number:,}"
        )
    for kind, number in summary["answers"].items():
        if kind != "voted":
            table.add_row(kind.replace("_", " "), f"{number:,}")
    table.add_row("addresses opted out", f"{summary['opted_out']['total']:,}")
    table.add_row("answers that wait for a person", f"{summary['replies']['waiting_for_a_person']:,}")
    scanners = summary["scanners"]
    table.add_row(f"link scanners' {scanners['hits']:,} requests that counted", f"{scanners['counted']:,}")
    return table


def _turnout(summary: Summary) -> Panel:
    turnout = summary["turnout"]
    branches = sorted(turnout["branches"], key=lambda branch: -branch["share"])
    reached = sum(branch["reached"] for branch in branches)
    goal = threshold(turnout["threshold"])
    have_reached = verb(reached, "has", "have")
    confirmed = (
        f"{turnout['confirmed']:,} of {turnout['electorate']:,} {verb(turnout['confirmed'], 'has', 'have')} said"
    )
    shown_branches = plural(len(branches), "branch", "branches")
    more, days = plural(turnout["needed"], "more confirmation"), plural(round(turnout["days_left"]), "day")
    lines = [
        f"{confirmed} that they voted; {turnout['target']:,} must.",
        f"Estimate {turnout['estimate']:,} ({turnout['low']:,} to {turnout['high']:,}), as people over-report voting.",
        f"{more} needed, {days} left to post.",
        f"{reached:,} of {shown_branches} {have_reached} reached {goal} by estimate. Furthest ahead and behind:",
        *(
            f"  {percent(b['share']):>6}  {b['confirmed']:>4} of {b['electorate']:<4} {b['name']}"
            for b in _ends(branches)
        ),
    ]
    return Panel("\n".join(lines), title="Turnout", title_align="left", expand=False)


def _ends(branches: list[Summary]) -> list[Summary]:
    if len(branches) <= _BRANCHES:
        return branches
    return branches[: _BRANCHES // 2] + branches[-_BRANCHES // 2 :]


def _checks(summary: Summary) -> Table:
    table = _table("\nHeld against what really happened", "", "Muster", "sandbox", "")
    for check in summary["checks"]:
        agreement = "[green]agrees[/]" if check["agrees"] else f"[red]differs[/] {' '.join(check['odd'])}"
        table.add_row(check["name"], f"{check['muster']:,}", f"{check['sandbox']:,}", agreement)
    return table
