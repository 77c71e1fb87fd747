"""The repository: text but for the pictures of the docs, and every package says that it is typed."""

from __future__ import annotations

import ast
import subprocess

from core.settings import ROOT
from tools.module_list import PACKAGES


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split("\0") if name]


def test_nothing_but_pictures_of_the_docs_is_binary() -> None:
    binary = {name for name in tracked() if (ROOT / name).is_file() and b"\0" in (ROOT / name).read_bytes()}
    assert {name for name in binary if not (name.startswith("docs/images/") and name.endswith(".png"))} == set()


def test_every_package_is_typed() -> None:
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").is_file()] == []


def test_no_test_imports_another() -> None:
    """What two of them need is in `tests/support`, where both find it."""
    borrowed = {
        f"{name}: {module}"
        for name in tracked()
        if name.startswith("tests/") and name.endswith(".py") and (ROOT / name).is_file()
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8")))
        for module in (
            [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
        if module.startswith("tests.") and module.rpartition(".")[2].startswith("test_")
    }
    assert borrowed == set()
