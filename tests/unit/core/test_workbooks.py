"""Workbooks are read as people see them; other files are refused in a sentence, in little memory and time."""

import tracemalloc
import zipfile
from pathlib import Path

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from core.errors import InputError
from core.files.tables import fault_of
from core.files.workbooks.cells import NO_RESULT, number_format, number_text
from tests.support.effort import effort_of
from tests.support.office_files import LINKS, MAIN, rows_xml, styles_xml, write_ods, write_xlsx
from tests.support.workbook_files import HEADER, ods_cell, ods_row, read

STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"


def cells_of(path: Path) -> list[list[str]]:
    return [cells for _, cells in read(path)[1] if cells is not None]


def faults_of(cells: list[str]) -> list[str]:
    return [fault_of(cell) for cell in cells]


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!"])
def test_an_error_is_no_empty_cell(tmp_path: Path, error: str) -> None:
    cell = f'< t="e"><f>VLOOKUP(A2,Other!A:B,2,0)</f><v>{error}</v>'
    path = write_xlsx(tmp_path / "m.xlsx", rows_xml([HEADER, ["1", cell, ""], ["2", "", "07700900123"]]))
    first, second = cells_of(path)
    assert faults_of(first) == ["", "error_cell"]
    assert second == ["2", "", "07700900123"]


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("><f>A1</f><v></v>", "no_result"),
        ("><f>A1</f>", "no_result"),
        (' t="str"><f>A1</f>', "no_result"),
        ('><f t="shared" si="0"/>', "no_result"),
        (' t="str"><f>A1</f><v></v>', ""),  # worked out, to an empty text
        (' t="str"><f>A1</f><v>Amy</v>', ""),
        ("><f>A1</f><v>0</v>", ""),
        (' s="0">', ""),
    ],
)
def test_a_formula_without_a_result_is_no_empty_cell(tmp_path: Path, cell: str, fault: str) -> None:
    path = write_xlsx(tmp_path / "m.xlsx", rows_xml([HEADER, ["1", f"<{cell}", "07700900123"]]))
    assert faults_of(cells_of(path)[0]) == ["", fault, ""]


def test_a_placeholder_zero_of_a_formula_is_no_number(tmp_path: Path) -> None:
    rows = rows_xml([HEADER, ["1", "<><f>A1</f><v>0</v>", "<><v>0</v>"]])
    path = write_xlsx(tmp_path / "m.xlsx", rows, book='<calcPr fullCalcOnLoad="1"/>')
    assert cells_of(path) == [["1", NO_RESULT, "0"]]


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("General", "7700900123", "7700900123"),
        ("0", "123", "123"),
        ("#,##0", "1234567", "1234567"),
        ("000000", "123", "000123"),
        ("000000", "1234567", "1234567"),
        ("00000000000", "7700900123", "07700900123"),
        ("00000\\ 000000", "7700900123", "07700 900123"),
        ('"M"00000', "123", "M00123"),
        ("000-000", "1234", "001-234"),
        ("0.00", "1.5", "1.5"),
        ("0.00%", "0.5", "0.5"),
        ("[$£-809]#,##0.00", "12", "12"),
        ("General", "0.30000000000000004", "0.3"),
        ("General", "7.700900123E9", "7700900123"),
        ("dd/mm/yyyy", "43832", "2020-01-02"),
        ("dd/mm/yyyy hh:mm", "43832.5", "2020-01-02 12:00"),
        ("d mmm yyyy;@", "1", "1900-01-01"),
        ("hh:mm", "0.5", "12:00:00"),
        ("[h]:mm", "1.5", "1 day, 12:00:00"),
        ('[Red]0" days"', "5", "5"),
        *(
            (code, "3000", "3000")
            for code in (
                "Standard", "Standaard", "Ogólny", "Yleinen", "Základní", "Normál", "Normal", "Estándar", "Standard_)",
                "General_)", "Általános", "Genel", "Общий", "Γενικός τύπος", "Cyffredinol", "[Red]Standard",
                "G/通用格式", "G/標準", "0 days", "#,##0 kr", "0.00E+00", "Member", "Text", "@",
                "Vanlig", "Obecný", "Opšti", "Allmänt", "G/표준", "Bình thường", "Heel getal", "aan",
            )
        ),
        *(
            (code, "43832", "2020-01-02")
            for code in (
                "yyyymmdd", "d-mmm-yy", "yyyy年m月d日", "tt.mm.jjjj", "jj/mm/aaaa", "pp.kk.vvvv", "rrrr-mm-dd",
                "d. mmmm yyyy г.", "MM.JJJJ", "tt.mm.", "MMMM JJJJ", "jjjjmmtt", "mmmm de aaaa", "kk.vvvv", "rrrr",
                "t.m.jj",
                "mm/aa", "éééé.hh.", "TTTT", "гггг-мм", "d/m",
                "d de mmmm de yyyy", "[$-F800]dddd\\, mmmm dd\\, yyyy", 'ggge"年"m"月"d"日"', "ddd", "mmm",
            )
        ),
        ("yyyy-mm-ddThh:mm:ss", "43832.5", "2020-01-02 12:00"),
        ("h:mm AM/PM", "0.5", "12:00:00"),
        ("mm:ss.00", "0.5", "12:00:00"),
    ],
)  # fmt: skip
def test_numbers_are_read_as_they_are_shown(code: str, value: str, shown: str) -> None:
    assert number_text(value, number_format(code)) == (shown, "")


