"""Rows of campaigns whose messages are due by dates of people."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, RenderableType


def as_text(shown: RenderableType) -> str:
    console = Console(width=200, file=StringIO())
    console.print(shown)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]
