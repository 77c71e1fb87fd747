"""Automatic answers to members' texts, for every SMS provider.

Only two things are answered at once: that an opt-out was understood, and that pictures cannot be read. Everything else
is answered by people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from campaigns.replies.answered_messages import find_answered
from campaigns.replies.answers import read_text
from campaigns.replies.classification import Classification, read_reply
from core.db import load_queries
from core.db.in_time import answer_in_time
from core.runtime import Runtime
from messaging.states import Reason
from messaging.suppression import standing
from webhooks.members.translations import wording

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class ToSay:
    """Automatic answer to a text.

    Attributes:
        what: its key in words.toml.
        language: the member's.
        organisation: the organisation that wrote to them last; "" where it is unknown.
    """

    what: Literal["sms_stopped", "sms_no_pictures"]
    language: str
    organisation: str


async def what_to_say(
    runtime: Runtime, *, phone: str, senders: Sequence[str], text: str, pictures: bool
) -> ToSay | None:
    """Decide what to answer to a text; None for nothing.

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
    read = read_reply(text)
    if read.reading == "opt_out":  # look up the answered message only here: the words may be quoted from it
        read = await answer_in_time(_reread(runtime, phone, senders, text))
    if read.reading == "opt_out":
        what: Literal["sms_stopped", "sms_no_pictures"] = "sms_stopped"
    elif pictures:
        what = "sms_no_pictures"
    else:
        return None
    if await answer_in_time(_is_out(runtime, phone)):
        return None
    return ToSay(what, read.language, await answer_in_time(_organisation(runtime, phone, senders)))


async def say(runtime: Runtime, phone: str, to_say: ToSay) -> str | None:
    """Return the text of an answer; None where this phone has had it. It counts as sent, whether or not sending works.

    Raises:
        Unavailable: the database does not answer.
    """
    if to_say.what == "sms_no_pictures":
        told = runtime.pool.fetchval(SQL["tell_once"], "sms", phone, "no_pictures", runtime.clock())
        if not await answer_in_time(told):
            return None
    words = str(wording(to_say.language)[to_say.what]).format(organisation=to_say.organisation)
    if to_say.organisation:
        return words
    words = words.lstrip(": ")
    return words[0].upper() + words[1:]  # no name is better than “Your organisation”


async def _reread(runtime: Runtime, phone: str, senders: Sequence[str], text: str) -> Classification:
    async with runtime.pool.acquire() as db:
        return await read_text(db, phone=phone, senders=senders, text=text, at=runtime.clock())


async def _organisation(runtime: Runtime, phone: str, senders: Sequence[str]) -> str:
    """Return the organisation whose ballot the member was last written to about."""
    async with runtime.pool.acquire() as db:
        asked = await find_answered(db, channel="sms", address=phone, senders=senders, at=runtime.clock())
        ballots = await db.fetchval(SQL["organisation"], asked["ballot_id"]) if asked is not None else None
        return ballots or runtime.settings.named


async def _is_out(runtime: Runtime, phone: str) -> bool:
    async with runtime.pool.acquire() as db:
        return any(one.reason == Reason.OPTED_OUT for one in await standing(db, channel="sms", address=phone))
