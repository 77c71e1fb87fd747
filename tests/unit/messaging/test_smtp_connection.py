"""An SMTP connection, byte by byte: every reply answers a command, or the connection is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.channels.smtp.smtp_connection import MAX_REPLY_SIZE, Reply, SmtpConnection

pytestmark = pytest.mark.both_loops

words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]) | st.just(" "), max_size=40).map(
    str.strip
)
codes = st.integers(200, 599).filter(lambda code: code != 421)
replies = st.tuples(codes, st.lists(words, min_size=1, max_size=4))


def wire(code: int, lines: list[str], end: str = "\r\n") -> bytes:
    last = len(lines) - 1
    return "".join(f"{code}{' ' if n == last else '-'}{line}{end}" for n, line in enumerate(lines)).encode()


class Server:
    """The other end, which says exactly what a test tells it to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def hears(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    def says(self, data: bytes) -> None:
        self.writer.write(data)


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[SmtpConnection, Server]]:
    accepted: asyncio.Future[Server] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(Server(reader, writer))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
    connection = SmtpConnection(transport, {})
    server = await accepted
    try:
        yield connection, server
    finally:
        connection.close()
        server.writer.close()
        listening.close()
        await listening.wait_closed()


async def until_unsound(connection: SmtpConnection) -> None:
    async with asyncio.timeout(10):
        while connection.is_sound:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@given(st.lists(replies, min_size=1, max_size=4), st.sampled_from(["\r\n", "\n"]), st.data())
async def test_replies_are_read_wherever_they_are_cut(
    said: list[tuple[int, list[str]]], end: str, data: st.DataObject
) -> None:
    stream = b"".join(wire(code, lines, end) for code, lines in said)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    async with connected() as (connection, _):
        connection.send_commands(*[b"NOOP"] * len(said))
        hearing = asyncio.ensure_future(connection.read_replies())
        await asyncio.sleep(0)
        for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            connection.data_received(stream[start:stop])
        assert await hearing == [(code, "\n".join(lines)) for code, lines in said]
        assert connection.is_sound


