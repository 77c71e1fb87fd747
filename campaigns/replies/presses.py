"""Presses of buttons on the page of a message's link: answers, requests, and comments beside an answer or without one.

Everything is committed in the caller's transaction, as for replies.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from campaigns.replies.answered_messages import find_campaign_message
from campaigns.replies.answers import AnswerResult
from campaigns.replies.classification import Classification
from campaigns.replies.classification.named_answers import CANCEL, read_words
from campaigns.replies.confidence import PRESSED_ONCE
from campaigns.replies.earlier_words import take_earlier_words
from campaigns.replies.open_reasons import COMMENT, reason_for
from campaigns.replies.opt_outs import opt_out
from campaigns.replies.replies import NewReply, add_reply
from campaigns.subjects.answer import Answer
from campaigns.subjects.subject import Subject
from core.control_characters import without_controls
from core.db import Connection, load_queries
from staff.quoted_links import without_links

SQL: Final = load_queries(__file__)

BUTTON_VERSION: Final = "1"
"""Version of the rules that is stored with a button: no rules read it, because the page says what it means."""

_REQUESTS: Final = {"call_me": "call_me", "stop": "opt_out"}
"""Buttons that mean the same on every page, and the reading of each."""


async def answer_link(
    db: Connection, *, message_id: int, press: str, confidence: float, inbound_id: int, at: datetime
) -> AnswerResult:
    """Process a button pressed on the page of a message's link.

    Args:
        db: in the caller's transaction.
        message_id: the message of the link.
        press: the button; one of the subject's `presses`, `call_me` or `stop`.
        confidence: see `confidence`.
        inbound_id: the row of the press in the inbound log.
        at: the time.

    Raises:
        NotFound: no such message.
    """
    message = await find_campaign_message(db, message_id)
    subject = message.subject
    reading = _REQUESTS.get(press) or subject.presses[press]
    if reading == "opt_out":
        await opt_out(db, message_id=message_id, everywhere=True, source="link")
        return AnswerResult(reading)
    answer_id = None
    if reading in subject.meanings:
        earlier = await take_earlier_words(db, message, message.person_id)
        answer = Answer(
            message.person_id, reading, "link", "member", confidence, message.message_id, at, message.campaign_id,
            earlier,
        )  # fmt: skip
        answer_id = await subject.record(db, answer)
    why = reason_for(reading, subject)
    if why is None:
        return AnswerResult(reading, answer_id)
    new = NewReply(
        inbound_id=inbound_id, channel="link", address=message.address, sender=message.sender or "",
        person_id=message.person_id, message_id=message_id, text="",
        read=Classification(reading, "button", BUTTON_VERSION), subject_kind=subject.kind, answer_id=answer_id,
        why_open=why, received_at=at,
    )  # fmt: skip
    reply_id = await add_reply(db, new)
    return AnswerResult(reading, answer_id, reply_id, why)


async def comment_link(db: Connection, *, message_id: int, words: str, inbound_id: int, at: datetime) -> AnswerResult:
    """Keep a comment, which waits for staff if its answer is low, or if it asks for something.

    A comment that asks for no more messages opts the person out everywhere, as the page's button does; its reading says
    so. The same words sent twice, as after going back in the browser, are one comment.

    Args:
        db: in the caller's transaction.
        message_id: the message of the link.
        words: the comment; not blank.
        inbound_id: the row of the press in the inbound log.
        at: the time.

    Raises:
        NotFound: no such message.
    """
    message = await find_campaign_message(db, message_id)
    subject, person_id = message.subject, message.person_id
    comment = await without_links(db, without_controls(words).strip(), now=at)
    if (same := await db.fetchrow(SQL["find_same_comment"], message_id, comment)) is not None:
        return AnswerResult("comment", same["answer_id"], same["reply_id"], same["why_open"])
    answer = Answer(person_id, "", "link", "member", PRESSED_ONCE, message_id, at, message.campaign_id, comment)
    answer_id = await subject.record(db, answer)
    general = read_words(comment)
    if general.reading == "opt_out":
        await opt_out(db, message_id=message_id, everywhere=True, source="link")
    present = await db.fetchval(SQL["find_present_answer"], subject.kind, subject.subject_id, person_id)
    why = _wish_in(general, subject) or subject.why_open(present) or (COMMENT if "?" in comment else None)
    new = NewReply(
        inbound_id=inbound_id, channel="link", address=message.address, sender=message.sender or "",
        person_id=message.person_id, message_id=message_id, text=comment,
        read=Classification("comment", "button", BUTTON_VERSION), subject_kind=subject.kind, answer_id=answer_id,
        why_open=why, received_at=at,
    )  # fmt: skip
    reply_id = await add_reply(db, new)
    return AnswerResult("opt_out" if general.reading == "opt_out" else "comment", answer_id, reply_id, why)


def _wish_in(read: Classification, subject: Subject) -> str | None:
    """Return why staff have to look at a comment that asks for something; None if it asks for nothing."""
    if read.rule == CANCEL:
        return CANCEL
    return reason_for(read.reading, subject) if read.reading != "unclear" else None
