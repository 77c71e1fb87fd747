"""Member files of every make are read cell by cell, and what is none is refused in one clear sentence."""

import csv
import io
import string
import tracemalloc
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table as OdfTable
from odf.table import TableCell, TableRow
from odf.text import P

from core.errors import InputError
from core.files.double_encoding import mend
from core.files.readers import open_table
from core.files.row_problems import Problem, ProblemLog, count_by_code
from core.files.tables import RawRow, clean


def read(path: Path, encoding: str | None = None) -> tuple[list[str], list[RawRow]]:
    with open_table(path, lambda _: (0, False), encoding=encoding) as table:  # the first row names the columns
        return table.header, list(table.records)


def write(tmp_path: Path, data: bytes | str, name: str = "members.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t ,;|'\"=€ŵ"), max_size=12)
CELLS = CELLS.filter(lambda cell: mend(cell) == cell)  # text that was converted to UTF-8 twice is read as what it was
CP1252_CELLS = st.text(st.sampled_from(string.ascii_letters + 'éèüñß€’–£ ,;"\n'), max_size=12)
HEADERS = st.lists(st.text(string.ascii_letters + " ", min_size=1, max_size=8), min_size=2, max_size=5)


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str]) -> list[list[str]]:
    header = draw(HEADERS.filter(lambda header: any(map(str.strip, header))))
    width = len(header)
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), max_size=6))
    return [header, *rows]


def as_csv(rows: list[list[str]], delimiter: str, line_end: str) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=line_end).writerows(rows)
    return file.getvalue()