@pytest.mark.parametrize("value", ["1.234567890123457e+19", "1234567890123456", "-1234567890123456"])
def test_a_number_of_more_digits_than_a_cell_can_hold_has_lost_some(value: str) -> None:
    assert number_text(value).fault == "lost_digits"
    assert number_text("123456789012345") == ("123456789012345", "")


@pytest.mark.parametrize(("value", "fault"), [
    ("9" * 5000, "lost_digits"), ("1E+999999999", "lost_digits"), ("-1e400", "lost_digits"),
    ("1_000", "error_cell"), ("Infinity", "error_cell"), ("NaN", "error_cell"), ("0x1F", "error_cell"),
    ("\uff11\uff12", "error_cell"), ("\u0661\u0662", "error_cell"), ("\u00b2", "error_cell"), ("1.", ""), (".5", ""),
    (" 7 ", ""), ("-1.5e-3", ""),
])  # fmt: skip
def test_only_a_number_with_all_its_digits_is_one(tmp_path: Path, value: str, fault: str) -> None:
    for shown in ("0", "000000", "dd/mm/yyyy", "[h]:mm"):
        assert number_text(value, number_format(shown)).fault == fault
    path = write_xlsx(tmp_path / "m.xlsx", rows_xml([HEADER, [f"<><v>{value}</v>", "Amy"]]))
    assert faults_of(cells_of(path)[0])[0] == fault


def test_a_column_beyond_the_sheet_is_not_hidden(tmp_path: Path) -> None:
    columns = (
        '<cols><col hidden="1" min="-1" max="1"/><col hidden="1" min="0" max="0"/><col hidden="1" min="3" max="2"/>'
        '<col hidden="1" min="3" max="99999999999"/></cols>'
    )
    path = write_xlsx(tmp_path / "m.xlsx", f"{columns}<sheetData>{rows_xml([HEADER, ['1', 'Amy']])}</sheetData>")
    assert read(path)[2] == ["Hidden columns are read all the same: A, C, D, E, F …."]


def test_columns_that_are_hidden_again_and_again_take_no_time(tmp_path: Path) -> None:
    again = '<col hidden="1" min="1" max="16383"/>' * 5_000
    path = write_xlsx(tmp_path / "m.xlsx", f"<cols>{again}</cols><sheetData>{rows_xml([HEADER, ['1']])}</sheetData>")
    assert effort_of(lambda: read(path)) < 30


def test_zeros_and_lost_digits_come_through_a_whole_file(tmp_path: Path) -> None:
    rows = rows_xml([HEADER, ['< s="1"><v>123</v>', "Amy"], ["<><v>1234567890123456</v>", "Bob"]])
    first, second = cells_of(write_xlsx(tmp_path / "m.xlsx", rows, styles=styles_xml("000000")))
    assert first == ["000123", "Amy"]
    assert faults_of(second) == ["lost_digits", ""]


def test_membership_numbers_stay_numbers_in_a_program_of_another_language(tmp_path: Path) -> None:
    rows = rows_xml([HEADER, ['< s="1"><v>3000</v>', "Amy"], ['< s="2"><v>3001</v>', "Bob"]])
    path = write_xlsx(tmp_path / "m.xlsx", rows, styles=styles_xml("Standaard", "Normal_)"))
    assert cells_of(path) == [["3000", "Amy"], ["3001", "Bob"]]


