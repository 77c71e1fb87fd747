"""Reports of a mail that waits or that arrived, in their text or in their subject only, are no refusals."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from messaging.reasons import Reason
from tests.support.effort import effort_of
from webhooks.email.events import EmailEvent
from webhooks.email.inbound_mail.delivery_words import outcome_in, says_arrived, says_delayed, says_failed
from webhooks.email.inbound_mail.parsed_mail import parse_mail
from webhooks.email.inbound_mail.reports import read_bounce

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
AMY = "amy@workplace.example"
SYSTEM = "Mail Delivery System <MAILER-DAEMON@relay.example>"

DELAYED = [
    "Delivery delayed: Vote", "Delivery Status Notification (Delay)",
    "Warning: could not send message for past 4 hours",
    "Warning: message 1abCDe-000123-4F delayed 24 hours", "Delayed Mail (still being retried)", "Delayed: Vote",
    "Message delivery has been delayed", "Mail delivery deferred", "Temporary delivery problem: Vote",
    "Warning--Could not send mail for past 8.5 hours", "Zustellung verzögert: Abstimmung", "Remise différée : Vote",
    "Entrega retrasada: Voto", "Re: Delivery delayed",
    "[Delayed] Vote", "Warning: delivery is being retried", "Delivery status: will be retried",
    "Delivery pending: Vote", "Your message has been queued", "Message not yet delivered",
    "Still trying to deliver your message", "Delivery failed temporarily", "Noch nicht zugestellt",
]  # fmt: skip
ARRIVED = [
    "Delivered: Vote", "Delivery Status Notification (Success)", "Successful Mail Delivery Report", "Relayed: Vote",
    "Expanded: Vote", "Delivery Status Notification (Relay)", "Zugestellt: Vote", "Remis : Vote",
    "Mail was delivered", "Message delivered to amy@workplace.example", "Delivery report: delivered",
]  # fmt: skip


def read(subject: str, said: str, parts: str = "") -> EmailEvent:
    kind = "multipart/report; report-type=delivery-status; boundary=b" if parts else "text/plain; charset=utf-8"
    body = f"--b\nContent-Type: text/plain; charset=utf-8\n\n{said}\n{parts}\n--b--\n" if parts else f"{said}\n"
    head = f"From: {SYSTEM}\nTo: b@bounces.union.example\nSubject: {subject}\nContent-Type: {kind}\n\n"
    event = read_bounce(parse_mail(f"{head}{body}".replace("\n", "\r\n").encode()), AT, recipient=AMY)
    assert event is not None
    return event


FIELDS = (
    f"--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; {AMY}\nAction: failed\nStatus: 5.1.1\n"
    "Diagnostic-Code: smtp; 550 5.1.1 User unknown\n"
)


@pytest.mark.parametrize("subject", [*DELAYED, *ARRIVED])
def test_a_refusal_below_a_subject_that_says_otherwise_is_soft(subject: str) -> None:
    for event in (
        read(subject, f"{AMY}: 550 5.1.1 user unknown"),
        read(subject, f"{AMY}\nbob: 550 5.1.1"),
        read(subject, f"{AMY}: user unknown"),
        read(subject, "See below.", FIELDS),
    ):
        assert event.kind == "deferred" or (event.reason, event.soft) == (Reason.RECIPIENT_REFUSED, True)


@pytest.mark.parametrize("subject", [
    "Undeliverable mail", "Undeliverable: Will the post be delayed?", "Delivery Status Notification (Failure)",
    "Mail could not be delivered", "Sorry, your message could not be delivered", "Non remis : Vote",
    "Not delivered: Vote", "Your mail has not been delivered", "Delivery report: failed", "Delivery was not successful",
    "Undelivered: Mail delivered", "Mail delivery failed, retry timeout exceeded", "Delivery failed after retrying",
    "Your delayed message could not be delivered", "Undeliverable (no longer retrying)",
    "Delivery failure (temporary address)", "Zustellung nicht erfolgreich", "Entrega sin éxito", "Envoi sans succès",
    "Unsuccessful delivery",
    "Returned mail: Delayed no longer", "Will the post be delayed?",  # our own subject, which came back
])  # fmt: skip
def test_a_refusal_below_a_subject_that_says_nothing_else_is_hard(subject: str) -> None:
    returned = "--b\nContent-Type: message/rfc822\n\nSubject: Will the post be delayed?\n\nVote.\n"
    assert read(subject, "See below.", f"{FIELDS}\n{returned}").reason is Reason.HARD_BOUNCED


@pytest.mark.parametrize("subject", DELAYED)
def test_a_delay_named_in_the_subject_is_a_delay(subject: str) -> None:
    assert read(subject, f"Your mail to {AMY} is on its way.").kind == "deferred"


@pytest.mark.parametrize("said", [
    f"There was a temporary problem delivering your message to {AMY}. Gmail will retry for 46 more hours.",
    f"** Delivery incomplete **\n\nThe message to {AMY} waits.",
    f"We have not reached {AMY} so far; attempts continue.",
    f"{AMY}: the server will try for three days.",
    f"{AMY}: transient error",
    f"{AMY}: THIS IS A WARNING MESSAGE ONLY.",
    f"{AMY}: delivery is going to be attempted for 3 more days.",
    f"{AMY}: There is no need to send your message again.",
    f"{AMY}: We keep on trying.",
    f"{AMY}: Further attempts follow.",
    f"{AMY}: Es wird noch drei Tage lang versucht.",
    f"{AMY}: D'autres tentatives seront effectuées.",
    f"{AMY}: Se seguirá intentando.",
    f"{AMY}: Byddwn yn dal i geisio.",
])  # fmt: skip
@pytest.mark.parametrize("subject", ["Delivery Status Notification (Delay)", "Your mail"])
def test_a_report_of_a_delay_is_a_delay(said: str, subject: str) -> None:
    event = read(subject, said)
    assert (event.kind, event.reason) == ("deferred", None)
    assert read(subject, f"{said}\n\n{AMY}: 550 5.1.1 User unknown").reason is not Reason.HARD_BOUNCED


@pytest.mark.parametrize("said", [
    "No further delivery attempts will be made.", "It will not be retried; no more attempts will be made.",
    "The server won't try again.",
])  # fmt: skip
def test_an_end_of_all_attempts_is_no_delay(said: str) -> None:
    assert read("Undeliverable mail", f"{AMY}: 550 5.1.1 User unknown\n\n{said}").reason is Reason.HARD_BOUNCED


@pytest.mark.parametrize(("subject", "kind"), [
    ("Delivered: Vote", "delivered"),
    ("Delivery Status Notification (Success)", "delivered"),
    ("Relayed: Vote", "noted"),
])  # fmt: skip
def test_a_report_of_an_arrival_is_no_bounce(subject: str, kind: str) -> None:
    assert read(subject, f"Your message has been passed to these recipients:\n\n{AMY}").kind == kind
    assert read(subject, f"The mail could not be delivered to {AMY}.").kind == "bounced"


@pytest.mark.parametrize("said", [
    f"{AMY} accepted the message.", f"Delivery to {AMY} is complete.", f"{AMY} has got it.", f"Wedi'i ddanfon i {AMY}.",
    f"{AMY} : remis avec succès", f"An {AMY} erfolgreich zugestellt.", f"{AMY} has received the original.",
    f"<{AMY}>: delivered to mailbox\n<bob@old.example>: user unknown",
])  # fmt: skip
def test_a_report_that_something_arrived_makes_a_bounce_doubtful(said: str) -> None:
    assert read("Undeliverable mail", said, FIELDS).reason is Reason.RECIPIENT_REFUSED
    assert read("Undeliverable mail", f"{said}\n\n550 5.1.1 User unknown").reason is Reason.RECIPIENT_REFUSED
    assert read("Undeliverable mail", f"{said}\n{AMY}: User unknown").reason is Reason.RECIPIENT_REFUSED


@pytest.mark.parametrize("piece", [
    "we try ", "delivery ", "delivered to ", "delivery to ", "held ", "warning ", "(success", "failed ",
])  # fmt: skip
def test_a_long_text_is_read_in_little_time(piece: str) -> None:
    said = (piece * 2000)[:2000]
    assert effort_of(lambda: (says_delayed(said), says_failed(said), says_arrived(said))) < 20
    assert effort_of(lambda: outcome_in(said, piece)) < 5
