"""Asking back: somebody whose answer cannot be read is texted once how to answer; after that, staff read it.

The question goes by the channel that the reply came by. Somebody is not asked back if they have answered already, may
have wanted to opt out, or if the words may be ours or a machine's. An unclear reply first waits for a better one, for
`ANSWER_TIMEOUT` of waking hours; one that clearly says something else ("I'll be 10 minutes late") waits for staff at
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.replies.answered_messages import AnsweredMessage
from campaigns.replies.asking_words import how_to_answer, menu_words, offered
from campaigns.replies.auto_replies.sending import send_auto_reply
from campaigns.replies.classification import Classification
from campaigns.replies.classification.answer_corrections import TAKE_BACK, may_take_back, says_something_else
from campaigns.replies.classification.named_answers import CONTRADICTION, WHICH, WHICH_ANSWER
from campaigns.replies.open_asks import OpenAsk
from campaigns.sending_windows import NIGHT
from core.db import Connection, load_queries
from messaging.content.translations import wording

SQL: Final = load_queries(__file__)

ANSWER_TIMEOUT: Final = timedelta(hours=2)
"""Time for a better answer before staff read the reply. Most people answer a text within minutes or not at all; a
reply at nine is read before noon, and one in the evening on the next morning."""
_UNREADABLE: Final = frozenset({"none", TAKE_BACK, WHICH, WHICH_ANSWER, CONTRADICTION})
"""Rules of unclear replies whose words are certainly the person's, and no opt-out."""

_WHAT_IS_ASKED: Final = {WHICH_ANSWER: "undo_which", TAKE_BACK: "nothing_to_undo"}
"""Words that ask back where a reply takes an answer back, by its rule: keys of words.toml."""


async def ask_back(
    db: Connection,
    message: AnsweredMessage,
    text: str,
    read: Classification,
    candidates: Sequence[OpenAsk],
    at: datetime,
) -> datetime | None:
    """Ask somebody back, if that can help and has not been done before.

    Somebody who has answered already and seems to take that back is told instead that staff will read it.

    Args:
        db: in the transaction that stores the reply.
        message: the message that the reply answers; it was sent to its author.
        text: the reply.
        read: its classification.
        candidates: all messages that the reply could answer, if there are several.
        at: when it came; aware.

    Returns:
        When the reply begins to wait for staff if no better one comes: `at` itself if at once. None if nobody is asked.
    """
    subject = message.subject
    takes_answers = subject is not None and subject.reads_answers and subject.why_not_counted(at) is None
    if subject is None or not takes_answers or read.rule not in _UNREADABLE:
        return None
    known = await db.fetchrow(
        SQL["find_earlier_ask"],
        message.channel,
        message.address,
        subject.kind,
        subject.subject_id,
        message.person_id,
    )
    assert known is not None
    if known["asked_before"]:
        return None
    words = wording(known["language"], subject.kind)
    if known["answered"] is not None and not candidates:
        if not may_take_back(text):
            return None
        label = subject.words(known["language"])[f"answer_{known['answered']}"]
        await send_auto_reply(
            db, message, subject, words["will_read"].format(answer=label), words["took_back_subject"], at
        )
        return at
    what = _WHAT_IS_ASKED.get(read.rule, "ask_which" if candidates else "ask_back")
    match what:
        case "undo_which":
            asks = _asks_which_answer(candidates, known["language"])
        case "ask_which":
            asks = _asks_which(candidates, known["language"])
        case _:
            asks = how_to_answer(subject, message, known["language"])
    if asks is None:
        return None
    question = words[what].format(asks=asks)
    mail_subject = words["took_back_subject" if what in _WHAT_IS_ASKED.values() else "ask_back_subject"]
    await send_auto_reply(db, message, subject, question, mail_subject, at)
    known_words = [*subject.phrases(), *offered(message)]
    return at if says_something_else(text, known_words) else patient_until(at, ZoneInfo(subject.time_zone))


def patient_until(at: datetime, zone: ZoneInfo) -> datetime:
    """Return the end of `ANSWER_TIMEOUT` after a moment; only the waking hours in a time zone count."""
    night, morning = NIGHT
    local, left = at.astimezone(zone).replace(tzinfo=None), ANSWER_TIMEOUT
    while True:
        local = max(local, datetime.combine(local.date(), morning))
        awake = datetime.combine(local.date(), night) - local
        if left <= awake:
            return (local + left).replace(tzinfo=zone).astimezone(at.tzinfo)
        left -= max(awake, timedelta())
        local = datetime.combine(local.date() + timedelta(days=1), morning)


def _asks_which(candidates: Sequence[OpenAsk], language: str) -> str | None:
    """Return the titles and menus of everything that a reply could answer; None if one has no menu."""
    menus = [(ask.subject, menu_words(ask.subject, ask.message, language, lettered=True)) for ask in candidates]
    if any(menu is None for _, menu in menus):
        return None
    about = str(wording(language, candidates[0].subject.kind)["ask_about"])
    return " ".join(about.format(title=subject.title_in(language), menu=menu) for subject, menu in menus)


def _asks_which_answer(candidates: Sequence[OpenAsk], language: str) -> str | None:
    """Return how to take back each of several answers; None if their letters do not tell them apart."""
    letters = {ask.subject.letter for ask in candidates} - {""}
    if len(letters) < len(candidates):
        return None
    about = str(wording(language, candidates[0].subject.kind)["undo_about"])
    subjects = [ask.subject for ask in candidates]
    return " ".join(about.format(title=subject.title_in(language), letter=subject.letter) for subject in subjects)
