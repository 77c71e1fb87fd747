"""SQL keeps to the layers: a table is written by its own package alone, and read by that and by packages above."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from core.db import load_queries
from core.settings import ROOT
from tools.module_list import PACKAGES

OWNERS_FUNCTIONS: Final = {"empty_ledgers", "finish_erasure"}
"""Erasure takes personal detail out of every package's tables in one transaction, by the one function that triggers let
through. Split by package it would be as many functions with the owner's rights, each to be guarded by itself."""
ABOVE_ALL: Final = {"muster", "sandbox", "tools"}
"""Imported by no other package; they read what they show."""
_BEFORE_A_NAME: Final = {"from", "join", "using", "into", "update", "lateral", "only", "table"}
_ENDS_A_LIST: Final = {
    "where", "on", "set", "join", "left", "cross", "full", "inner", "group", "order", "limit", "returning", "union",
    "select", "values", "for", "having", "when", "then", "else", "end", "and", "or",
}  # fmt: skip
_TOKEN: Final = re.compile(r"[a-z_][a-z0-9_]*|[(),.;]", re.IGNORECASE)
_STATEMENT: Final = re.compile(r"\s*(select|insert into|update|delete from|with \w+ as) ")
_FUNCTION: Final = re.compile(r"create function (\w+)\(.*?\bas \$\$(.*?)\$\$", re.DOTALL)


class Use(NamedTuple):
    """Use of a table, view or function, by a query or a function of a package."""

    package: str
    where: str
    name: str
    writes: bool


def layers() -> Mapping[str, int]:
    """Packages and how high they stand, as import-linter has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (order,) = [contract["layers"] for contract in contracts if contract["name"].startswith("Each package imports")]
    heights = {name: -n for n, layer in enumerate(order) for name in re.findall(r"\w+", layer)}
    return heights | dict.fromkeys(ABOVE_ALL, 1)


def migrations() -> Iterator[tuple[str, str]]:
    return (
        (package, path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((ROOT / package / "migrations").glob("*.sql"))
    )


@cache
def owners() -> dict[str, str]:
    """Tables, views and functions, and the package whose migration makes each."""
    made = re.compile(r"^\s*create (?:unlogged )?(?:table|view|function) (\w+)", re.MULTILINE)
    return {name: package for package, text in migrations() for name in made.findall(text)}


def in_module(path: Path) -> Iterator[tuple[str, str]]:
    """SQL that stands in a module as a text, with its place."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if _STATEMENT.match(text):
            yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", text


def statements() -> Iterator[tuple[str, str, str]]:
    """SQL of every package, with where it stands: named queries, SQL in modules, and bodies of functions and views."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.sql")):
            if path.parent.name != "migrations":
                for name, sql in load_queries(str(path.with_suffix(".py"))).items():
                    yield package, f"{path.relative_to(ROOT)} {name}", sql
        for path in sorted((ROOT / package).rglob("*.py")):
            for place, sql in in_module(path):
                yield package, place, sql
    for package, text in migrations():
        for name, body in _FUNCTION.findall(text):
            yield package, name, body
        for name, body in re.findall(
            r"^create view (\w+) (?:with \([\w =]+\) )?as(.*?);", text, re.DOTALL | re.MULTILINE
        ):
            yield package, name, body


def names_in(sql: str) -> Iterator[tuple[str, bool]]:
    """Names in the places of tables, each with whether it is written; and names of functions that are called."""
    bare = re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--.*", "", sql))
    tokens = [token.lower() for token in _TOKEN.findall(bare)]
    local = set(re.findall(r"(\w+)(?: \([\w, ]+\))? as (?:materialized )?\(", bare))
    depth, lists = 0, set[int]()
    for n, token in enumerate(tokens):
        before, after = tokens[n - 1] if n else "", tokens[n + 1] if n + 1 < len(tokens) else ""
        if token == "(":
            depth += 1
        elif token == ")":
            lists.discard(depth)
            depth -= 1
        elif token == "from":
            lists.add(depth)
        elif token in _ENDS_A_LIST:
            lists.discard(depth)
        elif token[0].isalpha() and token not in _BEFORE_A_NAME and token not in local and before != ".":
            listed = before == "," and depth in lists
            if after == "(" and before not in {"into", "function"}:
                yield token, False
            elif before in _BEFORE_A_NAME or listed:
                verb = tokens[n - 2] if n > 1 else ""
                wrote = before == "into" or (before == "from" and verb == "delete")
                wrote |= before == "update" and verb not in {"for", "key", "do", "before", "after", "or"}
                yield token, wrote


@cache
def uses() -> list[Use]:
    known = owners()
    return [
        Use(package, where, name, writes)
        for package, where, sql in statements()
        for name, writes in names_in(sql)
        if name in known
    ]


def test_a_table_is_written_by_its_own_package_alone() -> None:
    known = owners()
    strange = [
        f"{use.where} writes {use.name} of {known[use.name]}"
        for use in uses()
        if use.writes and use.package != known[use.name] and use.where not in OWNERS_FUNCTIONS
    ]
    assert strange == []


def test_no_statement_reads_a_table_from_above_or_beside() -> None:
    known, height = owners(), layers()
    strange = [
        f"{use.where} reads {use.name} of {known[use.name]}"
        for use in uses()
        if use.package != known[use.name] and height[use.package] <= height[known[use.name]]
    ]
    assert strange == []


def test_names_are_found_wherever_a_statement_may_have_them() -> None:
    sql = """
    with gone as (delete from claim c using ballot b where b.ballot_id = c.ballot_id returning c.*)
    update person p set name = 'from staff' from reply r, step s -- join audit
    where exists (select from message where x is distinct from p.y) and folded(p.name) = 'x' for update of step
    """
    found = dict(names_in(sql))
    assert {name for name, writes in found.items() if writes} == {"claim", "person"}
    assert {"ballot", "reply", "step", "message", "folded"} <= set(found)
    assert not {"staff", "audit", "gone"} & set(found)
    upsert = "insert into audit (actor) select 'x' from unnest($1) on conflict do update set actor = ''"
    assert dict(names_in(upsert)) == {"audit": True, "unnest": False}


def test_the_exceptions_are_still_needed() -> None:
    written = [use for use in uses() if use.writes and use.package != owners()[use.name]]
    assert {use.where for use in written} == OWNERS_FUNCTIONS
