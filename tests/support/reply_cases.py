"""Replies and what they mean, from tests/data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Case:
    """A reply, the menu its message offered, what it means, and which part of its set it belongs to."""

    text: str
    menu: Mapping[str, str] | None
    reading: str
    part: str = ""


def cases(name: str) -> Iterator[Case]:
    """The replies of one file."""
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        text, reading, *part = line.split("\t")
        text = text.replace("\\n", "\n")
        if menu := re.match(r"\[([^]]+=[^]]+)] (.*)", text, re.DOTALL):
            yield Case(menu[2], dict(choice.split("=") for choice in menu[1].split()), reading, *part)
        else:
            yield Case(text, None, reading, *part)
