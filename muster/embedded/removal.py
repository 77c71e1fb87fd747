"""Erase a MUSTER_HOME, and its servers' data wherever it is kept."""

from __future__ import annotations

import fcntl
import shutil
import time
from pathlib import Path
from typing import IO, Final

from core.errors import Conflict
from muster.embedded.orphans import clean_up_after_dead_daemon, stop_orphans
from muster.embedded.postgres import data_folder

STOP_TIMEOUT: Final = 15.0
"""Seconds to wait for a daemon that may be about to stop: it first waits a moment for the next command."""


def erase(home: Path, *, stop_timeout: float = STOP_TIMEOUT) -> None:
    """Remove the folder and its data; servers that a killed daemon left behind are stopped first.

    Args:
        home: MUSTER_HOME.
        stop_timeout: seconds to wait for its servers to stop by themselves.

    Raises:
        Conflict: its servers are in use.
    """
    home = home.resolve()
    if not home.exists():
        return
    data = data_folder(home)
    with (home / "daemon.lock").open("a") as lock:
        deadline = time.monotonic() + stop_timeout
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise Conflict(f"The servers of {home} are in use.", remedy="Stop what uses them, then try again.")
            time.sleep(0.05)
        stop_orphans(home)
        clean_up_after_dead_daemon(home)
        shutil.rmtree(home)
        if not data.is_relative_to(home):  # root's, if a folder above is closed
            shutil.rmtree(data.parent, ignore_errors=True)


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
