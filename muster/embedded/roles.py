"""Roles and access rules of the embedded PostgreSQL: by the operating system's user, without passwords.

The server's files belong to the user that runs it; for root that is `nobody`, as which other programs run, too. So the
server checks the user of each connection (`peer` authentication): root, or the user that started it, and nobody else.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from core.errors import Unavailable

SUPERUSER: Final = "postgres"
"""Makes databases and roles; only the daemon and tests use it."""
OWNER: Final = "muster_owner"
"""Owns the tables and changes them: `muster migrate`."""
APPLICATION: Final = "muster"
"""Reads and writes rows."""

_HEAD: Final = "# Written by Muster at every start of the server: muster/embedded/roles.py\n"
_ROLES: Final = Path(__file__).with_suffix(".psql")
_UPGRADES: Final = "muster_upgrade"
_DATABASE: Final = (
    "select 'create database muster' where not exists (select from pg_database where datname = 'muster') \\gexec"
)
_UPGRADER: Final = """select 'create role muster_upgrade superuser login'
where not exists (select from pg_roles where rolname = 'muster_upgrade') \\gexec"""
_RENAME: Final = """begin;
alter role muster rename to postgres;
create role muster_owner login;
create role muster login;
commit;
"""
"""Older installations had one role for everything, and the first role of a server is always its superuser."""


def access_rules(data: Path, let_in: Sequence[str]) -> Mapping[Path, str]:
    """Return the contents of the server's two access files, by path.

    Args:
        data: the server's data folder.
        let_in: further lines of `pg_hba.conf`, for tests that connect by TCP.
    """
    users = sorted({"root", pwd.getpwuid(os.geteuid()).pw_name})
    return {
        data / "pg_hba.conf": _HEAD + "local all all peer map=muster\n" + "".join(f"{line}\n" for line in let_in),
        data / "pg_ident.conf": _HEAD + "".join(f'muster "{user}" all\n' for user in users),
    }


class _NoSuchRoleError(Unavailable):
    """The server does not know the role we connected as."""


class Roles:
    """Roles of a server that has just started.

    Args:
        psql: the program.
        socket_dir: where the server listens.
        port: the number in its socket's name.
    """

    def __init__(self, psql: Path, socket_dir: Path, port: int) -> None:
        self._psql = psql
        self._place = ("--host", str(socket_dir), "--port", str(port))

    def provide(self) -> None:
        """Ensure the roles, the database and the ownership of its objects; older installations are upgraded.

        Raises:
            Unavailable: it cannot be done.
        """
        try:
            self._run(SUPERUSER, "postgres", _DATABASE)
        except _NoSuchRoleError:
            self._run(APPLICATION, "postgres", _UPGRADER)
            self._run(_UPGRADES, "postgres", _RENAME)
            self._run(SUPERUSER, "postgres", _DATABASE)
        self._run(SUPERUSER, "muster", _ROLES.read_text(encoding="utf-8"))

    def _run(self, role: str, database: str, sql: str) -> None:
        done = self._call(role, database, sql)
        if done.returncode != 0:
            words = done.stderr.strip().splitlines() or ["psql failed without a word"]
            kind = _NoSuchRoleError if f'role "{role}" does not exist' in words[0] else Unavailable
            raise kind(f"The embedded PostgreSQL could not be set up: {words[0]}")

    def _call(self, role: str, database: str, sql: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._psql, *self._place, "--username", role, "--dbname", database, "--no-psqlrc", "--no-password",
             "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1", "--file", "-"],
            input=f"set client_min_messages = warning;\n{sql}",
            env={"LC_ALL": "C", "PGCONNECT_TIMEOUT": "30"},  # not the environment's own PGHOST, PGOPTIONS …
            capture_output=True, text=True, check=False,
        )  # fmt: skip
