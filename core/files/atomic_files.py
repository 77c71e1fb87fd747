"""Atomic files: they appear under their name when they are complete, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import Conflict, InputError


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
