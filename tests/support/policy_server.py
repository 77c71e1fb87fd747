"""A policy server as Postfix asks one (SMTPD_POLICY_README): greylisting, and limits of a connection."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

Policy = Callable[[Mapping[str, str]], str]
"""Returns the action for what Postfix says about a command."""


@asynccontextmanager
async def open_policy_server(policy: Policy) -> AsyncIterator[int]:
    """Answer Postfix as long as this is open; yields the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = (await reader.readuntil(b"\n\n")).decode().splitlines()
                given = dict(line.split("=", 1) for line in asked if line)
                writer.write(f"action={policy(given)}\n\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def greylisting(*, share: int = 1) -> Policy:
    """Send one in `share` recipients away at their first try."""
    seen: set[str] = set()

    def policy(asked: Mapping[str, str]) -> str:
        recipient = asked["recipient"]
        number = int("".join(char for char in recipient.partition("@")[0] if char.isdigit()))
        if recipient in seen or number % share:
            return "dunno"
        seen.add(recipient)
        return "450 4.2.0 Greylisted, come back later"

    return policy


def few_mails(most: int) -> Policy:
    """Close a connection that begins with one mail more than so many."""
    begun: Counter[str] = Counter()

    def policy(asked: Mapping[str, str]) -> str:
        begun[asked["client_port"]] += 1
        return "421 4.7.0 Too many mails on this connection" if begun[asked["client_port"]] > most else "dunno"

    return policy
