"""Logins to PostgreSQL: the five that Muster uses, each with only the rights that its work needs."""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from core.db.pool import Connection
from core.db.queries import load_queries
from core.db.session_settings import OWNER_SETTINGS, SESSION_SETTINGS
from core.errors import SettingsError

SQL: Final = load_queries(__file__)


class Login(StrEnum):
    """Name of a login. None of them is a superuser, may make other logins, or bypasses row-level security."""

    OWNER = "muster_owner"
    """Owns the tables and changes them: `muster migrate`."""
    WORKER = "muster_worker"
    """Reads and writes all rows: workers, members' pages, webhooks and commands. It owns nothing."""
    STAFF = "muster_staff"
    """Reads and writes what an actor may, by row-level security: pages and API for staff."""
    STAFF_ALL = "muster_staff_all"
    """Like `STAFF`, for staff whose grant is the whole organisation."""
    REPORTS = "muster_reports"
    """Reads views of totals only."""


LOGIN_SETTINGS: Final = {
    Login.OWNER: OWNER_SETTINGS,
    **dict.fromkeys((Login.WORKER, Login.STAFF, Login.STAFF_ALL), SESSION_SETTINGS),
}
"""Settings that each login's sessions begin with; those of programs that read reports are the administrator's."""


def address_as(url: str, login: str) -> str:
    """Return the address of the same database for another login: only the user name differs.

    Args:
        url: `postgresql://…`.
        login: the login that signs in there, with the password of the URL, if it has one.
    """
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    _, colon, password = user.partition(":")
    query = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key != "user"]
    netloc = f"{login}{colon}{password}@{place}" if at else f"{login}@{parts.netloc}"
    return urlunsplit((parts.scheme, netloc, parts.path, urlencode(query, safe="/"), ""))


def user_in(url: str) -> str:
    """Return the user name that an address gives; empty if it gives none.

    Raises:
        ValueError: it is not an address of PostgreSQL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or "@" in parts.path:  # a password that is not percent-encoded
        raise ValueError("not an address of PostgreSQL")
    return unquote(parts.username or dict(parse_qsl(parts.query)).get("user", ""))


def password_in(url: str) -> str:
    """Return the password that an address gives; empty if it gives none."""
    parts = urlsplit(url)
    return unquote(parts.password or "") or dict(parse_qsl(parts.query)).get("password", "")


def database_in(url: str) -> str:
    """Return the name of the database in an address; if it has none, the user's name, as PostgreSQL does."""
    return unquote(urlsplit(url).path.lstrip("/")) or user_in(url)


async def check_login(db: Connection, login: Login) -> None:
    """Refuse to work as somebody with more rights than a login's work needs.

    No policy holds for superusers, owners and those with BYPASSRLS, and a member of another role can become it: an
    error in a query would show everything.

    Args:
        db: a connection of the login.
        login: who it must be.

    Raises:
        SettingsError: it is somebody else, or has rights that no login of Muster's has.
    """
    row = await db.fetchrow(SQL["whoami"])
    assert row is not None
    for is_so, words in (
        (row["superuser"], ", a superuser"),
        (row["bypassrls"], ", who passes by row-level security (BYPASSRLS)"),
        (row["createrole"], ", who may make other logins (CREATEROLE)"),
        (row["createdb"], ", who may make databases (CREATEDB)"),
        (row["replication"], ", who may copy the whole server (REPLICATION)"),
        (row["is_somebody_else"], ", whom a setting of the login turns into another role"),
        (row["owns"] and login is not Login.OWNER, ", who owns tables"),
        (row["memberships"], f", who can become {row['memberships']}"),
        (row["name"] != login, ""),
    ):
        if is_so:
            raise SettingsError(
                f"Muster must sign in to PostgreSQL as {login} and nobody else, and this is {row['name']}{words}.",
                remedy=f"Put {login} into the address; `muster migrate` makes or mends that login (docs/logins.md).",
            )


async def shortcomings(db: Connection) -> list[str]:
    """List what is wrong with the five logins, their settings and the ownership of tables, one sentence each.

    Args:
        db: a connection of `Login.OWNER`, or of an administrator.
    """
    given = [(login, name, value) for login, settings in LOGIN_SETTINGS.items() for name, value in settings.items()]
    rows = await db.fetch(SQL["shortcomings"], list(Login), *map(list, zip(*given, strict=True)))
    return [row["sentence"] for row in rows]
