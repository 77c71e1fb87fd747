"""XLSX, ODS and XLS: the first visible sheet that has anything in it, read in a separate process.

A workbook is a stranger's file, and a small one can unpack to gigabytes. So it is read in `workbooks.reader`, a process
with little memory and no secrets, which ends when its parent does.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import orjson

from core.errors import InputError
from core.files.tables import FaultyCell, RawRow, RawTable

MAX_MEMORY: Final = 1 << 30
"""Bytes of address space for the reader: a million members' texts fit, a workbook made to fill memory does not."""


@contextmanager
def open_spreadsheet(path: Path, *, memory: int = MAX_MEMORY) -> Iterator[RawTable]:
    """Open the first visible sheet that has anything in it.

    Args:
        path: the file.
        memory: bytes that may be taken for it.

    Raises:
        InputError: the file is damaged, protected by a password, too large, or empty.
    """
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        reader = subprocess.Popen(
            [sys.executable, "-P", "-m", "core.files.workbooks.reader", str(file.fileno()), str(memory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(file.fileno(),),
            env={"PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
    assert reader.stdout is not None
    assert reader.stdin is not None
    first: dict[str, Any] = {}
    try:
        messages = _listen(path, reader, reader.stdout)
        first |= next(messages)
        notices: list[str] = []
        kind = f"spreadsheet, sheet “{first['sheet']}”"
        yield RawTable(kind, records_of(messages, notices), first["total"], sha256, rectangular=False, notices=notices)
    except InputError as error:
        if first.get("others"):  # it may be the wrong sheet, such as a cover
            error.problems = (*error.problems, _which_sheet(first))
        raise
    finally:
        reader.stdin.close()  # it ends by that, wherever it is
        reader.stdout.close()
        reader.wait()


def _which_sheet(first: Mapping[str, Any]) -> str:
    """Name the sheet that was read, and those that were not."""
    others = ", ".join(f"“{name}”" for name in first["others"])
    return (
        f"The sheet “{first['sheet']}” was read, the first that people see; not read: {others}. "
        "If the members are in another, move it to the front, or hide the sheets before it, and save the file."
    )


def _listen(path: Path, reader: subprocess.Popen[bytes], output: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the messages of the reader process in order, to the end.

    Raises:
        InputError: the file cannot be read.
    """
    for line in output:
        if not line.endswith(b"\n"):
            break
        message: dict[str, Any] = orjson.loads(line)
        if "refused" in message:
            raise InputError(f"{path.name}: {message['refused']}", remedy=message["remedy"])
        yield message
        if "notes" in message:
            return
    reader.wait()
    raise InputError(
        f"{path.name} takes more memory or time to read than any member file does.",
        remedy="Copy the members' rows into a new workbook, or save them as CSV.",
    )


def records_of(messages: Iterator[dict[str, Any]], notices: list[str]) -> Iterator[RawRow]:
    """Yield the rows in the reader's messages, adding its notes about them to the notices."""
    for message in messages:
        rows: list[RawRow] = message.get("rows", [])
        for index, place, code in message.get("faults", ()):
            cells = rows[index][1]
            assert cells is not None
            cells[place] = FaultyCell(cells[place], code)
        for line, cells in rows:
            yield line, cells
        notices += message.get("notes", ())
