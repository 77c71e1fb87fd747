"""Letters after the digits of a text, "1A": they tell its subject from others that are open to the same phone.

Most texts have none. A text has one only if somebody with that phone was asked something else that is still open and
not answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from campaigns.addressing import Decision
from campaigns.subjects.subject import Subject
from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)


async def letters_for(db: Connection, subject: Subject, decisions: Sequence[Decision], now: datetime) -> list[str]:
    """Return the letter of each message of a page, "" for most; an empty list if none can need one.

    Args:
        db: a connection.
        subject: what its step asks about.
        decisions: the page.
        now: the time.
    """
    arguments = (subject.kind, subject.subject_id, now)
    if not subject.letter or not await db.fetchval(SQL["has_other_questions"], *arguments):
        return []
    phones = [decision.address for decision in decisions if decision.channel == "sms"]
    waiting = {row["address"] for row in await db.fetch(SQL["list_waiting_phones"], phones, *arguments)}
    return [
        subject.letter if decision.channel == "sms" and decision.address in waiting else "" for decision in decisions
    ]
