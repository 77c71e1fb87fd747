"""The mailroom with a campaign to bounce from, and mails by LMTP as a relay hands them over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiosmtplib

from core.db import Connection
from core.runtime import Runtime
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import Campaign, Recipient, make_campaign
from webhooks import process_inbound
from webhooks.email.inbound_mail.listener import listening

DATA = Path(__file__).parents[1] / "data" / "mail"
BOUNCES, REPLIES = "bounces.union.test", "reply.union.test"
ANN = "ann@member.test"


class Lmtp(aiosmtplib.SMTP):
    """A relay's end of a conversation; aiosmtplib speaks SMTP only, and the two differ in their first word."""

    async def ehlo(self, hostname: str | None = None, timeout: float | None = 5) -> aiosmtplib.SMTPResponse:  # type: ignore[override] # noqa: ASYNC109
        response = await self.execute_command(b"LHLO", b"relay.union.test", timeout=timeout)
        self.last_ehlo_response = response
        return response


@dataclass
class MailroomSetup:
    """A mailroom, and who was asked."""

    runtime: Runtime
    campaign: Campaign
    clock: FixedClock
    host: str = ""
    port: int = 0

    def sign_id(self, recipient: Recipient | int, purpose: str) -> str:
        message_id = recipient if isinstance(recipient, int) else recipient.message_id
        return self.runtime.keyring.sign_id(message_id, purpose)

    def mail(self, name: str, recipient: Recipient | int, about: str = ANN) -> bytes:
        """A mail of tests/data/mail about a message, and the mailbox it was sent to."""
        raw = (DATA / f"{name}.eml").read_bytes().replace(b"SEAL", self.sign_id(recipient, "bounce").encode())
        return raw.replace(ANN.encode(), about.encode())

    def bounce_address(self, recipient: Recipient | int) -> str:
        return f"b+{self.sign_id(recipient, 'bounce')}@{BOUNCES}"

    async def hand_over(self, raw: bytes, to: str, sender: str = "") -> int:
        """One mail by LMTP; the code it was answered with."""
        relay = Lmtp(hostname=self.host, port=self.port, use_tls=False, start_tls=False, timeout=10)
        async with relay:
            await relay.ehlo()
            try:
                await relay.mail(sender, encoding="utf-8")
                await relay.rcpt(to, encoding="utf-8")
                return (await relay.data(raw)).code
            except aiosmtplib.SMTPResponseException as error:
                return error.code

    async def tell(
        self, name: str, recipient: Recipient | int, to: str | None = None, sender: str = "", about: str = ANN
    ) -> None:
        """Hand a mail over, and have it read."""
        code = await self.hand_over(self.mail(name, recipient, about), to or self.bounce_address(recipient), sender)
        assert code == 250
        await process_inbound(self.runtime, 100)


@asynccontextmanager
async def open_room(runtime: Runtime, db: Connection, clock: FixedClock) -> AsyncIterator[MailroomSetup]:
    settings = runtime.settings.model_copy(
        update={"bounce_domain": BOUNCES, "reply_domain": REPLIES, "mailroom_largest": 1}
    )
    here = replace(runtime, settings=settings, clock=clock)
    campaign = await make_campaign(here, db, now=clock())
    async with listening(here, "lmtp", "127.0.0.1:0") as where:
        host, _, port = where.rpartition(":")
        yield MailroomSetup(here, campaign, clock, host, int(port))
