"""The repository: text but for the pictures of the docs, and every package says that it is typed."""

from __future__ import annotations

import subprocess

from core.settings import ROOT
from tests.unit.core.test_names import PACKAGES


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split("\0") if name]


def test_nothing_but_pictures_of_the_docs_is_binary() -> None:
    binary = {name for name in tracked() if (ROOT / name).is_file() and b"\0" in (ROOT / name).read_bytes()}
    assert {name for name in binary if not (name.startswith("docs/images/") and name.endswith(".png"))} == set()


def test_every_package_is_typed() -> None:
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").is_file()] == []
