"""Processes that `muster run` started: they end with it, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

VARIABLE: Final = "MUSTER_SUPERVISOR"
"""Environment variable with the process id of the supervisor."""

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def end_with_supervisor() -> None:
    """Have the kernel send this process SIGTERM when the supervisor in the environment dies, even by SIGKILL."""
    if (supervisor := os.environ.pop(VARIABLE, None)) is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(supervisor):  # it died before the request
        sys.exit(1)
