"""Options of commands: each is declared once, unless two commands mean different things by one name."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from typing import Final

import click
import pytest

from core.settings import ROOT
from muster.cli import root
from muster.cli.moments import MOMENT

OF_TWO_MEANINGS: Final = {
    "--after": "a number of a message, a time, or the cursor of an event",
    "--before": "when ballots closed, or when messages were to leave",
    "--by": "kinds of units as the member file has them, or any, as ballots count them",
    "--csv": "turnout by unit, or the people who answered a question",
    "--dry-run": "turnout imports change nothing unless told otherwise",
    "--file": "a member file for the demo, a list of messages, or one of grants",
    "--from": "a list of leavers, or the first day of a grant",
    "--json": "check reads JSON, too",
    "--on": "the day on which people left, or what something was done to",
    "--members": "how many the demo makes up, or who receives the sandbox's messages",
    "--person": "whose messages to preview, or who wrote a reply",
    "--reason": "why staff do something, or the reason of a message",
    "--since": "when an event happened, or something was done",
    "--smtp": "where the mail server listens, or the sandbox",
    "--source": "who a turnout file is from, or where members consented",
    "--step": "the step to launch, or whose messages to decide about",
    "--unit": "of whom to show answers, or where a grant counts",
    "--until": "when something was done, or the last day of a grant",
}
"""Names that are declared more than once, and why; each one's help says what it means there."""


def declared() -> Iterator[str]:
    for path in sorted((ROOT / "muster" / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "click.option":
                assert isinstance(node.args[0], ast.Constant), path
                yield str(node.args[0].value)


def commands(command: click.Command, context: click.Context) -> Iterator[click.Command]:
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, click.Context(inner, info_name=name, parent=context))
    else:
        yield command


COMMANDS: Final = tuple(commands(root, click.Context(root)))


def test_dates_are_written_alike_for_every_command() -> None:
    kinds = {type(parameter.type) for command in COMMANDS for parameter in command.params}
    assert type(MOMENT) in kinds
    assert click.DateTime not in kinds


def test_an_option_is_declared_once() -> None:
    counted = Counter(declared())
    assert {name for name, times in counted.items() if times > 1} == set(OF_TWO_MEANINGS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_has_a_sentence_of_help(command: click.Command) -> None:
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.help.endswith((".", "…")), option.help
