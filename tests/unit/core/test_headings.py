"""The row of column names is found below titles and notes, or named by a person."""

from collections.abc import Sequence

import pytest

from core.errors import InputError
from core.files.headings import with_headings
from core.files.tables import RawTable, Table
from people.imports.columns import heading_judge
from people.imports.mapping import ColumnMapping

NAMES = ["Mem No.", "Forename", "Mobile"]
MEMBER = ["M1", "Amy", "07700900123"]


def headed(rows: Sequence[Sequence[str] | None], header_row: int | None = None, **mapping: object) -> Table:
    records = iter([(line, None if row is None else list(row)) for line, row in enumerate(rows, 1) if row != []])
    raw = RawTable("CSV", records, len(rows), "", rectangular=True)
    judge = heading_judge(ColumnMapping(**mapping), "external_id")  # type: ignore[arg-type]
    return with_headings(raw, "members.csv", judge, header_row)


@pytest.mark.parametrize(
    "above",
    [
        [],
        [["NUPW Membership System - Live Members", "", ""]],
        [["Members"], [], ["Printed 3 May 2026", "by Jo"]],
        [["Member", "Contact", ""]],
        [["Ref", "2026/14"]],
        [["Branch:", "Leeds", ""], ["Contact", "Amy Jones", "07700900123"]],
        [None],
    ],
)
def test_titles_and_notes_above_the_headings_are_left_out(above: list[list[str]]) -> None:
    table = headed([*above, NAMES, MEMBER])
    assert table.header == NAMES
    assert table.header_line == len(above) + 1
    assert [cells for _, cells in table.records] == [MEMBER]
    assert bool(table.notices) is bool(above)


def test_the_notice_names_the_row_of_headings() -> None:
    assert headed([["Title"], [], NAMES]).notices == [
        "The headings were found in row 3; 1 row above was left out. (--header-row names another.)"
    ]


def test_headings_that_only_a_mapping_file_knows_are_found() -> None:
    rows = [["Report of members", ""], ["Unique ref", "Mob"], ["1", "077"]]
    assert headed(rows, fields={"external_id": ("Unique ref",)}, attributes={"mob": "Mob"}).header == [
        "Unique ref",
        "Mob",
    ]
    assert headed(rows).header == ["Report of members", ""], "nothing is known, so it is the first"


def test_cells_are_not_taken_for_headings() -> None:
    rows = [["Key", "Contact by", "Note"], ["1", "Email", "seen"], ["2", "x", "ID"]]
    assert headed(rows).header == rows[0]


def test_where_no_row_has_the_number_the_one_with_most_known_names_is_meant() -> None:
    rows = [["Report of members", "x", "y"], ["Allotment ref", "First name", "Email"], ["A1", "Amy", "a@example.org"]]
    assert headed(rows).header_line == 2, "its columns are named in the error"


def test_repeated_headings_are_left_out() -> None:
    assert headed([["Title"], NAMES, MEMBER, NAMES, MEMBER]).header_line == 2


def test_a_person_may_name_the_row_of_headings() -> None:
    table = headed([["ID", "Name", "x"], ["M1", "Amy", "1"], NAMES, MEMBER], header_row=3)
    assert table.header == NAMES
    assert not table.notices
    with pytest.raises(InputError, match=r"Row 9 of .* is empty"):
        headed([NAMES, MEMBER], header_row=9)


def test_a_file_of_too_many_columns_is_refused() -> None:
    with pytest.raises(InputError, match="has 1,001 columns"):
        headed([["id", *map(str, range(1000))]])
