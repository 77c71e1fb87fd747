"""Client of a MUSTER_HOME's embedded servers: use the ones that run, or have a daemon start them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.db.logins import Login, user_in
from core.errors import Conflict, MusterError, NotFound, SettingsError, Unavailable
from muster.embedded.home import open_home

START_TIMEOUT: Final = 150.0
"""Seconds to wait for servers: recovery after a crash takes time, and a machine may be slow."""


BYE: Final = b"bye"
"""Message to the daemon from a client that waits for the servers to stop."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Embedded servers in use; they stay up at least until this is closed or its process ends in any way.

    Attributes:
        database_url: PostgreSQL, for work.
        owner_url: the same, for migrations.
        redis_url: Valkey.
        line: the open connection by which the daemon knows that the servers are in use.
    """

    database_url: str
    owner_url: str
    redis_url: str
    line: socket.socket

    def close(self) -> None:
        """Disconnect; the daemon stops the servers shortly after the last client has left."""
        self.line.close()

    def close_and_wait(self) -> None:
        """Disconnect; if no other process uses the servers they stop now, and this returns when they have."""
        with self.line as line, contextlib.suppress(OSError):
            line.settimeout(START_TIMEOUT)
            line.sendall(BYE)
            line.shutdown(socket.SHUT_WR)
            while line.recv(1024):
                pass


def connect_to_servers(home: Path, *, make: bool = True) -> Servers:
    """Connect to the embedded servers of a MUSTER_HOME, starting them if they do not run.

    Args:
        home: MUSTER_HOME.
        make: make a new Muster if there is none. Without it that is refused, so that a command in the wrong folder
            fails instead of showing an empty Muster.

    Raises:
        NotFound: there is no Muster, and `make` is false.
        SettingsError: the folder cannot be used, or a server is not installed.
        Conflict: an earlier version started the servers that run.
        Unavailable: the servers did not start.
    """
    home = home.resolve()
    if not make and not is_muster(home):
        raise NotFound(
            f"There is no Muster in {home}.",
            remedy="`muster run` makes one there and stays up; `muster migrate` only makes it. If you have one, go to "
            "the folder it was started in, or set MUSTER_HOME (its own data) or MUSTER_DATABASE_URL (your servers).",
        )
    open_home(home)
    deadline = time.monotonic() + START_TIMEOUT
    daemon: int | None = None
    while time.monotonic() < deadline:
        if (line := _call(home)) is not None:
            if (servers := _listen(line, deadline)) is not None:
                return servers
            continue  # that daemon was stopping
        if daemon is None or not _alive(daemon, home):
            daemon = _start_daemon(home)
        time.sleep(0.05)
    raise Unavailable(
        f"The embedded servers did not start within {START_TIMEOUT:.0f} seconds.", remedy=f"See {_log(home)}."
    )


def is_muster(home: Path) -> bool:
    """Tell whether embedded servers have ever been started on this folder."""
    return _log(home).exists()


def _log(home: Path) -> Path:
    return home / "daemon.log"


def contact(home: Path) -> Path:
    """Return the file that names the daemon's socket; a MUSTER_HOME's own path may be too long for a socket."""
    return home / "daemon.json"


def _call(home: Path) -> socket.socket | None:
    try:
        where = json.loads(contact(home).read_text(encoding="utf-8"))["socket"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    except OSError as error:
        raise SettingsError(f"MUSTER_HOME {home} cannot be used: {error.strerror}.") from error
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(where)
    except PermissionError as error:
        line.close()
        raise SettingsError(
            f"The embedded servers of {home} belong to another user.", remedy="Set MUSTER_HOME to a folder of your own."
        ) from error
    except OSError:
        line.close()
        return None
    return line


def _listen(line: socket.socket, deadline: float) -> Servers | None:
    """Read the daemon's answer once its servers are up; None if it hangs up without an answer."""
    line.settimeout(max(deadline - time.monotonic(), 0.1))
    try:
        words = line.makefile("rb").readline()
    except OSError:
        words = b""
    line.settimeout(None)
    if not words.endswith(b"\n"):
        line.close()
        return None
    answer: Mapping[str, str] = json.loads(words)
    if "error" in answer:
        line.close()
        raise _error(answer)
    if user_in(answer["database_url"]) != Login.WORKER:
        line.close()
        raise Conflict(
            "The embedded servers were started by an earlier version, and are in use.",
            remedy="Stop its processes (`muster run`, `muster worker` …) and try again: this version starts new ones.",
        )
    return Servers(answer["database_url"], answer["owner_url"], answer["redis_url"], line)


def _error(answer: Mapping[str, str]) -> MusterError:
    kind = SettingsError if answer["kind"] == "SettingsError" else Unavailable
    return kind(answer["error"], remedy=answer["remedy"])


def _start_daemon(home: Path) -> int:
    """Start a daemon that outlives this process while others use its servers; return its process id."""
    try:
        log = os.open(_log(home), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise SettingsError(f"MUSTER_HOME {home} cannot be used: {error.strerror}.") from error
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", "muster.embedded.daemon", str(home)],
            # Without our settings: it needs none, and secrets in an environment show in /proc.
            {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(log)


def _alive(daemon: int, home: Path) -> bool:
    """Tell whether the daemon we started still runs; it may have ended because another one serves.

    Raises:
        Unavailable: the daemon failed to start its servers.
    """
    done, status = os.waitpid(daemon, os.WNOHANG)
    if done == 0:
        return True
    if os.waitstatus_to_exitcode(status) == 0:
        return False
    last = _log(home).read_text(errors="replace").strip().splitlines()[-1:] or ["(no log)"]
    raise Unavailable(f"The embedded servers did not start: {last[0]}", remedy=f"See {_log(home)}.")
