"""Taking answers back: by buttons on the page of a message's link, or by a reply that says so.

Taking back removes the present answer, also where it was given several times in a row, and the comments left beside it
since; another answer before it, if there is one, counts again. Replies that waited because of the answer are closed,
and its words are deleted. While answers do not count, before a subject opens and after it has closed, none is taken
back, by a page as little as by a reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from campaigns.replies.answered_messages import AnsweredMessage, CampaignMessage, find_campaign_message
from campaigns.replies.auto_replies.taken_back import confirm_taken_back
from campaigns.subjects.answer import AnswerChannel, RetractableAnswer
from campaigns.subjects.subject import Subject
from core.db import Connection, load_queries

SQL: Final = load_queries(__file__)


async def undo_link(db: Connection, *, message_id: int, at: datetime) -> bool:
    """Undo the answer on the page of a message's link, with the comments beside it: the earlier status counts again.

    On the page of a ballot, a later request, such as for a call, is undone instead; that is possible at any time.

    Returns:
        Whether there was anything to undo.
    """
    message = await find_campaign_message(db, message_id)
    subject = message.subject
    answer = await _retractable(db, message, at)
    theirs = () if answer is None else answer.all_ids
    press = await db.fetchrow(SQL["find_press"], message_id)
    if press is not None and press["answer_id"] is not None and subject.why_not_counted(at) is not None:
        press = None  # it waits because of an answer that stands
    if press is not None and answer is not None and press["answer_id"] not in theirs:
        # only the later of the two is undone; on the page of a question a call has a button of its own
        undo_press = not subject.reads_answers and press["received_at"] >= answer.at
        answer, press = (None, press) if undo_press else (answer, None)
    if press is not None:
        await db.execute(SQL["close_press"], press["reply_id"], at)
    if answer is not None:
        await _take_back(db, subject, message.person_id, theirs, "link", at)
    return answer is not None or press is not None


async def undo_comment(db: Connection, *, message_id: int, at: datetime) -> bool:
    """Undo the latest comment beside the answer on the page of a message's link; the answer stays.

    Returns:
        Whether there was one.
    """
    message = await find_campaign_message(db, message_id)
    answer = await _retractable(db, message, at)
    if answer is None or not answer.comment_ids:
        return False
    await _take_back(db, message.subject, message.person_id, answer.comment_ids[-1:], "link", at)
    return True


async def undo_call(db: Connection, *, message_id: int, at: datetime) -> bool:
    """Undo the wish for a call on the page of a message's link; the answer stays.

    Returns:
        Whether there was one that nobody had dealt with.
    """
    return await db.fetchval(SQL["close_call"], message_id, at) is not None


async def take_back_by_reply(db: Connection, message: AnsweredMessage, channel: AnswerChannel, at: datetime) -> bool:
    """Take back the answer of somebody whose reply takes it back, and confirm that to them.

    Args:
        db: in the transaction that stores the reply.
        message: the message that the reply answers; it was sent to its author.
        channel: how the reply came.
        at: when; aware.

    Returns:
        Whether there was an answer to take back.
    """
    subject, person_id = message.subject, message.person_id
    if subject is None or person_id is None:
        return False
    answer = await subject.retractable_answer(db, message.message_id, person_id)
    if answer is None or subject.why_not_counted(at) is not None:
        return False
    await _take_back(db, subject, person_id, answer.all_ids, channel, at)
    await confirm_taken_back(db, message, subject, person_id, at)
    return True


async def _retractable(db: Connection, message: CampaignMessage, at: datetime) -> RetractableAnswer | None:
    """Return the answer that the page of a message's link may take back now; None for none."""
    if message.subject.why_not_counted(at) is not None:
        return None
    return await message.subject.retractable_answer(db, message.message_id, message.person_id)


async def _take_back(
    db: Connection, subject: Subject, person_id: int, answer_ids: Sequence[int], channel: AnswerChannel, at: datetime
) -> None:
    """Take back a person's answer and comments, the latest first; staff need not look at them any more."""
    for answer_id in reversed(answer_ids):
        await subject.retract(db, answer_id, recorder="member", channel=channel)
        await db.execute(SQL["empty_words"], subject.kind, answer_id)
    await db.execute(SQL["close_answers"], person_id, subject.kind, list(answer_ids), at)
