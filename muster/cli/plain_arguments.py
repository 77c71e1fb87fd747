"""Arguments of commands as text that can be stored, sent and shown: anything else is refused before a command runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import click

MAX_ARGUMENT_LENGTH: Final = 10_000
"""Characters of an argument: more than any name, address, reason or answer has."""
_UNREADABLE: Final = re.compile("[\ud800-\udfff]")
"""Bytes that are not UTF-8, as Python passes them on."""
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class PlainText(click.types.StringParamType):
    """Text of a few thousand characters at most, without control characters other than tabs and line ends."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, or fail and say why; the error does not repeat it, because a terminal might obey it."""
        text = super().convert(value, param, ctx)
        if _UNREADABLE.search(text):
            self.fail("it has bytes that are no UTF-8. Type it again, or check your terminal's encoding.", param, ctx)
        if (control := _CONTROL.search(text)) is not None:
            self.fail(f"it has a control character, U+{ord(control[0]):04X}. Type it again without it.", param, ctx)
        if len(text) > MAX_ARGUMENT_LENGTH:
            self.fail(f"it has {len(text):,} characters; at most {MAX_ARGUMENT_LENGTH:,} are taken.", param, ctx)
        return text


PLAIN_TEXT: Final = PlainText()


def refuse_unusable(arguments: Sequence[str]) -> None:
    """Refuse arguments that cannot even be a path, before anything repeats them.

    Raises:
        UsageError: one is too long, or has NUL in it.
    """
    for argument in arguments:
        if "\0" in argument:
            raise click.UsageError("An argument has the character NUL in it.")
        if len(argument) > MAX_ARGUMENT_LENGTH:
            raise click.UsageError(
                f"An argument has {len(argument):,} characters; at most {MAX_ARGUMENT_LENGTH:,} are taken."
            )


def take_plain_text(command: click.Command) -> click.Command:
    """Have a command, and all commands in it, take plain text wherever they take any text."""
    for parameter in command.params:
        if type(parameter.type) is click.types.StringParamType:
            parameter.type = PLAIN_TEXT
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        take_plain_text(inner)
    return command
