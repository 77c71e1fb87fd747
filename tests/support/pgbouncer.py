"""PgBouncer before a PostgreSQL: Debian 12's, which forgets prepared statements, and a newer one, which keeps them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.support.bare_postgres import STANDIN, BarePostgres, free_port

DEBIAN_12: Final = Path("/usr/sbin/pgbouncer")
NEWER: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "muster/pgbouncer"
_READY_TIMEOUT: Final = 30


@contextmanager
def pooled(
    program: Path, server: BarePostgres, passwords: Mapping[str, str], *, mode: str, pool_size: int = 20
) -> Iterator[BarePostgres]:
    """Put a pooler before a server; what is opened has the pooler's port.

    Args:
        program: of PgBouncer; `.ci/pgbouncer` makes both.
        server: the PostgreSQL.
        passwords: of the logins that it lets in.
        mode: `session` or `transaction`.
        pool_size: connections to PostgreSQL for each login.
    """
    assert program.exists(), "bash .ci/pgbouncer installs it"
    home = Path(tempfile.mkdtemp(prefix="muster-pooler-"))
    port = free_port()
    keeps = "max_prepared_statements = 200\n" if program == NEWER else ""
    (home / "users.txt").write_text("".join(f'"{name}" "{word}"\n' for name, word in passwords.items()))
    (home / "pgbouncer.ini").write_text(
        f"[databases]\nmuster = host=127.0.0.1 port={server.port} dbname=muster\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = scram-sha-256\nauth_file = {home}/users.txt\npool_mode = {mode}\n"
        f"default_pool_size = {pool_size}\n{keeps}"
    )
    executable = home / "pgbouncer"
    shutil.copy(program, executable)  # one of a home folder is not everybody's to run
    if STANDIN:
        for path in (home, *home.iterdir()):
            os.chown(path, pwd.getpwnam(STANDIN).pw_uid, -1)
    process = subprocess.Popen(
        [executable, home / "pgbouncer.ini"], user=STANDIN, extra_groups=[] if STANDIN else None, cwd="/",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + _READY_TIMEOUT
        while not _listens(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield replace(server, port=port)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        shutil.rmtree(home)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
