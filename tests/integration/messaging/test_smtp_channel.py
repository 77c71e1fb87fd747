"""Email over real SMTP: the outcome at each point where a connection can fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from core.settings import Settings
from messaging.channels.channel import Accepted, OutboundEmail, Refused, Retry, Unknown
from messaging.channels.smtp.channel import SmtpChannel
from messaging.reasons import Reason
from sandbox import Sandbox, SandboxConfig, open_sandbox

CONTENT = b"From: a@union.test\r\nTo: b@x.test\r\nSubject: Hi\r\nMessage-ID: <1-a@union.test>\r\n\r\n.dot\r\nBody\r\n"


def mail(to: str) -> OutboundEmail:
    return OutboundEmail(1, "b+1-abc@union.test", to, CONTENT)


def channel_to(url: str, *, timeout: float = 5) -> SmtpChannel:
    return SmtpChannel(Settings(_env_file=None, smtp_url=SecretStr(url), smtp_connections=2), timeout=timeout)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def channel(sandbox: Sandbox) -> AsyncIterator[SmtpChannel]:
    made = channel_to(sandbox.smtp_url)
    yield made
    await made.close()


async def test_a_mail_arrives_as_it_was_sent(sandbox: Sandbox, channel: SmtpChannel) -> None:
    outcome = await channel.send(mail("ann@x.test"))
    assert isinstance(outcome, Accepted)
    assert outcome.reply.startswith("250")
    (taken,) = sandbox.mailbox
    assert taken.raw == CONTENT
    assert (taken.sender, taken.recipients) == ("b+1-abc@union.test", ("ann@x.test",))


@pytest.mark.parametrize(("to", "reason"), [
    ("bounce@x.test", Reason.HARD_BOUNCED),
    ("nodomain@x.test", Reason.HARD_BOUNCED),
    ("disabled@x.test", Reason.HARD_BOUNCED),
    ("quota@x.test", Reason.MAILBOX_FULL),
    ("policy@x.test", Reason.SENDER_REFUSED),
    ("toolarge@x.test", Reason.CONTENT_REFUSED),
])  # fmt: skip
async def test_a_refusal_is_assigned_to_sender_or_recipient(
    sandbox: Sandbox, channel: SmtpChannel, to: str, reason: Reason
) -> None:
    outcome = await channel.send(mail(to))
    assert isinstance(outcome, Refused)
    assert outcome.reason is reason
    assert isinstance(await channel.send(mail("ann@x.test")), Accepted)  # the connection is fit for the next
    assert len(list(sandbox.mailbox)) == 1


@pytest.mark.parametrize(("to", "slow"), [
    ("full@x.test", False), ("greylist@x.test", False), ("tempfail@x.test", False), ("later@x.test", False),
    ("shutdown@x.test", True),
])  # fmt: skip
async def test_a_temporary_refusal_is_tried_later(channel: SmtpChannel, to: str, *, slow: bool) -> None:
    outcome = await channel.send(mail(to))
    assert isinstance(outcome, Retry)
    assert outcome.slow is slow
    assert isinstance(await channel.send(mail("ann@x.test")), Accepted)


@pytest.mark.parametrize("to", ["drop@x.test", "hang@x.test"])
async def test_silence_after_the_final_dot_is_an_unknown_outcome(channel: SmtpChannel, to: str) -> None:
    assert isinstance(await channel.send(mail(to)), Unknown)
    assert isinstance(await channel.send(mail("ann@x.test")), Accepted)


async def test_an_answer_that_takes_too_long_is_unknown_and_its_connection_is_not_used_again(sandbox: Sandbox) -> None:
    channel = channel_to(sandbox.smtp_url, timeout=0.3)
    assert isinstance(await channel.send(mail("slow@x.test")), Unknown)
    assert isinstance(await channel.send(mail("ann@x.test")), Accepted)
    await channel.close()


async def test_a_server_that_is_away_is_tried_later(unused_tcp_port: int) -> None:
    outcome = await channel_to(f"smtp://127.0.0.1:{unused_tcp_port}").send(mail("ann@x.test"))
    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.slow) == (Reason.NOT_REACHED, True)


async def test_an_address_that_smtp_cannot_carry_is_refused_alone(channel: SmtpChannel) -> None:
    for address in ("a b@x.test", "a>b@x.test", "a@ü..test"):
        outcome = await channel.send(mail(address))
        assert isinstance(outcome, Refused)
        assert outcome.reason is Reason.RECIPIENT_REFUSED


# a server of our own, for what the sandbox does not do

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[tuple[str, list[int]]]:
    """An SMTP server that greets, then talks as told; the list grows by one for each connection."""
    connections: list[int] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        try:
            writer.write(b"220 hello\r\n")
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections
    server.close()


async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, most: int = 10**6) -> None:
    """Take mails, at most so many, then hang up."""
    for _ in range(most):
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                break
            writer.write(b"250 ok\r\n")
        else:
            return
        writer.write(b"354 go on\r\n")
        while await reader.readline() != b".\r\n":
            pass
        writer.write(b"250 2.0.0 taken\r\n")


async def test_connections_are_used_again() -> None:
    async with serving(polite) as (url, connections):
        channel = channel_to(url)
        for _ in range(20):
            assert isinstance(await channel.send(mail("ann@x.test")), Accepted)
        assert len(connections) == 1
        await asyncio.gather(*(channel.send(mail("ann@x.test")) for _ in range(2)))
        assert len(connections) == 2
        await channel.close()


async def test_a_connection_that_died_while_idle_costs_nothing() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await polite(reader, writer, most=1)

    async with serving(once) as (url, connections):
        channel = channel_to(url)
        for _ in range(5):
            assert isinstance(await channel.send(mail("ann@x.test")), Accepted)
        assert len(connections) == 5


@pytest.mark.parametrize(("verb", "expected"), [(b"MAIL", Retry), (b"RCPT", Retry), (b"DATA", Retry)])
async def test_a_connection_cut_before_the_text_has_sent_nothing(verb: bytes, expected: type) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (line := await reader.readline()) and not line.upper().startswith(verb):
            writer.write(b"250 ok\r\n")

    async with serving(cut) as (url, _):
        assert isinstance(await channel_to(url).send(mail("ann@x.test")), expected)


async def test_a_connection_cut_within_the_text_is_an_unknown_outcome() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (line := await reader.readline()) and not line.upper().startswith(b"DATA"):
            writer.write(b"250 ok\r\n")
        writer.write(b"354 go on\r\n")
        await reader.readline()

    async with serving(cut) as (url, _):
        assert isinstance(await channel_to(url).send(mail("ann@x.test")), Unknown)


async def test_a_refusing_greeting_stops_the_sender() -> None:
    def send_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 5.7.1 go away\r\n")
        writer.close()

    server = await asyncio.start_server(send_away, "127.0.0.1", 0)
    url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    outcome = await channel_to(url).send(mail("ann@x.test"))
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.SENDER_REFUSED
    server.close()


async def test_a_cancelled_conversation_is_broken_off() -> None:
    is_talking = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            is_talking.set()
            writer.write(b"250 ok\r\n" if not writer.is_closing() else b"")
            await reader.read(1_000_000)

    async with serving(mute) as (url, _):
        channel = channel_to(url)
        sending = asyncio.create_task(channel.send(mail("ann@x.test")))
        async with asyncio.timeout(20):
            await is_talking.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert channel._idle == []
