"""Bring a database to the newest schema, with dbmate."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from core.db.pool import Connection, Pool, explained, open_pool
from core.errors import SettingsError

MIGRATIONS = Path(__file__).parent / "migrations"


async def migrate(url: str) -> list[str]:
    """Apply the missing migrations; safe from several processes at once (a lock in the database).

    Returns:
        The file names applied, oldest first; empty when there was nothing to do.

    Raises:
        Unavailable, SettingsError: the database cannot be reached or refuses us.
    """
    pool = await open_pool(url, size=1)  # its errors are clearer than dbmate's
    await pool.close()
    dbmate = await asyncio.create_subprocess_exec(
        _dbmate(), "--env-file", os.devnull, "--migrations-dir", str(MIGRATIONS), "--no-dump-schema",
        "--migration-lock", "migrate",
        env={"DATABASE_URL": _for_dbmate(url)},  # not an argument: those show in `ps`
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await dbmate.communicate()
    except BaseException:
        dbmate.kill()
        await dbmate.wait()
        raise
    if dbmate.returncode != 0:
        words = err.decode(errors="replace").strip().splitlines() or ["dbmate failed without a word"]
        raise SettingsError(
            f"The database could not be migrated: {words[-1].removeprefix('Error: ')}.",
            remedy="The user in MUSTER_DATABASE_URL needs the right to create tables, types and functions.",
        )
    return [line.split()[-1] for line in out.decode().splitlines() if line.startswith("Applying:")]


async def pending(url: str) -> list[str]:
    """List the names of migrations that the database at an address does not have yet.

    Raises:
        Unavailable, SettingsError: the database cannot be reached or refuses us.
    """
    async with explained(url):
        pool = await open_pool(url, size=1)
        try:
            return await missing(pool)
        finally:
            await pool.close()


async def missing(db: Pool | Connection) -> list[str]:
    """List the names of migrations a database does not have yet, oldest first."""
    known = await db.fetchval("select to_regclass('schema_migrations')")
    rows = await db.fetch("select version from schema_migrations") if known else []
    done = {row["version"] for row in rows}
    return sorted(path.name for path in MIGRATIONS.glob("*.sql") if path.name.partition("_")[0] not in done)


def _dbmate() -> str:
    beside = Path(sys.executable).parent / "dbmate"
    found = str(beside) if beside.exists() else shutil.which("dbmate")
    if found is None:
        raise SettingsError("The program dbmate is missing.", remedy="Install Muster again, as you did at first.")
    return found


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
