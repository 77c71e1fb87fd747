"""The listener for mail: each mail is kept once, and no client keeps others out."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.db import Connection, open_pool
from core.errors import Conflict, SettingsError
from core.runtime import Runtime
from tests.support.clocks import FixedClock
from tests.support.mail_rows import ANN, REPLIES, MailroomSetup, open_room
from tests.support.mailroom_clients import NOON, state_of
from tests.support.waiting import until
from webhooks import process_inbound
from webhooks.email.inbound_mail import classify, listener
from webhooks.email.inbound_mail.listener import listening


@pytest.fixture
async def room(runtime: Runtime, db: Connection) -> AsyncIterator[MailroomSetup]:
    async with open_room(runtime, db, FixedClock(NOON)) as room:
        yield room


async def test_a_mail_answered_with_250_is_kept_once_as_it_came(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    raw = room.mail("dsn-hard", recipient).replace(
        b"This is the mail system", b".dot\r\n..dots\r\n.\r\nThis is the mail system"
    )
    to = room.bounce_address(recipient)
    codes = await asyncio.gather(*(room.hand_over(raw, to) for _ in range(5)))
    assert codes == [250] * 5
    (row,) = await db.fetch("select payload, raw from inbound_log join inbound_mail using (inbound_id)")
    assert row["raw"] == raw
    assert row["payload"]["recipient"] == to
    assert row["payload"]["sender"] == ""


async def test_while_the_database_is_away_mail_is_asked_to_come_again(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    pool = await open_pool(room.runtime.settings.database_url or "", size=1)
    await pool.close()
    async with listening(replace(room.runtime, pool=pool), "lmtp", "127.0.0.1:0") as where:
        away = replace(room, port=int(where.rpartition(":")[2]))
        assert await away.hand_over(room.mail("dsn-hard", recipient), room.bounce_address(recipient)) == 451
    assert await db.fetchval("select count(*) from inbound_log") == 0
    assert await room.hand_over(room.mail("dsn-hard", recipient), room.bounce_address(recipient)) == 250


async def test_a_mail_that_is_too_large_is_refused_for_good(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    to = room.bounce_address(recipient)
    raw = b"Subject: large\r\n\r\n" + b"a line of text that is not short\r\n" * 40_000
    assert await room.hand_over(raw, to) == 552
    reader, writer = await asyncio.open_connection(room.host, room.port)
    with closing(writer):
        for line, code in ((b"", b"220"), (b"LHLO x", b"250"), (b"MAIL FROM:<> SIZE=2000000", b"552")):
            assert (await talk(reader, writer, line)).startswith(code)
    assert await db.fetchval("select count(*) from inbound_log") == 0


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    """Say a line, and hear all of the answer."""
    if line:
        writer.write(line + b"\r\n")
    while True:
        answer = await asyncio.wait_for(reader.readline(), 10)
        if answer[3:4] != b"-":
            return answer


async def test_an_unreadable_mail_is_parked_and_delays_no_other(room: MailroomSetup, db: Connection) -> None:
    recipient, other = await room.campaign.ask(email=ANN), await room.campaign.ask(email="bob@member.test")
    poison = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000))
    assert await room.hand_over(poison, room.bounce_address(recipient)) == 250
    await room.tell("dsn-hard", other)
    states = [row["state"] for row in await db.fetch("select state from inbound_log order by inbound_id")]
    assert states == ["parked", "done"]
    assert await db.fetchval("select severity from alert where key = 'inbound:mail'") == "warning"
    assert (await state_of(db, other.message_id))[0] == "bounced"


async def test_a_header_made_to_stop_the_inbox_does_not(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    to = f"r+{room.sign_id(recipient, 'reply')}@{REPLIES}"
    assert await room.hand_over(b"From: " + b"(" * 1500 + b"\r\n\r\nhm\r\n", to, ANN) == 250
    assert await room.hand_over(f"From: {ANN}\r\nSubject: x\r\n\r\nSTOP\r\n".encode(), to, ANN) == 250
    await process_inbound(room.runtime, 10)
    assert {row["state"] for row in await db.fetch("select state from inbound_log")} == {"done"}
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}


async def test_a_mail_the_library_cannot_parse_is_parked_at_once(
    room: MailroomSetup, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr(classify, "read_reply", fail)
    recipient = await room.campaign.ask(email=ANN)
    to = f"r+{room.sign_id(recipient, 'reply')}@{REPLIES}"
    assert await room.hand_over(f"From: {ANN}\r\n\r\nhm\r\n".encode(), to, ANN) == 250
    await process_inbound(room.runtime, 10)
    assert await db.fetchval("select state from inbound_log") == "parked"


async def test_mail_is_read_beside_the_event_loop(room: MailroomSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    where: dict[str, threading.Thread] = {}

    def noting(name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        def note(*said: Any, **named: Any) -> Any:
            where[name] = threading.current_thread()
            return read(*said, **named)

        return note

    for name in ("parse_mail", "read_bounce", "read_reply"):
        monkeypatch.setattr(classify, name, noting(name, getattr(classify, name)))
    recipient = await room.campaign.ask(email=ANN)
    assert await room.hand_over(b"From: ann@member.test\r\n\r\nhm\r\n", room.bounce_address(recipient), ANN) == 250
    await room.tell("dsn-hard", recipient)
    assert set(where) == {"parse_mail", "read_bounce", "read_reply"}
    assert threading.current_thread() not in where.values()


async def test_slow_silent_and_too_many_clients_are_turned_away(
    room: MailroomSetup, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MAIL_TIMEOUT", 0.3)
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 2)
    to = room.bounce_address(await room.campaign.ask(email=ANN)).encode()
    reader, writer = await asyncio.open_connection(room.host, room.port)
    with closing(writer):
        for line in (b"", b"LHLO x", b"MAIL FROM:<>", b"RCPT TO:<" + to + b">", b"DATA"):
            await talk(reader, writer, line)
        _, second = await asyncio.open_connection(room.host, room.port)
        with closing(second):
            third_reader, third = await asyncio.open_connection(room.host, room.port)
            with closing(third):
                assert (await asyncio.wait_for(third_reader.readline(), 10)).startswith(b"421 4.3.2")
                assert await asyncio.wait_for(third_reader.read(), 10) == b""
        answer = asyncio.create_task(asyncio.wait_for(reader.readline(), 10))
        while not answer.done():  # never silent for long, and never done
            writer.write(b"a\r\n")
            await asyncio.wait({answer}, timeout=0.02)
        assert (await answer).startswith(b"421 4.4.2")
    assert await db.fetchval("select count(*) from inbound_log") == 0


@asynccontextmanager
async def deaf_client(host: str, port: int) -> AsyncIterator[asyncio.Task[None]]:
    """A client that asks without end and reads nothing; its task ends when it is hung up on."""
    loop = asyncio.get_running_loop()
    with socket.socket() as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        first.setblocking(False)
        await loop.sock_connect(first, (host, port))

        async def ask() -> None:
            with suppress(ConnectionResetError, BrokenPipeError):
                while True:
                    await loop.sock_sendall(first, b"LHLO x\r\n" * 1000)

        asking = asyncio.create_task(ask())
        try:
            yield asking
        finally:
            asking.cancel()
            await asyncio.wait({asking})


async def test_clients_that_read_no_answer_keep_nobody_out(
    room: MailroomSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "SILENCE_TIMEOUT", 0.3)
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 1)

    async def is_let_in() -> bool:
        reader, writer = await asyncio.open_connection(room.host, room.port)
        with closing(writer):
            return (await asyncio.wait_for(reader.readline(), 10)).startswith(b"220")

    async with deaf_client(room.host, room.port) as asking:
        await asyncio.wait_for(asking, 60)
        await until(is_let_in)


async def test_clients_that_come_at_once_are_counted(room: MailroomSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 3)
    came = await asyncio.gather(*(asyncio.open_connection(room.host, room.port) for _ in range(20)))
    heard = [await asyncio.wait_for(reader.readline(), 10) for reader, _ in came]
    assert sorted(line[:3] for line in heard) == [b"220"] * 3 + [b"421"] * 17
    for _, writer in came:
        writer.close()


async def test_a_listener_stops_although_clients_read_no_answers(
    room: MailroomSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = asyncio.Event()
    monkeypatch.setattr(asyncio.StreamReaderProtocol, "pause_writing", pausing(stuck))
    serving = listening(room.runtime, "lmtp", "127.0.0.1:0")
    where = await serving.__aenter__()
    async with deaf_client(room.host, int(where.rpartition(":")[2])) as asking:
        await asyncio.wait_for(stuck.wait(), 60)
        await asyncio.wait_for(serving.__aexit__(None, None, None), 15)
        await asyncio.wait_for(asking, 15)


def pausing(stuck: asyncio.Event) -> Callable[[asyncio.StreamReaderProtocol], None]:
    pause = asyncio.StreamReaderProtocol.pause_writing

    def noting(protocol: asyncio.StreamReaderProtocol) -> None:
        stuck.set()
        pause(protocol)

    return noting


async def test_the_listener_survives_any_input(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    to = room.bounce_address(recipient).encode()
    nonsense = [
        b"\x00\xff\xfe", b"A" * 5000, b"LHLO", b"LHLO " + b"x" * 600, b"DATA", b"RCPT TO:<x>",
        b"MAIL FROM:<" + b"a" * 900,
        b"MAIL FROM:<a@b.test> BODY=9BITMIME", b"RCPT TO:<" + to, b"RCPT TO:<" + to + b"\x00>", b"VRFY root", b"EXPN x",
        b"AUTH PLAIN AGEAYg==", b"STARTTLS", b"BDAT 5 LAST", b"HELO x", b"MAIL FROM:<> SMTPUTF8 SIZE=-1",
    ]  # fmt: skip
    for line in nonsense:
        reader, writer = await asyncio.open_connection(room.host, room.port)
        with closing(writer):
            assert (await talk(reader, writer, b"")).startswith(b"220")
            writer.write(b"LHLO x\r\n" + line + b"\r\n" + b"QUIT\r\n")
            heard = await asyncio.wait_for(reader.read(), 10)
        assert b"Stored" not in heard
        assert b"Traceback" not in heard
    reader, writer = await asyncio.open_connection(room.host, room.port)
    with closing(writer):  # cut off in the middle of a mail
        for said in (b"", b"LHLO x", b"MAIL FROM:<>", b"RCPT TO:<" + to + b">", b"DATA"):
            await talk(reader, writer, said)
        writer.write(b"Subject: half\r\n\r\nhalf a ma")
        await writer.drain()
    assert await db.fetchval("select count(*) from inbound_log") == 0
    assert await room.hand_over(room.mail("dsn-hard", recipient), to.decode()) == 250


async def test_lmtp_answers_for_one_recipient_and_smtp_for_several(room: MailroomSetup, db: Connection) -> None:
    asked = [await room.campaign.ask(email=f"m{number}@member.test") for number in range(2)]
    recipients = [room.bounce_address(recipient).encode() for recipient in asked]
    async with listening(room.runtime, "smtp", "127.0.0.1:0") as where:
        for port, hello, second in ((room.port, b"LHLO x", b"452"), (int(where.rpartition(":")[2]), b"EHLO x", b"250")):
            reader, writer = await asyncio.open_connection(room.host, port)
            with closing(writer):
                for line in (b"", hello, b"MAIL FROM:<>", b"RCPT TO:<" + recipients[0] + b">"):
                    assert (await talk(reader, writer, line))[:1] == b"2"
                assert (await talk(reader, writer, b"RCPT TO:<" + recipients[1] + b">")).startswith(second)
                await talk(reader, writer, b"DATA")
                assert (await talk(reader, writer, f"Subject: {second!r}\r\n\r\nx\r\n.".encode())).startswith(b"250")
    assert await db.fetchval("select count(*) from inbound_log") == 3


async def test_commands_may_come_together(room: MailroomSetup, db: Connection) -> None:
    to = room.bounce_address(await room.campaign.ask(email=ANN)).encode()
    reader, writer = await asyncio.open_connection(room.host, room.port)
    with closing(writer):
        assert (await talk(reader, writer, b"")).startswith(b"220")
        writer.write(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@union.test>\r\nRCPT TO:<" + to + b">\r\nDATA\r\n")
        writer.write(b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
        heard = (await asyncio.wait_for(reader.read(), 10)).decode()
    assert "250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n" in heard
    assert [line[:3] for line in heard.splitlines() if line[3:4] == " "] == [
        "250",
        "250",
        "550",
        "250",
        "354",
        "250",
        "221",
    ]
    assert await db.fetchval("select count(*) from inbound_log") == 1


async def test_a_listener_that_stops_finishes_the_mail_in_flight(room: MailroomSetup, db: Connection) -> None:
    to = room.bounce_address(await room.campaign.ask(email=ANN)).encode()
    serving = listening(room.runtime, "lmtp", "127.0.0.1:0")
    where = await serving.__aenter__()
    reader, writer = await asyncio.open_connection(room.host, int(where.rpartition(":")[2]))
    with closing(writer):
        for line in (b"", b"LHLO x", b"MAIL FROM:<>", b"RCPT TO:<" + to + b">", b"DATA"):
            await talk(reader, writer, line)
        stopping = asyncio.create_task(serving.__aexit__(None, None, None))
        await asyncio.sleep(0)
        assert (await talk(reader, writer, b"Subject: x\r\n\r\nx\r\n.")).startswith(b"250")
        await asyncio.wait_for(stopping, 15)
    assert await db.fetchval("select count(*) from inbound_log") == 1


async def test_an_address_it_cannot_listen_on_is_reported(room: MailroomSetup, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a socket")
    for where, error in (
        ("nonsense", SettingsError), ("127.0.0.1:x", SettingsError), (f"unix:{file}", Conflict),
        (f"127.0.0.1:{room.port}", Conflict), ("unix:/nowhere/at/all", Conflict),
    ):  # fmt: skip
        with pytest.raises(error):
            async with listening(room.runtime, "lmtp", where):
                pass
    assert file.read_text() == "not a socket"
    socket = f"unix:{tmp_path / 'lmtp'}"
    async with listening(room.runtime, "lmtp", socket):
        with pytest.raises(Conflict, match="already"):
            async with listening(room.runtime, "lmtp", socket):
                pass
        reader, writer = await asyncio.open_unix_connection(tmp_path / "lmtp")
        with closing(writer):
            assert (await talk(reader, writer, b"")).startswith(b"220")
    assert not (tmp_path / "lmtp").exists()
