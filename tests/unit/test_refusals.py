"""Refusals in the text of a report: only a sentence beside the mailbox it refuses makes that mailbox dead."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from messaging.channels.diagnostics import Weight, judge_bounce
from messaging.outbox.states import Reason
from webhooks.mailroom.letter import read_letter
from webhooks.mailroom.refusals import says_dead
from webhooks.mailroom.reports import read_bounce

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
OURS = "b+seal@bounces.union.example"


def weight(text: str, sender: str = "Mail Delivery System <MAILER-DAEMON@relay.example>") -> Weight | None:
    raw = f"From: {sender}\r\nTo: <{OURS}>\r\nSubject: Undeliverable mail\r\n\r\n{text}\n".encode()
    event = read_bounce(read_letter(raw), AT)
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
def test_a_mailbox_that_is_refused_by_name_is_dead(text: str) -> None:
    assert weight(text) is Weight.HARD


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
    "amy@workplace.example: user unknown\nbob@workplace.example: 550 Remote protocol error",
    "amy@workplace.example: user unknown\nbob@workplace.example: mailbox is full",
    "amy@workplace.example: user unknown; we will keep trying for 3 days. Delivery attempts will go on.",
    "amy@workplace.example: 450 user unknown, try again later",
    "550 no access from mail server, an open relay\n550 <amy@workplace.example>: user unknown",
])  # fmt: skip
def test_words_elsewhere_suppress_nobody_at_once(text: str) -> None:
    assert weight(text) is not Weight.HARD


def test_only_a_mail_system_is_believed() -> None:
    assert weight("amy@workplace.example: user unknown", sender="Amy <amy@workplace.example>") is not Weight.HARD


def test_a_code_that_anybody_gives_to_anything_lets_the_words_decide() -> None:
    assert judge_bounce("5.3.0", "553 5.3.0 <amy@workplace.example>... No such user here").weight is Weight.HARD
    assert judge_bounce("5.3.0", "553 5.3.0 We do not take your mail").weight is not Weight.HARD
    assert judge_bounce("5.3.0", "553 5.3.0 Unknown user, rejected by our policy").weight is not Weight.HARD


def test_a_long_text_is_read_in_little_time() -> None:
    assert not says_dead("a@" * 100_000, ())
    assert not says_dead("amy@workplace.example \n" * 50_000, ())
