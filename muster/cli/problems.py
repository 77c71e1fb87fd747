"""The problems of a file somebody gave, as commands tell them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from campaigns.people.report import Problem
from messaging.errors import InputError

SHOWN: Final = 20
"""Problems on the screen; a file takes the rest."""


def tell_problems(problems: Sequence[Problem]) -> None:
    """The first of them by line, and how many there are of each kind."""
    if not problems:
        return
    counted = Counter(problem.code for problem in problems).most_common()
    counts = ", ".join(f"{count:,} {code}" for code, count in counted)
    click.echo(f"{len(problems):,} problem{'s' if len(problems) > 1 else ''}: {counts}")
    for problem in problems[:SHOWN]:
        where = f"line {problem.line}" + (f", {problem.column}" if problem.column else "")
        click.echo(f"  {where}: {problem.message} ({problem.code})")
    if len(problems) > SHOWN:
        click.echo(f"  … and {len(problems) - SHOWN:,} more; --problems FILE.csv writes them all.")


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """All of them as CSV.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        opened = path.open("w", encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InputError(f"The problems cannot be written to {path}: {error.strerror or error}.") from None
    with opened as file:
        sheet = csv.writer(file)
        sheet.writerow(["line", "column", "code", "problem"])
        sheet.writerows((problem.line, problem.column, problem.code, problem.message) for problem in problems)
