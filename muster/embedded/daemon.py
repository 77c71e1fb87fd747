"""Daemon that runs the embedded servers of one MUSTER_HOME: `python -m muster.embedded.daemon HOME`.

Each process that uses the servers holds a connection to the daemon's socket. The kernel closes it however the process
ends, so the daemon always knows whether any is left; when none is, it stops both servers in order and exits. Only one
daemon works on a MUSTER_HOME: it holds a lock on `daemon.lock`, and `daemon.json` says where it listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from core.db.logins import Login
from core.errors import MusterError, Unavailable
from muster.embedded.client import BYE, START_TIMEOUT, contact
from muster.embedded.orphans import clean_up_after_dead_daemon, stop_orphans
from muster.embedded.postgres import Postgres, start_postgres
from muster.embedded.valkey import Valkey, start_valkey

GRACE_SECONDS: Final = 2.0
"""Seconds between the last client's leaving and the stop: the next command of a script finds the servers still up."""


_PREFIX: Final = "muster-daemon-"
_TMP: Final = Path("/tmp")  # noqa: S108  # only ever through mkdtemp

log = logging.getLogger(__name__)

Pair = tuple[Postgres, Valkey]


@dataclass(slots=True)
class Daemon:
    """Starts both servers, sends their addresses to every client, and stops them when the last client has left.

    Attributes:
        home: MUSTER_HOME.
        users: number of connected clients.
        changed: set whenever a client came or left, or a signal asked for the stop.
        stopping: a signal asked for the stop.
        hurrying: the last client to leave waits for the stop, so there is no grace.
        waiting: connections of the clients that wait for the stop; they close when this process ends.
    """

    home: Path
    users: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False
    hurrying: bool = False
    waiting: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self) -> None:
        """Serve until no client is left."""
        self._obey_signals()
        clean_up_after_dead_daemon(self.home)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_TMP))  # short enough for a socket, and private
        starting = asyncio.create_task(asyncio.to_thread(_start_servers, self.home))
        try:
            # Clients may connect while the servers start: their answer waits.
            server = await asyncio.start_unix_server(
                lambda reader, writer: self._answer(reader, writer, starting), folder / "sock"
            )
            _publish(self.home, [folder])
            await asyncio.wait([starting])
            if starting.exception() is None:
                _publish(self.home, [folder, *(running.socket_dir for running in starting.result())])
            await self._until_nobody_is_left(starting)
            contact(self.home).unlink(missing_ok=True)  # a client that comes after this starts the next daemon
            server.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            await asyncio.wait([starting])
            if starting.exception() is None:
                await asyncio.to_thread(_stop_servers, *starting.result())

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, starting: asyncio.Task[Pair]
    ) -> None:
        """Send one client the servers' addresses, and hold the connection until it leaves."""
        self.users += 1
        self.hurrying = False
        self.changed.set()
        last_words = b""
        try:
            with contextlib.suppress(ConnectionError):
                writer.write(json.dumps(await _server_addresses(starting)).encode() + b"\n")
                await writer.drain()
                last_words = await reader.read()
        finally:
            self.users -= 1
            if last_words == BYE and self.users == 0:
                self.hurrying = True
                self.waiting.append(writer)
            else:
                writer.close()
            self.changed.set()

    async def _until_nobody_is_left(self, starting: asyncio.Task[Pair]) -> None:
        """Wait for the last client to leave and the grace to pass, for a signal, or for a server to die."""
        grace = 0.0 if starting.exception() is not None else GRACE_SECONDS  # no grace if nothing started
        busy_at = time.monotonic()
        while not self.stopping and not self.hurrying and _all_run(starting):
            if self.users:
                busy_at = time.monotonic()
            elif time.monotonic() - busy_at >= grace:
                return
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), GRACE_SECONDS / 4)

    def _obey_signals(self) -> None:
        def stop() -> None:
            self.stopping = True
            self.changed.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)


def _all_run(starting: asyncio.Task[Pair]) -> bool:
    """Tell whether no started server has died since; its clients must connect again, and get a new pair."""
    if starting.exception() is not None:
        return True
    dead = [server for server in starting.result() if server.process.poll() is not None]
    for server in dead:
        log.warning("an embedded server died: %s, status %s", type(server).__name__, server.process.returncode)
    return not dead


async def _server_addresses(servers: asyncio.Task[Pair]) -> dict[str, str]:
    try:
        postgres, valkey = await asyncio.shield(servers)
    except MusterError as error:
        return {"error": error.message, "remedy": error.remedy, "kind": type(error).__name__}
    except Exception as error:  # noqa: BLE001  # waiting clients need the error, whatever it is
        return {"error": f"The embedded servers did not start: {error!r}", "remedy": "", "kind": "Unavailable"}
    return {
        "database_url": postgres.url(role=Login.WORKER),
        "owner_url": postgres.url(role=Login.OWNER),
        "redis_url": valkey.url,
    }


def _start_servers(home: Path) -> Pair:
    stop_orphans(home)
    valkey = start_valkey(home)
    try:
        return start_postgres(home), valkey
    except BaseException:
        valkey.stop()
        raise


def _stop_servers(postgres: Postgres, valkey: Valkey) -> None:
    postgres.stop()
    valkey.stop()


def _publish(home: Path, folders: list[Path]) -> None:
    """Write where this daemon listens, atomically: a reader sees the old file, none, or the whole new one.

    Args:
        home: MUSTER_HOME.
        folders: its folders in /tmp, the first with its socket; the daemon after a killed one removes them.
    """
    partial = home / "daemon.json.new"
    place = {"pid": os.getpid(), "socket": str(folders[0] / "sock"), "folders": [str(folder) for folder in folders]}
    partial.write_text(json.dumps(place), encoding="utf-8")
    partial.rename(contact(home))


def _lock(home: Path) -> IO[bytes] | None:
    """Take the lock of the one daemon; None if another daemon serves already.

    A daemon that is stopping still holds it, so this waits until it has ended.

    Raises:
        Unavailable: the other daemon neither answers nor ends.
    """
    file = (home / "daemon.lock").open("wb")
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _somebody_answers(home):
                file.close()
                return None
            time.sleep(0.05)
        else:
            return file
    file.close()
    raise Unavailable(f"Another process holds {file.name} and does not answer.")


def _somebody_answers(home: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(json.loads(contact(home).read_text(encoding="utf-8"))["socket"])
        except (OSError, ValueError, KeyError):
            return False
        return True


def main() -> None:
    """Run the servers of the MUSTER_HOME named on the command line."""
    home = Path(sys.argv[1]).resolve()
    os.chdir("/")
    os.umask(0o077)  # for Valkey, too: no other user may read its data
    lock = _lock(home)
    if lock is None:
        return
    with lock:
        asyncio.run(Daemon(home).serve())


if __name__ == "__main__":
    main()
