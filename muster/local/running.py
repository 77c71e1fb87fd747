"""The one `muster run` of a MUSTER_HOME: who it is and where it serves."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from messaging.errors import Conflict, SettingsError
from muster.local.home import open_home

_PORT: Final = "port"


@dataclass(frozen=True, slots=True)
class Running:
    """Our claim to be the only one, kept in `home/run.lock` as long as we live."""

    home: Path
    file: IO[str]

    def serves_at(self, public_url: str, port: int) -> None:
        """Tell other commands under which address members' and staff's links work, and the next run our port."""
        self.file.write(f"{public_url}\n")
        self.file.flush()
        (self.home / _PORT).write_text(f"{port}\n")
        (self.home / _PORT).chmod(0o600)

    def last_port(self) -> int | None:
        """The port of the run before: links that it sent lead there."""
        try:
            return int((self.home / _PORT).read_text())
        except (OSError, ValueError):
            return None


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
            yield Running(home, file)
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
