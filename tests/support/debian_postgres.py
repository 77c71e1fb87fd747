"""PostgreSQL as Debian installs it, with its own defaults, in a folder of its own and on a Unix socket."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from muster.embedded.postgres import Postgres, ProgramRunner
from muster.embedded.roles import SUPERUSER, Roles
from tests.support.bare_postgres import STANDIN, debian_programs

_READY_TIMEOUT: Final = 60


def start_debian_postgres(home: Path, **settings: str) -> Postgres:
    """Start Debian's newest server on new data in `home/debian`.

    Args:
        home: a folder into which everybody may look.
        settings: of the server, where its own defaults are not wanted.
    """
    run = ProgramRunner(debian_programs(), STANDIN)
    data = home / "debian"
    socket_dir = Path(tempfile.mkdtemp(prefix="muster-pg-", dir="/tmp"))
    data.mkdir()
    for folder in (data, socket_dir):
        run.give(folder)
    initdb = run.start(
        "initdb", "-D", str(data), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert initdb.wait(_READY_TIMEOUT) == 0
    options = {"listen_addresses": "", "max_connections": "200", "unix_socket_directories": str(socket_dir), **settings}
    process = run.start(
        "postgres", "-D", str(data), *(f"-c{name}={value}" for name, value in options.items()),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    server = Postgres(process, socket_dir, data, Roles(run.binaries / "psql", socket_dir, 5432))
    ready: list[str | Path] = [run.binaries / "pg_isready", "-q", "-h", socket_dir]
    deadline = time.monotonic() + _READY_TIMEOUT
    while subprocess.run(ready, check=False, env={"PATH": os.environ["PATH"]}).returncode != 0:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.roles.provide()
    return server
