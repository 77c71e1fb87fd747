"""A process that `muster run` started ends with it, however `muster run` ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

VARIABLE: Final = "MUSTER_SUPERVISOR"
"""The environment variable that tells a process the number of its supervisor."""

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def end_with_supervisor() -> None:
    """Have the kernel send us SIGTERM when the supervisor named in the environment dies, even by SIGKILL."""
    if (supervisor := os.environ.pop(VARIABLE, None)) is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(supervisor):  # it died before we could ask
        sys.exit(1)