def not_blank(rows: list[list[str]]) -> list[list[str]]:
    return [row for row in rows if any(map(str.strip, row))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
@given(
    rows=tables(CELLS), delimiter=st.sampled_from(",;\t"), line_end=st.sampled_from(["\n", "\r\n"]),
)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_table_reads_back_the_same(
    tmp_path: Path, encoding: str, rows: list[list[str]], delimiter: str, line_end: str
) -> None:
    text = as_csv(rows, delimiter, line_end)
    if encoding.endswith("-bom"):
        text, encoding = f"\ufeff{text}", encoding.removesuffix("-bom")
    assume(not rows[0][0].startswith("\ufeff"))
    header, records = read(write(tmp_path, text.encode(encoding)))
    assert header == rows[0]
    assert [cells for _, cells in records] == not_blank(rows[1:])


@given(rows=tables(CP1252_CELLS), delimiter=st.sampled_from(",;\t"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_1252_reads_back_the_same(tmp_path: Path, rows: list[list[str]], delimiter: str) -> None:
    header, records = read(write(tmp_path, as_csv(rows, delimiter, "\r\n").encode("cp1252")), "windows-1252")
    assert header == rows[0]
    assert [cells for _, cells in records] == not_blank(rows[1:])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_recognised(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "id,name\n1,Siân Ŵyn\n".encode(encoding))
    assert read(path) == (["id", "name"], [(2, ["1", "Siân Ŵyn"])])


def test_a_few_windows_1252_lines_do_not_spoil_a_utf_8_file(tmp_path: Path) -> None:
    path = write(tmp_path, b"id,name\n" + "1,Siân\n2,Ŵyn\n".encode() + "3,Renée’s\n".encode("cp1252"))
    assert [cells for _, cells in read(path)[1]] == [["1", "Siân"], ["2", "Ŵyn"], ["3", "Renée’s"]]


def test_lines_are_those_of_the_file_also_after_line_breaks_in_cells(tmp_path: Path) -> None:
    path = write(tmp_path, 'id,address\n1,"a\nb\nc"\n\n2,x\n')
    assert read(path)[1] == [(2, ["1", "a\nb\nc"]), (6, ["2", "x"])]


def test_a_stray_quote_costs_its_own_row_only(tmp_path: Path) -> None:
    rows = 'id,name\n1,"Big" Jim\n2,Ann\n3,"open\n4,Cat\n5,"Dan"\n6,Eve\n'
    assert read(write(tmp_path, rows))[1] == [
        (2, None),
        (3, ["2", "Ann"]),
        (4, None),
        (5, ["4", "Cat"]),
        (6, ["5", "Dan"]),
        (7, ["6", "Eve"]),
    ]


def test_a_quote_nobody_closes_does_not_swallow_the_rest(tmp_path: Path) -> None:
    rows = 'id,name\n1,"open\n' + "".join(f"{number},Ann\n" for number in range(2, 1000))
    records = read(write(tmp_path, rows))[1]
    assert records[0] == (2, None)
    assert [line for line, _ in records] == list(range(2, 1001))
    assert all(cells is not None for _, cells in records[1:])


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ('M1, "Jones, Amy", 077', ["M1", "Jones, Amy", "077"]),
        ('"M1", "Jones, ""Amy""", "077"', ["M1", 'Jones, "Amy"', "077"]),
        ('M1, "Jones,\nAmy",077', ["M1", "Jones,\nAmy", "077"]),
        ('M1, Amy, "077"', ["M1", "Amy", "077"]),
        ("M1, 5' 6\" tall, 077", ["M1", " 5' 6\" tall", " 077"]),
    ],
)
def test_a_quote_after_a_space_is_a_quote(tmp_path: Path, row: str, cells: list[str]) -> None:
    path = write(tmp_path, f"id,name,mobile\n{row}\nM2,Bob,078\n")
    assert [found for _, found in read(path)[1]] == [cells, ["M2", "Bob", "078"]]


def test_a_quote_after_a_space_that_nobody_closes_costs_its_own_row_only(tmp_path: Path) -> None:
    rows = 'id,name,mobile\nM1, "Jones, Amy,077\n' + "".join(f"M{n},Bob,078\n" for n in range(2, 300))
    records = read(write(tmp_path, rows))[1]
    assert [line for line, _ in records] == list(range(2, 301))
    assert records[1] == (3, ["M2", "Bob", "078"])


def test_the_delimiter_is_found_below_a_title_without_one(tmp_path: Path) -> None:
    assert read(write(tmp_path, "Members 2026\n\nid;name\n1;Amy\n2;Bob\n"))[1][0] == (3, ["id", "name"])


def test_excels_own_separator_line_is_no_header(tmp_path: Path) -> None:
    assert read(write(tmp_path, "sep=;\nid;name\n1;a,b\n")) == (["id", "name"], [(3, ["1", "a,b"])])


def test_a_delimiter_is_found_by_rows_as_well_as_by_the_header(tmp_path: Path) -> None:
    assert read(write(tmp_path, "id,a;b;c\n1,2\n3,4\n"))[0] == ["id", "a;b;c"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (bytes(range(256)) * 20, "not a text file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "not a text file"),
        (b"%PDF-1.7\n\x80\x81\x8d\x8f", "not a text file"),
        (b"id,name\n1,\x00\n", "not a text file"),
        (b"PK\x03\x04rubbish", "cannot be read as a spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rubbish", "cannot be read as a spreadsheet"),
        (b'"id,name\n1,2\n', "the header has a quote"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(write(tmp_path, data))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        read(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    book = openpyxl.Workbook()
    book.create_sheet("Members")
    sheet = book["Members"]
    for row in (
        [],
        ["Member ID", "Mobile", "Joined", "Rep", "Score"],
        [1001, 7700900123.0, date(2020, 1, 2), True, 1.5],
        [],
        ["00123", "07700 900124", datetime(2020, 1, 2, 3, 4), False, 4.47700900123e11],  # noqa: DTZ001  # sheets know no zones
    ):
        sheet.append(row)
    path = tmp_path / "members.xlsx"
    book.save(path)
    return path


def test_an_excel_file_reads_as_people_see_it(workbook: Path) -> None:
    header, records = read(workbook)
    assert header == ["Member ID", "Mobile", "Joined", "Rep", "Score"]
    assert records == [
        (3, ["1001", "7700900123", "2020-01-02", "yes", "1.5"]),
        (5, ["00123", "07700 900124", "2020-01-02 03:04", "no", "447700900123"]),
    ]


def test_a_spreadsheet_is_known_by_its_content(workbook: Path) -> None:
    assert read(workbook.rename(workbook.with_suffix(".dat")))[0][0] == "Member ID"


def test_an_opendocument_file_reads_the_same(tmp_path: Path) -> None:
    document = OpenDocumentSpreadsheet()
    sheet = OdfTable(name="Members")
    for cells in (["member id", "name"], ["007", "Siân Ŵyn"]):
        row = TableRow()
        for text in cells:
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=text))
            row.addElement(cell)
        sheet.addElement(row)
    document.spreadsheet.addElement(sheet)
    path = tmp_path / "members.ods"
    document.save(str(path))
    assert read(path) == (["member id", "name"], [(2, ["007", "Siân Ŵyn"])])


def test_an_empty_workbook_is_refused(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    with pytest.raises(InputError, match="is empty"):
        read(tmp_path / "empty.xlsx")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("  Amy  Jones ", "Amy Jones"),
        ("Amy\u00a0Jones\n", "Amy Jones"),
        ("W\u0302yn", "Ŵyn"),
        ("\ufeffid\u200b\x00", "id"),
        ("'=cmd()", "=cmd()"),
        ("'tis", "'tis"),
        ("'＝cmd()", "＝cmd()"),
        ('="0001006"', "0001006"),
        ('="O""Brien"', 'O"Brien'),
        ('\'="0001006"', "0001006"),
        ('="', '="'),
    ],
)
def test_cells_are_cleaned(cell: str, text: str) -> None:
    assert clean(cell) == text


@given(st.text().filter(lambda text: not text.lstrip().startswith("'")))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean(text)
    assume(not once.startswith("'"))
    assert clean(once) == once


BOMBS = {
    "one endless line": "id,name\n" + "a," * 400_000,
    "millions of columns": ";,\t|" * 400_000 + "\n",
    "many columns in a line": "id,name\n" + "x," * 20_000 + "\n",
    "an endless cell": "id,name\n" + "a" * 300_000,
    "an endless line in two encodings": "id,name\nŵ\n".encode() + b"\xe9\n" + b"a," * 400_000,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=list(BOMBS))
def test_a_line_that_is_no_row_is_refused_before_it_is_taken_apart(tmp_path: Path, bomb: str | bytes) -> None:
    path = write(tmp_path, bomb)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="Line") as refused, open_table(path, lambda _: (0, False)) as table:
            list(table.records)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
    assert "Export" in refused.value.remedy


def test_a_quote_nobody_closes_costs_its_own_line_however_long_the_others(tmp_path: Path) -> None:
    long = "x" * 30_000
    header, rows = read(write(tmp_path, 'id,name\n1,"Ann\n' + f"2,{long}\n" * 10))
    assert header == ["id", "name"]
    assert [cells for _, cells in rows] == [None] + [["2", long]] * 10


def test_a_file_of_nothing_but_rows_left_out_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.files.row_problems.MAX_REJECTED", 3)
    problems = ProblemLog()
    problems.note_cell(Problem(1, "email", "odd", "Odd."))
    for line in range(2, 5):
        problems.reject(Problem(line, "", "bad", "Bad."))
    with pytest.raises(InputError, match="the first is in line 2: Bad"):
        problems.reject(Problem(5, "", "bad", "Bad."))


def test_problems_of_cells_are_counted_when_there_are_too_many_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.files.row_problems.MAX_KEPT", 2)
    problems = ProblemLog()
    for line in range(5):
        problems.note_cell(Problem(line, "phone", "landline", "A landline."))
    problems.reject(Problem(5, "", "bad", "Bad."))
    assert [problem.line for problem in problems.kept] == [0, 1, 5]
    assert problems.further == {"landline": 3}
    assert count_by_code(problems.kept, problems.further) == {"landline": 5, "bad": 1}


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["cp1252", "mac-roman", "utf-8"])
def test_lines_may_end_in_any_way_in_any_encoding(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "members.csv"
    lines = ["member_id,name,town", *(f"{number},José Müller,Zoë" for number in range(12_000))]
    path.write_bytes(end.join(lines).encode(encoding))
    header, rows = read(path)
    assert (header, len(rows), rows[-1]) == (
        ["member_id", "name", "town"],
        12_000,
        (12_001, ["11999", "José Müller", "Zoë"]),
    )


def test_pasted_lines_are_read_in_a_file_whose_lines_end_in_cr(tmp_path: Path) -> None:
    lines = [b"id,name", *["1,Siân".encode()] * 12_000, "2,Renée".encode("cp1252")]
    path = tmp_path / "members.csv"
    path.write_bytes(b"\r".join(lines))
    rows = read(path)[1]
    assert (len(rows), rows[0][1], rows[-1][1]) == (12_001, ["1", "Siân"], ["2", "Renée"])
