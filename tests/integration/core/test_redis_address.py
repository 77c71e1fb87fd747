"""Redis by one address or by its sentinels: what the addresses say, and a failover that nobody has to notice."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.errors import SettingsError
from core.redis_address import Sentinels, open_redis_pool, read_sentinels
from muster.embedded.valkey import find_server_program
from muster.worker import open_arq
from tests.support.waiting import until

PASSWORD = "only for tests"


def test_an_address_of_sentinels_is_read() -> None:
    assert read_sentinels("rediss+sentinel://ann:p%40ss@one:26380,two/ballot/3") == Sentinels(
        (("one", 26380), ("two", 26379)), "ballot", 3, "ann", "p@ss", True
    )
    assert read_sentinels("redis+sentinel://one/ballot") == Sentinels((("one", 26379),), "ballot", 0, None, None, False)
    assert read_sentinels("redis://one:6379/0") is None


@pytest.mark.parametrize("url", [
    "redis+sentinel://one:26379", "redis+sentinel://:secret@/ballot", "redis+sentinel://:secret@one:x/ballot", "http://one",
])  # fmt: skip
def test_a_wrong_address_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        open_redis_pool(url)
    assert "secret" not in f"{raised.value} {raised.value.remedy}"


@pytest.mark.parametrize("url", [
    "", "@", "redis://", "redis:///0", "redis:one", "unix://", "redis://:secret@one:99999", "redis://one:x", "redis://one/first",
    "redis://one/-1", "redis://one?db=first", "redis://[::1", "redis://o ne", "redis://:sec#ret@one", "redis://:sec/ret@one",
    "redis://one?ssl_cert_reqs=none", "rediss://one?ssl_cert_reqs=some", "redis://one?protocol=9",
    "redis+sentinel://:secret@one:99999/ballot", "redis+sentinel://one/ballot?db=1",
])  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="MUSTER_REDIS_URL is not an address of") as raised:
        open_redis_pool(url)
    assert "It looks like redis" in raised.value.remedy
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["redis://one?foo=1&db=2", "unix:///run/redis.sock?foo", "rediss://one?max_connections=x&foo=2"]
)
def test_a_parameter_that_says_nothing_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"a parameter that Muster does not know: .*foo") as raised:
        open_redis_pool(url)
    assert "ssl_ca_certs" in raised.value.remedy


@pytest.mark.parametrize("url", [
    "redis://one", "REDIS://:p@ss@one:1/2", "redis://user:p%2Fss@[::1]:6379/0", "unix:///run/redis.sock?db=2", "unix://:pass@/run/r.sock",
    "rediss://one?ssl_cert_reqs=none&ssl_ca_certs=/etc/ssl/one.pem&health_check_interval=30", "redis+sentinel://one:1,two/ballot/3",
])  # fmt: skip
async def test_an_address_is_taken(url: str) -> None:
    await open_redis_pool(url).disconnect()


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def server(folder: Path, name: str, port: int, *lines: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Valkey, or with `sentinel` lines a sentinel."""
    configuration = folder / f"{name}.conf"
    place = [f"port {port}", "bind 127.0.0.1", f"dir {folder}", f"logfile {folder}/{name}.log", 'save ""']
    configuration.write_text("\n".join([*place, *lines]) + "\n")
    kind = ["--sentinel"] if any(line.startswith("sentinel ") for line in lines) else []
    process = subprocess.Popen([find_server_program(), str(configuration), *kind], cwd=folder, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a leader and a follower that three sentinels watch, and the leader."""
    leader, follower, *sentinels = free_ports(5)
    locked = [f'requirepass "{PASSWORD}"', f'masterauth "{PASSWORD}"']
    watch = [
        f"sentinel monitor ballot 127.0.0.1 {leader} 2",
        f'sentinel auth-pass ballot "{PASSWORD}"',
        "sentinel down-after-milliseconds ballot 500",
        "sentinel failover-timeout ballot 2000",
    ]
    with (
        server(tmp_path, "leader", leader, *locked) as process,
        server(tmp_path, "follower", follower, *locked, f"replicaof 127.0.0.1 {leader}"),
        server(tmp_path, "s1", sentinels[0], *watch),
        server(tmp_path, "s2", sentinels[1], *watch),
        server(tmp_path, "s3", sentinels[2], *watch),
    ):
        first = Redis(port=sentinels[0])

        async def all_met() -> bool:
            try:
                (master,) = (await first.sentinel_masters()).values()
            except (RedisError, OSError, ValueError):
                return False
            return bool(master["num-slaves"] == 1 and master["num-other-sentinels"] == 2)

        await until(all_met, seconds=40)
        await first.aclose()
        places = ",".join(f"127.0.0.1:{port}" for port in sentinels)
        yield f"redis+sentinel://:{PASSWORD.replace(' ', '%20')}@{places}/ballot/0", process


async def test_a_failover_is_followed(watched: tuple[str, subprocess.Popen[bytes]]) -> None:
    url, leader = watched
    redis, arq = Redis.from_pool(open_redis_pool(url)), open_arq(url)
    await redis.set("who", "leader")
    assert await arq.enqueue_job("deliver", _job_id="one") is not None

    async def replicated() -> bool:
        return bool(await redis.wait(1, 1000))

    await until(replicated)
    leader.kill()
    leader.wait()

    async def answers() -> bool:
        try:
            return bool(await redis.set("who", "follower"))
        except (RedisError, OSError):
            await asyncio.sleep(0.1)
            return False

    await until(answers, seconds=40)
    assert await redis.get("who") == b"follower"
    assert await arq.enqueue_job("deliver", _job_id="two") is not None
    await redis.aclose()
    await arq.aclose(close_connection_pool=True)
