"""Operator: the person at the shell who runs a command, as the audit names them."""

from __future__ import annotations

import getpass
import os
import pwd

from core.access import Actor, ActorKind


def this_user() -> str:
    """Return the user's name; `cli` where a container has none for them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "cli"


def system_user() -> str:
    """Return the account the command runs as, whatever options and variables say; its number where it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def operator(name: str) -> Actor:
    """Return the operator as an actor.

    Args:
        name: what they call themselves; the account the command runs as is kept beside it.
    """
    return Actor(ActorKind.OPERATOR, name, None, system_user())
