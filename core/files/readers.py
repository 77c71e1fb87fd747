"""Member files, opened by their content, not by their name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from core.errors import InputError
from core.files.delimited import open_delimited
from core.files.encodings import meaning_of_ansi, named_encoding
from core.files.headings import Judge, with_headings
from core.files.spreadsheets import open_spreadsheet
from core.files.tables import Table

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # XLS, and every XLSX under a password


@contextmanager
def open_table(
    path: Path, judge: Judge, *, header_row: int | None = None, encoding: str | None = None
) -> Iterator[Table]:
    """Open a CSV, XLSX, ODS or XLS file.

    Args:
        path: the file.
        judge: knows names of columns, by which the headings are found.
        header_row: the line or row they stand in, if a person says so.
        encoding: of a CSV file, if a person says so: `mac-roman`.

    Raises:
        InputError: the file cannot be read, is empty, or is none of these kinds; there is no such encoding.
    """
    named = None if encoding is None else named_encoding(encoding)
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    is_workbook = magic.startswith((_ZIP, _OLE))
    if is_workbook and named is not None:
        raise InputError(f"{path.name} is a workbook, whose encoding is always known.", remedy="Leave out --encoding.")
    opened = open_spreadsheet(path) if is_workbook else open_delimited(path, encoding=named)
    with opened as raw:
        if encoding is not None and (notice := meaning_of_ansi(encoding)):
            raw.notices.append(notice)
        yield with_headings(raw, path.name, judge, header_row)
