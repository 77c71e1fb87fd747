"""`muster mailroom`: a mail answered with 250 is kept, bounces are applied, and forged ones are not."""

from __future__ import annotations

import mailbox
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.alerts import open_alerts
from core.db import Connection
from core.errors import InputError
from core.runtime import Runtime
from messaging.outbox.bounces import ALERT_LASTS, BOUNCES_TO_SUPPRESS, delete_old_bounces
from messaging.outbox.senders import MIN_REFUSALS, resume_sender
from muster.operator import operator
from tests.support.another_email import another_email
from tests.support.clocks import FixedClock
from tests.support.mail_rows import ANN, BOUNCES, REPLIES, MailroomSetup, open_room
from tests.support.mailroom_clients import NOON, state_of
from tests.support.waiting import until
from webhooks import process_inbound
from webhooks.email.inbound_mail.mail_files import MailboxCounts, read_mailbox

UNREADABLE = (
    b"From: MAILER-DAEMON@mail.member.test\r\nSubject: Avis\r\n\r\nVotre message nous est revenu, voyez plus bas.\r\n"
)


@pytest.fixture
async def room(runtime: Runtime, db: Connection) -> AsyncIterator[MailroomSetup]:
    async with open_room(runtime, db, FixedClock(NOON)) as room:
        yield room


# ---- bounces and complaints


async def test_each_bounce_is_applied_by_its_code(room: MailroomSetup, db: Connection) -> None:
    expected = {
        "dsn-hard": ("bounced", "hard_bounced", "hard_bounced"),
        "dsn-global": ("bounced", "hard_bounced", "hard_bounced"),
        "qmail": ("bounced", "hard_bounced", "hard_bounced"),
        "dsn-full": ("bounced", "mailbox_full", None),
        "dsn-expired": ("bounced", "expired_at_provider", None),
        "dsn-policy": ("bounced", "sender_refused", None),
        "dsn-system": ("bounced", "sender_refused", None),
        "dsn-delayed": ("sent", None, None),
        "dsn-delivered": ("delivered", None, None),
        "vacation": ("sent", None, None),
        "out-of-office": ("sent", None, None),
    }
    found = {}
    for number, name in enumerate(expected):
        address = f"m{number}@member.test"
        recipient = await room.campaign.ask(email=address)
        await room.tell(name, recipient, about=address)
        why = await db.fetchval("select reason from suppression where address = $1", address)
        found[name] = (*await state_of(db, recipient.message_id), why)
    assert found == expected
    assert await db.fetchval("select count(*) from soft_bounce") == 2
    assert await db.fetchval("select count(*) from reply") == 0  # what machines say is no answer
    assert await db.fetchval("select count(*) from inbound_log where state <> 'done'") == 0


async def test_servers_that_refuse_our_sender_in_a_bounce_stop_it_and_mending_tries_again(
    room: MailroomSetup, db: Connection
) -> None:
    recipients = [await room.campaign.ask(email=f"m{number}@member.test") for number in range(MIN_REFUSALS + 2)]
    await room.tell("dsn-hard", recipients[0])  # a bad address stops nobody
    for recipient in recipients[1:MIN_REFUSALS]:
        await room.tell("dsn-policy", recipient)
    assert await open_alerts(db) == []
    await room.tell("dsn-policy", recipients[MIN_REFUSALS])
    (alert,) = await open_alerts(db)
    assert alert.title.startswith("Sending from")
    assert "refused our sender" in alert.title
    sender_id = await db.fetchval("select sender_id from message where message_id = $1", recipients[1].message_id)
    assert await db.fetchval("select paused_reason from sender where sender_id = $1", sender_id)
    assert await resume_sender(db, sender_id, now=room.clock(), actor=operator("staff")) == MIN_REFUSALS
    assert await state_of(db, recipients[1].message_id) == ("queued", None)
    assert (await state_of(db, recipients[0].message_id))[0] == "bounced"
    assert await open_alerts(db) == []


