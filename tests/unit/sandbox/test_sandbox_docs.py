"""docs/sandbox.md tells the truth about everything that misbehaves on purpose."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from sandbox.postmaster import QUIRKS
from sandbox.scanners import KINDS
from sandbox.twilio.magic import FROM, TO
from sandbox.vonage.magic import TO as VONAGE

DOCS = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in DOCS.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("numbers", [TO, FROM])
def test_every_magic_number_is_in_the_docs(numbers: dict[str, object]) -> None:
    documented = {row[0].strip("`") for row in ROWS}
    assert set(numbers) <= documented


def test_every_row_about_a_number_says_what_happens() -> None:
    rows = [row for row in ROWS if row[0].startswith("`+")]
    assert len(rows) == len(TO) + len(FROM)
    for number, what, answer in rows:
        tricks = [table[number.strip("`")] for table in (TO, FROM) if number.strip("`") in table]
        assert what in {trick.what for trick in tricks}
        trick = next(trick for trick in tricks if trick.what == what)
        expected = trick.refuse or (trick.ending and trick.ending[1]) or trick.status
        assert expected is None or str(expected) in answer


def test_every_magic_number_of_the_second_provider_is_in_the_docs() -> None:
    rows = {row[0].strip("`"): row for row in ROWS if row[0].strip("`").isdigit()}
    assert {f"+447700900{end}" for end in rows} == set(VONAGE)
    for number, trick in VONAGE.items():
        _, what, answer = rows[number[-3:]]
        assert what == trick.what
        expected = trick.refuse or (trick.ending and trick.ending[1]) or trick.status
        assert expected is None or str(expected) in answer


def test_every_quirk_is_in_the_docs_with_its_reply() -> None:
    rows = {row[0].strip("`"): row for row in ROWS}
    for keyword, quirk in QUIRKS.items():
        assert rows[keyword][1] == quirk.what
        assert quirk.reply in rows[keyword][2]


def test_every_scanner_is_in_the_docs() -> None:
    for kind in KINDS:
        assert f"`{kind.name}`" in DOCS


def test_every_class_named_in_the_docs_exists() -> None:
    named = dict(re.findall(r"`(\w+)` \(in `(sandbox[\w.]*)`\)", DOCS))
    assert named, "the docs say where a class is"
    for name, module in named.items():
        assert hasattr(import_module(module), name)
    known = {*named, *vars(import_module("sandbox.sandbox")), *vars(import_module("sandbox.twilio.config"))}
    assert set(re.findall(r"\b([A-Z][a-z]+[A-Z]\w+)\(", DOCS)) <= known
