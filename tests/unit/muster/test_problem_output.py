"""Printed problems of a file: numbers and nouns agree, and problems that are only counted are included."""

from pathlib import Path

import pytest

from core.files.row_problems import Problem
from muster.cli.problems import MAX_SHOWN_PROBLEMS, show_problems, write_problems


def landlines(count: int) -> list[Problem]:
    return [Problem(line, "phone", "landline", "A landline.") for line in range(2, 2 + count)]


def test_one_problem_is_printed_in_the_singular(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "to-mend.csv"
    show_problems(landlines(1))
    write_problems(path, landlines(1))
    printed = capsys.readouterr()
    assert printed.out.startswith("1 problem: 1 landline\n")
    assert printed.err == f"1 problem is in {path}.\n"


def test_counted_problems_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "to-mend.csv"
    show_problems(landlines(MAX_SHOWN_PROBLEMS + 2), {"landline": 3, "not_an_email": 1})
    write_problems(path, landlines(MAX_SHOWN_PROBLEMS + 2), {"landline": 3, "not_an_email": 1})
    printed = capsys.readouterr()
    assert printed.out.startswith("26 problems: 25 landline, 1 not_an_email\n")
    assert printed.out.endswith("  … and 6 more; --problems FILE.csv writes 22 of them.\n")
    assert printed.err == f"22 problems are in {path}.\n4 more problems of cells were counted, but not written.\n"
    assert len(path.read_text().splitlines()) == 23
