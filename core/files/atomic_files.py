"""Atomic files: they appear under their name when they are complete, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import Conflict, InputError
from core.files.guarded_csv import GuardedCsv


@contextmanager
def complete_or_not_at_all(path: Path, *, replace: bool, mode: int = 0o600) -> Iterator[Path]:
    """Yield a temporary path beside the wanted one, and rename it to that name at the end.

    Args:
        path: the final name.
        replace: whether a file that is there may be replaced.
        mode: permissions of the file, by default only its owner.

    Raises:
        Conflict: the file is there already.
        InputError: nothing can be written there.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no file.", remedy="Give the name of a file.")
    if path.exists() and not replace:
        raise Conflict(f"{path} exists already.", remedy="Give another name, or --force.")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from None
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def sheet_or_nothing(path: Path, *, replace: bool, for_excel: bool = False) -> Iterator[GuardedCsv]:
    """Write a CSV file that spreadsheets open as UTF-8, complete or not at all; a page of rows is written in a moment.

    Args:
        path: the file.
        replace: whether a file that is there may be replaced.
        for_excel: see `GuardedCsv`.

    Yields:
        The writer of its rows.

    Raises:
        Conflict, InputError: see `complete_or_not_at_all`.
    """
    with (
        complete_or_not_at_all(path, replace=replace) as beside,
        beside.open("w", encoding="utf-8-sig", newline="") as file,
    ):
        yield GuardedCsv(file, for_excel=for_excel)
