"""Scheduled exports: complete, once, caught up after an outage, to a folder or an address."""

import asyncio
import csv
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from pydantic import SecretStr

from ballots.ballots import enrol
from ballots.exports import export_due, last_slot
from core.alerts import open_alerts
from core.db import Connection
from core.http.outbound_http import OutboundHttp, open_outbound_http
from core.runtime import Runtime
from messaging.outbox.dispatcher import Dispatcher
from muster.jobs import Jobs
from tests.support.electorate import NOW, add_ballot, add_person
from tests.support.receivers import LOOPBACK, Got, on_loopback, open_receiver
from tests.support.rows import row_of

LONDON = ZoneInfo("Europe/London")
TWICE = (time(7), time(19))


@pytest.mark.parametrize(
    ("now", "slot"),
    [
        ("2026-11-25T06:59", "2026-11-24T19:00"), ("2026-11-25T07:00", "2026-11-25T07:00"),
        ("2026-11-25T23:00", "2026-11-25T19:00"), ("2026-07-01T06:30", "2026-07-01T06:00"),
        ("2026-03-29T06:30", "2026-03-29T06:00"),
    ],
)  # fmt: skip
def test_the_latest_export_time_is_found(now: str, slot: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert last_slot(at, TWICE, LONDON) == datetime.fromisoformat(slot).replace(tzinfo=UTC)


@pytest.fixture
async def outside() -> AsyncIterator[OutboundHttp]:
    async with open_outbound_http([LOOPBACK]) as outside:
        yield outside


@pytest.fixture
async def ballot(db: Connection) -> int:
    ballot = await add_ballot(db)
    for n in range(3):
        await add_person(db, f"M{n}")
    await enrol(db, ballot)
    await db.execute("update ballot set created_at = $1", NOW - timedelta(days=5))
    return ballot


def at(runtime: Runtime, to: object, *, now: datetime = NOW, **more: object) -> Runtime:
    there = on_loopback(runtime, turnout_export_to=str(to), turnout_export_at=TWICE, **more)
    return replace(there, clock=lambda: now)


async def test_one_of_many_workers_exports_twice_a_day_into_a_folder(
    runtime: Runtime, outside: OutboundHttp, ballot: int, tmp_path: Path
) -> None:
    here = at(runtime, tmp_path)
    assert sum(await asyncio.gather(*(export_due(here, outside) for _ in range(3)))) == 1
    assert await export_due(here, outside) == 0
    later = at(runtime, tmp_path, now=NOW + timedelta(days=2))
    assert await export_due(later, outside) == 1
    names = sorted(path.name for path in tmp_path.iterdir())  # noqa: ASYNC240
    assert names == ["pay-2026-20261122T0700Z.csv", "pay-2026-20261124T0700Z.csv"]
    with (tmp_path / names[0]).open(encoding="utf-8-sig") as file:
        assert [row["member_id"] for row in csv.DictReader(file)] == ["M0", "M1", "M2"]
        assert os.fstat(file.fileno()).st_mode & 0o777 == 0o640


async def test_without_a_target_nothing_is_exported(runtime: Runtime, outside: OutboundHttp, ballot: int) -> None:
    assert await export_due(runtime, outside) == 0


async def test_a_ballot_is_exported_for_a_day_after_its_close(
    runtime: Runtime, outside: OutboundHttp, ballot: int, tmp_path: Path
) -> None:
    closes = NOW + timedelta(days=10)
    assert await export_due(at(runtime, tmp_path, now=closes + timedelta(hours=20)), outside) == 1
    assert await export_due(at(runtime, tmp_path, now=closes + timedelta(hours=32)), outside) == 0


async def test_a_missing_folder_raises_an_alert_and_is_tried_again(
    runtime: Runtime, outside: OutboundHttp, db: Connection, ballot: int, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    assert await export_due(at(runtime, folder), outside) == 0
    [alert] = await open_alerts(db)
    assert alert.title == "The turnout of pay-2026 could not be exported."
    assert "No such file or directory" in alert.remedy
    folder.mkdir()
    assert await export_due(at(runtime, folder), outside) == 0, "not before its pause is over"
    assert await export_due(at(runtime, folder, now=NOW + timedelta(minutes=2)), outside) == 1
    assert await open_alerts(db) == []
    assert [path.name for path in folder.iterdir()] == ["pay-2026-20261122T0700Z.csv"]


async def test_an_export_is_posted_with_a_token_and_never_to_an_inner_address(
    runtime: Runtime, outside: OutboundHttp, db: Connection, ballot: int
) -> None:
    async with open_receiver() as receiver:
        to = receiver.url.replace("/hook", "/files")
        here = at(runtime, to, turnout_export_token=SecretStr("let me in"), turnout_export_format="parquet")
        assert await export_due(here, outside) == 1
        [got] = receiver.got
        assert got.body.startswith(b"PAR1")
        assert (got.headers["authorization"], got.headers["content-length"]) == ("Bearer let me in", str(len(got.body)))
        async with open_outbound_http(()) as closed:
            assert await export_due(replace(here, clock=lambda: NOW + timedelta(days=1)), closed) == 0
        assert "It was not asked" in (await open_alerts(db))[0].remedy
        assert len(receiver.got) == 1


async def test_an_address_that_refuses_is_tried_again(
    runtime: Runtime, outside: OutboundHttp, db: Connection, ballot: int
) -> None:
    async def busy(_got: Got) -> web.Response:
        return web.Response(status=507, text="The disk is full.")

    async with open_receiver() as receiver:
        receiver.answer = busy
        here = at(runtime, receiver.url)
        assert await export_due(here, outside) == 0
        place = f"{receiver.url}/pay-2026-20261122T0700Z.csv"
        assert (
            await db.fetchval("select problem from turnout_export")
            == f"{place} did not accept the file. It answered 507."
        )
        receiver.answers(201)
        assert await export_due(replace(here, clock=lambda: NOW + timedelta(minutes=2)), outside) == 1
        assert tuple(await row_of(db, "select tries, problem from turnout_export")) == (2, None)


async def test_a_worker_makes_exports_that_are_due(
    runtime: Runtime, outside: OutboundHttp, ballot: int, tmp_path: Path
) -> None:
    here = at(runtime, tmp_path)
    jobs = Jobs(here, Dispatcher(here, {}), outside)
    await asyncio.gather(*jobs.tick())
    await jobs.finish(10)
    assert [path.name for path in tmp_path.iterdir()] == ["pay-2026-20261122T0700Z.csv"]  # noqa: ASYNC240
