"""Replies by text or mail: the subject of the message a reply answers records its answer, or it opts its author out.

Each reply has a row. The subject decides what is recorded: a claim about a ballot, a response to a question, nothing
about a notice. What a reply becomes is decided in `reply_decision`; `presses` processes buttons in the same way.

Everything here happens in the caller's transaction: the claim or response, the withdrawal of messages still queued for
the person, the opt-out and the reply are committed together or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, Literal

from campaigns.replies.answered_messages import (
    AnsweredMessage,
    asked_about,
    find_answered_message,
    find_campaign_message,
)
from campaigns.replies.auto_replies.ask_back import ask_back
from campaigns.replies.classification import BESIDE, GENERAL, Classification
from campaigns.replies.classification.answer_corrections import TAKE_BACK
from campaigns.replies.classification.named_answers import as_unclear
from campaigns.replies.confidence import READ_BY_STAFF
from campaigns.replies.earlier_words import joined, take_earlier_words
from campaigns.replies.open_asks import MessageChoice, OpenAsk, choose_message
from campaigns.replies.opt_outs import is_opted_out
from campaigns.replies.reading_effect import apply_to_messages, resume_by_reply
from campaigns.replies.replies import NewReply, StoredReply, add_reply
from campaigns.replies.reply_decision import answer_of_reply, classification_about, decide_reply, without_take_back
from campaigns.replies.take_back import take_back_by_reply
from campaigns.replies.text_classification import classify_text
from campaigns.subjects.answer import Answer, AnswerChannel
from campaigns.subjects.answering import Answering
from campaigns.subjects.kinds import KINDS
from core.access import Actor
from core.db import Connection, load_queries
from core.errors import Conflict
from people.search import find_holders

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class Inbound:
    """Inbound reply, by text or email.

    Attributes:
        inbound_id: its row in the inbound log.
        channel: `sms` or `email`.
        address: the address it came from, normalised.
        senders: the addresses it was sent to: our number, and the messaging service if there is one.
        text: its text, as stored.
        received_at: when it came; aware.
        opt_out_type: the keyword that the provider recognised and acted on: `STOP`, `START`, `HELP`, or None.
        media: number of attached pictures and the like; they are not fetched.
        message_id: the message it answers, if it proves that; else it is found by the addresses.
        proven: whether it may change anything by itself. Anybody can write an email in another's name, so staff read an
            unproven one, whatever it says.
        read: its classification, if it was classified when it came, as emails always are.
    """

    inbound_id: int
    channel: Literal["sms", "email"]
    address: str
    senders: tuple[str, ...]
    text: str
    received_at: datetime
    opt_out_type: str | None = None
    media: int = 0
    message_id: int | None = None
    proven: bool = True
    read: Classification | None = None


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """Result of processing an answer.

    Attributes:
        reading: its reading.
        answer_id: the answer it became (such as a claim about a ballot), if any.
        reply_id: its row among the replies, if it has one.
        why_open: why staff have to look at it; None if nobody has to.
    """

    reading: str
    answer_id: int | None = None
    reply_id: int | None = None
    why_open: str | None = None


@dataclass(frozen=True, slots=True)
class _ReadReply:
    """Reply that was read, with the message it answers.

    Attributes:
        inbound: the reply.
        message: the message it answers; None for none.
        candidates: where it could answer several: all of these.
        read: its classification, by what that message asked about.
        person_id: its author, where they are known.
        author_doubt: why they are not certain enough for an answer; None if they are.
    """

    inbound: Inbound
    message: AnsweredMessage | None
    candidates: tuple[OpenAsk, ...]
    read: Classification
    person_id: int | None
    author_doubt: str | None

    @property
    def subject(self) -> Answering | None:
        """Subject that the message asked about; None for none."""
        return asked_about(self.message)

    @property
    def is_proven(self) -> bool:
        """Tell whether it may change anything: a reply to a message that has been deleted proves nothing any more."""
        return self.inbound.proven and (self.message is not None or self.inbound.message_id is None)


async def answer_reply(db: Connection, inbound: Inbound) -> AnswerResult:
    """Process a reply. Processing it again changes nothing.

    Args:
        db: in the caller's transaction.
        inbound: the reply.
    """
    before = await db.fetchrow(SQL["find_reply"], inbound.inbound_id)
    choice = await _answered(db, inbound) if inbound.proven else MessageChoice(None)
    read = await _read(db, inbound, choice)
    if before is not None:
        return AnswerResult(read.reading, before["answer_id"], before["reply_id"], before["why_open"])
    reply = _ReadReply(inbound, choice.message, choice.candidates, read, *await _author_of(db, inbound, choice.message))
    await _apply(db, reply)
    if read.reading == TAKE_BACK and not await _take_back(db, reply):
        reply = replace(reply, read=without_take_back(read))
    decision = decide_reply(reply.read, reply.subject, reply.author_doubt, inbound.channel, inbound.received_at)
    answer_id, earlier = await _record(db, reply, decision.meaning)
    why, asked_until = await _why_open(db, reply, decision.why_open)
    return AnswerResult(
        reply.read.reading, answer_id, await _store(db, reply, answer_id, why, asked_until, earlier), why
    )


async def _apply(db: Connection, reply: _ReadReply) -> None:
    """Stop or resume messages to the address, where the reply says so."""
    if not reply.is_proven:
        return
    inbound, message = reply.inbound, reply.message
    await apply_to_messages(
        db, reply.read.reading, channel=inbound.channel, address=inbound.address,
        written_to=message.address if message is not None and inbound.message_id is not None else None,
        source=f"{inbound.channel}_reply", message_id=message.message_id if message else None,
        resume=partial(resume_by_reply, received_at=inbound.received_at),
    )  # fmt: skip


async def _take_back(db: Connection, reply: _ReadReply) -> bool:
    """Take back the author's answer; return whether there was one that they may take back so."""
    if not reply.is_proven or reply.message is None or reply.author_doubt is not None:
        return False
    return await take_back_by_reply(db, reply.message, reply.inbound.channel, reply.inbound.received_at)


