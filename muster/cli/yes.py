"""A yes before something that is hard to take back: asked for in a terminal, demanded everywhere else."""

from __future__ import annotations

import sys

import click

from core.errors import Conflict


def ask_for_yes(question: str, doing: str, *, yes: bool, quiet: bool = False) -> None:
    """Ask, and go no further without a yes.

    Args:
        question: such as “Launch?”.
        doing: what needs the yes, where there is nobody to ask: “Launching pay-2026”.
        yes: whether it was given on the command line.
        quiet: whether nothing but a result may be printed.

    Raises:
        Conflict: it was not given, and there is nobody to ask.
        click.Abort: the answer is no.
    """
    if yes:
        return
    if quiet or not sys.stdin.isatty():
        raise Conflict(f"{doing} needs a yes, and there is nobody here to ask.", remedy="Add --yes if you mean it.")
    click.confirm(question, abort=True)
