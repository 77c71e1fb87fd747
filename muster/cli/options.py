"""Options that several commands have, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from core.access import Actor
from muster.operator import operator, this_user

Option = Callable[[Callable[..., Any]], Callable[..., Any]]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")


def _operator(_ctx: click.Context, _parameter: click.Parameter, name: str) -> Actor:
    return operator(name)


actor_option = click.option(
    "--actor", default=this_user, callback=_operator, help="Who does this, for the audit; default: your user name here."
)

yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")

dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would happen, and change nothing.")

force_option = click.option("--force", is_flag=True, help="Replace the file if it exists.")

reason_option = click.option("--reason", default="", help="The reason, which is kept and shown to staff.")

problems_option = click.option(
    "--problems",
    "problems_file",
    type=click.Path(path_type=Path),
    help="Write every problem to this file, CSV or XLSX by its name.",
)

header_row_option = click.option(
    "--header-row", type=click.IntRange(min=1), metavar="N",
    help="The row or line with the column names, if it is not found by itself.",
)  # fmt: skip

encoding_option = click.option(
    "--encoding", metavar="NAME", help="The encoding of a CSV file that is read wrongly: windows-1252, mac-roman …",
)  # fmt: skip

xlsx_option = click.option(
    "--xlsx", type=click.Path(path_type=Path), metavar="FILE",
    help="Write it to this Excel workbook, not to the screen.",
)  # fmt: skip

campaign_option = click.option("--campaign", help="Only messages of this campaign.")

seed_option = click.option(
    "--seed", type=int, default=1, show_default=True,
    help="Number that decides what the made-up members do: the same number, the same events.",
)  # fmt: skip


members_option = click.option(
    "--members", type=click.Choice(["none", "lively"]), default="none", show_default=True,
    help="Who receives the sandbox's messages: nobody, or made-up members and link scanners, who press and answer.",
)  # fmt: skip


def limit_option(default: int, most: int = 100_000) -> Option:
    """Return the option `--limit`: the most rows to show.

    Args:
        default: without the option.
        most: the largest value it takes.
    """
    return click.option(
        "--limit", default=default, show_default=True, type=click.IntRange(1, most), help="Show at most this many."
    )
