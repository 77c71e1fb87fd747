"""Behind a real Postfix, set up with the lines of docs/mailroom.md: bounces that come back to it reach us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime

import aiosmtplib
import pytest
from pydantic import SecretStr

from core.db import Connection, open_pool
from core.runtime import Runtime
from messaging.channels.channel import Accepted, OutboundEmail
from messaging.channels.smtp.channel import SmtpChannel
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import Recipient
from tests.support.mail_rows import ANN, BOUNCES, MailroomSetup, open_room
from tests.support.postfix import Postfix, open_postfix
from tests.support.rows import row_of
from tests.support.waiting import until
from webhooks import process_inbound
from webhooks.email.inbound_mail.listener import listening

NOBODY = "bounce@member.test"
"""The sandbox refuses this one: 550 5.1.1."""


@pytest.fixture
async def room(runtime: Runtime, db: Connection) -> AsyncIterator[MailroomSetup]:
    async with open_room(runtime, db, FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))) as room:
        yield room


@pytest.fixture
async def members() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as sandbox:
        yield sandbox


def ports(factory: Callable[[], int]) -> tuple[int, int]:
    return factory(), factory()


async def send(postfix: Postfix, room: MailroomSetup, recipient: Recipient, to: str) -> None:
    """An email of ours, by our own channel."""
    settings = room.runtime.settings.model_copy(
        update={"smtp_url": SecretStr(f"smtp://127.0.0.1:{postfix.submission}")}
    )
    channel = SmtpChannel(settings)
    envelope = room.bounce_address(recipient)
    content = (
        f"From: The Union <ballot@union.test>\r\nTo: {to}\r\nMessage-ID: <{envelope[2:]}>\r\n\r\nHave you voted?\r\n"
    )
    try:
        outcome = await channel.send(OutboundEmail(recipient.message_id, envelope, to, content.encode()))
        assert isinstance(outcome, Accepted), outcome
    finally:
        await channel.close()


async def test_undeliverable_mail_comes_back_by_postfix_and_forged_mail_does_not_come_in(
    room: MailroomSetup, members: Sandbox, db: Connection, unused_tcp_port_factory: Callable[[], int]
) -> None:
    ann, gone = await room.campaign.ask(email=ANN), await room.campaign.ask(email=NOBODY)
    smtp = int(members.smtp_url.rpartition(":")[2].partition("/")[0].partition("?")[0])
    async with open_postfix(*ports(unused_tcp_port_factory), lmtp=room.port, members=smtp) as postfix:
        await send(postfix, room, ann, ANN)
        await send(postfix, room, gone, NOBODY)

        async def came_back() -> bool:
            await process_inbound(room.runtime, 10)
            return bool(await db.fetchval("select exists (select from suppression)"))

        await until(came_back, seconds=40)
        assert await room.campaign.suppressed() == {("email", NOBODY, "hard_bounced")}
        row = await row_of(db, "select state::text, reason from message where message_id = $1", gone.message_id)
        assert tuple(row) == ("bounced", "hard_bounced")
        assert await db.fetchval("select code from message_event where source = 'bounce'") == "5.1.1"
        assert "ann@member.test" in {to for message in members.mailbox for to in message.recipients}

        # a forged address is refused at Postfix's own door: no mail is taken that would bounce to a stranger
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=postfix.port, start_tls=False) as world:
            await world.ehlo()
            await world.mail("stranger@elsewhere.test")
            with pytest.raises(aiosmtplib.SMTPRecipientRefused) as refused:
                await world.rcpt(f"b+1-00000000@{BOUNCES}")
            assert refused.value.code == 550
        assert await db.fetchval("select count(*) from inbound_log") == 1


async def test_while_the_database_is_away_postfix_keeps_the_mail(
    room: MailroomSetup, db: Connection, unused_tcp_port_factory: Callable[[], int]
) -> None:
    recipient = await room.campaign.ask(email=ANN)
    pool = await open_pool(room.runtime.settings.database_url or "", size=1)
    await pool.close()
    away = listening(replace(room.runtime, pool=pool), "lmtp", "127.0.0.1:0")
    where = await away.__aenter__()
    port = int(where.rpartition(":")[2])
    async with open_postfix(*ports(unused_tcp_port_factory), lmtp=port, members=1) as postfix:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=postfix.port, start_tls=False) as world:
            await world.sendmail("", [room.bounce_address(recipient)], room.mail("dsn-hard", recipient))

        async def is_deferred() -> bool:
            return "status=deferred" in postfix.log and "451 4.3.0" in postfix.log

        await until(is_deferred, seconds=40)
        await away.__aexit__(None, None, None)
        async with listening(room.runtime, "lmtp", where):  # the database is back

            async def is_kept() -> bool:
                await postfix.flush()
                return bool(await db.fetchval("select exists (select from inbound_log)"))

            await until(is_kept, seconds=40)
    await process_inbound(room.runtime, 10)
    assert await room.campaign.suppressed() == {("email", ANN, "hard_bounced")}
