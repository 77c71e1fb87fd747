"""New texts: each is read once, before it is stored, with the confirmation that it gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from campaigns.replies.answered_messages import find_answered_message
from campaigns.replies.auto_replies.confirmations import Confirmation, choose_confirmation, queue_confirmation
from campaigns.replies.classification import Classification
from campaigns.replies.text_classification import classify_text, to_json
from core.db import Connection, load_queries
from core.db.in_time import answer_in_time
from core.runtime import Runtime

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class NewText:
    """Text that has just come: its classification and the confirmation it gets, which are stored with it."""

    read: Classification
    reply: Confirmation | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields to add to the payload in the inbound log."""
        return {"read": to_json(self.read)} | ({} if self.reply is None else {"reply": asdict(self.reply)})


async def read_new_text(runtime: Runtime, *, phone: str, senders: Sequence[str], text: str, pictures: bool) -> NewText:
    """Classify a text, and choose its confirmation. Call it before the text is stored.

    Args:
        runtime: the runtime.
        phone: the member's number, as E.164.
        senders: the numbers or services they wrote to.
        text: what they wrote.
        pictures: whether pictures or the like came with it.

    Raises:
        Unavailable: the database does not answer.
    """
    return await answer_in_time(_read_new_text(runtime, phone, senders, text, pictures=pictures))


async def queue_reply(
    db: Connection, payload: Mapping[str, Any], *, phone: str, senders: Sequence[str], received_at: datetime
) -> None:
    """Queue the confirmation of a text, if it gets one: once for each opt-out, and once for each phone about pictures.

    Args:
        db: in the transaction that processes the text, after that.
        payload: of the text in the inbound log.
        phone: the member's number.
        senders: the numbers or services they wrote to; the confirmation comes from one of these.
        received_at: when the text came; aware.
    """
    if payload.get("reply") is None:
        return
    confirmation = Confirmation(**payload["reply"])
    if confirmation.is_of_opt_out or await db.fetchval(SQL["note_sent_once"], "sms", phone, "no_pictures", received_at):
        await queue_confirmation(db, confirmation, phone=phone, senders=senders, received_at=received_at)


async def _read_new_text(runtime: Runtime, phone: str, senders: Sequence[str], text: str, *, pictures: bool) -> NewText:
    async with runtime.pool.acquire() as db:
        answered = await find_answered_message(db, channel="sms", address=phone, senders=senders, at=runtime.clock())
        read = classify_text(text, answered)
        return NewText(
            read,
            await choose_confirmation(
                db, read, answered, phone=phone, pictures=pictures, organisation=runtime.settings.organisation_name
            ),
        )
