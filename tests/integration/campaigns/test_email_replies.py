"""Answers to emails: read like texts where they prove what they answer, and for a person to read where they do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest

from campaigns.replies.answered_messages import words_of
from campaigns.replies.reclassify import reclassify
from campaigns.replies.reply_inbox import open_replies, read_by_staff, undo_misread_opt_out
from core.db import Connection
from core.errors import Conflict
from core.runtime import Runtime
from messaging.content.templates import Template
from messaging.outbox.claim import ClaimedMessage
from messaging.outbox.compose import SQL, Composer
from messaging.suppression import suppress
from muster.operator import operator
from tests.support.clocks import FixedClock
from tests.support.electorate import add_person
from tests.support.mail_replies import answer, last_reply, reply_address
from tests.support.mail_rows import ANN, REPLIES, MailroomSetup, open_room
from tests.support.rows import row_of
from webhooks import process_inbound

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
QUOTED = (
    "\r\n\r\nOn Sun, 22 Nov 2026 at 11:00, The Union <ballot@union.test> wrote:\r\n> Have you voted? STOP to stop.\r\n"
)


@pytest.fixture
async def room(runtime: Runtime, db: Connection) -> AsyncIterator[MailroomSetup]:
    async with open_room(runtime, db, FixedClock(NOON)) as room:
        yield room


async def test_an_answer_is_read_like_a_text(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    reply = await answer(room, reply_address(room, recipient), f"I have voted\n\nThanks,\nAnn{QUOTED}")
    assert (reply["text"], reply["reading"], reply["why_open"]) == ("I have voted", "voted", None)
    assert (reply["message_id"], reply["person_id"]) == (recipient.message_id, recipient.person_id)
    assert await room.campaign.status(recipient) == "voted"
    assert await room.campaign.waiting(recipient) == ("cancelled", "answered")
    claim = await row_of(room.campaign.db, "select source::text, confidence from claim")
    assert (claim["source"], round(claim["confidence"], 2)) == ("email_reply", 0.85)


async def test_the_same_answer_twice_is_one(room: MailroomSetup, db: Connection) -> None:
    to = reply_address(room, await room.campaign.ask(email=ANN))
    for _ in range(3):
        await answer(room, to, "Voted")
    assert await db.fetchval("select count(*) from reply") == await db.fetchval("select count(*) from claim") == 1


async def test_an_opt_out_in_any_words_stops_emails(room: MailroomSetup) -> None:
    for number, words in enumerate(("STOP", "please stop emailing me", "stopiwch plis")):
        address = f"m{number}@member.test"
        recipient = await room.campaign.ask(email=address)
        await answer(room, reply_address(room, recipient), words + QUOTED, sender=address, envelope=address)
        assert ("email", address, "opted_out") in await room.campaign.suppressed()
    recipient = await room.campaign.ask(email=ANN)
    await answer(room, reply_address(room, recipient), "", Subject="STOP")  # only the subject says it
    assert ("email", ANN, "opted_out") in await room.campaign.suppressed()


async def test_an_opt_out_stops_emails_to_where_we_wrote(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    elsewhere = "ann.at.home@elsewhere.test"  # they have their mail forwarded
    reply = await answer(room, reply_address(room, recipient), "STOP" + QUOTED, sender=elsewhere, envelope=elsewhere)
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}
    assert reply["reading"] == "opt_out"
    start = await answer(room, reply_address(room, recipient), "START", sender=elsewhere, envelope=elsewhere)
    assert start["reading"] == "opt_in"
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}  # only they themselves can take it back
    await answer(room, reply_address(room, recipient), "START")
    assert await room.campaign.suppressed() == set()


async def test_a_reading_by_staff_applies_to_the_address_we_wrote_to(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    elsewhere = "ann.at.home@elsewhere.test"
    words = "enough already with these"
    reply = await answer(room, reply_address(room, recipient), words, sender=elsewhere, envelope=elsewhere)
    assert await room.campaign.suppressed() == set()
    await read_by_staff(db, reply["reply_id"], reading="opt_out", actor=operator("eve"), at=NOON)
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}
    await read_by_staff(db, reply["reply_id"], reading="opt_in", actor=operator("eve"), at=NOON)
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}, "somebody else's wish"


async def test_an_answer_without_proof_changes_nothing_and_waits_for_a_person(
    room: MailroomSetup, db: Connection
) -> None:
    recipient = await room.campaign.ask(email=ANN)
    for number, words in enumerate(("I have voted", "STOP", "wrong person")):
        reply = await answer(room, "ballot@union.test", words, Date=f"Sun, 22 Nov 2026 12:0{number}:00 +0000")
        assert (reply["state"], reply["why_open"], reply["person_id"]) == ("open", "no_message", recipient.person_id)
    stranger = await answer(room, "ballot@union.test", "STOP", sender="x@else.test", envelope="x@else.test")
    assert (stranger["state"], stranger["why_open"]) == ("open", "unknown_sender")
    assert await room.campaign.suppressed() == set()
    assert await room.campaign.status(recipient) is None
    assert len(await open_replies(db)) == 4


async def test_our_own_footer_opts_nobody_out(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    for message_form in await words_of(db, recipient.message_id):
        assert "Unsubscribe" in message_form
        for beginning in (
            "",
            "Od: Union <b@union.example>\nWysłano: 22 listopada 2026\nDo: ann@member.test\nTemat: x\n\n",
        ):
            await db.execute("delete from inbound_mail")
            reply = await answer(room, reply_address(room, recipient), f"I have voted\n\n{beginning}{message_form}")
            assert (reply["text"], reply["reading"], reply["why_open"]) == ("I have voted", "voted", None)
            thanks = await answer(room, reply_address(room, recipient), f"Thanks\n\n{beginning}{message_form}")
            assert (thanks["text"], thanks["reading"], thanks["why_open"]) == ("Thanks", "unclear", "unclear")
    assert await room.campaign.status(recipient) == "voted"
    assert await room.campaign.suppressed() == set()


async def test_a_mail_that_only_repeats_ours_waits_and_is_shown_whole(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    ours = (await words_of(db, recipient.message_id))[0]
    reply = await answer(room, reply_address(room, recipient), ours, Subject="Have you posted your ballot paper?")
    assert (reply["reading"], reply["rule"], reply["why_open"]) == ("unclear", "repeated", "unclear")
    assert "Unsubscribe" in reply["text"]
    await db.execute("update reply set rule_version = 'older'")
    assert await reclassify(db, actor=operator("eve"), at=NOON) == (0, [])
    assert await room.campaign.suppressed() == set()


async def test_a_reaction_by_email_is_noted_and_nobody_has_to_read_it(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    link = "<https://www.google.com/gmail/about/?utm_source=gmail-in-product&utm_campaign=emojireactionemail#app>"
    for words in (
        "👍\n\nAnn Jones reacted via Gmail", f"👍\n\nAnn Jones reacted via Gmail\n{link}",
        f"❤️\n\nAnn Jones reacted via Gmail {link}", f"🙏\n\nFlorencia reaccionó a través de Gmail\n{link}",
    ):  # fmt: skip
        reply = await answer(room, reply_address(room, recipient), words)
        assert (reply["reading"], reply["answer_id"], reply["why_open"]) == ("reaction", None, None), words
    own = await answer(room, reply_address(room, recipient), f"STOP\n\nplease, I do not want these in Gmail\n{link}")
    assert own["reading"] == "opt_out", "a person's own words beside such a link"


async def test_the_part_in_which_the_quotation_is_marked_is_read(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    mail = EmailMessage()
    mail["From"] = f"Ann Jones <{ANN}>"
    mail["Subject"] = "Re: x"
    mail.set_content("Not voted yet\n\nWords of somebody else. Unsubscribe me")
    mail.add_alternative(
        "<p>Not voted\nyet</p><blockquote>Words of somebody else. Unsubscribe me</blockquote>", subtype="html"
    )
    assert await room.hand_over(mail.as_bytes(), reply_address(room, recipient), ANN) == 250
    await process_inbound(room.runtime, 10)
    assert await room.campaign.status(recipient) == "not_voted"
    assert await room.campaign.suppressed() == set()


async def test_an_opt_out_among_other_words_stays_visible_and_can_be_undone(
    room: MailroomSetup, db: Connection
) -> None:
    recipient = await room.campaign.ask(email=ANN)
    alone = await answer(room, reply_address(room, recipient), "Please stop emailing me\n\nThanks,\nAnn")
    assert (alone["reading"], alone["why_open"]) == ("opt_out", None)
    await undo_misread_opt_out(db, alone["reply_id"], actor=operator("eve"), at=NOON)
    assert await room.campaign.suppressed() == set()
    reply = await answer(
        room, reply_address(room, recipient), "Please unsubscribe me. Sue Smith has the keys of the hall on Monday"
    )
    assert (reply["reading"], reply["state"], reply["why_open"]) == ("opt_out", "open", "opt_out")
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}, "obeyed, until somebody says otherwise"
    assert reply["reply_id"] in [reply.reply_id for reply in await open_replies(db)]
    assert await undo_misread_opt_out(db, reply["reply_id"], actor=operator("eve"), at=NOON) == ANN
    assert await room.campaign.suppressed() == set()
    assert (await last_reply(db))["why_open"] == "unclear"
    assert await db.fetchval("select actor from audit_shown where action = 'reply.opt_out_undone' limit 1") == "eve"
    with pytest.raises(Conflict):
        await undo_misread_opt_out(db, reply["reply_id"], actor=operator("eve"), at=NOON)


async def test_an_opt_out_made_in_another_way_is_not_undone_with_a_reply(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    await suppress(db, channel="email", address=ANN, reason="opted_out", source="link", message_id=recipient.message_id)
    reply = await answer(room, reply_address(room, recipient), "Voted, unsubscribe me from this")
    with pytest.raises(Conflict):
        await undo_misread_opt_out(db, reply["reply_id"], actor=operator("eve"), at=NOON)
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}


async def test_escape_sequences_of_a_mail_reach_nobody(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    reply = await answer(
        room, reply_address(room, recipient), "\x1b]52;c;cm0gLXJmIH4K\x07\x9b31m who\x1b[2K is this\u202e"
    )
    assert reply["text"].replace("\ufffd", "").split() == ["who", "is", "this"]


async def test_a_message_id_of_ours_proves_what_is_answered(room: MailroomSetup) -> None:
    ann, bob = await room.campaign.ask(email=ANN), await room.campaign.ask(email="bob@member.test")
    thread = f"<{room.sign_id(ann, 'bounce')}@bounces.union.test>"
    reply = await answer(room, "ballot@union.test", "Voted", In_Reply_To=thread)
    assert (reply["message_id"], await room.campaign.status(ann)) == (ann.message_id, "voted")
    thread = " ".join([f"<{n}@x.test>" for n in range(90)] + [f"<{room.sign_id(bob, 'bounce')}@bounces.union.test>"])
    bobs = "Bob <bob@member.test>"
    await answer(room, "ballot@union.test", "Voted", sender=bobs, envelope="bob@member.test", References=thread)
    assert await room.campaign.status(bob) == "voted"
    forged = f"<{room.sign_id(ann, 'bounce')[:-1]}!@bounces.union.test>"
    reply = await answer(room, "ballot@union.test", "STOP", In_Reply_To=forged)
    assert (reply["message_id"], reply["why_open"]) == (None, "no_message")


async def test_an_answer_to_a_deleted_message_waits_for_staff(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    deleted = replace(recipient, message_id=recipient.message_id + 1000)
    reply = await answer(room, reply_address(room, deleted), "STOP")
    assert (reply["state"], reply["why_open"], reply["message_id"]) == ("open", "no_message", None)
    assert await room.campaign.suppressed() == set()


async def test_a_shared_mailbox_never_confirms_for_one_of_them(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    await add_person(db, "P99", unit=room.campaign.unit_id, email=ANN, sms=(), first_name="Bob")
    reply = await answer(room, reply_address(room, recipient), "I have voted")
    assert (reply["why_open"], reply["answer_id"], reply["message_id"]) == (
        "shared_address",
        None,
        recipient.message_id,
    )
    assert await room.campaign.status(recipient) is None


async def test_somebody_a_mail_was_forwarded_to_does_not_answer_for_its_recipient(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    for sender in ("Eve <eve@else.test>", f"Eve <eve@else.test>, Ann <{ANN}>", "no address at all"):
        reply = await answer(room, reply_address(room, recipient), f"I have voted, {sender[:3]}", sender=sender)
        assert reply["answer_id"] is None
        assert reply["state"] == "open"
    assert await room.campaign.status(recipient) is None


async def test_digits_mean_nothing_in_an_email_and_a_late_vote_waits(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    reply = await answer(room, reply_address(room, recipient), "1")
    assert (reply["reading"], reply["why_open"]) == ("unclear", "unclear")
    room.clock.wait(days=11)
    assert (await answer(room, reply_address(room, recipient), "I have voted"))["why_open"] == "late"
    assert await room.campaign.status(recipient) is None


async def test_attachments_are_not_kept_and_the_words_are(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    reply = await answer(room, reply_address(room, recipient), "I have voted, here is a picture", attach=2)
    assert reply["text"] == "I have voted, here is a picture"
    assert reply["note"] == "2 attachments were not kept: Muster takes words only."
    assert await db.fetchval("select count(*) from inbound_mail") == 0
    alone = await answer(room, reply_address(room, recipient), "", attach=1)
    assert (alone["reading"], alone["rule"], alone["why_open"]) == ("unclear", "media", "unclear")
    waiting = [reply for reply in await open_replies(db) if reply.reply_id == alone["reply_id"]]
    assert "only a PDF (0.pdf)" in str(waiting[0].note)


async def test_newer_rules_do_not_make_an_email_say_more_than_it_proves(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    digit = await answer(room, reply_address(room, recipient), "1")
    unproven = await answer(room, "ballot@union.test", "STOP")
    await db.execute("update reply set rule_version = 'older', reading = 'unclear', rule = 'none'")
    looked, _ = await reclassify(db, actor=operator("test"), at=NOON)
    assert looked == 2
    assert await room.campaign.status(recipient) is None
    assert await room.campaign.suppressed() == set()
    open_now = {reply.reply_id: (reply.reading, reply.why_open) for reply in await open_replies(db)}
    assert open_now == {digit["reply_id"]: ("unclear", "unclear"), unproven["reply_id"]: ("opt_out", "no_message")}


async def test_an_opt_out_below_a_picture_is_obeyed(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    mail = EmailMessage()
    mail["From"], mail["Subject"] = f"Ann Jones <{ANN}>", "Re: Have you posted your ballot paper?"
    mail.set_content("Look at what came:")
    mail.add_attachment(b"jpeg", maintype="image", subtype="jpeg", disposition="inline")
    mail.add_attachment("Please stop emailing me.", disposition="inline")
    assert await room.hand_over(mail.as_bytes(), reply_address(room, recipient), ANN) == 250
    await process_inbound(room.runtime, 10)
    reply = await last_reply(room.campaign.db)
    assert (reply["reading"], reply["note"]) == ("opt_out", "1 attachment was not kept: Muster takes words only.")
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}


async def test_a_ballot_about_leave_is_answered_like_any_other(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    to, subject = reply_address(room, recipient), "Annual leave: have your say"
    voted = await answer(room, to, "I have voted", Subject=f"Re: {subject}", X_Auto_Response_Suppress="OOF")
    assert (voted["reading"], await room.campaign.status(recipient)) == ("voted", "voted")
    # their program writes no Re: only the subject would speak for a machine, and no machine writes STOP
    assert (await answer(room, to, "STOP", Subject=subject))["reading"] == "opt_out"
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}


async def test_a_subject_alone_makes_no_bounce_of_an_answer(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    to = reply_address(room, recipient)
    # no machine: our subject, answered
    voted = await answer(room, to, "I have voted", Subject="Re: Undelivered ballot papers")
    assert (voted["reading"], await room.campaign.status(recipient)) == ("voted", "voted")
    # of doubtful ones a person reads all but an opt-out
    not_voted = await answer(room, to, "I have not voted", Subject="Undelivered ballot paper")
    assert (not_voted["reading"], not_voted["rule"], not_voted["why_open"]) == ("unclear", "subject", "unclear")
    assert (not_voted["message_id"], not_voted["text"]) == (
        recipient.message_id,
        "Subject: Undelivered ballot paper\n\nI have not voted",
    )
    assert await room.campaign.status(recipient) == "voted"
    assert (await answer(room, to, "STOP", Subject="Undelivered ballot paper"))["reading"] == "opt_out"
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}
    assert await db.fetchval("select count(*) from soft_bounce") == 0
    assert await db.fetchval("select state from message where message_id = $1", recipient.message_id) != "bounced"
    # newer rules do not read what a machine may have written, either
    await db.execute("update reply set rule_version = 'older' where rule = 'subject'")
    assert await reclassify(db, actor=operator("test"), at=NOON) == (0, [])


async def test_a_members_answer_at_the_bounce_address_is_no_bounce(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    to = f"b+{room.sign_id(recipient, 'bounce')}@bounces.union.test"
    for subject in ("Undelivered ballot paper", "Re: Undelivered ballot paper", "Failure notice"):
        seen = await answer(room, to, f"I have voted, {subject}", Subject=subject)
        assert (seen["reading"], seen["message_id"], seen["why_open"]) == ("unclear", recipient.message_id, "unclear")
    assert (await answer(room, to, "STOP", Subject="Undelivered ballot paper"))["reading"] == "opt_out"
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}
    assert await db.fetchval("select count(*) from soft_bounce") == 0


async def test_a_postmaster_may_be_a_member(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email="postmaster@ann.test")
    text = "My ballot could not be delivered, it was undeliverable"
    reply = await answer(
        room, reply_address(room, recipient), text, sender="Ann <postmaster@ann.test>", envelope="postmaster@ann.test"
    )
    assert (reply["text"], reply["message_id"], reply["state"]) == (text, recipient.message_id, "open")
    assert await db.fetchval("select count(*) from soft_bounce") == 0


async def test_an_opt_out_in_the_subject_is_obeyed_above_a_vote(room: MailroomSetup) -> None:
    recipient = await room.campaign.ask(email=ANN)
    reply = await answer(room, reply_address(room, recipient), "I have voted", Subject="Voted, please stop")
    assert (reply["reading"], reply["why_open"]) == ("opt_out", "opt_out")
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}
    assert await room.campaign.status(recipient) == "voted"


@pytest.mark.parametrize("subject", ["Failure notice", "Out of office", "Automatic reply: your ballot"])
async def test_a_mail_to_us_with_a_machines_subject_is_seen(room: MailroomSetup, subject: str) -> None:
    await room.campaign.ask(email=ANN)
    reply = await answer(room, "ballot@union.test", "My ballot paper came back to me", Subject=subject)
    assert (reply["state"], reply["why_open"]) == ("open", "no_message")


async def test_each_email_says_where_its_answer_goes(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    template = Template(name="t", purpose="service", sms=None, subject="Hi", email="Hello\n")
    await db.execute(
        "update step set content = $2, constants = '{}' where step_id = $1", room.campaign.step_id, template.to_json()
    )
    step = await db.fetchrow(SQL["find_step"], room.campaign.step_id)
    assert step is not None
    message = ClaimedMessage(recipient.message_id, 0, ANN, {"first_name": "Ann"}, 1, 1)
    composer = Composer(room.runtime.settings, room.runtime.keyring, step, "email")
    outbound = composer.compose(message, NOON + timedelta(hours=1)).outbound
    content = outbound.content.decode()  # type: ignore[union-attr]
    assert f"<{reply_address(room, recipient)}>\r\n" in content
    assert f" <mailto:u+{room.sign_id(recipient, 'unsubscribe')}@{REPLIES}?subject=unsubscribe>\r\n" in content
    assert content.count("Reply-To:") == 1
