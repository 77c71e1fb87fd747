"""Receipts: signed, taken, and on disk before the answer; against a bare aiohttp handler that parses the form."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import asyncpg
import orjson
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from core.keyring import Keyring
from tests.bench.processes import cpu_seconds, free_port, program, python
from tests.bench.report import Bar, Report, middle
from tests.bench.servers import SECRET, open_bench_servers

SHARE: Final = 0.35
"""The bar: the least share of the bare handler's pace."""
CALM: Final = 50.0
"""The bar: milliseconds that all but one in a hundred take at half the load."""
CONNECTIONS: Final = 64
TOKEN: Final = "an auth token for benchmarks"
ACCOUNT: Final = f"AC{'0123456789abcdef' * 2}"
PATH: Final = "/webhooks/twilio/status"
SCRIPT: Final = Path(__file__).with_suffix(".lua")
AT_FIRST: Final = 8_000
"""Receipts signed for each second of a run; for a web process that takes more, twice as many, until they suffice."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of `wrk` came to.

    Attributes:
        rate: receipts a second.
        p50, p99, longest: milliseconds.
        cpu: microseconds the server computed for each.
    """

    rate: float
    p50: float
    p99: float
    longest: float
    cpu: float


async def receipts(*, quick: bool = False) -> Report:
    """Twilio's receipts as fast as one web process takes them, and how long they take at half that load."""
    seconds, rounds = (2, 1) if quick else (6, 5)
    wrk = program("wrk", "wrk")
    ours: list[Load] = []
    bare: list[Load] = []
    signed = seconds * AT_FIRST
    async with open_bench_servers() as servers:
        database = await servers.new_database("receipts")
        with _web(servers.environment(database, {}), servers.home) as (process, port):

            async def run(name: str, pause: float = 0.0) -> tuple[Load, Path]:
                nonlocal signed
                while True:
                    file = _signed(servers.home, f"{name}-{signed}", signed)
                    before = await _stored(database)
                    load = _drive(wrk, port, process, file, seconds, pause=pause)
                    if load is not None:
                        await _check(database, before, load, seconds)
                        return load, file
                    signed *= 2

            for turn in range(rounds):
                load, file = await run(f"round-{turn}")
                ours.append(load)
                with python(
                    "tests.bench.bare_receipts", environment={}, log=servers.home / "bare.log", ready="ready"
                ) as other:
                    address = int((servers.home / "bare.log").read_text().split()[1])
                    other_load = _drive(wrk, address, other, file, seconds, again=True)
                    assert other_load is not None, "it begins anew at the end of the file"
                    bare.append(other_load)
            usual, usual_bare = middle(ours), middle(bare)
            half, _ = await run("half", _pause(usual.rate / 2, ours))
    return Report(
        "receipts",
        {
            "connections": CONNECTIONS,
            "rounds, of which the median": rounds,
            "seconds a round": seconds,
            "one web process, receipts/s, each on disk": usual.rate,
            "bare aiohttp handler, receipts/s": usual_bare.rate,
            "web process, CPU µs a receipt": usual.cpu,
            "bare handler, CPU µs a receipt": usual_bare.cpu,
            "at full load: half within, ms": usual.p50,
            "at full load: 99% within, ms": usual.p99,
            "half the load, receipts/s": half.rate,
            "at half the load: half within, ms": half.p50,
            "at half the load: 99% within, ms": half.p99,
        },
        [
            Bar("one web process to a bare aiohttp handler", usual.rate / usual_bare.rate, at_least=SHARE),
            Bar("99% within, at half the load, ms", half.p99, at_most=CALM),
            Bar("half the load, as measured, to half", half.rate / (usual.rate / 2), at_least=0.9),
        ],
    )


def _pause(rate: float, loads: list[Load]) -> float:
    """Milliseconds between two receipts of one connection, so that all together send so many a second."""
    quick = min(load.p50 for load in loads) / 4  # an answer takes about that long where nobody waits
    return max(1.0, CONNECTIONS / rate * 1000 - quick)


@contextmanager
def _web(environment: dict[str, str], home: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`muster serve` in a process of its own, and its port."""
    port = free_port()
    more = {
        "MUSTER_LISTEN": f"127.0.0.1:{port}",
        "MUSTER_TWILIO_ACCOUNT_SID": ACCOUNT,
        "MUSTER_TWILIO_AUTH_TOKEN": TOKEN,
    }
    more |= {"MUSTER_SMS_FROM": "+447480000001"}
    with python("muster", "serve", environment=environment | more, log=home / "web.log", ready="listens") as process:
        yield process, port


def _signed(home: Path, name: str, count: int) -> Path:
    """So many distinct receipts as Twilio posts them, each signed."""
    keyring = Keyring((SecretStr(SECRET),))
    validator = RequestValidator(TOKEN)
    file = home / f"{name}.tsv"
    with file.open("w", encoding="utf-8") as out:
        for n in range(count):
            sid = f"SM{abs(hash(name)) % 2**64:016x}{n:016x}"
            form = {
                "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "From": "+447480000001",
                "MessageSid": sid, "MessageStatus": "delivered", "RawDlrDoneDate": "2611251200",
                "SmsSid": sid, "SmsStatus": "delivered", "To": f"+4474{n:08}",
            }  # fmt: skip
            path = f"{PATH}?m={keyring.sign_id(n + 1, 'status')}"
            signature = validator.compute_signature(f"https://vote.union.example.org{path}", form)
            out.write(f"{path}\t{signature}\t{urlencode(form)}\n")
    return file


def _drive(
    wrk: str,
    port: int,
    process: subprocess.Popen[bytes],
    file: Path,
    seconds: int,
    *,
    pause: float = 0.0,
    again: bool = False,
) -> Load | None:
    """Post receipts for so long; returns None if there were too few of them.

    Raises:
        RuntimeError: some were not taken.
    """
    before = cpu_seconds(process.pid)
    done = subprocess.run(
        [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(SCRIPT), f"http://127.0.0.1:{port}", "--",
         str(file), f"{pause:.3f}", "again" if again else "once"],
        check=True, capture_output=True, text=True, timeout=seconds + 60,
    )  # fmt: skip
    said: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    if said["short"]:
        return None
    if said["refused"] or said["broken"]:
        raise RuntimeError(f"not every receipt was taken: {said}")
    computed = cpu_seconds(process.pid) - before
    n = said["requests"]
    return Load(n / said["seconds"], said["p50"], said["p99"], said["longest"], computed / n * 1e6)


async def _stored(database: str) -> int:
    db = await asyncpg.connect(database)
    try:
        return int(await db.fetchval("select count(*) from inbound_log where source = 'twilio_status'"))
    finally:
        await db.close()


async def _check(database: str, before: int, load: Load, seconds: int) -> None:
    """Whoever was told 2xx is in the table."""
    stored = await _stored(database) - before
    if stored < load.rate * seconds * 0.99:
        raise RuntimeError(f"{load.rate * seconds:.0f} receipts were answered, {stored} stored")
