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
from sandbox.demo import show
from sandbox.demo.home import run_on_demo
from sandbox.demo.story import Options, Scene, play
from sandbox.demo.summary import Summary


@click.command()
@click.option(
    "--members",
    type=click.IntRange(10, 1_000_000),
    default=12_000,
    show_default=True,
    help="How many members to make up.",
)
@click.option(
    "--file", "file", type=click.Path(path_type=Path), help="Use this member file instead of a made-up union."
)
@seed_option
@click.option("--headless", is_flag=True, help="No moving display, only a line for each scene.")
@json_option
def command(*, members: int, file: Path | None, seed: int, headless: bool, as_json: bool) -> int:
    """Play the whole story: import a union, ask everybody by email, then by text, and count who has voted.

    Nothing leaves this machine: PostgreSQL, Valkey and a pretend Twilio and mail server are started for it in
    MUSTER_HOME/demo, with members and link scanners who act in compressed time, and stopped at the end. Every count is
    held against what those members really did; the exit status is 1 if any differs.
    """
    if file is not None and not file.is_file():
        raise InputError(
            f"There is no file {file}.", remedy="Give a CSV, XLSX or ODS member file, or leave --file out."
        )
    settings = load_settings()
    os.umask(0o077)  # with --file, the data it leaves may be of real people
    configure_logs(settings.log_format, level=logging.WARNING)  # the scenes show what happens
    summary = run(
        _play(Options(settings.home, members, file.resolve() if file else None, seed), headless=headless or as_json)
    )
    if as_json:
        print_json(summary)
    else:
        show.tell(summary, _page())
        if file is not None:
            _show_file(file, summary["members"])
        click.echo(f"\nTo look around in the demo's union, in the browser: {run_on_demo(settings.home)}")
        click.echo("To begin with members of your own: muster run, and README.md.")
    return 0 if summary["reconciled"] else 1


def _show_file(file: Path, members: Summary) -> None:
    """Report what could not be used of the user's own member file."""
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


async def _play(options: Options, *, headless: bool) -> Summary:
    console = Console(stderr=True)
    scene = Scene(say=lambda title: console.print(f"[dim]•[/] {title}"))
    if headless or not console.is_terminal:
        return await play(options, scene, DemoHost())
    async with show.live(scene, console):
        return await play(options, scene, DemoHost())
