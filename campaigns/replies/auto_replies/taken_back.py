"""Auto reply to somebody who took their answer back: which answer counts now, or how to give one."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from campaigns.replies.answered_messages import AnsweredMessage
from campaigns.replies.asking_words import how_to_answer
from campaigns.replies.auto_replies.sending import send_auto_reply
from campaigns.subjects.subject import Subject
from core.db import Connection, load_queries
from messaging.content.translations import wording

SQL: Final = load_queries(__file__)


async def confirm_taken_back(
    db: Connection, message: AnsweredMessage, subject: Subject, person_id: int, at: datetime
) -> None:
    """Confirm that an answer was taken back.

    Args:
        db: in the transaction that took it back, after that.
        message: the message that the reply answers.
        subject: what it asked about.
        person_id: the reply's author.
        at: when the reply came; aware.
    """
    known = await db.fetchrow(SQL["find_language_and_answer"], person_id, subject.kind, subject.subject_id)
    assert known is not None
    words = wording(known["language"], subject.kind)
    if known["answer"] is not None:
        label = subject.words(known["language"])[f"answer_{known['answer']}"]
        text = words["undone_to"].format(answer=label)
    else:
        text = words["took_back"].format(asks=how_to_answer(subject, message, known["language"]) or "")
    await send_auto_reply(db, message, subject, text.strip(), words["took_back_subject"], at)
