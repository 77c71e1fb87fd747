"""A virtual environment for the programs Muster is compared with, apart from its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from core.errors import Unavailable
from tests.bench.processes import ROOT

_REQUIREMENTS: Final = Path(__file__).with_suffix(".txt")
_FOLDER: Final = ROOT / ".venv-bench"


def environment() -> Path:
    """The folder of its programs; made the first time, and again when what is required changes.

    Raises:
        Unavailable: pip could not install it.
    """
    programs, made = _FOLDER / "bin", _FOLDER / _REQUIREMENTS.name
    wanted = _REQUIREMENTS.read_text(encoding="utf-8")
    if made.exists() and made.read_text(encoding="utf-8") == wanted:
        return programs
    python = str(programs / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(_REQUIREMENTS)]
    for command in ([sys.executable, "-m", "venv", "--clear", str(_FOLDER)], pip):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Unavailable(
                f"What the benchmark needs could not be installed: {(done.stderr or done.stdout).strip()[-300:]}",
                remedy=f"It goes into {_FOLDER.name}; pip needs to reach a package index for it.",
            )
    made.write_text(wanted, encoding="utf-8")
    return programs
