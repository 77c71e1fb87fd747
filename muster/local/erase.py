"""Forget a MUSTER_HOME: its servers' data wherever it is kept."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from messaging.errors import Conflict
from muster.local.orphans import forget_dead_keeper, stop_orphans
from muster.local.postgres import data_folder


def erase(home: Path) -> None:
    """Remove the folder and its data; servers that a killed keeper left behind are stopped first.

    Raises:
        Conflict: its servers are in use.
    """
    home = home.resolve()
    if not home.exists():
        return
    data = data_folder(home)
    with (home / "keeper.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"The servers of {home} are in use.", remedy="Stop what uses them, then try again."
            ) from None
        stop_orphans(home)
        forget_dead_keeper(home)
        shutil.rmtree(home)
        if not data.is_relative_to(home):  # root's, where a folder above is closed
            shutil.rmtree(data.parent, ignore_errors=True)
