"""The list of modules has every one of them, and says of each what it is for."""

from __future__ import annotations

import pytest

from core.settings import ROOT
from tools.module_list import PACKAGES, main, modules


def test_every_module_is_listed_with_a_sentence() -> None:
    listed = dict(modules())
    files = {path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert len(listed) == len(files)
    assert [name for name, sentence in listed.items() if len(sentence.split()) < 2] == []


def test_one_package_is_listed_with_its_modules_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["module_list", "ballots"])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == "ballots"
    assert "ballots.score" in [line.split()[0] for line in lines]
    assert {line.split()[0].partition(".")[0] for line in lines} == {"ballots"}


def test_a_package_that_is_not_there_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["module_list", "ballot"])
    with pytest.raises(SystemExit, match="There is no package ballot"):
        main()
