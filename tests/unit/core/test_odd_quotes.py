"""CSV files with apostrophes for quotes, and with quotes around whole lines."""

from pathlib import Path

import pytest

from core.files.delimited import open_delimited


def rows(tmp_path: Path, text: str) -> tuple[list[list[str] | None], list[str]]:
    path = tmp_path / "members.csv"
    path.write_text(text, encoding="utf-8", newline="")
    with open_delimited(path) as table:
        return [cells for _, cells in table.records], table.notices


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_cells_in_apostrophes_are_read_without_them(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = ["member_id,name,pay", "'H1','Amy O''Hara',3", "'H2','Jones, Bo',4", "'H3','Lee; Cy',5"]
    if delimiter == ";":
        lines = [line.replace("','", "';'").replace("',", "';").replace("id,name,pay", "id;name;pay") for line in lines]
    found, notices = rows(tmp_path, end.join(lines))
    assert found[1:] == [["H1", "Amy O'Hara", "3"], ["H2", "Jones, Bo", "4"], ["H3", "Lee; Cy", "5"]]
    assert notices == ["Cells are in apostrophes where other files have quotes; these were taken off."]


@pytest.mark.parametrize("text", [
    "id,name\n1,'t Hooft\n2,'Amy'\n",
    "id,name\n1,\"'Amy'\"\n2,\"'Bo'\"\n",
    "id,name\n1,O'Brien\n2,'=1+1\n",
])  # fmt: skip
def test_apostrophes_that_are_no_quotes_stay(tmp_path: Path, text: str) -> None:
    found, notices = rows(tmp_path, text)
    assert any("'" in cell for cells in found for cell in cells or ())
    assert notices == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_quoted_as_a_whole_are_read(tmp_path: Path, end: str) -> None:
    lines = ['"member_id,name,email"', '"E1,Amy Jones,e1@work.example"', '"E2,""Bo, Jr"",e2@work.example"']
    found, notices = rows(tmp_path, end.join(lines))
    assert found == [
        ["member_id", "name", "email"], ["E1", "Amy Jones", "e1@work.example"], ["E2", "Bo, Jr", "e2@work.example"],
    ]  # fmt: skip
    assert ["as a whole" in notice for notice in notices] == [True]


@pytest.mark.parametrize("text", ['"name"\n"Jones, Amy"\n"Lee, Bo"\n', '"a","b"\n"1","2"\n', '"a,b"\n1,2\n'])
def test_quoted_cells_are_no_quoted_lines(tmp_path: Path, text: str) -> None:
    assert rows(tmp_path, text)[1] == []