async def test_an_unreadable_bounce_counts_as_soft_and_is_shown(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    assert await room.hand_over(UNREADABLE, room.bounce_address(recipient)) == 250
    await process_inbound(room.runtime, 10)
    assert await state_of(db, recipient.message_id) == ("bounced", "unread_bounce")
    assert await db.fetchval("select count(*) from soft_bounce") == 1
    (alert,) = await open_alerts(db)
    assert (alert.severity, alert.detail) == ("notice", {"message_id": recipient.message_id})
    now = datetime.now(UTC)
    await delete_old_bounces(db, now)
    assert await open_alerts(db) != []
    await delete_old_bounces(db, now + ALERT_LASTS + timedelta(minutes=1))
    assert await open_alerts(db) == []


async def test_a_personal_mail_to_a_bounce_address_is_read(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    raw = b"From: ann@member.test\r\nSubject: Paper\r\n\r\nMy ballot paper was not delivered.\r\n"
    assert await room.hand_over(raw, room.bounce_address(recipient), ANN) == 250
    await process_inbound(room.runtime, 10)
    assert (await state_of(db, recipient.message_id))[0] == "sent"
    assert await db.fetchval("select count(*) from reply") == 1


async def test_a_report_that_names_another_mailbox_suppresses_neither(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    await room.tell("dsn-hard", recipient, about="chair@union.test")
    assert await room.campaign.suppressed() == set()
    assert await state_of(db, recipient.message_id) == ("bounced", "recipient_refused")
    assert await db.fetchval("select array_agg(address) from soft_bounce") == [ANN]


async def test_a_member_who_writes_to_a_bounce_address_about_an_undelivered_paper_is_obeyed(
    room: MailroomSetup, db: Connection
) -> None:
    recipient = await room.campaign.ask(email=ANN)
    raw = b"From: ann@member.test\r\nSubject: Undelivered ballot paper\r\n\r\nSTOP\r\n"
    assert await room.hand_over(raw, room.bounce_address(recipient), ANN) == 250
    await process_inbound(room.runtime, 10)
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}
    assert (await state_of(db, recipient.message_id))[0] == "sent"


async def test_soft_bounces_suppress_after_repeats_over_days(room: MailroomSetup, db: Connection) -> None:
    person = (await room.campaign.ask(email="first@member.test")).person_id
    for day in range(BOUNCES_TO_SUPPRESS):
        assert await room.campaign.suppressed() == set()
        room.clock.wait(days=2)
        message_id = await another_email(room.campaign, person, day)
        for _ in range(2):
            await room.tell("dsn-full", message_id)
    assert await room.campaign.suppressed() == {("email", ANN, "soft_bounced")}


async def test_a_complaint_suppresses_at_once_and_only_with_an_id_of_ours(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    complaints = f"complaints@{BOUNCES}"
    forged = room.mail("arf-abuse", recipient).replace(room.sign_id(recipient, "bounce").encode(), b"1-00000000")
    assert await room.hand_over(forged, complaints, "abuse@provider.test") == 250
    await process_inbound(room.runtime, 10)
    assert await room.campaign.suppressed() == set()
    await room.tell("arf-not-spam", recipient, complaints, "abuse@provider.test")
    assert await room.campaign.suppressed() == set()
    await room.tell("arf-redacted", recipient, complaints, "abuse@provider.test")
    assert await room.campaign.suppressed() == {("email", ANN, "complained")}
    assert (await state_of(db, recipient.message_id))[0] == "complained"


async def test_without_a_token_of_ours_nobody_is_suppressed(room: MailroomSetup, db: Connection) -> None:
    recipient = await room.campaign.ask(email=ANN)
    signed_id = room.sign_id(recipient, "bounce")
    forged = [
        f"b+{signed_id[:-1]}{'0' if signed_id[-1] != '0' else '1'}@{BOUNCES}",
        f"b+{recipient.message_id}@{BOUNCES}",
        f"b+{room.sign_id(recipient, 'reply')}@{BOUNCES}",
        f"b@{BOUNCES}",
        f"ann@{BOUNCES}",
        f"b+{signed_id}@elsewhere.test",
        f"r+{signed_id}@{REPLIES}",
    ]
    for address in forged:
        assert await room.hand_over(room.mail("dsn-hard", recipient), address) == 550, address
    assert await db.fetchval("select count(*) from inbound_log") == 0
    # a mailbox that takes any mail: a bounce there proves nothing, whatever it holds
    assert await room.hand_over(room.mail("dsn-hard", recipient), "ballot@union.test") == 250
    await process_inbound(room.runtime, 10)
    assert await room.campaign.suppressed() == set()
    assert (await state_of(db, recipient.message_id))[0] == "sent"


@pytest.mark.parametrize(("head", "sender"), [
    ("From: Ann <ann@member.test>\r\nSubject: unsubscribe", ANN),
    ("From: Ann <ann@member.test>\r\nAuto-Submitted: auto-generated", ANN),  # so do mail programs, for the person
    ("From: no-reply@mail.test\r\nPrecedence: bulk", ""),
])  # fmt: skip
async def test_a_mail_to_the_unsubscribe_address_opts_out(room: MailroomSetup, head: str, sender: str) -> None:
    recipient = await room.campaign.ask(email=ANN)
    address = f"u+{room.sign_id(recipient, 'unsubscribe')}@{REPLIES}"
    assert await room.hand_over(f"{head}\r\n\r\n".encode(), address, sender) == 250
    await process_inbound(room.runtime, 10)
    assert await room.campaign.suppressed() == {("email", ANN, "opted_out")}
    assert await room.campaign.waiting(recipient) == ("suppressed", "opted_out")


@pytest.mark.parametrize("address", [f"Postmaster@{BOUNCES}", "postmaster", f"abuse@{REPLIES}"])
async def test_mail_to_the_postmaster_reaches_staff(room: MailroomSetup, db: Connection, address: str) -> None:
    await room.campaign.ask(email=ANN)
    for mail in (b"From: Eve <eve@mx.test>\r\nSubject: Your mail loops", room.mail("dsn-hard", 1)):
        assert await room.hand_over(mail + b"\r\n\r\nPlease stop that host.\r\n", address, "") == 250
    asks = b"From: Eve <eve@mx.test>\r\nSubject: Does your mail loop?\r\n\r\nPlease stop that host.\r\n"
    assert await room.hand_over(asks, address, "eve@mx.test") == 250
    await process_inbound(room.runtime, 10)
    rows = [tuple(row) for row in await db.fetch("select address, why_open from reply")]
    assert rows == [("eve@mx.test", "unknown_sender")], "machines' mails there go to nobody"
    assert await room.campaign.suppressed() == set()


# ---- what is promised with 250


# ---- those who mean ill


# ---- mailboxes that somebody else filled


async def test_a_mailbox_is_read_again_and_again_and_counts_once(
    room: MailroomSetup, db: Connection, tmp_path: Path
) -> None:
    recipients = [await room.campaign.ask(email=f"m{number}@member.test") for number in range(3)]
    maildir = mailbox.Maildir(tmp_path / "maildir")
    mbox = mailbox.mbox(tmp_path / "mbox")
    for recipient in recipients:
        raw = room.mail("dsn-hard", recipient)
        maildir.add(b"Return-Path: <>\nDelivered-To: " + room.bounce_address(recipient).encode() + b"\n" + raw)
        mbox.add(b"From MAILER-DAEMON Sun Nov 22 12:00:00 2026\n" + raw.replace(b"\r\n", b"\n"))
    mbox.add(b"From x@y.test Sun Nov 22 12:00:00 2026\nTo: somebody@else.test\n\nhi\n")
    mbox.add(b"From x@y.test Sun Nov 22 12:00:00 2026\nTo: x\n\n" + b"large\n" * 300_000)
    mbox.close()
    assert await read_mailbox(room.runtime, tmp_path / "mbox") == MailboxCounts(new=3, strange=1, too_large=1)
    assert await read_mailbox(room.runtime, tmp_path / "mbox") == MailboxCounts(known=3, strange=1, too_large=1)
    # the same mails by another way: they are the same
    assert await read_mailbox(room.runtime, tmp_path / "maildir") == MailboxCounts(known=3)
    assert await room.hand_over(room.mail("dsn-hard", recipients[0]), room.bounce_address(recipients[0])) == 250
    assert await db.fetchval("select count(*) from inbound_log") == 3
    await process_inbound(room.runtime, 10)
    assert [(await state_of(db, recipient.message_id))[0] for recipient in recipients] == ["bounced"] * 3
    assert len(maildir) == 3


async def test_a_mail_without_a_return_path_is_its_writers(room: MailroomSetup, db: Connection, tmp_path: Path) -> None:
    recipients = [await room.campaign.ask(email=f"m{number}@member.test") for number in range(3)]
    to = [f"r+{room.sign_id(recipient, 'reply')}@{REPLIES}" for recipient in recipients]
    maildir = mailbox.Maildir(tmp_path / "maildir")
    maildir.add(f"From: m0@member.test\nTo: {to[0]}\nSubject: Vote\n\nSTOP\n")
    maildir.add(f"From: Mail Delivery System <x@mx.test>\nTo: {to[2]}\nSubject: Returned mail\n\n550 5.1.1 unknown\n")
    program = tmp_path / "mbox"
    program.write_text(f"From - Sun Nov 22 12:00:00 2026\nFrom: m1@member.test\nTo: {to[1]}\nSubject: Vote\n\nSTOP\n")
    assert await read_mailbox(room.runtime, tmp_path / "maildir") == MailboxCounts(new=2)
    assert await read_mailbox(room.runtime, program) == MailboxCounts(new=1)
    await process_inbound(room.runtime, 10)
    assert {("email", f"m{number}@member.test", "opted_out") for number in (0, 1)} <= await room.campaign.suppressed()
    assert (await state_of(db, recipients[2].message_id))[0] == "bounced"


async def test_a_file_that_is_no_mailbox_is_refused_by_name(room: MailroomSetup, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("Dear all,\n")
    (tmp_path / "folder").mkdir()
    for path, words in (("text", "no mbox file"), ("folder", "no maildir"), ("nothing", "cannot be read")):
        with pytest.raises(InputError, match=words):
            await read_mailbox(room.runtime, tmp_path / path)


async def test_a_read_mail_is_deleted_with_its_row(room: MailroomSetup, db: Connection) -> None:
    from datetime import timedelta

    from webhooks import delete_stale_rows

    await room.tell("dsn-hard", await room.campaign.ask(email=ANN))
    await until(lambda: db.fetchval("select state = 'done' from inbound_log"))
    await delete_stale_rows(db, NOON + timedelta(days=1), now=NOON + timedelta(days=31))
    assert await db.fetchval("select count(*) from inbound_mail") == 0
