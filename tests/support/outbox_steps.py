"""Steps of an outbox that is sent."""

import asyncio

from messaging.channels.channel import Accepted, OutboundMessage, SendResult, Trace
from sandbox import Sandbox
from sandbox.twilio.messages import Message


def mailboxes(count: int) -> list[str]:
    return [f"m{n}@x.test" for n in range(count)]


def numbers(count: int) -> list[str]:
    return [f"+4477001{n:05}" for n in range(count)]


def texts_of(sandbox: Sandbox) -> list[Message]:
    return [message for message in sandbox.twilio.messages.newest() if message.direction == "outbound-api"]


class Slow:
    """A channel whose parcels leave one by one when told; for what happens between claim and wire."""

    name = "email"
    provider = "slow"
    connections = 1

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.gate = asyncio.Semaphore(0)

    async def send(self, outbound: OutboundMessage) -> SendResult:
        await self.gate.acquire()
        self.sent.append(outbound.message_id)
        return Accepted("250 ok")

    async def trace(self, outbound: OutboundMessage, since: object) -> list[Trace] | None:
        return None

    async def close(self) -> None:
        return None
