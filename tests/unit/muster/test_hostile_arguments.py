"""No argument of any command ends in a traceback: what cannot be stored, shown or sent is refused in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click
import pytest

from core.errors import SpecError
from muster.cli import COMMANDS, exit_status, root
from muster.cli.output import guarded
from services.questions.spec import load_question_spec

HOSTILE = {
    "no UTF-8": "ab\udcff",
    "NUL": "a\0b",
    "escape": "a\x1b[2Jb",
    "bell": "\x07",
    "C1": "a\x9b31mb",
    "long": "x" * 200_000,
}
UP = frozenset({"run", "serve", "worker", "sandbox", "mailroom", "demo", "migrate"})
"""Commands that start something where nothing is wrong with what they are given."""


def _commands(group: click.Group, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from _commands(command, *words, name)
            else:
                yield (*words, name), command


def _harmless(parameter: click.Parameter) -> str:
    match parameter.type:
        case click.Choice(choices=choices):
            return str(next(iter(choices)))
        case click.Path() | click.File():
            return "/nonexistent/file"
    return "1"


def _calls(words: tuple[str, ...], command: click.Command, value: str) -> Iterator[list[str]]:
    """The command with a value in place of each of its arguments and options in turn, and with one too many."""
    needed = [parameter for parameter in command.params if isinstance(parameter, click.Argument) or parameter.required]
    for hostile in [
        parameter for parameter in command.params if parameter in needed or not getattr(parameter, "is_flag", False)
    ]:
        if hostile.name == "help" or (words[0] in UP and isinstance(hostile.type, click.Path)):
            continue
        parts = [
            [
                *([parameter.opts[0]] if isinstance(parameter, click.Option) else []),
                value if parameter is hostile else _harmless(parameter),
            ]
            for parameter in dict.fromkeys([*needed, hostile])
        ]
        yield [*words, *chain.from_iterable(parts)]
    if words[0] in UP:
        yield [*words, value]


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("noun", COMMANDS)
def test_every_command_refuses_it_in_a_sentence(
    noun: str, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MUSTER_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("MUSTER_DATABASE_URL", raising=False)
    monkeypatch.setattr(sys, "stderr", guarded(sys.stderr))  # as `main` does
    for words, command in _commands(root):
        if words[0] != noun:
            continue
        for call in _calls(words, command, HOSTILE[kind]):
            status = exit_status(call)
            said = capsys.readouterr().err
            assert status in {1, 2}, call[:6]
            assert "Error: " in said, call[:6]
            assert len(said) < 20_000, call[0]
            assert not set(said) & {"\x1b", "\x07", "\x9b"}, call[:6]


QUESTION = """
[question]
name = "visit"
title = "{title}"
asks = "{asks}"
closes = 2027-01-01
answers = [{{ name = "good", label = "{label}", digit = 1 }}, {{ name = "poor", label = "Poor", digit = 2 }}]
"""


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"title": "a\\u0000b"}, "question.title: has a control character that nobody sees, U+0000 "),
        ({"title": "a\\nb"}, "question.title: write it in one line"),
        ({"label": "a\\nb"}, "label: write it in one line"),
        ({"label": "a\\u001b[2Jb"}, "question.answers[1].label: has a control character that nobody sees, U+001B"),
        ({"label": "a\\u202eb"}, "question.answers[1].label: has a control character that nobody sees, U+202E"),
        ({"title": "a\\u202eb"}, "question.title: has a control character that nobody sees, U+202E (right-to-left"),
        ({"asks": "a\\u2067b"}, "question.asks: has a control character that nobody sees, U+2067"),
        ({"asks": "x" * 200_000}, "question.asks: "),
    ],
)
def test_a_file_with_words_that_stand_on_no_button_is_refused(
    tmp_path: Path, changed: dict[str, str], told: str
) -> None:
    path = tmp_path / "q.toml"
    path.write_text(QUESTION.format(**{"title": "your visit", "asks": "How was it?", "label": "Good"} | changed))
    with pytest.raises(SpecError) as refused:
        load_question_spec(path)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 1000
