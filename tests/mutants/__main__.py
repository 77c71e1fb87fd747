"""Run the tests of the claim and the eligibility check against each mutant of `sql`: `python -m tests.mutants [words]`.

A mutant is killed if a test fails. Words choose the mutants whose names, query or function contain one of them. One
server serves them all; each mutant has a fork of this process, and a database cloned from the migrated template.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import asyncpg
import pytest

from core.db.logins import Login
from core.db.migrate import migrate
from muster.embedded.postgres import Postgres, start_postgres
from tests.conftest import TEMPLATE
from tests.mutants.sql import MUTANTS, ROOT, SqlMutant

ASKED: Final = tuple(
    f"tests/integration/messaging/{name}"
    for name in (
        "test_eligibility.py", "test_claim.py", "test_consent.py", "test_claim_checks.py", "test_counts.py",
        "test_receipts_beside_workers.py", "test_claim_edges.py",
    )
)  # fmt: skip
CLOCKS: Final = "first_open_moment or whatever_it_does"
"""Tests that try many hours and clocks. They take longer than all others, and are about functions, not queries."""
SECONDS: Final = 10
"""The longest that one test may take: a mutant may wait for a lock for ever."""
_DATABASE: Final = "mutant"
_FILLED: Final = """
select format('%I', relname) from pg_class
where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'schema_migrations'
  and pg_relation_size(oid) > 0
"""


@dataclass(frozen=True, slots=True)
class OneDatabase:
    """Plugin of pytest that gives each test the same database, emptied: cloning one takes longer than most tests."""

    server: Postgres

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> object:
        """Provide the server, and the database, in place of those of `tests/conftest.py`."""
        if fixturedef.argname not in {"postgres", "database_url"}:
            return None
        given: Postgres | str = self.server
        if fixturedef.argname == "database_url":
            given = self.server.url(_DATABASE, role=Login.WORKER)
            _run(_emptied(self.server.url(_DATABASE)))
        fixturedef.cached_result = (given, fixturedef.cache_key(cast("Any", request)), None)
        return given


async def _emptied(url: str) -> None:
    db = await asyncpg.connect(url)
    if filled := [row[0] for row in await db.fetch(_FILLED)]:
        await db.execute("set session_replication_role = replica")  # ledgers refuse to be emptied
        await db.execute(f"truncate {', '.join(filled)} restart identity cascade")
    await db.close()


async def _prepare(server: Postgres, mutant: SqlMutant | None) -> None:
    """Clone the template, and put a mutated function into the clone."""
    admin = await asyncpg.connect(server.url("postgres"))
    await admin.execute(f"drop database if exists {_DATABASE} with (force)")
    await admin.execute(f"create database {_DATABASE} template {TEMPLATE}")
    await admin.close()
    if mutant is not None and mutant.file is None:
        db = await asyncpg.connect(server.url(_DATABASE))
        await db.execute(await mutant.function(db))
        await db.close()


async def _make_template(server: Postgres) -> None:
    server.roles.provide(TEMPLATE)
    await migrate(server.url(TEMPLATE, role=Login.OWNER))


def _test(server: Postgres, *, clocks: bool) -> int:
    """Run the tests until one fails; returns pytest's exit code."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "-Wignore", "--hypothesis-seed=0", f"--timeout={SECONDS}"]
    chosen = [] if clocks else ["-k", f"not ({CLOCKS})"]
    return int(pytest.main([f"--rootdir={ROOT}", *options, *chosen, *ASKED], plugins=[OneDatabase(server)]))


def _tested(server: Postgres, mutant: SqlMutant, log: Path) -> int:
    """Run the tests with a mutant, in a fork, which has everything imported; returns pytest's exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 3
    try:
        with log.open("wb") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        if mutant.file is not None:
            module = importlib.import_module(mutant.file.removesuffix(".sql").replace("/", "."))
            module.SQL = {**module.SQL, mutant.within: mutant.query()}  # type: ignore[attr-defined]
        code = _test(server, clocks=mutant.file is None)
    except BaseException:  # noqa: BLE001 - it is in the log, and the exit code says so
        traceback.print_exc()
    finally:  # the folder and the server are the parent's to clear away
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main(words: list[str]) -> int:
    """Run the mutants that are asked for; returns 1 if there are some that no test noticed."""
    chosen = [
        mutant for mutant in MUTANTS if not words or any(word in f"{mutant.name} {mutant.within}" for word in words)
    ]
    if not chosen:
        sys.stderr.write("No mutant has such a name. `python -m tests.mutants` without words runs all of them.\n")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then, too
    with tempfile.TemporaryDirectory(prefix="muster-mutants-") as name:
        home = Path(name)
        home.chmod(0o755)
        server = start_postgres(home, fsync="off", synchronous_commit="off", full_page_writes="off")
        try:
            _run(_make_template(server))
            _run(_prepare(server, None))
            if _test(server, clocks=True) != 0:
                sys.stderr.write("The tests fail without any mutant: mend them first.\n")
                return 2
            return _judge(server, chosen, home / "pytest.log")
        finally:
            server.stop()


def _judge(server: Postgres, chosen: list[SqlMutant], log: Path) -> int:
    killed, tally = Counter[str](), Counter[str]()
    for number, mutant in enumerate(chosen, 1):
        began = time.monotonic()
        _run(_prepare(server, mutant))
        code = _tested(server, mutant, log)
        if code not in {0, 1}:
            sys.stderr.write(f"{log.read_text()}\n“{mutant.name}” could not be tested.\n")
            return 2
        tally[mutant.within] += 1
        killed[mutant.within] += code
        fate, took = "killed" if code else "SURVIVED", time.monotonic() - began
        sys.stdout.write(f"{number:3}/{len(chosen)} {fate:8} {mutant.within}: {mutant.name} ({took:.0f} s)\n")
        sys.stdout.flush()
    for within, of in tally.items():
        sys.stdout.write(f"{within:14} {killed[within]:3} of {of:3} killed\n")
    return int(killed.total() < tally.total())


def _run(this: Coroutine[Any, Any, None]) -> None:
    """Run something in a loop of its own, and leave pytest's alone."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(this)
    finally:
        loop.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
