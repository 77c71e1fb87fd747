"""Servers that a killed daemon left behind: find them by their data folder, and stop them in order."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Final

from core.errors import Unavailable
from muster.embedded.client import contact
from muster.embedded.postgres import data_folder

_TMP: Final = Path("/tmp")  # noqa: S108  # where mkdtemp made them


def stop_orphans(home: Path) -> None:
    """Stop the servers that still work on this MUSTER_HOME, and remove files that a crash of the machine left.

    Only the daemon that holds the lock may call this: whatever still runs has no daemon.

    Raises:
        Unavailable: one of them does not stop.
    """
    _stop_postgres(data_folder(home))
    _stop_valkey(home.resolve() / "valkey")


def clean_up_after_dead_daemon(home: Path) -> None:
    """Remove what a killed daemon left in /tmp; only the holder of its lock may call this."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        for folder in json.loads(contact(home).read_text(encoding="utf-8"))["folders"]:
            _clear(folder, "muster-")
    contact(home).unlink(missing_ok=True)


def _stop_postgres(data: Path) -> None:
    # https://www.postgresql.org/docs/current/storage-file-layout.html: process, data, start, port, socket's folder …
    file = data / "postmaster.pid"
    lines = _lines(file)
    if not lines or not lines[0].strip().isdigit():
        return
    pid = int(lines[0])
    if _works_on(pid, "postgres", str(data)):
        _stop(pid, signal.SIGINT, "PostgreSQL")
    elif Path(f"/proc/{pid}").exists():
        # After a restart of the machine another program has this number. PostgreSQL would take that for a server of its
        # own and refuse to start.
        file.unlink(missing_ok=True)
    if len(lines) > 4:
        _clear(lines[4].strip(), "muster-pg-")


def _stop_valkey(data: Path) -> None:
    lines = _lines(data / "valkey.pid")
    if not lines or not lines[0].strip().isdigit():
        return
    pid = int(lines[0])
    if _works_on(pid, "valkey-server", str(data)) or _works_on(pid, "redis-server", str(data)):
        words = _command(pid)
        _stop(pid, signal.SIGTERM, "Valkey")
        _clear(str(Path(words[words.index("--unixsocket") + 1]).parent), "muster-vk-")
    (data / "valkey.pid").unlink(missing_ok=True)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def _works_on(pid: int, program: str, data: str) -> bool:
    """Tell whether that process is this program on this data: process numbers are reused."""
    words = _command(pid)
    return bool(words) and Path(words[0]).name == program and data in words


def _stop(pid: int, in_order: signal.Signals, name: str) -> None:
    for number, stop_timeout in ((in_order, 30), (signal.SIGQUIT, 10)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + stop_timeout
        while time.monotonic() < deadline:
            if not _command(pid):
                return
            time.sleep(0.02)
    raise Unavailable(
        f"A {name} that was left behind (process {pid}) does not stop.", remedy="Stop that process, then try again."
    )


def _clear(folder: str, prefix: str) -> None:
    if Path(folder).parent == _TMP and Path(folder).name.startswith(prefix):
        shutil.rmtree(folder, ignore_errors=True)
