"""A workbook holds what was written as it was: no formula, no number that was a text, no link."""

from __future__ import annotations

import ast
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Conflict, InputError
from core.files.sheets import sheet_kind, sheet_or_nothing
from core.files.tables import clean
from core.files.workbook_writer import MAX_CELL_LENGTH, WorkbookWriter

ROOT = Path(__file__).parents[3]
DANGEROUS = [
    '=HYPERLINK("http://e.test")', "+44 7700 900123", "-2+3", "@SUM(1)", "\t=1", "\r=1", "{=1+1}", "0001006",
    "+447700900123", "1e5", "2026-05-03", "TRUE", "https://e.test/", "mailto:a@e.test", "internal:Sheet1!A1", "=",
    "", "'=1", "two\nlines", "Zoë 🙏", "<b>&amp;</b>",
]  # fmt: skip


def cells(path: Path) -> list[list[tuple[object, str]]]:
    """Values and types of all cells, as a program of its own reads them."""
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    return [[(cell.value, cell.data_type) for cell in row] for row in sheet.iter_rows()]


def test_every_text_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    with sheet_or_nothing(path, replace=False) as sheet:
        sheet.writerow(["what"])
        sheet.writerows([text] for text in DANGEROUS)
    rows = cells(path)
    for said, ((value, kind),) in zip(DANGEROUS, rows[1:], strict=True):
        assert (value or "", kind in {"s", "inlineStr"} or not said) == (said.replace("\r", "\n"), True), said
    assert b"<f>" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0


def test_numbers_are_numbers_and_nothing_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    with WorkbookWriter(path) as sheet:
        sheet.writerow(["n", "share", "yes", "none"])
        sheet.writerow([12, 0.25, True, None])
    assert cells(path)[1] == [(12, "n"), (0.25, "n"), ("True", "s"), (None, "n")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(rows=st.lists(st.lists(st.text(max_size=12).map(clean), min_size=2, max_size=2), min_size=1, max_size=5))
def test_what_is_written_is_read_back_as_it_was(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "out.xlsx"
    with sheet_or_nothing(path, replace=True) as sheet:
        sheet.writerow(["first", "second"])
        sheet.writerows(rows)
    for written, read in zip(rows, cells(path)[1:], strict=True):
        assert [value or "" for value, _ in read] == written


def test_a_cell_is_cut_where_excel_ends_it_and_the_file_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    with WorkbookWriter(path) as sheet:
        sheet.writerows([["long"], ["x" * (MAX_CELL_LENGTH + 9)]])
    assert cells(path)[1] == [("x" * MAX_CELL_LENGTH, "s")]


def test_more_rows_than_a_sheet_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.files.workbook_writer.MAX_ROWS", 2)
    path = tmp_path / "out.xlsx"
    with pytest.raises(InputError, match="holds 2 rows"), sheet_or_nothing(path, replace=False) as sheet:
        sheet.writerows([["a"], ["b"], ["c"]])
    assert list(tmp_path.iterdir()) == [], "complete or not at all"


def test_the_name_says_which_kind_of_file_it_is_and_none_is_replaced(tmp_path: Path) -> None:
    assert [sheet_kind(Path(name)) for name in ("a.XLSX", "a.xlsx.csv", "a", "a.xls")] == ["xlsx", "csv", "csv", "csv"]
    path = tmp_path / "out.xlsx"
    path.touch()
    with pytest.raises(Conflict, match="exists already"), sheet_or_nothing(path, replace=False):
        pass


def test_no_other_module_writes_workbooks() -> None:
    for path in ROOT.glob("*/**/*.py"):
        top = path.relative_to(ROOT).parts[0]
        if top in {"tests", "mutants"} or top.startswith(".") or path.name == "workbook_writer.py":  # .venv-3.12
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "xlsxwriter" for name in names), path
