"""The person at the shell who runs a command, as the audit names them."""

from __future__ import annotations

import getpass
import os
import pwd


def this_user() -> str:
    """The user's name; `cli` where a container has none for them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "cli"


def system_user() -> str:
    """The account the command runs as, which no option and no variable changes; its number where it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
