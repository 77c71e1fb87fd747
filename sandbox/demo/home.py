"""Folder of the demo inside a MUSTER_HOME: itself a MUSTER_HOME, erased at the start of the next demo."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Final

from core.errors import Conflict
from sandbox.demo.host import Host

_MARK: Final = ".muster-demo"


def demo_home(home: Path) -> Path | None:
    """Find the folder that a demo has left.

    Args:
        home: MUSTER_HOME.

    Returns:
        The folder; None if no demo was run.
    """
    demo = home / "demo"
    return demo if (demo / _MARK).exists() else None


def new_demo_home(home: Path, host: Host) -> Path:
    """Make an empty folder for the demo, erasing the last demo's.

    Args:
        home: MUSTER_HOME.
        host: the demo's host.

    Raises:
        Conflict: the folder exists and was not made by a demo, or its servers are in use.
    """
    demo = home.resolve() / "demo"
    if demo.exists():
        if demo_home(home.resolve()) is None:
            raise Conflict(f"{demo} was not made by a demo.", remedy="Move it away, or set MUSTER_HOME.")
        host.erase(demo)
    host.open_home(home)
    host.open_home(demo)
    (demo / _MARK).touch()
    return demo


def run_on_demo(home: Path) -> str:
    """Return the command that starts Muster on the demo's folder, from the current folder."""
    demo = home / "demo"
    return f"MUSTER_HOME={quote(str(demo))} muster run"
