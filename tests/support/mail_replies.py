"""Replies by email, as a mail program sends them."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

from core.db import Connection
from tests.support.inbound_rows import Recipient
from tests.support.mail_rows import ANN, REPLIES, MailroomSetup
from webhooks import process_inbound


def letter(words: str, *, sender: str = f"Ann Jones <{ANN}>", attach: int = 0, **headers: str) -> bytes:
    mail = EmailMessage()
    mail["From"] = sender
    mail["Subject"] = headers.pop("Subject", "Re: Have you posted your ballot paper?")
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(words.replace("\r\n", "\n"))
    for number in range(attach):
        mail.add_attachment(b"%PDF secret", maintype="application", subtype="pdf", filename=f"{number}.pdf")
    return mail.as_bytes()


async def answer(room: MailroomSetup, to: str, words: str, *, envelope: str = ANN, **more: Any) -> dict[str, Any]:
    """Somebody writes; the reply it became."""
    assert await room.hand_over(letter(words, **more), to, envelope) == 250
    await process_inbound(room.runtime, 10)
    return await last_reply(room.campaign.db)


async def last_reply(db: Connection) -> dict[str, Any]:
    row = await db.fetchrow("select * from reply order by reply_id desc limit 1")
    return dict(row) if row else {}


def reply_address(room: MailroomSetup, recipient: Recipient) -> str:
    return f"r+{room.sign_id(recipient, 'reply')}@{REPLIES}"
