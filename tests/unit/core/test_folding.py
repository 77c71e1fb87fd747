"""Folding of text: equal in any case, with accents or without."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.folding import fold, without_accents
from core.settings import ROOT
from tools.module_list import PACKAGES

BY_OTHER_RULES = {
    "people/search.py",  # as the database folds the names it is compared with
    "core/sign_in_links.py",  # signs that are not seen, in a link that was copied
    "sandbox/demo/member_file.py",  # makes mailboxes
    "people/imports/columns.py",  # makes names of columns, of ASCII alone
}
"""Modules that decompose letters for another purpose than to compare text."""


@pytest.mark.parametrize("written", ["SIÂN", "Siân", "sian", "Sia\u0302n", "\uff33\uff49\uff41\uff4e"])
def test_a_name_is_the_same_in_any_letters(written: str) -> None:
    assert fold(written) == "sian"


def test_accents_go_and_case_stays() -> None:
    assert without_accents("Ŵyn Östlund") == "Wyn Ostlund"


@given(st.text())
def test_folding_again_changes_nothing_in_what_is_compared(text: str) -> None:
    assert fold(without_accents(text)) == fold(text)


def test_text_is_folded_in_one_module() -> None:
    others = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in {"NFD", "NFKD"}
    }
    assert others - BY_OTHER_RULES == {"core/folding.py"}
