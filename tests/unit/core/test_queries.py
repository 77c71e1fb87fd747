"""Named queries: each says why it is as it is, is used by the module beside it, and is there where that asks for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from core.db import load_queries
from core.settings import ROOT
from tools.module_list import PACKAGES

_HEAD = re.compile(r"(?m)^-- name: (\w+)\n(?!--)")


def query_files() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.sql")):
            if path.with_suffix(".py").exists():
                yield path


def asked_for(module: Path) -> tuple[set[str], bool]:
    """Names of queries that a module asks for, and whether it asks for others by a variable."""
    names, by_variable = set(), False
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        match node:
            case ast.Subscript(value=ast.Name(id="SQL"), slice=ast.Constant(value=str(name))):
                names.add(name)
            case ast.Subscript(value=ast.Name(id="SQL")):
                by_variable = True
    return names, by_variable


def test_every_query_has_a_comment() -> None:
    bare = [f"{path.relative_to(ROOT)}: {name}" for path in query_files() for name in _HEAD.findall(path.read_text())]
    assert bare == []


def test_every_query_that_a_module_asks_for_is_there_and_no_other() -> None:
    wrong = []
    for path in query_files():
        module = path.with_suffix(".py")
        there, (names, by_variable) = set(load_queries(str(module))), asked_for(module)
        wrong += [f"{module.relative_to(ROOT)} asks for {name}" for name in sorted(names - there)]
        if not by_variable:
            wrong += [f"{path.relative_to(ROOT)} has {name}, which nobody asks for" for name in sorted(there - names)]
    assert wrong == []


def test_every_query_ends_with_a_semicolon() -> None:
    open_ended = []
    for path in query_files():
        _, *rest = re.split(r"(?m)^-- name: (\w+)$", path.read_text(encoding="utf-8"))
        open_ended += [
            f"{path.relative_to(ROOT)}: {query}"
            for query, body in zip(rest[::2], rest[1::2], strict=True)
            if not body.rstrip().endswith(";")
        ]
    assert open_ended == []
