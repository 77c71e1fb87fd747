"""A server that goes away is one line, one more a minute, and one when it is back, however many meet it."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import aiohttp
import asyncpg
import pytest
import redis.exceptions
from structlog.testing import capture_logs

from core.db.connection_errors import went_away
from core.errors import DatabaseAway, Unavailable
from core.outages import POSTGRES, REDIS, Outages
from muster.server_errors import server_error, server_of


class Server:
    """Answers when it is up; counts the questions."""

    def __init__(self) -> None:
        self.up = False
        self.asked = 0

    async def __call__(self) -> None:
        self.asked += 1
        if not self.up:
            raise ConnectionRefusedError


async def said(logs: list[Any], event: str) -> dict[str, Any]:
    """The line, once it is there."""
    async with asyncio.timeout(10):
        while True:
            for line in logs:
                if line["event"] == event:
                    return dict(line)
            await asyncio.sleep(0.01)


async def test_a_thousand_errors_are_one_log_line_and_one_when_the_server_is_back() -> None:
    server = Server()
    outages = Outages({POSTGRES: server}, every=0.02)
    with capture_logs() as logs:
        for _ in range(1000):
            outages.note_outage(POSTGRES, TimeoutError())
        server.up = True
        back = await said(logs, "a server is back")
    assert [line["event"] for line in logs] == ["a server is away", "a server is back"]
    assert (logs[0]["server"], logs[0]["error"]) == (POSTGRES, "no answer in time")
    assert back["errors"] == 1000


async def test_a_lasting_outage_is_logged_now_and_then() -> None:
    server = Server()
    outages = Outages({POSTGRES: server}, every=0.01, remind=0.05)
    with capture_logs() as logs:
        outages.note_outage(POSTGRES, ConnectionRefusedError("refused"))
        outages.note_outage(POSTGRES, ConnectionRefusedError("refused"))
        still = await said(logs, "a server is still away")
        await outages.close()
    assert (still["server"], still["errors"]) == (POSTGRES, 2)
    assert server.asked > 1


async def test_a_query_that_hangs_does_not_delay_the_reminder() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    outages = Outages({REDIS: hang}, every=0.01, remind=0.05)
    with capture_logs() as logs:
        outages.note_outage(REDIS, "no answer")
        await said(logs, "a server is still away")
    await outages.close()


async def test_each_outage_is_logged_anew() -> None:
    server = Server()
    outages = Outages({POSTGRES: server}, every=0.01)
    for _ in range(2):
        server.up = False
        with capture_logs() as logs:
            outages.note_outage(POSTGRES, ConnectionResetError("reset"))
            await said(logs, "a server is away")
            server.up = True
            await said(logs, "a server is back")


async def test_a_connection_broken_in_an_outage_begins_no_second_one() -> None:
    server = Server()
    server.up = True
    outages = Outages({POSTGRES: server}, every=0.01)
    with capture_logs() as logs:
        outages.note_outage(POSTGRES, ConnectionResetError("reset"))
        await said(logs, "a server is back")
        outages.note_outage(POSTGRES, ConnectionResetError("reset"))
        async with asyncio.timeout(10):
            while server.asked < 2:  # noqa: ASYNC110  # it is asked in a task of its own
                await asyncio.sleep(0.01)
    await outages.close()
    assert len(logs) == 2


async def test_nothing_is_logged_after_closing() -> None:
    outages = Outages({POSTGRES: Server()})
    await outages.close()
    with capture_logs() as logs:
        outages.note_outage(POSTGRES, ConnectionResetError("reset"))
    assert logs == []


@pytest.mark.parametrize(
    ("error", "server"),
    [
        (went_away(ConnectionResetError(errno.ECONNRESET, "reset")), POSTGRES),
        (went_away(TimeoutError()), POSTGRES),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), None),
        (FileNotFoundError(errno.ENOENT, "no such socket"), None),
        (OSError("Multiple exceptions: refused, refused"), None),
        (TimeoutError(), None),
        (asyncpg.CannotConnectNowError("starting up"), POSTGRES),
        (asyncpg.ReadOnlySQLTransactionError("it is a standby"), POSTGRES),
        (asyncpg.InternalClientError("cannot switch to state 12"), POSTGRES),
        (DatabaseAway("PostgreSQL at localhost does not answer (refused)."), POSTGRES),
        (Unavailable("PostgreSQL at the bank is shown on this page."), None),
        (ExceptionGroup("several", [ValueError(), asyncpg.ConnectionDoesNotExistError("gone")]), POSTGRES),
        (redis.exceptions.ConnectionError("refused"), REDIS),
        (redis.exceptions.TimeoutError("slow"), REDIS),
        (asyncpg.DataError("not a number"), None),
        (FileNotFoundError(errno.ENOENT, "no such file", "members.csv"), None),
        (OSError(errno.ENOSPC, "no space left"), None),
        (aiohttp.ClientOSError(errno.ECONNREFUSED, "refused"), None),
        (Unavailable("Twilio's list of messages could not be read."), None),
        (ValueError("a bug"), None),
    ],
)
def test_an_error_is_assigned_to_its_server(error: BaseException, server: str | None) -> None:
    assert server_of(error) == server


def test_a_wrong_argument_is_no_outage() -> None:
    assert server_error(asyncpg.DataError("value out of int64 range")) is None
    lost = server_error(asyncpg.ConnectionDoesNotExistError("connection was closed"))
    assert lost is not None
    assert "PostgreSQL went away" in lost.message


def test_a_refusal_of_the_server_is_no_outage_and_is_logged_once() -> None:
    outages = Outages()
    with capture_logs() as logs:
        for _ in range(100):
            outages.note_error(asyncpg.DeadlockDetectedError("deadlock detected"))
        outages.note_error(asyncpg.DiskFullError("no space left on device"))
    assert [line["kind"] for line in logs] == ["DeadlockDetectedError", "DiskFullError"]


def test_an_unforeseen_error_is_logged_once_with_its_traceback() -> None:
    outages = Outages()
    with capture_logs() as logs:
        for _ in range(100):
            outages.note_error(ZeroDivisionError("a bug"))
    assert [(line["kind"], line["log_level"]) for line in logs] == [("ZeroDivisionError", "error")]
    assert isinstance(logs[0]["exc_info"], ZeroDivisionError)
