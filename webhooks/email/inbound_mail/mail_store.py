"""Storage of inbound mail: raw, once, and committed before its receipt is confirmed."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Final

from core.access import Actor
from core.audit import AuditAction, record
from core.control_characters import without_controls
from core.db import Connection, load_queries
from core.http.request_bodies import without_nul
from core.runtime import Runtime
from webhooks.email.inbound_mail.addresses import Destination
from webhooks.inbound_log.inbound_log import store_raw_mail

SQL: Final = load_queries(__file__)

MAIL: Final = "mail"
"""Source of mails in the inbound log."""

_TRACE: Final = re.compile(
    rb"(?i)(?:received|return-path|delivered-to|x-original-to|x-envelope-[a-z-]+|status|x-status|lines)[ \t]*:"
)


async def store_mail(
    runtime: Runtime,
    raw: bytes,
    *,
    sender: str,
    recipient: str,
    destination: Destination,
    received_by: str,
    once: tuple[str, str] | None = None,
) -> int | None:
    """Store a mail, and wake the workers.

    Args:
        runtime: the runtime.
        raw: the mail as it came.
        sender: of the envelope; "" for a bounce.
        recipient: of the envelope.
        destination: the purpose of the recipient's address.
        received_by: `lmtp`, `smtp`, `file`, or a provider's name.
        once: a token that is accepted once, such as a signed one that does not cover the content: its source and its
            key in the inbound log.

    Returns:
        The row's id, committed; None if it was stored before, however it came.

    Raises:
        Unavailable: the database does not answer; the mail should be offered again.
    """
    about = f"message:{destination.message_id}" if destination.message_id else f"mailbox:{sender}"
    payload = {
        "sender": without_controls(sender)[:320],
        "recipient": without_controls(recipient)[:320],
        "purpose": destination.purpose,
        "message_id": destination.message_id,
        "received_by": received_by,
    }
    return await store_raw_mail(
        runtime,
        source=MAIL,
        dedupe_key=mail_fingerprint(raw, recipient),
        subject=without_nul(about)[:200],
        payload=payload,
        raw=raw,
        once=once,
    )


async def find_raw_mail(db: Connection, inbound_id: int) -> bytes | None:
    """Return the raw mail of a row of the inbound log; None if it is not kept any more."""
    raw: bytes | None = await db.fetchval(SQL["find_raw_mail"], inbound_id)
    return raw


async def delete_raw_mail(db: Connection, inbound_id: int) -> None:
    """Delete the mail of a reply with attachments: its text is kept, the attachments are not."""
    await db.execute(SQL["delete_raw_mail"], inbound_id)


async def keep_raw_mail(db: Connection, inbound_id: int) -> None:
    """Keep the mail of a reply without readable words until staff have looked into it and closed the reply."""
    await db.execute(SQL["keep_raw_mail"], inbound_id)


async def find_reply_mail(db: Connection, reply_id: int) -> bytes | None:
    """Return the mail that became a reply, as it came; None if it is no mail, or not kept any more."""
    raw: bytes | None = await db.fetchval(SQL["find_reply_mail"], reply_id)
    return raw


async def record_mail_export(db: Connection, reply_id: int, *, actor: Actor, at: datetime) -> None:
    """Record in the audit who took out the mail of a reply."""
    await record(db, actor, AuditAction.REPLY_MAIL_EXPORTED, f"reply {reply_id}", at=at)


def mail_fingerprint(raw: bytes, recipient: str) -> str:
    """Return a digest that is the same for the same mail to the same recipient, whichever servers it came through.

    Servers add lines at its head, and change line endings; the digest is of the parts that stay.
    """
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    own: list[bytes] = []
    skipping = True
    for line in head.split(b"\n"):
        if not line.startswith((b" ", b"\t")):
            skipping = _TRACE.match(line) is not None or line.startswith(b"From ")
        if not skipping:
            own.append(line)
    digest = hashlib.sha256(recipient.lower().encode(errors="replace") + b"\n")
    digest.update(b"\n".join(own) + b"\n\n" + body.rstrip(b"\n"))
    return digest.hexdigest()[:40]
