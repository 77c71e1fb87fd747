"""Replies to a question, by text."""

from __future__ import annotations

from tests.support.questions import AskedQuestion

PHONE = "+447400900001"


async def asked_back(room: AskedQuestion) -> list[tuple[str, str]]:
    """Where we asked back, and in which words."""
    rows = await room.db.fetch(
        "select address, content ->> 'text' as text from message join transactional using (message_id)"
        " order by message_id"
    )
    return [(row["address"], row["text"]) for row in rows]