async def _record(db: Connection, reply: _ReadReply, meaning: str | None) -> tuple[int | None, str]:
    """Record the answer of a reply; return its id, None if it is no answer, and the words of theirs from before."""
    inbound, message, subject = reply.inbound, reply.message, reply.subject
    if meaning is None or message is None or subject is None or reply.person_id is None:
        return None, ""
    answer = answer_of_reply(
        reply.read, meaning, message, person_id=reply.person_id, channel=inbound.channel, at=inbound.received_at
    )
    earlier = await take_earlier_words(db, message, reply.person_id)
    return await subject.record(db, replace(answer, comment=joined(earlier, answer.comment))), earlier


async def _why_open(db: Connection, reply: _ReadReply, decided: str | None) -> tuple[str | None, datetime | None]:
    """Return why staff have to look at a reply, and until when its author has been asked back instead, if they have."""
    inbound, message = reply.inbound, reply.message
    why = decided if reply.is_proven or reply.read.reading == "reaction" else reply.author_doubt
    if why != "unclear" or message is None or reply.subject is None or not reply.is_proven:
        return why, None
    asked_until = await ask_back(db, message, inbound.text, reply.read, reply.candidates, inbound.received_at)
    is_asked = asked_until is not None and asked_until > inbound.received_at
    return None if is_asked else why, asked_until


async def _store(
    db: Connection,
    reply: _ReadReply,
    answer_id: int | None,
    why: str | None,
    asked_until: datetime | None,
    earlier: str,
) -> int:
    """Store a reply as it was read; return its id."""
    inbound, subject = reply.inbound, reply.subject
    new = NewReply(
        inbound_id=inbound.inbound_id, channel=inbound.channel, address=inbound.address, sender=inbound.senders[0],
        person_id=reply.person_id, message_id=reply.message.message_id if reply.message else None, text=inbound.text,
        read=reply.read, subject_kind=subject.kind if subject else None, answer_id=answer_id, why_open=why,
        received_at=inbound.received_at, asked_until=asked_until,
        note=f"Before, they wrote: “{earlier}”" if earlier else None,
    )  # fmt: skip
    return await add_reply(db, new)


