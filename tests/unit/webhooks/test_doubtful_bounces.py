"""Bounces that leave a doubt suppress nobody at once, and a member's own mail is never one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from core.keyring import Keyring
from messaging.reasons import Reason
from tests.support.effort import effort_of
from webhooks.email.events import EmailEvent
from webhooks.email.inbound_mail.addresses import Purpose
from webhooks.email.inbound_mail.classify import (
    BOUNCE,
    COMPLAINT,
    DoubtfulMail,
    MessageEvent,
    Origin,
    UnsubscribeWish,
    classify_mail,
)
from webhooks.email.inbound_mail.replies import MailReply

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = Keyring([SecretStr("a secret for tests only")])
AMY, BOB = "amy@workplace.example", "bob@old.example"
OURS = f"b+{KEYS.sign_id(7, 'bounce')}@bounces.union.example"
SYSTEM = "Mail Delivery System <MAILER-DAEMON@relay.example>"
HARD, SOFT = Reason.HARD_BOUNCED, Reason.RECIPIENT_REFUSED

Found = MessageEvent | UnsubscribeWish | DoubtfulMail | MailReply


def classified(raw: str, sender: str = "", purpose: Purpose = "bounce", recipient: str = AMY) -> Found:
    raw = raw.replace("\n", "\r\n")
    return classify_mail(raw.encode(), Origin(purpose, 7, sender, AT, recipient), KEYS)


def event_of(raw: str) -> EmailEvent:
    result = classified(raw)
    assert isinstance(result, MessageEvent)
    assert result.source == BOUNCE
    return result.event


def text(said: str, sender: str = SYSTEM) -> str:
    head = f"From: {sender}\nTo: <{OURS}>\nSubject: Undeliverable mail\n"
    return f"{head}Content-Type: text/plain; charset=utf-8\n\n{said}\n"


def report(fields: str, returned: str = "", said: str = "It failed.") -> str:
    original = f"--b\nContent-Type: message/rfc822\n\n{returned}\n\nVote.\n" if returned else ""
    kind = "multipart/report; report-type=delivery-status; boundary=b"
    status = f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example\n\n{fields}"
    return (
        f"From: {SYSTEM}\nTo: <{OURS}>\nSubject: Undeliverable mail\n"
        f"Content-Type: {kind}\n\n--b\n\n{said}\n{status}\n{original}--b--\n"
    )


def failed(final: str, diagnostic: str = "", more: str = "") -> str:
    text = f"Diagnostic-Code: smtp; {diagnostic}\n" if diagnostic else ""
    return f"Final-Recipient: rfc822; {final}\n{more}Action: failed\nStatus: 5.1.1\n{text}"


# ---- whose mailbox it is


@pytest.mark.parametrize("fields", [
    failed(AMY),
    failed(f"<{AMY.upper()}> (Amy)", "550 5.1.1 user unknown"),
    failed("amy@mail.workplace.example", f"550 5.1.1 <{AMY}>: user unknown"),  # a server's name for itself
    failed("amy", "550 5.1.1 user unknown"),
    failed(AMY, f"550 5.1.1 <{AMY}>: user unknown (mail from <{OURS}>)"),
    failed(AMY, "550 5.1.1 user unknown", f"X-Actual-Recipient: rfc822; {AMY}\n"),
])  # fmt: skip
def test_a_report_that_names_our_recipient_suppresses_at_once(fields: str) -> None:
    assert event_of(report(fields)).reason is HARD


@pytest.mark.parametrize(
    "mailbox", ["o'brien@workplace.example", "ann+ballot@workplace.example", "a.b-c@xn--e1afmkfd.example"]
)
def test_a_mailbox_is_recognised_whatever_its_characters(mailbox: str) -> None:
    for raw in (
        report(failed(mailbox, f"550 5.1.1 <{mailbox}>: user unknown")),
        text(f"<{mailbox}>: 550 5.1.1 user unknown"),
        text(f"'{mailbox}': user unknown"),
    ):
        result = classified(raw, recipient=mailbox)
        assert isinstance(result, MessageEvent)
        assert result.event.reason is HARD


@pytest.mark.parametrize("fields", [
    failed(BOB, "550 5.1.1 user unknown"),  # where hers leads to: she may keep a copy
    failed(BOB, "550 5.1.1 user unknown", f"Original-Recipient: rfc822;{AMY}\n"),
    failed(BOB),
    failed(AMY, "550 5.1.1 user unknown", f"X-Actual-Recipient: rfc822; {BOB}\n"),
    failed(AMY, f"550 5.1.1 <{BOB}>: user unknown"),
    failed("amy@other.example", "550 5.1.1 user unknown"),
    failed(BOB, "550 5.1.1 user unknown") + "\n" + failed("carl@old.example", "550 5.1.1 user unknown"),
])  # fmt: skip
def test_a_report_about_another_mailbox_suppresses_nobody_at_once(fields: str) -> None:
    event = event_of(report(fields))
    assert (event.reason, event.soft) == (SOFT, True)


@pytest.mark.parametrize("diagnostic", [
    f"550 5.1.1 <{OURS}>: User unknown",
    f"550 5.1.0 <{OURS}>: address does not exist",
    f"550-5.1.1 {OURS.upper()} user unknown",
    "550 5.1.1 <ballot@union.example>: User unknown",
    "550 5.1.1 user <replies@union.example> does not exist",
    f"550 5.1.1 <{AMY}>: sender verify failed for {OURS}: user unknown",
])  # fmt: skip
def test_a_refusal_of_our_own_mailbox_is_about_us(diagnostic: str) -> None:
    returned = "From: Union <ballot@union.example>\nReply-To: replies@union.example\nSubject: Vote"
    assert event_of(report(failed(AMY, diagnostic), returned)).reason is Reason.SENDER_REFUSED


def test_a_refusal_of_our_own_mailbox_is_about_us_in_a_text_too() -> None:
    assert event_of(text(f"550 5.1.1 <{OURS}>: User unknown")).reason is Reason.SENDER_REFUSED
    for recipient in (AMY, ""):
        result = classified(text(f"Mail from <{OURS}> failed: 550 5.1.1 User unknown"), recipient=recipient)
        assert isinstance(result, MessageEvent)
        assert result.event.reason is SOFT


@pytest.mark.parametrize("said", [
    f"{BOB} failed with 550 5.1.1 no such user; {AMY} was delivered",
    f"The recipients:\n  {AMY}\n  {BOB}\n\n{BOB} failed with 550 5.1.1 no such user; {AMY} was delivered",
    f"{AMY}: delivered; {BOB}: 550 5.1.1 User unknown",
    f"Delivered to: {AMY}, failed: {BOB} 550 5.1.1 User unknown",
    f"<{BOB}> (expanded from <{AMY}>): unknown user 550 5.1.1",
    f"  {BOB}\n    (generated from {AMY})\n    host mx.old.example: 550 5.1.1 User unknown",
    f"  {BOB}\n    (generated from {AMY})\n    host mx.old.example: User unknown",
    f"{BOB} (generated from {AMY}): 550 5.1.1",
    f"{BOB}\n  (forwarded from {AMY})\n  550 5.1.1 User unknown",
    f"Your message\n\n  To: {AMY}\n\nwas delivered. The copy for {BOB} could not be delivered:\n550 5.1.1 User unknown",
    f"550 5.1.1 <{BOB}>: User unknown. This message was sent to {AMY}, which leads to {BOB}.",
    f"{AMY}: 550 5.1.1 <ballot@union.example>: user unknown",
    # something arrived
    f"Your message was successfully delivered to {AMY}. Previous status was 550 5.1.1.",
    f"Delivered to {AMY}. Copy to mailbox 'bob': 550 5.1.1 no such user",
    f"{AMY} was delivered.\n\nX500:/cn=bob: 550 5.1.1 User unknown",
    f"The mail reached {AMY}.\n\nMailbox bob: 550 5.1.1 User unknown",
    f"Zugestellt an {AMY}.\n\nPostfach bob: 550 5.1.1 User unknown",
    # it waits
    f"Message to {AMY} is delayed and will be retried.\n\n550 5.1.1 would mean that the user does not exist.",
    f"Warning: message still being tried. {AMY}: 550 5.1.1",
    f"{AMY}: 550 5.1.1 User unknown. We will keep trying for 3 days.",
    # it explains
    f"Delivery to {AMY} failed.\n\n550 5.1.1 would mean that the user does not exist.",
    f"Delivery to {AMY} failed.\n\nIf you see\n5.1.1 here, there is no such user: error 5.1.1",
    f"Delivery to {AMY} failed.\n\nFor example: 550 5.1.1 User unknown",
    f"{AMY}: the user may be unknown (550 5.1.1)",
    f"Zustellung an {AMY} fehlgeschlagen.\n\nFalls der Benutzer fehlt: 550 5.1.1 User unknown",
])  # fmt: skip
def test_a_code_in_a_text_suppresses_nobody_at_once_where_it_may_be_another_ones(said: str) -> None:
    event = event_of(text(said))
    assert event.kind == "deferred" or event.soft
    assert event.reason is not HARD


@pytest.mark.parametrize("said", [
    f"<{AMY}>: host if.example[192.0.2.1] said: 550 5.1.1 <{AMY}>: User unknown",
    f"It could not be delivered to {AMY}.\n\n550 5.1.1 User unknown\n\nIf you think that this is wrong, write to us.",
    f"It has not been delivered to {AMY}: 550 5.1.1 User unknown. Please check whether it is spelt correctly.",
    f"It was not delivered.\n\n{AMY}\n  550-5.1.1 There is no such user. Perhaps\n  550 5.1.1 it is misspelt.",
    f"Mail from {OURS} has been read.\n550 A refusal\n\n{AMY}: 550 5.1.1 User unknown",
    f"{AMY}: 550 5.1.1 User unknown\n{BOB}: 550 5.1.1 User unknown",
])  # fmt: skip
def test_a_code_in_a_text_that_is_the_recipients_suppresses_at_once(said: str) -> None:
    assert event_of(text(said)).reason is HARD


def test_a_mailbox_somebody_writes_from_is_not_dead() -> None:
    forwarded = report(failed(AMY, "550 5.1.1 user unknown")).replace(SYSTEM, f"Amy <{AMY}>")
    assert event_of(forwarded).reason is SOFT
    assert event_of(text("Not delivered: 550 5.1.1 user unknown", f"Amy <{AMY}>")).reason is SOFT
    assert event_of(text("Not delivered: 550 5.1.1 user unknown", "colleague@workplace.example")).reason is SOFT


# ---- a member's mail


SUBJECTS = [
    "Undelivered ballot paper", "Re: Undelivered ballot paper", "Delivery failure of my ballot", "Returned mail",
    "Failure notice", "Warning: message received", "AW: Unzustellbar",
]  # fmt: skip
WORDS = ["STOP", "I have voted", "My ballot could not be delivered, it was undeliverable"]


@pytest.mark.parametrize("purpose", ["bounce", "reply"])
@pytest.mark.parametrize("sender", [
    f"Amy <{AMY}>", "Amy <postmaster@amys.example>", "Mail Administrator Jones <jones@x.example>", "no-reply@x.example",
])  # fmt: skip
@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_members_mail_is_no_bounce_and_its_words_are_kept(purpose: Purpose, sender: str, subject: str) -> None:
    for words in WORDS:
        raw = text(words, sender).replace("Subject: Undeliverable mail", f"Subject: {subject}")
        result = classified(raw, "amy@workplace.example", purpose)
        if isinstance(result, DoubtfulMail):
            result = result.decide(result.answer.own(()))
        assert isinstance(result, MailReply)
        assert result.text.strip() == words
        asked = result.read(result.own(()))[0]
        assert (asked.reading == "opt_out") is (words == "STOP")


@pytest.mark.parametrize("head", [
    "List-Unsubscribe: <mailto:leave@x.example>", "Precedence: bulk", "X-Autoreply: none", 'Auto-Submitted: "no"',
])  # fmt: skip
@pytest.mark.parametrize("message_id", [7, None])
def test_a_stop_at_a_bounce_address_is_obeyed_whatever_its_headers_are(head: str, message_id: int | None) -> None:
    raw = f"From: Amy <{AMY}>\r\nTo: <{OURS}>\r\nSubject: Re: Vote\r\n{head}\r\n\r\nSTOP\r\n".encode()
    result = classify_mail(raw, Origin("bounce", message_id, AMY, AT, AMY), KEYS)
    if isinstance(result, DoubtfulMail):
        result = result.decide(result.answer.own(()))
    assert isinstance(result, MailReply)
    assert result.read(result.own(()))[0].reading == "opt_out"


def test_a_report_attached_to_a_members_mail_is_no_bounce() -> None:
    raw = report(failed(AMY, "550 5.1.1 user unknown"), said="I got this. I have voted.")
    raw = raw.replace(SYSTEM, f"Amy <{AMY}>").replace(
        "multipart/report; report-type=delivery-status", "multipart/mixed"
    )
    for purpose in ("bounce", "reply"):
        result = classified(raw, AMY, purpose)
        assert isinstance(result, DoubtfulMail)
        assert isinstance(result.decide(result.answer.own(())), MailReply)


@pytest.mark.parametrize("said", [
    f"{AMY}\n550 5.1.1 User unknown",  # by its code
    "Your mail could not be delivered.\n--b\nContent-Type: message/rfc822\n\nSubject: Vote\n\nVote.\n--b--",
])  # fmt: skip
def test_a_mail_system_that_names_a_sender_is_one_all_the_same(said: str) -> None:
    head = f"From: postmaster@relay.example\nTo: <{OURS}>\nSubject: Your mail\n"
    for kind in ("text/plain", "multipart/mixed; boundary=b"):
        if ("--b" in said) is ("boundary" in kind):
            inside = f"--b\n\n{said}" if "boundary" in kind else said
            result = classified(f"{head}Content-Type: {kind}\n\n{inside}\n", "postmaster@relay.example")
            assert isinstance(result, MessageEvent)
            assert result.event.kind == "bounced"


def test_an_envelope_sender_without_a_host_is_a_mail_systems() -> None:
    result = classified(text("Ihre Nachricht kam nicht an.", "Postmaster <postmaster@relay.example>"), "MAILER-DAEMON")
    assert isinstance(result, MessageEvent)
    assert result.event.kind == "bounced"


# ---- complaints


@pytest.mark.parametrize("kind", [
    'multipart/mixed; boundary="feedback-report"',
    'multipart/mixed; boundary="feedback-report"; x-made-by=feedback-report',
    'multipart/report; report-type=feedback-report; boundary="feedback-report"',  # none of the parts is one
])  # fmt: skip
@pytest.mark.parametrize("purpose", ["bounce", "reply"])
def test_a_member_who_passes_a_mail_on_complains_for_nobody(kind: str, purpose: Purpose) -> None:
    other = KEYS.sign_id(77, "bounce")
    raw = (
        f"From: Amy <{AMY}>\nTo: r\nSubject: Fwd\nContent-Type: {kind}\n\n--feedback-report\n\nI have voted\n"
        f"--feedback-report\nContent-Type: message/rfc822\n\nMessage-ID: <{other}@bounces.union.example>\n\nVote.\n"
        "--feedback-report--\n"
    )
    result = classified(raw, AMY, purpose)
    assert not isinstance(result, MessageEvent) or result.source != COMPLAINT


@pytest.mark.parametrize("kind", [
    "multipart/report; report-type=feedback-report; boundary=b", "multipart/report; boundary=b",
    "multipart/mixed; Report-Type=Feedback-Report; boundary=b",
])  # fmt: skip
def test_a_complaint_counts_at_every_address(kind: str) -> None:
    original = f"Message-ID: <{KEYS.sign_id(77, 'bounce')}@bounces.union.example>\n\nVote."
    raw = (
        f"From: fbl@provider.example\nTo: r\nSubject: Fw\nContent-Type: {kind}\n\n--b\n\nA complaint.\n--b\n"
        "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n\n--b\n"
        f"Content-Type: message/rfc822\n\n{original}\n--b--\n"
    )
    result = classified(raw, "fbl@provider.example", "reply")
    assert isinstance(result, MessageEvent)
    assert (result.source, result.message_id) == (COMPLAINT, 77)


# ---- the time it takes


@pytest.mark.parametrize("line", [
    "a: b", "From: x", "Date: 2026-01-01", "From: x 10:00", "label:", "dob: x", "--- a b ---", "2026-01-01 a",
    "On Mon 2026 at 10:00 a@b.example", "To: a@b.example", "am: pm 1", "Sent: 1", "> a: b", "a: b@c.example\nx",
])  # fmt: skip
def test_a_mail_of_lines_that_look_like_headers_is_read_in_little_time(line: str) -> None:
    def read(length: int) -> None:
        said = (f"{line}\n" * length)[:length]
        result = classified(text(said, f"Amy <{AMY}>"), AMY, "reply")
        answer = result.answer if isinstance(result, DoubtfulMail) else result
        assert isinstance(answer, MailReply)
        answer.own(())

    read(100)
    assert effort_of(lambda: read(20_000)) < 60  # 20 to 28; thousands, where lines are gone over again and again
