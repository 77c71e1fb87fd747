"""What a member's text is answered at once, by whichever provider it came.

That is: that an opt-out was understood, or that pictures cannot be read. Everything else is answered by people.
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
    """Something to answer.

    Attributes:
        what: its key in words.toml.
        language: theirs.
        organisation: who wrote to them last; "" where nobody knows.
    """

    what: Literal["sms_stopped", "sms_no_pictures"]
    language: str
    organisation: str


async def what_to_say(
    runtime: Runtime, *, phone: str, senders: Sequence[str], text: str, pictures: bool
) -> ToSay | None:
    """What to answer to a text, or None; asked before it is stored, for soon after it the phone may be out.

    A phone that is out already hears nothing more from us: two machines must not answer each other for ever.

    Args:
        runtime: knows who is out.
        phone: who wrote, as E.164.
        senders: what they wrote to.
        text: their words.
        pictures: whether pictures or the like came with it.

    Raises:
        Unavailable: the database does not answer.
    """
    read = read_reply(text)
    if read.reading == "opt_out":  # what it answers is looked up only where it may be our own words
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
    """The words, or None where this phone has been told. Said once at most, whatever comes of it.

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
    return words[0].upper() + words[1:]  # better from nobody than from “Your organisation”


async def _reread(runtime: Runtime, phone: str, senders: Sequence[str], text: str) -> Classification:
    async with runtime.pool.acquire() as db:
        return await read_text(db, phone=phone, senders=senders, text=text, at=runtime.clock())


async def _organisation(runtime: Runtime, phone: str, senders: Sequence[str]) -> str:
    """Who they hear it from: whoever's ballot they were last written to about."""
    async with runtime.pool.acquire() as db:
        asked = await find_answered(db, channel="sms", address=phone, senders=senders, at=runtime.clock())
        ballots = await db.fetchval(SQL["organisation"], asked["ballot_id"]) if asked is not None else None
        return ballots or runtime.settings.named


async def _is_out(runtime: Runtime, phone: str) -> bool:
    async with runtime.pool.acquire() as db:
        return any(one.reason == Reason.OPTED_OUT for one in await standing(db, channel="sms", address=phone))
