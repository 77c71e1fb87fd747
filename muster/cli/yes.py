"""Confirmation before something that is hard to undo: a question in a terminal, an option `--yes` elsewhere."""

from __future__ import annotations

import sys

import click

from core.errors import Conflict


def ask_for_yes(question: str, doing: str, *, yes: bool, quiet: bool = False) -> None:
    """Ask for confirmation, and raise unless it is given.

    Args:
        question: such as “Launch?”.
        doing: the action, for the error if there is nobody to ask: “Launching pay-2026”.
        yes: whether it was confirmed on the command line.
        quiet: whether nothing but a result may be printed.

    Raises:
        Conflict: nobody confirmed the step, and there is nobody to ask.
        click.Abort: the answer is no.
    """
    if yes:
        return
    if quiet or not sys.stdin.isatty():
        raise Conflict(
            f"{doing} must be confirmed, and there is no terminal to ask in.", remedy="Add --yes to confirm."
        )
    click.confirm(question, abort=True)
