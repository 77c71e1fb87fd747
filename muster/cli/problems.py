"""The problems of a file somebody gave, as commands tell them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from campaigns.files import sheet_or_nothing
from campaigns.people.report import Problem

SHOWN: Final = 20
"""Problems on the screen; a file takes the rest."""


header_row_option = click.option(
    "--header-row", type=click.IntRange(min=1), metavar="N",
    help="The row or line that names the columns, where it is not found by itself.",
)  # fmt: skip

encoding_option = click.option(
    "--encoding", metavar="NAME", help="Of a CSV file that is read wrongly: windows-1252, mac-roman …",
)  # fmt: skip


def tell_problems(problems: Sequence[Problem]) -> None:
    """The first of them by line, and how many there are of each kind."""
    if not problems:
        return
    counted = Counter(problem.code for problem in problems).most_common()
    counts = ", ".join(f"{count:,} {code}" for code, count in counted)
    click.echo(f"{len(problems):,} problem{'s' if len(problems) > 1 else ''}: {counts}")
    for problem in problems[:SHOWN]:
        named = (f"line {problem.line}", f"member {problem.member_id}" if problem.member_id else "", problem.column)
        where = ", ".join(filter(None, named))
        click.echo(f"  {where}: {problem.message} ({problem.code})")
    if len(problems) > SHOWN:
        click.echo(f"  … and {len(problems) - SHOWN:,} more; --problems FILE.csv writes them all.")


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write all of them to a CSV file that only its owner can read: it holds what members' cells hold.

    Raises:
        InputError: the file cannot be written.
    """
    with sheet_or_nothing(path, replace=True) as sheet:
        sheet.writerow(["line", "member_id", "column", "value", "code", "problem"])
        sheet.writerows((one.line, one.member_id, one.column, one.value, one.code, one.message) for one in problems)
    told = "1 problem is" if len(problems) == 1 else f"{len(problems):,} problems are"
    click.echo(f"{told} in {path}." if problems else f"There was no problem; {path} holds only the headings.", err=True)


def tell_notices(notices: Sequence[str]) -> None:
    """What people should know of the file, a line for each."""
    for notice in notices:
        click.echo(f"note: {notice}")
