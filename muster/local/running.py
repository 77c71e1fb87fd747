"""The one `muster run` of a MUSTER_HOME: who it is and where it serves."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from messaging.errors import Conflict, SettingsError
from muster.local.home import open_home


@dataclass(frozen=True, slots=True)
class Running:
    """Our claim to be the only one, kept in `home/run.lock` as long as we live."""

    file: IO[str]

    def serves_at(self, public_url: str) -> None:
        """Tell other commands under which address members' and staff's links work."""
        self.file.write(f"{public_url}\n")
        self.file.flush()


@contextmanager
def only_run(home: Path) -> Iterator[Running]:
    """Be the only `muster run` on this MUSTER_HOME.

    Raises:
        Conflict: another one is up.
        SettingsError: the folder cannot be used.
    """
    try:
        home = open_home(home)
        file = (home / "run.lock").open("a+")
        os.fchmod(file.fileno(), 0o600)
    except OSError as error:
        raise SettingsError(f"MUSTER_HOME {home} cannot be used: {error.strerror}.") from error
    with file:
        if not _lock(file):
            file.seek(0)
            process = file.readline().strip() or "unknown"
            raise Conflict(
                f"Muster runs already on {home} (process {process}).",
                remedy="Stop that one first, or set MUSTER_HOME to another folder for a second Muster.",
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield Running(file)
        finally:
            file.truncate(0)


def served_at(home: Path) -> str | None:
    """The address the `muster run` of this MUSTER_HOME serves at; None where none is up."""
    try:
        with (home / "run.lock").open() as file:
            if _lock(file):
                return None  # whoever wrote in it is gone
            lines = file.read().splitlines()
            return lines[1] if len(lines) > 1 else None
    except OSError:
        return None


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
