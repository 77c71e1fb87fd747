"""Who runs a command, for the audit."""

from __future__ import annotations

import getpass


def this_user() -> str:
    """The user's name; `cli` where a container has none for them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "cli"
