"""Command output without terminal control characters, even where old rows or providers' texts contain them.

Colours and cursor movements of ours are CSI sequences, and pass to terminals only. A command that shows text from
outside removes such sequences from it first (`core.control_characters`).
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final, TextIO, cast

import click

from core.control_characters import escape_controls, without_controls

_OURS: Final = re.compile(r"(\x1b\[[0-9;?]{0,32}[A-Za-z])")


class GuardedStream:
    """Stream that passes on no control characters except line ends, tabs and, on a terminal, colours.

    Args:
        stream: the stream to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without its control characters."""
        if text.isprintable():
            self._stream.write(text)
        elif self._stream.isatty():
            self._stream.write(
                "".join(_harmless(part) if at % 2 == 0 else part for at, part in enumerate(_OURS.split(text)))
            )
        else:
            self._stream.write(_harmless(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write lines, one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the stream."""
        return getattr(self._stream, name)


def guard_output() -> None:
    """Guard stdout and stderr of this process."""
    sys.stdout, sys.stderr = guarded(sys.stdout), guarded(sys.stderr)


def guarded(stream: TextIO) -> TextIO:
    """Wrap a stream so that it is guarded."""
    return cast("TextIO", GuardedStream(stream))


def print_json(value: object, *, indent: bool = False) -> None:
    """Print a value as JSON, on one line unless it is to be indented."""
    click.echo(json_text(value, indent=indent))


def json_text(value: object, *, indent: bool = False) -> str:
    """Return a value as JSON without control characters; every string is the same once parsed."""
    import orjson

    options = orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if indent else 0)
    return escape_controls(orjson.dumps(value, option=options).decode())


def _harmless(text: str) -> str:
    """Remove control characters from a text; a carriage return stays, because progress bars need it."""
    return "\r".join(without_controls(part) for part in text.split("\r"))
