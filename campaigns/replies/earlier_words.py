"""Words of a reply whose author was asked back: they belong to the answer that comes instead."""

from __future__ import annotations

import re
from typing import Final

from campaigns.replies.answered_messages import AnsweredMessage, CampaignMessage
from campaigns.replies.classification.named_answers import WHICH
from campaigns.subjects.subject import Subject
from core.control_characters import without_controls
from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)

USED: Final = "Its words are kept beside the answer that came next."
"""Note of such a reply."""
_WORD: Final = re.compile(r"[^\W\d_]{3,}")


async def take_earlier_words(db: Connection, message: AnsweredMessage | CampaignMessage, person_id: int) -> str:
    """Return the words of the reply whose author is now answering as they were asked to, and note that.

    "1 waited two hours" could be about either of two questions; the "1A" that follows answers, and the words were
    about that.

    Args:
        db: in the transaction that records the answer, before that.
        message: the message that is answered.
        person_id: its author.

    Returns:
        The words; "" if nobody was asked back, or there are none.
    """
    subject = message.subject
    if subject is None or not subject.reads_answers:
        return ""
    row = await db.fetchrow(SQL["use_words"], person_id, subject.kind, subject.subject_id, WHICH, USED)
    return "" if row is None else _words(without_controls(row["text"]), row["menu"] or {}, subject)


def joined(*words: str) -> str:
    """Return several comments as one."""
    return " / ".join(part for part in words if part)


def _words(text: str, menu: dict[str, str], subject: Subject) -> str:
    read = subject.reads(text, {**menu, **subject.digits})
    if read is not None:
        return read.comment
    says_more = _WORD.search(text) and text.casefold().strip(" ?!.") not in subject.phrases()
    return text.strip() if says_more else ""
