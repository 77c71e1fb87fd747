"""Operator: the person at the shell who runs a command, as the audit names them."""

from __future__ import annotations

import getpass
import os
import pwd
from typing import Final

from core.access import SYSTEM, Actor, ActorKind
from core.errors import InputError

RESERVED: Final = frozenset({"member", SYSTEM.name, "database", "erased"})
"""Names that ledgers use for actors other than operators."""


def this_user() -> str:
    """Return the user's name; `cli` if a container has none for them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "cli"


def system_user() -> str:
    """Return the account the command runs as, whatever options and variables say; its number if it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def operator(name: str) -> Actor:
    """Return the operator as an actor.

    Args:
        name: what they call themselves; the account the command runs as is kept beside it.

    Raises:
        InputError: no operator may have the name, because ledgers use it for people or for Muster itself.
    """
    if name.strip().lower() in RESERVED or not name.strip():
        raise InputError(f"“{name}” is no name of an operator.", remedy="Say who you are: --actor NAME")
    return Actor(ActorKind.OPERATOR, name, None, system_user())