@pytest.mark.parametrize(
    ("book", "sheet", "target"),
    [
        ("xl/workbook22.xml", "xl/worksheets/sheet1.xml", "worksheets/sheet1.xml"),
        ("xl/workbook.xml", "xl/members.xml", "members.xml"),
        ("xl/workbook.xml", "xl/worksheets/sheet1.xml", "worksheets\\sheet1.xml"),
        ("xl/workbook.xml", "xl/worksheets/sheet1.xml", "\\xl\\worksheets\\sheet1.xml"),
        ("xl/book2.xml", "sheets/one.xml", "../sheets/one.xml"),
    ],
)
def test_parts_are_found_by_their_links_whatever_they_are_called(
    tmp_path: Path, book: str, sheet: str, target: str
) -> None:
    plain = write_xlsx(tmp_path / "plain.xlsx", rows_xml([HEADER, ["1", "Amy"]]))
    renamed = {"xl/workbook.xml": book, "xl/worksheets/sheet1.xml": sheet}
    renamed["xl/_rels/workbook.xml.rels"] = f"xl/_rels/{book.removeprefix('xl/')}.rels"
    path = tmp_path / "m.xlsx"
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name).decode().replace("worksheets/sheet1.xml", target)
            new.writestr(renamed.get(name, name), content)
        kind = f"{LINKS}/officeDocument"
        new.writestr(
            "_rels/.rels", f'<Relationships><Relationship Id="r1" Type="{kind}" Target="/{book}"/></Relationships>'
        )
    assert cells_of(path) == [["1", "Amy"]]


def test_shared_and_rich_texts_dates_and_truth_are_read(tmp_path: Path) -> None:
    shared = (
        f'<sst xmlns="{MAIN}"><si><t>member id</t></si><si><r><t>first</t></r><r><t xml:space="preserve"> name</t></r>'
        "<rPh><t>no</t></rPh></si><si><t>O_x0027_Brien</t></si></sst>"
    )
    rows = rows_xml(
        [
            ['< t="s"><v>0</v>', '< t="s"><v>1</v>'],
            ['< t="b"><v>1</v>', '< t="s"><v>2</v>', '< t="d"><v>2020-01-02</v>'],
        ]
    )
    header, records, _ = read(write_xlsx(tmp_path / "m.xlsx", rows, shared=shared))
    assert header == ["member id", "first name"]
    assert records == [(2, ["yes", "O'Brien", "2020-01-02"])]


@pytest.mark.parametrize(("prefix", "namespace"), [("", STRICT), ("x:", MAIN)])
def test_strict_and_prefixed_files_are_read_too(tmp_path: Path, prefix: str, namespace: str) -> None:
    rows = rows_xml([HEADER, ["M1", "Amy", "07700900123"]], prefix)
    path = write_xlsx(tmp_path / "m.xlsx", rows, prefix=prefix, namespace=namespace)
    assert cells_of(path) == [["M1", "Amy", "07700900123"]]


@pytest.mark.parametrize("far", ["XFD1048576", "ZZ200000", "XFD3", "B1048576"])
def test_a_stray_space_far_away_costs_nothing(tmp_path: Path, far: str) -> None:
    line = far.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    stray = f'<row r="{line}"><c r="{far}" t="inlineStr"><is><t> </t></is></c></row>'
    path = write_xlsx(tmp_path / "m.xlsx", rows_xml([HEADER, ["M1", "Amy"]]) + stray)
    tracemalloc.start()
    try:
        assert cells_of(path) == [["M1", "Amy"]]
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("far", "words"), [("XFD3", "cell XFD3"), ("ALM9", "cell ALM9"), ("A3000000", "cell A3000000")]
)
def test_a_cell_beyond_the_size_limit_is_refused_by_its_place(tmp_path: Path, far: str, words: str) -> None:
    line = far.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    stray = f'<row r="{line}"><c r="{far}" t="inlineStr"><is><t>x</t></is></c></row>'
    path = write_xlsx(tmp_path / "m.xlsx", rows_xml([HEADER, ["M1", "Amy"]]) + stray)
    with pytest.raises(InputError, match=words):
        read(path)


