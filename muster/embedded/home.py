"""MUSTER_HOME: a folder that no other user can read."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import Final

from core.errors import SettingsError

ROOTS_STANDIN: Final = "nobody"
"""User that runs root's server, because PostgreSQL refuses to run as root; every Unix has it."""
_FILES: Final = ("daemon.json", "daemon.lock", "daemon.log", "port", "run.lock", "secret-key")


def open_home(home: Path) -> Path:
    """Make a MUSTER_HOME, or remove other users' permissions from an existing one.

    Where root made it, the group of root's stand-in may pass through it, not list it: PostgreSQL's data is inside, as a
    volume or backup of the folder expects. A closed folder is never opened.

    Returns:
        The folder, complete.

    Raises:
        SettingsError: the folder cannot be used.
    """
    home = home.resolve()
    try:
        try:
            home.mkdir(parents=True, mode=0o700)
            is_open = True  # to the stand-in, if the folders above are
        except FileExistsError:
            if not home.is_dir():
                raise
            is_open = home.stat().st_mode & 0o011 != 0
        if home.stat().st_uid == os.geteuid():
            _close(home, passable=os.geteuid() == 0 and is_open and standin_can_enter(home.parent))
    except OSError as error:
        raise SettingsError(f"MUSTER_HOME {home} cannot be used: {error.strerror}.") from error
    return home


def _close(home: Path, *, passable: bool) -> None:
    if passable:
        os.chown(home, -1, pwd.getpwnam(ROOTS_STANDIN).pw_gid)
    if stat.S_IMODE(home.stat().st_mode) != (mode := 0o710 if passable else 0o700):
        home.chmod(mode)
    for name in _FILES:  # older versions left them readable
        file = home / name
        if file.is_file() and file.stat().st_mode & 0o077 and file.stat().st_uid == os.geteuid():
            file.chmod(0o600)


def standin_can_enter(path: Path) -> bool:
    """Tell whether root's stand-in may pass through a folder and every one above it."""
    return all(_passes(folder) for folder in (path, *path.parents))


def _passes(folder: Path) -> bool:
    standin, status = pwd.getpwnam(ROOTS_STANDIN), folder.stat()
    if status.st_uid == standin.pw_uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == standin.pw_gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)
