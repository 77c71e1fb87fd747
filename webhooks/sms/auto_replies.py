"""Automatic answers to members' texts, for every SMS provider.

Only two things are answered at once: that an opt-out was understood, and that pictures cannot be read. Everything else
is answered by people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from campaigns.replies.answered_messages import find_answered
from campaigns.replies.classification import Classification
from campaigns.replies.text_classification import classify_text
from campaigns.subjects.kinds import subject_of
from core.db import Connection, load_queries
from core.db.in_time import answer_in_time
from core.runtime import Runtime
from messaging.states import Reason
from messaging.suppression import active_suppressions
from webhooks.members.translations import wording

SQL: Final = load_queries(__file__)

Automatic = Literal["sms_stopped", "sms_no_pictures"]


@dataclass(frozen=True, slots=True)
class AutoReply:
    """Automatic answer to a text.

    Attributes:
        what: its key in words.toml.
        language: the member's.
        organisation: the organisation that wrote to them last; "" where it is unknown.
    """

    what: Automatic
    language: str
    organisation: str


@dataclass(frozen=True, slots=True)
class NewText:
    """Text that has just come: its classification, which is stored with it, and the automatic answer it gets."""

    read: Classification
    reply: AutoReply | None


async def read_new_text(runtime: Runtime, *, phone: str, senders: Sequence[str], text: str, pictures: bool) -> NewText:
    """Classify a text, and decide what to answer.

    Call it before the text is stored, for soon after that the phone may be opted out. A phone that is opted out already
    gets no answer: two machines must not answer each other for ever.

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


async def write_reply(runtime: Runtime, phone: str, reply: AutoReply) -> str | None:
    """Return the text of an answer; None where this phone has had it. It counts as sent, whether or not sending works.

    Raises:
        Unavailable: the database does not answer.
    """
    if reply.what == "sms_no_pictures":
        told = runtime.pool.fetchval(SQL["tell_once"], "sms", phone, "no_pictures", runtime.clock())
        if not await answer_in_time(told):
            return None
    words = str(wording(reply.language)[reply.what]).format(organisation=reply.organisation)
    if reply.organisation:
        return words
    words = words.lstrip(": ")
    return words[0].upper() + words[1:]  # no name is better than “Your organisation”


async def _read_new_text(runtime: Runtime, phone: str, senders: Sequence[str], text: str, *, pictures: bool) -> NewText:
    async with runtime.pool.acquire() as db:
        asked = await find_answered(db, channel="sms", address=phone, senders=senders, at=runtime.clock())
        read = classify_text(text, asked)
        what = _answer_to(read, pictures=pictures)
        if what is None or await _has_opted_out(db, phone):
            return NewText(read, None)
        # the organisation that the member was last written to by
        theirs = subject_of(asked["subject"]).organisation if asked is not None else ""
        return NewText(read, AutoReply(what, read.language, theirs or runtime.settings.named))


def _answer_to(read: Classification, *, pictures: bool) -> Automatic | None:
    if read.reading == "opt_out":
        return "sms_stopped"
    return "sms_no_pictures" if pictures else None


async def _has_opted_out(db: Connection, phone: str) -> bool:
    return any(one.reason == Reason.OPTED_OUT for one in await active_suppressions(db, channel="sms", address=phone))
