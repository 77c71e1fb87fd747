"""Workbooks as spreadsheet programs write them, cell by cell, for what no library for writing them lets one say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def rows_xml(rows: Sequence[Sequence[str]], prefix: str = "") -> str:
    """Rows of texts; a cell that begins with `<` is taken for the inside of its element and what stands before it."""
    lines = []
    for line, cells in enumerate(rows, 1):
        inside = "".join(
            f'<{prefix}c r="{chr(65 + place)}{line}"{cell.removeprefix("<")}</{prefix}c>'
            if cell.startswith("<")
            else f'<{prefix}c r="{chr(65 + place)}{line}" t="inlineStr"><{prefix}is><{prefix}t>{cell}</{prefix}t>'
            f"</{prefix}is></{prefix}c>"
            for place, cell in enumerate(cells)
            if cell
        )
        lines.append(f'<{prefix}row r="{line}">{inside}</{prefix}row>')
    return "".join(lines)


def write_xlsx(
    path: Path, *sheets: str, states: Sequence[str] = (), styles: str = "", shared: str = "", book: str = "",
    prefix: str = "", prolog: str = "", namespace: str = MAIN,
) -> Path:  # fmt: skip
    """An XLSX of the given sheets, each the inside of a `worksheet` element (or of its `sheetData` alone)."""
    mark = f":{prefix.rstrip(':')}" if prefix else ""
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        named = "".join(
            f'<sheet name="Sheet{number}" sheetId="{number}" state="{state}" r:id="rId{number}"/>'
            for number, state in enumerate((*states, *["visible"] * (len(sheets) - len(states))), 1)
        )
        file.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets>{named}</sheets>{book}</workbook>'
        )
        targets = [f"worksheets/sheet{number}.xml" for number in range(1, len(sheets) + 1)]
        kinds = ["worksheet"] * len(sheets)
        for kind, content in (("styles", styles), ("sharedStrings", shared)):
            if content:
                targets.append(f"{kind}.xml")
                kinds.append(kind)
                file.writestr(f"xl/{kind}.xml", content)
        links = "".join(
            f'<Relationship Id="rId{number}" Type="{LINKS}/{kind}" Target="{target}"/>'
            for number, (kind, target) in enumerate(zip(kinds, targets, strict=True), 1)
        )
        file.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{links}</Relationships>")
        for number, sheet in enumerate(sheets, 1):
            inside = sheet if "sheetData" in sheet else f"<{prefix}sheetData>{sheet}</{prefix}sheetData>"
            file.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f'{prolog}<{prefix}worksheet xmlns{mark}="{namespace}">{inside}</{prefix}worksheet>',
            )
    return path


def styles_xml(*codes: str) -> str:
    """Styles 1, 2, … with the given number formats."""
    formats = "".join(f'<numFmt numFmtId="{164 + n}" formatCode="{code}"/>' for n, code in enumerate(codes))
    cells = "".join(f'<xf numFmtId="{164 + n}"/>' for n in range(len(codes)))
    return (
        f'<styleSheet xmlns="{MAIN}"><numFmts>{formats}</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
        f'<cellXfs><xf numFmtId="0"/>{cells}</cellXfs></styleSheet>'
    )


def write_ods(path: Path, tables: str, *, styles: str = "") -> Path:
    """An OpenDocument spreadsheet of the given `table:table` elements."""
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text", "style")
    )
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr(
            "content.xml",
            f'<office:document-content {spaces} xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:'
            f'xmlns:calcext:1.0"><office:automatic-styles>{styles}</office:automatic-styles><office:body>'
            f"<office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>",
        )
    return path
