"""Script that makes the five logins: run by `muster migrate` if it may, and otherwise by an administrator."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping
from hashlib import pbkdf2_hmac, sha256
from hmac import digest
from typing import Final

import asyncpg

from core.db.logins import LOGIN_SETTINGS, Login
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import SettingsError

SQL: Final = load_queries(__file__)
_HEAD: Final = """\
-- Written by `muster migrate`: the logins of Muster, and their rights in its database. Safe to run again.
-- Run it in that database, as a superuser, or as the database's owner with CREATEROLE:
--   psql --no-psqlrc --dbname 'the database' --file this-file.sql
-- It holds digests of passwords (SCRAM), not the passwords.
"""
_SCRAM_ITERATIONS: Final = 4096
"""PostgreSQL's own number; its clients compute as many at each sign-in."""


class LoginsError(SettingsError):
    """The logins are not as they must be, and this process may not make them.

    Args:
        message: what is wrong.
        script: the SQL for somebody who may make them.
        remedy: what to do with it.
    """

    def __init__(self, message: str, *, script: str, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.script = script


def login_script(passwords: Mapping[Login, str]) -> str:
    """Write the SQL that makes or mends the five logins, in one transaction.

    Args:
        passwords: of the logins that sign in with a password; the others keep theirs.

    Raises:
        SettingsError: a password has characters that PostgreSQL and its clients may not read alike.
    """
    given = [f"alter role {login} password '{_verifier(login, word)}';\n" for login, word in passwords.items() if word]
    return f"{_HEAD}begin;\n\n{roles()}\n{''.join(given)}\ncommit;\n"


def roles() -> str:
    """Return the part of the script without passwords: for the embedded server, which asks for none."""
    settings = ", ".join(
        f"('{login}', '{name}', '{value}')" for login, given in LOGIN_SETTINGS.items() for name, value in given.items()
    )
    return f"{SQL['logins'].replace('{settings}', settings)};\n\n{SQL['ownership']};\n"


async def run_script(db: Connection, script: str) -> bool:
    """Run the script on an administrator's connection.

    Returns:
        Whether it could be done; if not, nothing was.
    """
    try:
        await db.execute(script)
    except asyncpg.InsufficientPrivilegeError:
        await db.execute("rollback")
        return False
    return True


def _verifier(login: Login, password: str) -> str:
    """Return what PostgreSQL keeps of a password, so that the script and the server's log do not show it."""
    if not (password.isascii() and password.isprintable()):
        raise SettingsError(
            f"The password for {login} has characters other than English letters, digits and signs.",
            remedy="Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'.",
        )
    salt = secrets.token_bytes(16)
    salted = pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored = sha256(digest(salted, b"Client Key", "sha256")).digest()
    server = digest(salted, b"Server Key", "sha256")
    words = [b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{words[0]}${words[1]}:{words[2]}"
