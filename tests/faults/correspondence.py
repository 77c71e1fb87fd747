"""Messages to one person while a fault is injected: sign-in links to staff, and their answers to replies.

Each is queued as the console and `muster` do it, in one transaction, and again where nobody knows whether that was
committed. An answer has a reference, so it is sent once all the same; a second sign-in link is another message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from campaigns.replies.reply_inbox import open_replies
from campaigns.replies.staff_replies import MailThread, send_staff_reply
from core.clock import system_clock
from core.db import Connection
from core.errors import Conflict
from messaging.states import ChannelName
from muster.operator import operator
from staff.account_messages import queue_sign_in_link
from staff.sign_in import make_sign_in_link
from tests.faults.environment import Environment
from tests.faults.servers import MAIL_FROM, SMS_FROM, STAFF, STAFF_PHONE

LEAST: Final = 6
"""Sign-in links that are sent, however short the fault was."""
ANSWER: Final = "Thank you, we look into it."
_MINUTES: Final = 180
"""How long a link works: longer than any clock jumps."""
_BY: Final = operator("the harness")


@asynccontextmanager
async def writing(environment: Environment) -> AsyncIterator[None]:
    """Have messages to one person queued while the block lasts; their ids are kept on the environment."""
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_write(environment, over))
        try:
            yield
        finally:
            over.set()


async def _write(environment: Environment, over: asyncio.Event) -> None:
    turn = 0
    while turn < LEAST or not over.is_set():
        channel: ChannelName = "email" if turn % 2 else "sms"

        async def send_link(db: Connection, channel: ChannelName = channel) -> int:
            return await _send_link(environment, db, channel)

        environment.asked.add(await environment.ask(send_link))
        answered = await environment.ask(lambda db: _answer_one(environment, db))
        if answered is not None:
            environment.asked.add(answered)
        turn += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), environment.scale.pause)


async def _send_link(environment: Environment, db: Connection, channel: ChannelName) -> int:
    """Send a sign-in link as `muster user link --send` does; returns the id of its message."""
    now = system_clock()
    async with db.transaction():
        path = await make_sign_in_link(db, email=STAFF, now=now, by=_BY, minutes=_MINUTES)
        return await queue_sign_in_link(
            db, environment.settings, channel=channel, sender=MAIL_FROM if channel == "email" else SMS_FROM,
            address=STAFF if channel == "email" else STAFF_PHONE, name="Ada",
            link=environment.settings.public_url + path, minutes=_MINUTES,
            until=now + timedelta(minutes=_MINUTES), by=_BY.name, now=now,
        )  # fmt: skip


async def _answer_one(environment: Environment, db: Connection) -> int | None:
    """Answer the reply that waits longest as `muster replies answer` does; returns the id, None if none waits.

    Whoever was unclear is left alone: they are asked back, and what they say after words of staff is said to staff.
    """
    waiting = [reply for reply in await open_replies(db, limit=20) if reply.reading != "unclear"]
    for reply in waiting:
        try:
            async with db.transaction():
                answer = await send_staff_reply(
                    db, environment.settings, reply.reply_id, ANSWER, thread=MailThread(), actor=_BY, at=system_clock()
                )
        except Conflict:
            continue  # they have opted out
        return answer.message_id
    return None
