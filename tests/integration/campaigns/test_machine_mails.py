"""Mails of machines and lists that answer ours: none is an answer, and a lone opt-out is obeyed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from campaigns.replies.answered_messages import words_of
from campaigns.replies.reclassify import reclassify
from core.db import Connection
from core.runtime import Runtime
from messaging.outbox.history import find_history
from muster.operator import operator
from tests.support.clocks import FixedClock
from tests.support.mail_replies import answer, last_reply, letter, reply_address
from tests.support.mail_rows import ANN, MailroomSetup, open_room
from webhooks import process_inbound

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

QUOTED = (
    "\r\n\r\nOn Sun, 22 Nov 2026 at 11:00, The Union <ballot@union.test> wrote:\r\n> Have you voted? STOP to stop.\r\n"
)


@pytest.fixture
async def room(runtime: Runtime, db: Connection) -> AsyncIterator[MailroomSetup]:
    async with open_room(runtime, db, FixedClock(NOON)) as room:
        yield room


async def test_answers_of_machines_are_not_read(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    to = reply_address(room, recipient)
    automatic: tuple[dict[str, Any], ...] = (
        {"Auto-Submitted": "auto-replied"}, {"X-Autoreply": "yes", "Precedence": "bulk"},
    )  # fmt: skip
    for headers in automatic:
        assert await room.hand_over(letter("I have voted. STOP", **headers), to, ANN) == 250
    assert await room.hand_over(letter("I have voted", Subject="Out of office: voted"), to, ANN) == 250
    assert await room.hand_over(letter("I have voted"), to, "") == 250  # nobody's envelope
    await process_inbound(room.runtime, 10)
    assert await db.fetchval("select count(*) from reply") == await db.fetchval("select count(*) from claim") == 0
    assert await room.campaign.suppressed() == set()
    events_seen = [
        event.words for event in await find_history(db, recipient.message_id) if event.code == "auto_response"
    ]
    assert events_seen == ["A machine answered it: a holiday notice or the like."] * 4


@pytest.mark.parametrize("headers", [
    {"Precedence": "list", "List-Id": "<members.lists.test>", "List-Unsubscribe": "<mailto:leave@lists.test>"},
    {"Precedence": "bulk"},
    {"sender": "Ann <noreply@member.test>"},
])  # fmt: skip
async def test_mail_of_a_list_is_shown_and_a_lone_opt_out_is_obeyed(
    room: MailroomSetup, db: Connection, headers: dict[str, str]
) -> None:
    recipient = await room.campaign.ask(email=ANN)
    thread = f"<{room.sign_id(recipient, 'bounce')}@bounces.union.test>"
    voted = await answer(room, "ballot@union.test", "I have voted", In_Reply_To=thread, **headers)
    assert (voted["reading"], voted["rule"], voted["state"]) == ("unclear", "list", "open")
    assert (voted["message_id"], voted["text"]) == (recipient.message_id, "I have voted")
    more = await answer(
        room, reply_address(room, recipient), "My neighbour asks how to unsubscribe, can you say?", **headers
    )
    assert (more["reading"], more["state"]) == ("unclear", "open")
    assert await room.campaign.suppressed() == set()
    stop = await answer(room, reply_address(room, recipient), "Please stop emailing me", **headers)
    assert (stop["reading"], stop["message_id"]) == ("opt_out", recipient.message_id)
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}
    assert await room.campaign.status(recipient) is None
    await db.execute("update reply set rule_version = 'older' where rule = 'list'")
    assert await reclassify(db, actor=operator("test"), at=NOON) == (0, [])


async def test_a_list_that_answers_nothing_of_ours_or_says_nothing_is_nobodys_answer(
    room: MailroomSetup, db: Connection
) -> None:
    recipient = await room.campaign.ask(email=ANN)
    for to, words in (("ballot@union.test", "Our newsletter. Unsubscribe"), (reply_address(room, recipient), QUOTED)):
        assert await room.hand_over(letter(words, Precedence="bulk"), to, ANN) == 250
    await process_inbound(room.runtime, 10)
    assert await db.fetchval("select count(*) from reply") == 0
    assert [event.code for event in await find_history(db, recipient.message_id)].count("auto_response") == 1


@pytest.mark.parametrize(("subject", "words", "reading", "text"), [
    ("unsubscribe please", "thanks\nAnn", "opt_out", "Subject: unsubscribe please\n\nthanks"),
    ("Re: Have you posted your ballot paper? - UNSUBSCRIBE", "Sent from my iPhone", "opt_out", "UNSUBSCRIBE"),
    ("Re: STOP", "", "opt_out", "STOP"),
    ("AW: [EXTERNAL] Have you posted your ballot paper?", "Hm", "unclear", "Hm"),
    ("Re: My paper", "I have not had it", "no_ballot_paper", "Subject: My paper\n\nI have not had it"),
])  # fmt: skip
async def test_a_subject_of_the_members_own_is_read_and_shown(
    room: MailroomSetup, db: Connection, subject: str, words: str, reading: str, text: str
) -> None:
    recipient = await room.campaign.ask(email=ANN)
    reply = await answer(room, reply_address(room, recipient), words, Subject=subject)
    assert (reply["reading"], reply["text"]) == (reading, text)
    assert bool(await room.campaign.suppressed()) is (reading == "opt_out")
    await db.execute("update reply set rule_version = 'older'")
    _, otherwise = await reclassify(db, actor=operator("test"), at=NOON)
    assert otherwise == []


@pytest.mark.parametrize("subject", ["Re: Have you posted your ballot paper?", "Antwort: x", "My complaint"])
@pytest.mark.parametrize("attached", [False, True])
async def test_a_mail_whose_words_nobody_can_tell_is_kept_below_its_subject(
    room: MailroomSetup, db: Connection, subject: str, attached: bool
) -> None:
    recipient = await room.campaign.ask(email=ANN)
    ours = (await words_of(db, recipient.message_id))[0].partition("\n")[2]
    mail = EmailMessage()
    mail["From"], mail["Subject"] = f"Ann Jones <{ANN}>", subject
    head = "From: The Union <ballot@union.test>\nSent: Monday, 30 November 2026 10:00\nTo: Ann\nSubject: x"
    mail.set_content(f"See my question below.\n\n{head}\n\n{ours}\n\nWhich of the two envelopes is it?\n")
    if attached:
        mail.add_attachment(b"jpeg", maintype="image", subtype="jpeg")
    assert await room.hand_over(mail.as_bytes(), reply_address(room, recipient), ANN) == 250
    await process_inbound(room.runtime, 10)
    reply = await last_reply(room.campaign.db)
    assert (reply["reading"], reply["rule"], reply["why_open"]) == ("unclear", "repeated", "unclear")
    assert reply["text"].endswith("Which of the two envelopes is it?")
    assert reply["text"].startswith("Subject: My complaint\n\nSee" if subject == "My complaint" else "S")
    await db.execute("update reply set rule_version = 'older'")
    assert await reclassify(db, actor=operator("eve"), at=NOON) == (0, [])
