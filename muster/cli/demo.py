"""`muster demo`."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click
from rich.console import Console

from core.errors import InputError
from core.plurals import plural
from messaging.settings import load_settings
from muster.cli.options import json_option, seed_option
from muster.cli.output import print_json
from muster.cli.session import run
from muster.demo_host import DemoHost
from muster.logs import configure_logs
from sandbox.demo import display
from sandbox.demo.home import run_on_demo
from sandbox.demo.progress import DemoProgress
from sandbox.demo.scenario import Options, Scenario, play
from sandbox.demo.scenarios import SCENARIOS
from sandbox.demo.summary import Summary


@click.command()
@click.argument("scenario", type=click.Choice(list(SCENARIOS)), default="ballot")
@click.option(
    "--members",
    type=click.IntRange(10, 1_000_000),
    help="How many people to make up; default: 12,000, for question 5,000.",
)
@click.option("--file", "file", type=click.Path(path_type=Path), help="Use this member file instead of made-up people.")
@seed_option
@click.option("--headless", is_flag=True, help="No moving display, only a line for each phase.")
@json_option
def command(*, scenario: str, members: int | None, file: Path | None, seed: int, headless: bool, as_json: bool) -> int:
    r"""Play a whole scenario, from member file to counts.

    \b
    ballot    a union asks everybody by email, then by text, and counts who has voted
    question  a council asks residents about a visit, and reminds some of an appointment

    Nothing leaves this machine: PostgreSQL, Valkey and a pretend Twilio and mail server are started for it in
    MUSTER_HOME/demo, with people and link scanners who act in compressed time, and stopped at the end. Every count is
    held against what those people really did; the exit status is 1 if any differs.
    """
    if file is not None and not file.is_file():
        raise InputError(
            f"There is no file {file}.", remedy="Give a CSV, XLSX or ODS member file, or leave --file out."
        )
    settings = load_settings()
    os.umask(0o077)  # with --file, the data it leaves may be of real people
    configure_logs(settings.log_format, level=logging.WARNING)  # the phases show what happens
    played = SCENARIOS[scenario]()
    options = Options(settings.home, members, file.resolve() if file else None, seed)
    summary = run(_play(played, options, headless=headless or as_json))
    if as_json:
        print_json(summary)
    else:
        display.print_summary(played, summary, _page())
        if file is not None:
            _show_file(file, summary["members"])
        click.echo(f"\nTo look around in the demo's data, in the browser: {run_on_demo(settings.home)}")
        click.echo("To begin with people of your own: muster run, and README.md.")
    return 0 if summary["reconciled"] else 1


def _show_file(file: Path, members: Summary) -> None:
    """Report rows and cells of the user's own member file that could not be used."""
    problems = sum(members["problems"].values())
    if problems or members["rejected"]:
        click.echo(
            f"\n{file.name}: {plural(problems, 'problem')}, {plural(members['rejected'], 'row')} left out whole. "
            f"See each by its line: muster people import {file} --dry-run"
        )


def _page() -> Console:
    """Make the console that prints the tables; in a file or pipe it is as wide as they need."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


async def _play(scenario: Scenario, options: Options, *, headless: bool) -> Summary:
    console = Console(stderr=True)
    progress = DemoProgress(say=lambda title: console.print(f"[dim]•[/] {title}"))
    if headless or not console.is_terminal:
        return await play(scenario, options, progress, DemoHost())
    async with display.live(scenario, progress, console):
        return await play(scenario, options, progress, DemoHost())
