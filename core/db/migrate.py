"""Bring a database to the newest schema, with dbmate.

Each package that owns tables has a folder `migrations`. Files are applied by their names, whichever folder they are in.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from core.db.away import POSTGRES_AWAY
from core.db.connection_errors import SETTING, explained
from core.db.logins import Login
from core.db.pool import Connection, Pool, open_pool
from core.errors import Conflict, SettingsError

OWNERS: Final = ("core", "messaging", "people", "staff", "ballots", "services", "campaigns", "webhooks", "api")
"""Packages that own tables."""
_READABLE: Final = "select has_table_privilege(to_regclass('public.schema_migrations'), 'select')"
_PAUSE_SECONDS: Final = 2.0
"""Seconds between two tries."""
_MAX_TRIES: Final = 300
"""Most tries; together they take longer than any statement of ours may (`STATEMENT_TIMEOUT`)."""
_BUSY: Final = ("canceling statement due to lock timeout", "deadlock detected")
FOLDERS: Final = tuple(Path(__file__).parents[2] / package / "migrations" for package in OWNERS)


def migration_files() -> list[Path]:
    """List the migrations of all packages, in the order they are applied."""
    return sorted((path for folder in FOLDERS for path in folder.glob("*.sql")), key=lambda path: path.name)


async def migrate(url: str, *, setting: str = SETTING) -> list[str]:
    """Apply the missing migrations; safe from several processes at once (a database lock), and beside others at work.

    Args:
        url: the address for the login that owns the tables.
        setting: where the address comes from.

    Returns:
        The file names applied, oldest first; empty when there was nothing to do.

    Raises:
        Conflict: see `missing`; the database is as it was.
        Unavailable, SettingsError: the database cannot be reached or refuses us.
    """
    await pending(url, setting=setting)  # its errors are clearer than dbmate's
    url = await _with_one_host(url)
    applied: list[str] = []
    for tries_left in reversed(range(_MAX_TRIES)):
        done, out, err = await _run_dbmate(url)
        # dbmate says `Applied: name in 12ms`
        applied += [line.split()[1] for line in out.splitlines() if line.startswith("Applied:")]
        if done:
            break
        # a file is one transaction: what it had locked is free again
        if not tries_left or not any(words in err for words in _BUSY):
            last = (err.strip().splitlines() or ["dbmate failed without a word"])[-1]
            raise SettingsError(
                f"The database could not be migrated: {last.removeprefix('Error: ')}.",
                remedy=f"{Login.OWNER} needs the right to create tables, types and functions (docs/logins.md).",
            )
        await asyncio.sleep(_PAUSE_SECONDS)
    return applied


async def _run_dbmate(url: str) -> tuple[bool, str, str]:
    """Run dbmate once; return whether it has done all, and what it wrote."""
    folders = [word for folder in FOLDERS for word in ("--migrations-dir", str(folder))]
    dbmate = await asyncio.create_subprocess_exec(
        _dbmate(), "--env-file", os.devnull, *folders, "--no-dump-schema", "--migration-lock", "migrate",
        env={"DATABASE_URL": _for_dbmate(url)},  # not an argument: those show in `ps`
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await dbmate.communicate()
    except BaseException:
        dbmate.kill()
        await dbmate.wait()
        raise
    return dbmate.returncode == 0, out.decode(errors="replace"), err.decode(errors="replace")


async def _with_one_host(url: str) -> str:
    """Return an address with the first host that takes us: dbmate knows addresses of one host only."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return url
    wanted = urlunsplit(("", "", "", parts.query, ""))
    query = urlencode(
        [(key, value) for key, value in parse_qsl(parts.query) if key != "target_session_attrs"], safe="/"
    )
    for host in hosts.split(","):
        with suppress(OSError, *POSTGRES_AWAY):
            connection = await asyncpg.connect(f"{parts.scheme}://{login}{at}{host}{parts.path}{wanted}", timeout=10)
            await connection.close()
            return urlunsplit((parts.scheme, f"{login}{at}{host}", parts.path, query, ""))
    return url


async def pending(url: str, *, setting: str = SETTING) -> list[str]:
    """List the names of migrations that the database at an address does not have yet.

    Raises:
        Conflict: see `missing`.
        Unavailable, SettingsError: the database cannot be reached or refuses us.
    """
    async with explained(url, setting):
        pool = await open_pool(url, size=1, setting=setting)
        try:
            return await missing(pool)
        finally:
            await pool.close()


async def missing(db: Pool | Connection) -> list[str]:
    """List the names of migrations a database does not have yet, oldest first; all if this login may not read the list.

    Raises:
        Conflict: a version before 0.1.0 made the database, with migrations that no longer exist.
    """
    known = await db.fetchval(_READABLE)
    rows = await db.fetch("select version from schema_migrations") if known else []
    done = {row["version"] for row in rows}
    files = {path.name.partition("_")[0]: path.name for path in migration_files()}
    if done and min(done) < min(files):
        raise made_before_release()
    return [name for version, name in files.items() if version not in done]


def made_before_release() -> Conflict:
    """Return the error about a database that a version before 0.1.0 made."""
    return Conflict(
        "A version before 0.1.0 made this database, and this version cannot use it. Nothing in it was changed.",
        remedy="With the version that you have been running, write members, opt-outs, consents and turnout to files "
        "(`muster people export`, `suppression export`, `consent export`, `turnout export`). Then start with an empty "
        "MUSTER_HOME or database and import them. docs/upgrading.md has every step.",
    )


def _dbmate() -> str:
    beside = Path(sys.executable).parent / "dbmate"
    program = str(beside) if beside.exists() else shutil.which("dbmate")
    if program is None:
        raise SettingsError("The program dbmate is missing.", remedy="Install Muster again, as you did at first.")
    return program


def _for_dbmate(url: str) -> str:
    """Write the address for dbmate: a Unix socket's folder goes in `socket`, and TLS is not demanded unasked."""
    parts = urlsplit(url)
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    place = parts.netloc
    if query.get("host", "").startswith("/"):
        query["socket"] = query.pop("host")
        query.setdefault("sslmode", "disable")
        if port := query.pop("port", ""):
            place = f"{place}:{port}"
    query.setdefault("sslmode", "prefer")
    return urlunsplit(("postgres", place, parts.path, urlencode(query, safe="/"), ""))