async def test_commands_go_out_together_and_replies_come_back_together() -> None:
    async with connected() as (connection, server):
        connection.send_commands(b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>", b"DATA")
        assert await server.hears(48) == b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"
        server.says(b"250 2.1.0 ok\r\n550-5.1.1 no\r\n550 such user\r\n354 go on\r\n")
        assert await connection.read_replies() == [(250, "2.1.0 ok"), (550, "5.1.1 no\nsuch user"), (354, "go on")]
        assert connection.is_sound


@pytest.mark.parametrize("byte_by_byte", [False, True])
async def test_an_early_reply_is_kept(*, byte_by_byte: bool) -> None:
    async with connected() as (connection, server):
        connection.send_commands(b"NOOP")
        await server.hears(6)
        for piece in [b"250 fine\r\n"] if not byte_by_byte else [bytes([byte]) for byte in b"250 fine\r\n"]:
            server.says(piece)
            await server.writer.drain()
            await asyncio.sleep(0)
        assert await connection.read_replies() == [(250, "fine")]


async def test_a_421_ends_the_connection_whatever_else_was_sent() -> None:
    async with connected() as (connection, server):
        connection.send_commands(b"MAIL", b"RCPT", b"DATA")
        server.says(b"250 ok\r\n421 4.3.2 shutting down\r\n503 what\r\n250 ok\r\n")
        assert await connection.read_replies() == [(250, "ok"), (421, "4.3.2 shutting down")]
        assert not connection.is_sound
        with pytest.raises(ConnectionResetError, match="closing"):
            connection.send_commands(b"RSET")


@pytest.mark.parametrize("extra", [b"250 ok\r\n", b"250-ok\r\n", b"2", b"421 idle for too long\r\n"])
async def test_an_unexpected_reply_stops_the_sending(extra: bytes) -> None:
    async with connected() as (connection, server):
        connection.send_commands(b"DATA")
        server.says(b"354 go on\r\n" + extra)
        assert await connection.read_replies() == [(354, "go on")]
        await until_unsound(connection)
        with pytest.raises(ConnectionResetError):
            connection.send(b"text\r\n.\r\n", replies=1)
        connection.close()
        assert await server.reader.read() == b"DATA\r\n"


async def test_one_reply_too_many_makes_all_of_them_doubtful() -> None:
    async with connected() as (connection, server):
        connection.send_commands(b"MAIL", b"RCPT", b"DATA")
        server.says(b"250 ok\r\n250 ok\r\n550 no\r\n354 go on\r\n")
        with pytest.raises(ConnectionResetError, match="nobody had asked"):
            await connection.read_replies()


async def test_data_on_an_idle_connection_ends_it() -> None:
    async with connected() as (connection, server):
        assert connection.is_sound
        server.says(b"421 4.4.2 idle\r\n")
        await until_unsound(connection)


@pytest.mark.parametrize(
    "said",
    [
        b"hello\r\n",
        b"\r\n",
        b"25\r\n",
        b"2 50 ok\r\n",
        b"250x\r\n",
        b"250_ok\r\n",
        b"\xff\xfe\x00\r\n",
        "٢٥٠ ok\r\n".encode(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"x" * (MAX_REPLY_SIZE + 1),
        b"250-" + b"x" * (MAX_REPLY_SIZE + 1),
        b"250-" + b"x" * MAX_REPLY_SIZE + b"\r\n250 ok\r\n",
        b"250-more\r\n" * MAX_REPLY_SIZE,
    ],
)
async def test_a_line_that_is_not_smtp_ends_the_connection(said: bytes) -> None:
    async with connected() as (connection, server):
        connection.send_commands(b"NOOP")
        server.says(said)
        with pytest.raises(ConnectionResetError):
            await connection.read_replies()
        assert not connection.is_sound
        assert len(connection._unread) <= 5 * MAX_REPLY_SIZE  # what one read of the loop may bring on top


async def test_replies_without_end_are_not_kept() -> None:
    async with connected() as (connection, server):
        connection.send_commands(b"NOOP")
        server.says(b"250 ok\r\n" * 100_000)
        assert await connection.read_replies() == [(250, "ok")]
        await until_unsound(connection)
        assert not connection._replies


@pytest.mark.parametrize(("said", "heard"), [
    (b"", None), (b"25", None), (b"250-ok\r\n", None), (b"250 ok\r\n", [(250, "ok")]),
    (b"250 ok\r\n550 no\r\n", [(250, "ok"), (550, "no")]),
])  # fmt: skip
async def test_the_last_reply_of_a_closing_server_is_read(said: bytes, heard: list[Reply] | None) -> None:
    async with connected() as (connection, server):
        connection.send_commands(b"MAIL", b"RCPT", b"DATA")
        await server.hears(18)
        server.says(said)
        server.writer.close()
        if heard is None:
            with pytest.raises(ConnectionResetError):
                await connection.read_replies()
        else:
            assert await connection.read_replies() == heard
        assert not connection.is_sound


async def test_words_are_kept_without_what_a_database_refuses() -> None:
    async with connected() as (connection, server):
        connection.send_commands(b"NOOP")
        server.says(b"250 caf\xe9 \xc5\xb5\x00!\r\n")
        assert await connection.read_replies() == [(250, "caf\ufffd ŵ!")]


async def test_a_reply_that_came_too_late_answers_nothing_else() -> None:
    async with connected() as (connection, server):
        connection.send_commands(b"NOOP")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await connection.read_replies()
        assert not connection.is_sound
        server.says(b"250 ok\r\n")
        with pytest.raises(ConnectionResetError):
            connection.send_commands(b"RSET")


async def test_closing_twice_is_harmless() -> None:
    async with connected() as (connection, server):
        connection.close()
        connection.close()
        assert not connection.is_sound
        with pytest.raises(ConnectionResetError, match="closed"):
            await connection.read_replies()
        assert await server.reader.read() == b""


async def test_a_text_and_the_next_commands_are_one_packet_and_their_replies_are_read_apart() -> None:
    async with connected() as (connection, server):
        connection.send(b"text\r\n.\r\nMAIL\r\nRCPT\r\n", replies=3)
        assert await server.hears(21) == b"text\r\n.\r\nMAIL\r\nRCPT\r\n"
        server.says(b"250 taken\r\n")
        assert await connection.read_replies(1) == [(250, "taken")]
        assert not connection.is_sound  # the others are still owed
        with pytest.raises(ConnectionResetError):
            connection.send_commands(b"NOOP")
        server.says(b"250 ok\r\n550 no\r\n")
        assert await connection.read_replies(2) == [(250, "ok"), (550, "no")]
        assert connection.is_sound


async def test_one_reply_of_several_is_read_when_all_came_together() -> None:
    async with connected() as (connection, server):
        connection.send_commands(b"text", b"MAIL", b"RCPT")
        server.says(b"250 taken\r\n250 ok\r\n550 no\r\n")
        assert await connection.read_replies(1) == [(250, "taken")]
        assert await connection.read_replies() == [(250, "ok"), (550, "no")]


async def test_a_server_that_is_too_slow_is_hung_up_on() -> None:
    async with connected() as (connection, server):
        connection.allow(0.02)
        await asyncio.sleep(0.05)  # nothing is awaited yet
        assert connection.is_sound
        connection.allow(0.02)
        connection.send_commands(b"MAIL", b"RCPT")
        server.says(b"250 ok\r\n")
        assert await connection.read_replies() == [(250, "ok")]
        assert isinstance(connection.error, TimeoutError)
        with pytest.raises(TimeoutError):
            await connection.read_replies()
        assert not connection.is_sound


async def test_more_time_counts_from_when_it_was_given() -> None:
    async with connected() as (connection, server):
        connection.allow(0.02)
        connection.allow(20)
        connection.send_commands(b"NOOP")
        hearing = asyncio.ensure_future(connection.read_replies())
        await asyncio.sleep(0.1)
        assert not hearing.done()
        server.says(b"250 ok\r\n")
        assert await hearing == [(250, "ok")]
