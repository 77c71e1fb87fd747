"""Database on a PostgreSQL of the operator's: its logins, and its schema."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

import asyncpg

from core.db import Connection, connect
from core.db.login_script import LoginsError, login_script, run_script
from core.db.logins import Login, address_as, check_login, database_in, password_in, shortcomings, user_in
from core.db.migrate import migrate, missing
from core.db.pooler import shares_sessions
from core.errors import SettingsError
from core.settings import Settings

_WORKER: Final = "MUSTER_DATABASE_URL"
_OWNER: Final = "MUSTER_OWNER_DATABASE_URL"
_ADMIN: Final = "MUSTER_ADMIN_DATABASE_URL"
_REFUSALS: Final = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError)
_AT_WORK: Final = (Login.WORKER, Login.STAFF, Login.STAFF_ALL)
"""Logins that sign in with the address and password of MUSTER_DATABASE_URL."""


async def migrate_outside(settings: Settings) -> tuple[list[str], list[str]]:
    """Make or mend the logins, if an administrator's address is given, and bring the database to the newest schema.

    Args:
        settings: must have `database_url`.

    Returns:
        The names of the migrations applied, and what was wrong with the logins and is mended, one sentence each.

    Raises:
        LoginsError: the logins are not as they must be, and cannot be made from here; nothing was changed.
        SettingsError: an address is wrong, or names another login.
        Conflict: a version before 0.1.0 made the database; it is as it was.
        Unavailable: the server does not answer.
    """
    url, owner = _addresses(settings)
    script = login_script({Login.OWNER: password_in(owner), **dict.fromkeys(_AT_WORK, password_in(url))})
    mended = list[str]()
    if settings.admin_database_url is not None:
        mended = await _provide(settings.admin_database_url.get_secret_value(), owner, script)
    await _check(url, owner, script)
    if await shares_sessions(owner, setting=_owner_setting(settings)):
        raise SettingsError(
            f"{_owner_setting(settings)} leads to a pooler in transaction mode, which cannot keep a migration's lock.",
            remedy="Give the address of PostgreSQL itself there, or of a pooler in session mode (docs/logins.md).",
        )
    return await migrate(owner, setting=_owner_setting(settings)), mended


def _addresses(settings: Settings) -> tuple[str, str]:
    """Return the addresses for the worker's and the owner's login."""
    url = settings.database_url
    assert url is not None
    if settings.owner_database_url is not None:
        owner = settings.owner_database_url.get_secret_value()
    elif not _readable(password_in, url, _WORKER):
        owner = address_as(url, Login.OWNER)  # by peer, certificate or a file of passwords
    else:
        user = _readable(user_in, url, _WORKER)
        both = "" if user == Login.WORKER else f" And {_WORKER} names the login {user or '(none)'}."
        named = "" if user == Login.WORKER else f" In {_WORKER} write postgresql://{Login.WORKER}:password@…."
        raise SettingsError(
            f"{_OWNER} is not set: the address of the login that owns the tables, with a password of its own.{both}",
            remedy=f"Set it for this command only: postgresql://{Login.OWNER}:another-password@….{named}"
            " See docs/logins.md.",
        )
    for setting, address, login in ((_WORKER, url, Login.WORKER), (_OWNER, owner, Login.OWNER)):
        if (user := _readable(user_in, address, setting)) != login:
            raise SettingsError(
                f"{setting} names the login {user or '(none)'}; it must be {login}.",
                remedy=f"Write postgresql://{login}:password@host:5432/database. Where there is no such login yet,"
                " `muster migrate` makes it, or writes the SQL for that (docs/logins.md).",
            )
    if password_in(url) and password_in(url) == password_in(owner):
        raise SettingsError(
            f"{_OWNER} has the same password as {_WORKER}, so that anybody who learns one could change the tables.",
            remedy="Make another: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'.",
        )
    return url, owner


def _readable(read: Callable[[str], str], url: str, setting: str) -> str:
    """Read a part of an address, which may be no address at all."""
    try:
        return read(url)
    except ValueError as error:
        raise SettingsError(
            f"{setting} is not a PostgreSQL address.",
            remedy="It looks like postgresql://user:password@host:5432/muster; special characters in the password are"
            " percent-encoded.",
        ) from error


def _owner_setting(settings: Settings) -> str:
    return _WORKER if settings.owner_database_url is None else _OWNER


async def _provide(admin: str, owner: str, script: str) -> list[str]:
    """Run the script as the administrator; return what was wrong before with logins that there were."""
    db = await connect(admin, setting=_ADMIN)
    try:
        await missing(db)  # a database that cannot be used stays as it is
        if await db.fetchval("select current_database()") != database_in(owner):
            raise SettingsError(
                f"{_ADMIN} leads to another database than {_OWNER}.",
                remedy="Give the same host and database in both; only the login differs.",
            )
        before = await shortcomings(db)
        if not await run_script(db, script):
            name = await db.fetchval("select session_user")
            raise LoginsError(
                f"{name} may not make the logins, and nothing was changed.",
                script=script,
                remedy=f"Give {_ADMIN} a login that may: a superuser, or the owner of the database with CREATEROLE. If"
                " you have none, leave it out and write the SQL for an administrator of the server: muster migrate >"
                " logins.sql (docs/logins.md).",
            )
        left = await shortcomings(db)
        is_new = any(sentence.endswith("does not exist.") for sentence in before)
        return [] if is_new else [sentence for sentence in before if sentence not in left]
    finally:
        await db.close(timeout=5)


async def _check(url: str, owner: str, script: str) -> None:
    """Refuse to migrate before every login can sign in, with the rights it needs and no others."""
    async with AsyncExitStack() as stack:
        db = await _sign_in(owner, Login.OWNER, _OWNER, script, stack)
        await missing(db)
        if problems := await shortcomings(db):
            raise _for_administrator(" ".join(problems), script)
        await check_login(db, Login.OWNER)
        for login in _AT_WORK:
            await check_login(await _sign_in(address_as(url, login), login, _WORKER, script, stack), login)


async def _sign_in(url: str, login: Login, setting: str, script: str, stack: AsyncExitStack) -> Connection:
    try:
        db = await connect(url, setting=setting)
    except SettingsError as error:
        if isinstance(
            error.__cause__, asyncpg.InvalidAuthorizationSpecificationError | asyncpg.InsufficientPrivilegeError
        ):
            raise _for_administrator(
                f"PostgreSQL does not let {login} in with the password of {setting}.", script
            ) from error
        raise
    stack.push_async_callback(db.close, timeout=5)
    return db


def _for_administrator(problem: str, script: str) -> LoginsError:
    return LoginsError(
        problem,
        script=script,
        remedy="`muster migrate` writes the SQL that makes and mends the logins. Keep it (muster migrate > logins.sql)"
        f" and have an administrator of the server run it; or set {_ADMIN} for that command. Then run it again"
        " (docs/logins.md).",
    )
