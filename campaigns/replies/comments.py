"""Comments that people leave on the page of a message's link, beside their answer or without one."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from campaigns.replies.answered_messages import answered_message
from campaigns.replies.answers import PRESSED, AnswerResult
from campaigns.replies.classification import Classification
from campaigns.replies.classification.named_answers import CANCEL, read_words
from campaigns.replies.open_reasons import COMMENT, reason_for
from campaigns.replies.opt_outs import opt_out
from campaigns.subjects.answer import Answer
from campaigns.subjects.subject import Subject
from core.control_characters import without_controls
from core.db import Connection, load_queries
from staff.quoted_links import without_links

SQL: Final = load_queries(__file__)


async def comment_link(db: Connection, *, message_id: int, words: str, inbound_id: int, at: datetime) -> AnswerResult:
    """Keep a comment: it waits for staff where its answer is low, or where it asks for something; else it is only kept.

    One that asks for no more messages opts the person out everywhere, as the page's button does; its reading says so.
    The same words once more, as after going back in the browser, are one comment.

    Args:
        db: in the caller's transaction.
        message_id: the message of the link.
        words: the comment; not blank.
        inbound_id: the row of the press in the inbound log.
        at: the time.

    Raises:
        NotFound: no such message.
    """
    message = await answered_message(db, message_id)
    subject, person_id = message.subject, message.person_id
    comment = await without_links(db, without_controls(words).strip(), now=at)
    if (same := await db.fetchrow(SQL["find_same"], message_id, comment)) is not None:
        return AnswerResult("comment", same["answer_id"], same["reply_id"], same["why_open"])
    answer = Answer(person_id, "", "link", "member", PRESSED, message_id, at, message.campaign_id, comment)
    answer_id = await subject.record(db, answer)
    general = read_words(comment)
    if general.reading == "opt_out":
        await opt_out(db, message_id=message_id, everywhere=True, source="link")
    present = await db.fetchval(SQL["find_present_answer"], subject.kind, subject.subject_id, person_id)
    why = _wish_in(general, subject) or subject.why_open(present) or (COMMENT if "?" in comment else None)
    reply_id = await db.fetchval(
        SQL["add_comment"], inbound_id, message.address, message.sender or "", person_id, message_id, comment,
        subject.kind, answer_id, why, at,
    )  # fmt: skip
    return AnswerResult("opt_out" if general.reading == "opt_out" else "comment", answer_id, reply_id, why)


def _wish_in(read: Classification, subject: Subject) -> str | None:
    """Return why staff have to look at a comment that asks for something; None where it asks for nothing."""
    if read.rule == CANCEL:
        return CANCEL
    return reason_for(read.reading, subject) if read.reading != "unclear" else None
