"""The environment of the servers that Muster starts: nothing of what Muster itself was started with.

A server's environment can be read by every process of its user, and root's PostgreSQL runs as a user that others run as
too. So keys to clouds and the like that happen to stand in ours go no further.
"""

from __future__ import annotations

import os
from typing import Final

_KEPT: Final = ("PATH", "TZ", "TZDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Where programs and their libraries are, and what time it is here."""


def bare_environment() -> dict[str, str]:
    """The variables a server needs, and no others."""
    return {"LC_ALL": "C"} | {name: os.environ[name] for name in _KEPT if name in os.environ}
