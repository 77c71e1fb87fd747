"""Workbooks, part by part."""

from pathlib import Path

from core.files.headings import with_headings
from core.files.spreadsheets import records_of
from core.files.tables import RawRow, RawTable
from core.files.workbooks import reader
from people.imports.columns import heading_judge
from people.imports.mapping import ColumnMapping

HEADER = ["member id", "first name", "mobile"]

JUDGE = heading_judge(ColumnMapping(), "external_id")


def read(path: Path) -> tuple[list[str], list[RawRow], list[str]]:
    """As the import reads it, but in this process: starting one for each of these files takes a while."""
    notices: list[str] = []
    with path.open("rb") as file:
        raw = RawTable("", records_of(iter(reader.read(file)), notices), 0, "", rectangular=False, notices=notices)
        table = with_headings(raw, path.name, JUDGE, None)
        return table.header, list(table.records), notices


def ods_cell(value: str = "", *, attributes: str = "", text: str | None = None) -> str:
    shown = value if text is None else text
    kind = attributes or 'office:value-type="string"'
    return f"<table:table-cell {kind}>{f'<text:p>{shown}</text:p>' if shown else ''}</table:table-cell>"


def ods_row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"
