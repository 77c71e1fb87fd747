"""Asking back: somebody whose answer cannot be read is texted once how to answer; after that, staff read it.

It goes by the channel that the reply came by. Nobody is asked back who has answered already, who may have wanted to
opt out, or whose words may be ours or a machine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from campaigns.replies.automatic_texts import asking_words, menu_words, named
from campaigns.replies.classification import Classification
from campaigns.replies.classification.named_answers import CONTRADICTION, WHICH
from campaigns.replies.open_asks import OpenAsk
from campaigns.subjects.kinds import subject_of
from campaigns.subjects.subject import Subject
from core.db import Connection, load_queries
from messaging.content.translations import wording
from messaging.outbox.senders import find_sender
from messaging.outbox.transactional import Contents, MessageKind, NewMessage, send_to

SQL: Final = load_queries(__file__)

WITHIN: Final = timedelta(days=1)
"""Time after a reply in which asking back still makes sense."""
_UNREADABLE: Final = frozenset({"none", WHICH, CONTRADICTION})
"""Rules of unclear replies whose words are surely the person's, and no opt-out."""


async def ask_back(
    db: Connection, message: asyncpg.Record, read: Classification, unsure: Sequence[OpenAsk], at: datetime
) -> bool:
    """Ask somebody back, if that can help and has not been done before.

    Args:
        db: in the transaction that stores the reply.
        message: the message that the reply answers; it was sent to its author.
        read: the classification of the reply.
        unsure: where the reply could answer several messages, all of these.
        at: when it came; aware.

    Returns:
        Whether they are asked; the reply then need not wait for a person.
    """
    subject = subject_of(message["subject"])
    if read.rule not in _UNREADABLE or not subject.reads_answers or subject.outside(at) is not None:
        return False
    known = await db.fetchrow(
        SQL["find_earlier_ask"],
        message["channel"],
        message["address"],
        subject.kind,
        subject.subject_id,
        message["person_id"],
    )
    assert known is not None
    if known["asked_before"] or (known["answered"] and not unsure):
        return False
    contents = _contents(subject, message, unsure, known["language"])
    if contents is None:
        return False
    new = NewMessage(
        MessageKind.AUTO_REPLY, message["channel"], message["address"],
        await find_sender(db, message["channel"], [message["sender"]]), contents, "muster", message["person_id"],
        send_before=at + WITHIN, about=message["message_id"],
    )  # fmt: skip
    await send_to(db, new, at=at)
    return True


def _contents(subject: Subject, message: asyncpg.Record, unsure: Sequence[OpenAsk], language: str) -> Contents | None:
    """Return what to say; None where it cannot be said how to answer."""
    words = wording(language, subject.kind)
    if unsure:
        menus = [(ask.subject, menu_words(ask.subject, ask.message, language, lettered=True)) for ask in unsure]
        if any(menu is None for _, menu in menus):
            return None
        asks = " ".join(words["ask_about"].format(title=about.title_in(language), menu=menu) for about, menu in menus)
        text = str(words["ask_which"].format(asks=asks))
    elif (asking := asking_words(subject, message, language)) is not None:
        text = asking
    else:
        return None
    organisation = subject.organisation
    if message["channel"] == "sms":
        return Contents(named(organisation, text))
    return Contents(f"{text}\n\n{organisation}".strip(), subject=str(words["ask_back_subject"]))
