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

from core.db.login_script import roles
from core.db.migrate import made_before_release
from core.errors import Unavailable

SUPERUSER: Final = "postgres"
"""Makes databases and roles; only the daemon and tests use it."""

_HEAD: Final = "# Written by Muster at every start of the server: muster/embedded/roles.py\n"
_DATABASE: Final = (
    "select 'create database {0}' where not exists (select from pg_database where datname = '{0}') \\gexec"
)
_OWNED: Final = """
select format('alter database %I owner to muster_owner', datname)
from pg_database where datname = current_database() and datdba <> 'muster_owner'::regrole \\gexec
"""


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

    def provide(self, database: str = "muster") -> None:
        """Ensure the roles, a database and the roles' rights in it.

        Args:
            database: another database than Muster's, for tests.

        Raises:
            Conflict: a version before 0.1.0 made the server, with one role for everything; it is as it was.
            Unavailable: it cannot be done.
        """
        self._run("postgres", _DATABASE.format(database))
        self._run(database, f"begin;\n{roles()}{_OWNED}commit;\n")

    def _run(self, database: str, sql: str) -> None:
        done = self._call(database, sql)
        if done.returncode != 0:
            words = done.stderr.strip().splitlines() or ["psql failed without a word"]
            if f'role "{SUPERUSER}" does not exist' in words[0]:
                raise made_before_release()
            raise Unavailable(f"The embedded PostgreSQL could not be set up: {words[0]}")

    def _call(self, database: str, sql: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._psql, *self._place, "--username", SUPERUSER, "--dbname", database, "--no-psqlrc", "--no-password",
             "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1", "--file", "-"],
            input=f"set client_min_messages = warning;\n{sql}",
            env={"LC_ALL": "C", "PGCONNECT_TIMEOUT": "30"},  # not the environment's own PGHOST, PGOPTIONS …
            capture_output=True, text=True, check=False,
        )  # fmt: skip
