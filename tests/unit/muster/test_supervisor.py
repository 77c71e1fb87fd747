"""A process that ends is started again, also where the machine had nothing left for it at first."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from muster.supervisor import Child


async def test_a_process_is_started_again_however_often_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster.supervisor.MAX_PAUSE", 0.01)
    child, started, start = Child(["--version"]), list[int](), Child.start

    async def scarce(self: Child, *, output: int | None = None) -> asyncio.subprocess.Process:
        started.append(1)
        if len(started) < 4:
            raise BlockingIOError("no more processes")
        return await start(self, output=output)

    first = await child.start(output=asyncio.subprocess.DEVNULL)
    monkeypatch.setattr(Child, "start", scarce)
    child.keep_up()
    try:
        async with asyncio.timeout(30):
            while child.process is first:  # noqa: ASYNC110  # it is started in a task of its own
                await asyncio.sleep(0.01)
    finally:
        await child.stop()
    assert len(started) >= 4


async def test_the_owners_and_the_administrators_passwords_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MUSTER_OWNER_DATABASE_URL", "MUSTER_ADMIN_DATABASE_URL", "MUSTER_PUBLIC_URL"):
        monkeypatch.setenv(name, "https://ours.example")
    child = Child(["sandbox", "--twilio", "127.0.0.1:0", "--smtp", "127.0.0.1:0"])
    process = await child.start(output=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        given = await asyncio.to_thread(Path(f"/proc/{process.pid}/environ").read_bytes)
    finally:
        await child.stop()
    assert b"MUSTER_PUBLIC_URL=" in given
    assert b"_DATABASE_URL=" not in given
