"""Environment of the servers that Muster starts: only the variables they need.

Every process of a server's user can read its environment, and root's PostgreSQL runs as a user that other programs run
as, too. So secrets in our environment, such as cloud keys, are not passed on.
"""

from __future__ import annotations

import os
from typing import Final

_KEPT: Final = ("PATH", "TZ", "TZDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables that are passed on: paths of programs and libraries, and the time zone."""


def bare_environment() -> dict[str, str]:
    """Return the variables a server needs, and no others."""
    return {"LC_ALL": "C"} | {name: os.environ[name] for name in _KEPT if name in os.environ}
