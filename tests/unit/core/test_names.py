"""The names of modules and classes are the field's own: none of an old private dialect comes back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.settings import ROOT

PACKAGES: Final = (
    "core", "messaging", "people", "staff", "ballots", "services", "campaigns", "webhooks", "api", "console", "muster",
    "sandbox", "tools",
)  # fmt: skip
MODULES: Final = frozenset(
    {
        "courier", "lanes", "lane", "presence", "journal", "record", "doubts", "pace", "domains", "held", "sweep",
        "seal", "dialogue", "relay", "signing", "outside", "setting_values", "gate", "assign", "checks", "hours",
        "reading", "rereading", "conversations", "door", "asked", "visits", "misses", "missed", "leftovers", "texting",
        "agents", "wording", "desk", "mailroom", "letter", "machines", "quotes", "sort", "outgoing", "ledgers",
        "milestones", "settled", "stream", "envelope", "sealing", "resend", "catalogue", "tide", "duty", "duties",
        "keeper", "attach", "lost", "garbage", "utils", "helpers", "models", "common", "misc",
    }
)  # fmt: skip
"""What they are called instead: ARCHITECTURE.md, *Rooms*."""
CLASSES: Final = frozenset(
    {
        "Courier", "Parcel", "Departure", "Mark", "Verdict", "Lane", "Lanes", "Desk", "InboundDesk", "Carrier",
        "Letter", "Misses", "Gate", "Way", "Tide", "Keeper", "Journal", "Presence", "Doubts", "Duty", "Duties", "Told",
        "Asked",
        "Held", "Said", "Hit", "Fault", "News", "Farewell", "Ear", "_Ear", "_Clerk",
    }
)  # fmt: skip
IDENTIFIERS: Final = frozenset(
    {
        "courier", "lane", "lanes", "parcel", "verdict", "verdicts", "presence", "tide", "keeper", "bell",
        "squash", "sweep", "swept", "seal", "unseal", "sealed", "dialogue", "clerk",
        "carrier", "purse", "luck", "duty", "duties", "foretold", "visits", "deeds", "milestones", "barred",
    }
)  # fmt: skip
"""Words of which no function, argument, variable, table, column or query is named."""
NAMED_BY_COMMANDS: Final = {"muster/cli/mailroom.py"}
"""Commands that other programs rely on."""
OF_THE_SANDBOX: Final = {"sandbox/record.py"}
"""What the sandbox keeps of what really happened is a record."""
LONGEST: Final = 400


def modules() -> Iterator[Path]:
    return (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


def test_no_module_has_a_name_of_the_old_dialect() -> None:
    named = {str(path.relative_to(ROOT)) for path in modules() if path.stem in MODULES}
    named |= {str(path.relative_to(ROOT)) for path in modules() if set(path.relative_to(ROOT).parts[:-1]) & MODULES}
    assert named - NAMED_BY_COMMANDS - OF_THE_SANDBOX == set()


def test_no_class_has_a_name_of_the_old_dialect() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name in CLASSES
    }
    assert found == set()


def identifiers(path: Path) -> Iterator[str]:
    """Names of functions, arguments, attributes and variables, and of the queries and tables of SQL."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        yield from re.findall(r"(?m)^(?:-- name:|create (?:table|view|function)) (\w+)", text)
        return
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def test_nothing_else_has_a_name_of_the_old_dialect() -> None:
    files = [*modules(), *(path for package in PACKAGES for path in (ROOT / package).rglob("*.sql"))]
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in identifiers(path)
        if set(name.lower().strip("_").split("_")) & IDENTIFIERS
    }
    assert found == set()


def test_no_two_classes_that_others_use_have_one_name() -> None:
    homes: dict[str, list[str]] = {}
    for path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    twice = {name: paths for name, paths in homes.items() if len(paths) > 1}
    assert twice == {}


def test_no_module_is_longer_than_one_noun_needs() -> None:
    long = {str(path.relative_to(ROOT)): count for path in modules() if (count := lines(path)) > LONGEST}
    assert long == {}


def lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def test_messaging_names_no_ballot() -> None:
    files = [path for kind in ("*.py", "*.sql") for path in (ROOT / "messaging").rglob(kind)]
    assert files
    assert [str(path) for path in files if "ballot" in path.read_text(encoding="utf-8").lower()] == []


def test_every_package_says_what_it_offers() -> None:
    for package in PACKAGES:
        init = ROOT / package / "__init__.py"
        assert init.is_file(), package
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), package
