"""Lock of the one `muster run` of a MUSTER_HOME, and where it serves."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from core.errors import Conflict, SettingsError
from muster.embedded.home import open_home

_PORT: Final = "port"


@dataclass(frozen=True, slots=True)
class SandboxPlace:
    """Addresses of the sandbox beside a `muster run`.

    Attributes:
        page: address of the pages that show its messages.
        smtp_url: its mail server, as MUSTER_SMTP_URL has it.
    """

    page: str
    smtp_url: str


@dataclass(frozen=True, slots=True)
class Running:
    """Lock held as the only `muster run`, in `home/run.lock`, as long as the process lives."""

    home: Path
    file: IO[str]

    def serves_at(self, public_url: str, port: int, sandbox: SandboxPlace | None = None) -> None:
        """Write down for other commands the address of links and of the sandbox, and for the next run the port."""
        self.file.write(f"{public_url}\n")
        if sandbox is not None:
            self.file.write(f"{sandbox.page}\n{sandbox.smtp_url}\n")
        self.file.flush()
        (self.home / _PORT).write_text(f"{port}\n")
        (self.home / _PORT).chmod(0o600)

    def last_port(self) -> int | None:
        """Return the port of the previous run: links that it sent lead there."""
        try:
            return int((self.home / _PORT).read_text())
        except (OSError, ValueError):
            return None


@contextmanager
def only_run(home: Path) -> Iterator[Running]:
    """Hold the lock of the only `muster run` on this MUSTER_HOME.

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
    """Return the address at which the `muster run` of this MUSTER_HOME serves; None if none is up."""
    places = _published(home)
    return places[0] if places else None


def sandbox_at(home: Path) -> SandboxPlace | None:
    """Return the place of this MUSTER_HOME's sandbox; None if no `muster run` is up, or it has no sandbox."""
    _, *places = _published(home) or [""]
    return SandboxPlace(*places) if places else None


def _published(home: Path) -> list[str]:
    """Read what the `muster run` of this MUSTER_HOME wrote for other commands; nothing if none is up."""
    try:
        with (home / "run.lock").open() as file:
            if _lock(file):
                return []  # the process that wrote it has ended
            return file.read().splitlines()[1:]
    except OSError:
        return []


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
