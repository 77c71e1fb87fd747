"""A campaign asks about a subject: what kind of subject it is, only the classes of the kinds know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from campaigns.subjects.kinds import KINDS
from core.settings import ROOT

PACKAGES: Final = ("core", "messaging", "people", "staff", "campaigns", "webhooks", "api", "console", "muster")
KNOW_THEM: Final = ("campaigns/subjects/",)
OF_BALLOTS: Final = {
    "console/ballot_status.sql",  # the page about a ballot
    "console/progress.sql",  # what a newcomer has still to do
    "webhooks/subscriptions/event_sources.sql",  # claims as events
    "webhooks/subscriptions/state_changes.sql",  # ballot.opened, ballot.passed …
}
"""Queries about turnout itself."""
OF_ALL_KINDS: Final = {"subject", "subject_status", "empty_ledgers"}
"""Views that put the kinds together, and the function that empties the ledger of each in an erasure."""
_DEFINITION: Final = re.compile(r"(?m)^(?=create (?:view|function|table|trigger|index) )")
_JOINS: Final = re.compile(
    r"\b(?:from|join|update|into)\s+(?:ballot|elector|claim|claim_status|notice|question|response|response_status)\b"
)


def files(kind: str) -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob(f"*.{kind}")):
            name = str(path.relative_to(ROOT))
            if not name.startswith(KNOW_THEM):
                yield name, path.read_text(encoding="utf-8")


def test_no_query_of_campaigns_and_above_joins_one_kind_of_subject() -> None:
    joined = {name for name, text in files("sql") if _JOINS.search(without_all_kinds(re.sub(r"--.*", "", text)))}
    assert joined == OF_BALLOTS


def without_all_kinds(sql: str) -> str:
    """Leave out definitions of `OF_ALL_KINDS`."""
    return "".join(part for part in _DEFINITION.split(sql) if not OF_ALL_KINDS & set(re.findall(r"\w+", part)[2:3]))


def test_nobody_asks_which_kind_of_subject_it_is() -> None:
    comparisons = [f"{name}:{line}" for name, text in files("py") for line in compared(ast.parse(text))]
    assert comparisons == []


def compared(tree: ast.Module) -> Iterator[int]:
    """Lines that compare something with the name or the class of a kind."""
    classes = {kind.__name__ for kind in KINDS.values()}
    for node in ast.walk(tree):
        match node:
            case ast.Compare():
                parts = [node.left, *node.comparators]
            case ast.MatchValue(value=value):
                parts = [value]
            case ast.MatchClass(cls=value):
                parts = [value]
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass")):
                parts = list(node.args)
            case _:
                continue
        inside = [node for part in parts for node in ast.walk(part)]
        if any(isinstance(node, ast.Constant) and node.value in set(KINDS) for node in inside) or any(
            isinstance(node, ast.Name | ast.Attribute)
            and (getattr(node, "id", "") or getattr(node, "attr", "")) in classes
            for node in inside
        ):
            yield node.lineno if hasattr(node, "lineno") else 0


def test_such_a_comparison_would_be_found() -> None:
    for line in (
        'if kind == "ballot": pass',
        'if kind in {"notice", "x"}: pass',
        "isinstance(subject, BallotSubject)",
        "isinstance(subject, ballot.BallotSubject)",
        'match kind:\n    case "ballot":\n        pass',
    ):
        assert list(compared(ast.parse(line))), line
    assert _JOINS.search("select 1 from campaign c join ballot b using (ballot_id)")
    assert Path(ROOT / "campaigns" / "subjects" / "ballot.py").exists()
