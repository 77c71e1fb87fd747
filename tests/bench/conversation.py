"""The conversation with a relay: our channel beside a bare client that puts the same into each packet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from core.settings import Settings
from messaging.channels.channel import Accepted, OutboundEmail
from messaging.channels.smtp.channel import SmtpChannel
from messaging.channels.smtp.smtp_session import dot_stuffed


async def ours(settings: Settings, sample: OutboundEmail, count: int) -> float:
    """Send so many emails by our channel, as the tasks of a pipeline do; returns microseconds of CPU for each."""
    channel = SmtpChannel(settings)
    mails = iter([replace(sample, message_id=n) for n in range(1, count + 1)])
    began = time.process_time()
    accepted = sum(await asyncio.gather(*(_in_turn(channel, mails) for _ in range(channel.connections))))
    spent = time.process_time() - began
    await channel.close()
    if accepted < count:
        raise RuntimeError(f"the sink took only {accepted} of {count} mails")
    return spent / count * 1e6


async def bare(port: int, sample: OutboundEmail, count: int, connections: int) -> float:
    """Send as many by asyncio's streams, with the text of one and the envelope of the next in one packet."""
    text = dot_stuffed(sample.content)
    envelope = b"MAIL FROM:<%b> SIZE=%d\r\nRCPT TO:<%b>\r\nDATA\r\n" % (
        sample.envelope.encode(), len(sample.content), sample.to.encode(),
    )  # fmt: skip
    mails = iter(range(count))
    began = time.process_time()
    await asyncio.gather(*(_bare_in_turn(port, envelope, text, mails) for _ in range(connections)))
    return (time.process_time() - began) / count * 1e6


async def _in_turn(channel: SmtpChannel, mails: Iterator[OutboundEmail]) -> int:
    """Send one mail after another, and let the channel ask for the next; returns how many were accepted."""
    announced: list[OutboundEmail] = []
    accepted = 0

    def following() -> OutboundEmail | None:
        if not announced and (mail := next(mails, None)) is not None:
            announced.append(mail)
        return announced[0] if announced else None

    while (outbound := announced.pop() if announced else next(mails, None)) is not None:
        outbound.following = following
        accepted += isinstance(await channel.send(outbound), Accepted)
    return accepted


async def _bare_in_turn(port: int, envelope: bytes, text: bytes, mails: Iterator[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await _expect(reader, [b"220"])
    writer.write(b"EHLO client\r\n")
    while (await reader.readline())[3:4] == b"-":
        pass
    writer.write(envelope)
    await _expect(reader, [b"250", b"250", b"354"])
    for _ in mails:
        writer.write(text + envelope)
        await _expect(reader, [b"250", b"250", b"250", b"354"])
    writer.close()  # after 354 nothing else lets go of the last envelope


async def _expect(reader: asyncio.StreamReader, codes: Sequence[bytes]) -> None:
    for code in codes:
        line = await reader.readline()
        if not line.startswith(code):
            raise RuntimeError(f"the sink said {line!r}")