def test_hidden_sheets_are_passed_over_and_named(tmp_path: Path) -> None:
    lookups, members = rows_xml([["grade", "code"], ["A", "1"]]), rows_xml([HEADER, ["M1", "Amy"]])
    for state in ("hidden", "veryHidden"):
        path = write_xlsx(tmp_path / "m.xlsx", lookups, members, states=[state])
        assert cells_of(path) == [["M1", "Amy"]]
        assert read(path)[2] == ["Hidden sheets were not read: “Sheet1”."]


def test_a_workbook_with_nothing_but_hidden_sheets_is_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty"):
        read(write_xlsx(tmp_path / "m.xlsx", rows_xml([HEADER, ["M1", "Amy"]]), states=["hidden"]))


def test_hidden_rows_and_columns_are_read_and_reported(tmp_path: Path) -> None:
    rows = rows_xml([HEADER, ["M1", "Amy"], ["M2", "Bob"], ["M3", "Cat"]])
    rows = rows.replace('<row r="3">', '<row r="3" hidden="1">').replace('<row r="4">', '<row r="4" hidden="true">')
    columns = '<cols><col min="2" max="3" hidden="1"/></cols>'
    path = write_xlsx(tmp_path / "m.xlsx", f"{columns}<sheetData>{rows}</sheetData>")
    assert [cells[0] for cells in cells_of(path)] == ["M1", "M2", "M3"]
    assert read(path)[2] == [
        "2 rows are hidden, perhaps by a filter, and read all the same: 3, 4.",
        "Hidden columns are read all the same: B, C.",
    ]


def test_a_merged_cell_holds_for_each_of_its_rows(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    for row in (
        ["NUPW membership system"], ["Member", None, "Contact"], ["member id", "branch", "mobile"],
        ["M1", "Leeds", "1"], ["M2", None, "2"], ["M3", "York", "3"], ["M4", None, "4"],
    ):  # fmt: skip
        sheet.append(row)
    for cells in ("A1:C1", "A2:B2", "B4:B5"):
        sheet.merge_cells(cells)
    book.save(tmp_path / "m.xlsx")
    header, records, notices = read(tmp_path / "m.xlsx")
    assert header == ["member id", "branch", "mobile"]
    assert [cells for _, cells in records] == [
        ["M1", "Leeds", "1"],
        ["M2", "Leeds", "2"],
        ["M3", "York", "3"],
        ["M4", "", "4"],
    ]
    assert notices == ["The headings were found in row 3; 2 rows above were left out. (--header-row names another.)"]


def test_an_opendocument_file_is_read_as_people_see_it(tmp_path: Path) -> None:
    header = ods_row(*map(ods_cell, HEADER))
    formula, empty = 'table:formula="of:=[.A1]"', 'table:number-columns-repeated="16384"'
    note = "<office:annotation><text:p>by Jo</text:p></office:annotation>"
    body = (
        ods_row(
            ods_cell(attributes='office:value-type="float" office:value="123"', text="000123"),
            ods_cell("#N/A", attributes=f'{formula} office:value-type="string" calcext:value-type="error"'),
            ods_cell(attributes=formula, text=""),
        )
        + ods_row(
            ods_cell("M2"), ods_cell("x").replace("<text:p>", f"{note}<text:p>A<text:s/>"),
            ods_cell(attributes='office:value-type="date" office:date-value="2020-01-02"', text="2 Jan 20"),
            attributes='table:visibility="filter"',
        )
        + ods_row(ods_cell(attributes=empty), attributes='table:number-rows-repeated="1048000"')
    )  # fmt: skip
    unseen = '<style:table-properties table:display="false"/>'
    hidden = f'<style:style style:name="ta2" style:family="table">{unseen}</style:style>'
    tables = (
        f'<table:table table:name="Lookups" table:style-name="ta2">{ods_row(ods_cell("x"))}</table:table>'
        '<table:table table:name="Members"><table:table-column table:visibility="collapse"/>'
        f"{header}{body}</table:table>"
        f'<table:table table:name="Other">{ods_row(ods_cell("other"))}</table:table>'
    )
    choice, records, notices = read(write_ods(tmp_path / "m.ods", tables, styles=hidden))
    assert choice == HEADER
    assert records == [(2, ["000123", "#N/A", NO_RESULT]), (3, ["M2", "A x", "2020-01-02"])]
    assert faults_of(records[0][1] or []) == ["", "error_cell", "no_result"]
    assert notices == [
        "Hidden sheets were not read: “Lookups”.",
        "1 row is hidden, perhaps by a filter, and read all the same: 3.",
        "Hidden columns are read all the same: A.",
    ]
