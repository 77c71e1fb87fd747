"""Refusals in the text of a report: only a sentence beside the mailbox it refuses makes that mailbox dead."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from messaging.reasons import Reason
from messaging.reports.bounce_classification import Weight, judge_bounce
from tests.support.effort import effort_of
from webhooks.email.inbound_mail.mailbox_refusals import code_is_recipients, says_no_such_mailbox
from webhooks.email.inbound_mail.parsed_mail import parse_mail
from webhooks.email.inbound_mail.reports import read_bounce

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
OURS = "b+seal@bounces.union.example"


AMY = "amy@workplace.example"
SYSTEM = "Mail Delivery System <MAILER-DAEMON@relay.example>"


def weight(text: str, sender: str = SYSTEM, recipient: str = AMY, head: str = "") -> Weight | None:
    raw = f"From: {sender}\r\nTo: <{OURS}>\r\nSubject: Undeliverable mail\r\n{head}\r\n{text}\n".encode()
    event = read_bounce(parse_mail(raw), AT, recipient=recipient)
    assert event is not None
    if event.reason is Reason.HARD_BOUNCED:
        return Weight.HARD
    return Weight.SOFT if event.soft else None


@pytest.mark.parametrize("text", [
    "Unknown user: amy@workplace.example",
    "Your mail could not be delivered.\n\namy@workplace.example\n    No such mailbox here",
    "Your mail could not be delivered to\n\n  amy@workplace.example\n\nThe error was:\n  550 User unknown",
    "<amy@workplace.example>:\n550 <amy@workplace.example>: Recipient address rejected: no such user",
    "-- Reasons --\nUser not listed in the address book\namy@workplace.example\n\n-- Mail --",
    "amy@workplace.example on Mon, 4 May 2026 10:00:00 +0100\n  The recipient name is not recognized",
    "amy@workplace.example: Domain does not exist",
    "amy@workplace.example\n  SMTP error after RCPT TO:<amy@workplace.example>: 553 5.3.0 No such user",
    "Nicht zugestellt:\n\namy@workplace.example: Benutzer unbekannt",
    "amy@workplace.example: user unknown\n\nQuestions? Write to help@relay.example.",
])  # fmt: skip
@pytest.mark.parametrize("recipient", [AMY, ""], ids=["known", "unknown"])
def test_a_mailbox_that_is_refused_by_name_is_dead(text: str, recipient: str) -> None:
    assert weight(text, recipient=recipient) is Weight.HARD


@pytest.mark.parametrize("text", [
    "Mail to amy@workplace.example came back.\n\nHere is why mail fails: user unknown, mailbox full, host down.",
    "Unknown user",
    "amy@workplace.example: the account or domain may not exist",
    "amy@workplace.example: unknown user, or is unable to receive mail",
    "amy@workplace.example: is this an unknown user?",
    "The mail could not be delivered to amy@workplace.example.\n\n> bob@workplace.example: User unknown",
    "Delivery to amy@workplace.example failed.\n\nSubject: Unknown user: amy@workplace.example",
    f"amy@workplace.example: delivery failed\n{OURS}: user unknown",
    "amy@workplace.example: 553 bounces.union.example does not exist",
    "amy@workplace.example: user unknown; we will keep trying for 3 days. Delivery attempts will go on.",
    "amy@workplace.example: 450 user unknown, try again later",
    "550 no access from mail server, an open relay\n550 <amy@workplace.example>: user unknown",
    # of others
    "Your message was delivered to amy@workplace.example. The copy for old@x.example could not be: user unknown",
    "Delivered: amy@workplace.example\nFailed: bob@x.example (user unknown)",
    "Successful: amy@workplace.example\n\nUnsuccessful:\nbob@x.example: No such User",
    "amy@workplace.example\nThis mailbox is fine.\nboss@x.example: user unknown",
    "Your mail reached amy@workplace.example but her address amy@old.example no longer exists: user unknown",
    "The mail could not be delivered.\n\nballot@union.example: User unknown",
    # of something else
    "Delivery to amy@workplace.example was refused.\n\nWrite to postmaster@x.example.\nUnknown user names are logged.",
    "Delivery failed for amy@workplace.example.\n\nPlease check that there was no invalid address in it.",
    "\n  amy@workplace.example\n\nTechnical details: the server ended the connection after bad recipient count",
    "amy@workplace.example: 550 verification of your address failed: no such user here",
    "amy@workplace.example: 550 Callback: mailbox does not exist at your server",
    "amy@workplace.example: SMTP AUTH failed, unknown user",
    "amy@workplace.example: address lookup failed: unknown user in directory is down",
    # that wait
    "amy@workplace.example: user unknown\n\nWe try again for 3 days.",
    "amy@workplace.example: user unknown\n\nMessage held for retry.",
    "amy@workplace.example: user unknown\n\nThe server will attempt delivery again tomorrow.",
    "Ihre Nachricht an amy@workplace.example wurde verzögert. Wir versuchen es weiter.\nBenutzer unbekannt",
    "amy@workplace.example: le message est retardé\nutilisateur inconnu",
    "amy@workplace.example: el mensaje se ha retrasado, usuario desconocido",
    # that guess
    "amy@workplace.example: utilisateur peut-être inconnu",
    "amy@workplace.example: möglicherweise ist der Benutzer unbekannt",
])  # fmt: skip
def test_words_apart_from_the_mailbox_suppress_nobody_at_once(text: str) -> None:
    assert weight(text) is not Weight.HARD


def test_without_a_known_recipient_every_refused_mailbox_must_be_dead() -> None:
    text = f"{AMY}: user unknown\nbob@x.example: 550 Remote protocol error"
    assert weight(text) is Weight.HARD
    assert weight(text, recipient="") is not Weight.HARD


def report(*groups: str, text: str = "It failed.") -> bytes:
    head = f"From: {SYSTEM}\r\nTo: <{OURS}>\r\nSubject: Undeliverable mail\r\n"
    fields = "\r\n\r\n".join(("Reporting-MTA: dns; relay.example", *groups))
    return (
        f"{head}Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\n{text}\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{fields}\r\n--b--\r\n"
    ).encode()


FAILED = "Final-Recipient: rfc822; {}\r\nAction: failed\r\nStatus: 5.1.1"
DELIVERED = "Final-Recipient: rfc822; {}\r\nAction: delivered\r\nStatus: 2.0.0"


@pytest.mark.parametrize(("groups", "kind", "hard"), [
    ((FAILED.format(AMY),), "bounced", True),
    ((FAILED.format("her@elsewhere.example"),), "bounced", False),  # where hers leads to: she may keep a copy
    ((FAILED.format("a@x.example"), DELIVERED.format("b@x.example")), "bounced", False),  # hers leads to both
    ((FAILED.format("a@x.example"), DELIVERED.format(AMY)), "delivered", False),
    ((DELIVERED.format("a@x.example"), FAILED.format(AMY)), "bounced", True),
])  # fmt: skip
def test_the_recipients_own_status_counts_among_several(groups: tuple[str, ...], kind: str, hard: bool) -> None:
    event = read_bounce(parse_mail(report(*groups)), AT, recipient=AMY)
    assert event is not None
    assert (event.kind, event.reason is Reason.HARD_BOUNCED) == (kind, hard)


def test_the_text_of_a_report_is_about_the_recipients_of_its_fields() -> None:
    fields = f"Final-Recipient: rfc822; {AMY}\r\nAction: failed\r\nStatus: 5.0.0"
    for text, hard in (("forward@y.example: User unknown", False), (f"{AMY}: User unknown", True)):
        event = read_bounce(parse_mail(report(fields, text=text)), AT)
        assert event is not None
        assert (event.reason is Reason.HARD_BOUNCED) is hard


def test_only_a_mail_system_is_believed() -> None:
    assert weight("amy@workplace.example: user unknown", sender="Amy <amy@workplace.example>") is not Weight.HARD


def test_a_code_that_anybody_gives_to_anything_lets_the_words_decide() -> None:
    assert judge_bounce("5.3.0", "553 5.3.0 <amy@workplace.example>... No such user here").weight is Weight.HARD
    assert judge_bounce("5.3.0", "553 5.3.0 We do not take your mail").weight is not Weight.HARD
    assert judge_bounce("5.3.0", "553 5.3.0 Unknown user, rejected by our policy").weight is not Weight.HARD


def test_a_long_text_is_read_in_little_time() -> None:
    for text in ("a@" * 1000, f"{AMY} \n" * 90, "550 " * 500, "\n \n" * 600, f"{AMY}: {'user ' * 390}"):
        assert effort_of(lambda text=text: says_no_such_mailbox(text, AMY)) < 60  # type: ignore[misc]
    for text in ("550 5.1.1 a\n" * 160, f"{AMY} " * 90, "5.1.1 " * 300, "a" * 2000, "a." * 1000, "delivered to " * 150):
        assert effort_of(lambda text=text: code_is_recipients(text, AMY)) < 60  # type: ignore[misc]


@pytest.mark.parametrize(("text", "hard"), [
    ("amy@workplace.example: 550 5.1.1 user unknown", True),
    ("It failed: 550 5.1.1 user unknown", True),  # it names nobody: the message had one recipient
    ("amy@workplace.example\n  550 5.1.1 user unknown\n\nAsk postmaster@x.example for help.", True),
    ("<amy@workplace.example>: 550 5.1.1 user unknown\n<bob@x.example>: 550 5.1.1 user unknown", True),
    ("Your message was delivered to amy@workplace.example.\nThe copy for old@x.example: 550 5.1.1 no user", False),
    ("Delivered: amy@workplace.example\nFailed: bob@x.example (550 5.1.1 no such user)", False),
    ("forward@y.example: 550 5.1.1 User unknown", False),  # where hers leads to
])  # fmt: skip
def test_a_code_in_the_text_is_not_the_recipients_where_another_is_refused(text: str, hard: bool) -> None:
    assert (weight(text) is Weight.HARD) is hard