async def record_answer(
    db: Connection,
    *,
    message_id: int,
    person_id: int,
    meaning: str,
    channel: AnswerChannel,
    actor: Actor,
    at: datetime,
    comment: str = "",
) -> int:
    """Record the answer that a member of staff read in a reply, with the reply's words.

    Returns:
        The answer's id.

    Raises:
        NotFound: no such message or person.
        Conflict: it is no answer to the message's subject.
    """
    message = await find_campaign_message(db, message_id)
    subject = message.subject
    if meaning not in subject.meanings:
        possible = ", ".join(sorted(GENERAL | subject.meanings))
        raise Conflict(f"“{meaning}” is no answer to {subject.label}.", remedy=f"It can be read as {possible}.")
    answered = (message.message_id, at, message.campaign_id)
    return await subject.record(db, Answer(person_id, meaning, channel, actor.name, READ_BY_STAFF, *answered, comment))


async def retract_answer(db: Connection, reply: StoredReply, *, actor: Actor) -> None:
    """Take back the answer that a reply became, if any.

    Args:
        db: in the transaction that locked it.
        reply: the reply.
        actor: who takes it back.
    """
    if reply.answer_kind is not None and reply.answer_id is not None:
        await KINDS[reply.answer_kind].retract(db, reply.answer_id, recorder=actor.name, channel=reply.channel)


async def _answered(db: Connection, inbound: Inbound) -> MessageChoice:
    latest = await find_answered_message(
        db, channel=inbound.channel, address=inbound.address, senders=inbound.senders, at=inbound.received_at,
        message_id=inbound.message_id,
    )  # fmt: skip
    if inbound.channel == "email" or inbound.message_id is not None:
        return MessageChoice(latest)
    return await choose_message(
        db,
        inbound.text,
        latest,
        inbound.read,
        address=inbound.address,
        senders=inbound.senders,
        at=inbound.received_at,
    )


async def _read(db: Connection, inbound: Inbound, choice: MessageChoice) -> Classification:
    """Return the classification of a reply by what it answers; unclear where that could be several messages."""
    earlier = None if choice.other else inbound.read
    read = earlier or classify_text(inbound.text, choice.message)
    read = await _read_about(db, inbound, read, choice.message)
    return as_unclear(read) if choice.candidates else read


async def _read_about(
    db: Connection, inbound: Inbound, read: Classification, message: AnsweredMessage | None
) -> Classification:
    """Return the classification of a reply to its message; a keyword that the provider acted on comes first."""
    subject = asked_about(message)
    read = classification_about(read, inbound.text, message, inbound.channel)
    match inbound.opt_out_type:
        case "STOP" if read.reading != "opt_out":
            beside = BESIDE if subject is None else BESIDE | subject.meanings
            return Classification("opt_out", "provider", read.version, read.reading if read.reading in beside else None)
        case "HELP":
            return Classification("help", "provider", read.version)
        # Twilio takes "yes" for START too, but from somebody who never opted out it is only a "yes"
        case "START" if await is_opted_out(db, inbound.channel, inbound.address):
            return Classification("opt_in", "provider", read.version)
    if read.reading == "unclear" and inbound.media and not inbound.text.strip():
        return Classification("unclear", "media", read.version)
    return read


async def _author_of(
    db: Connection, inbound: Inbound, message: AnsweredMessage | None
) -> tuple[int | None, str | None]:
    """Return the author, and the reason why they are not certain enough for a claim; None if they are."""
    holders = [holder.person_id for holder in await find_holders(db, [(inbound.channel, inbound.address)])]
    if message is None or message.person_id is None:
        doubt = "no_message" if message is None else None
        return (holders[0], doubt) if len(holders) == 1 else (None, "shared_address" if holders else "unknown_sender")
    if holders == [message.person_id]:
        return message.person_id, None
    return None, "shared_address" if holders else "unknown_sender"
