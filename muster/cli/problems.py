"""Problems of an imported file, as commands print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from core.files.row_problems import Problem, count_by_code
from core.files.sheets import sheet_or_nothing
from core.plurals import plural

MAX_SHOWN_PROBLEMS: Final = 20
"""Most problems on the screen; the file holds the rest."""


def show_problems(problems: Sequence[Problem], further: Mapping[str, int] | None = None) -> None:
    """Print the first problems by line, and how many there are of each kind.

    Args:
        problems: rows and cells that could not be used.
        further: how many more there are, by code.
    """
    if not problems:
        return
    counted = count_by_code(problems, further or {})
    counts = ", ".join(f"{count:,} {code}" for code, count in counted.most_common())
    click.echo(f"{plural(counted.total(), 'problem')}: {counts}")
    for problem in problems[:MAX_SHOWN_PROBLEMS]:
        named = (f"line {problem.line}", f"{problem.member_id}" if problem.member_id else "", problem.column)
        where = ", ".join(filter(None, named))
        click.echo(f"  {where}: {problem.message} ({problem.code})")
    if counted.total() > MAX_SHOWN_PROBLEMS:
        written = f"{len(problems):,} of them" if further else "them all"
        click.echo(f"  … and {counted.total() - MAX_SHOWN_PROBLEMS:,} more; --problems FILE.csv writes {written}.")


def write_problems(path: Path, problems: Sequence[Problem], further: Mapping[str, int] | None = None) -> None:
    """Write problems to a CSV file that only its owner can read, because it quotes members' data.

    Args:
        path: the file; it may exist.
        problems: rows and cells that could not be used.
        further: how many more there are, by code; their number is written.

    Raises:
        InputError: the file cannot be written.
    """
    with sheet_or_nothing(path, replace=True) as sheet:
        sheet.writerow(["line", "member_id", "column", "value", "code", "problem"])
        sheet.writerows(
            (problem.line, problem.member_id, problem.column, problem.value, problem.code, problem.message)
            for problem in problems
        )
    if not problems:
        click.echo(f"There was no problem; {path} holds only the headings.", err=True)
        return
    click.echo(f"{plural(len(problems), 'problem is', 'problems are')} in {path}.", err=True)
    if further:
        of_cells = plural(sum(further.values()), "more problem of cells was", "more problems of cells were")
        click.echo(f"{of_cells} counted, but not written.", err=True)


def show_notices(notices: Sequence[str]) -> None:
    """Print notices about the file, one a line."""
    for notice in notices:
        click.echo(f"note: {notice}")
