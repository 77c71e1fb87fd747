"""A refusal is hard only if its words name nobody but our recipient, and nothing goes on or has arrived."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from core.keyring import Keyring
from messaging.reports.bounce_classification import RefusalClass, Weight
from webhooks.email.inbound_mail.classify import MessageEvent, Origin, classify_mail
from webhooks.email.inbound_mail.delivery_words import outcome_in, says_arrived, says_delayed
from webhooks.email.inbound_mail.refused_names import names_another

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = Keyring([SecretStr("a secret for tests only")])
AMY = "amy.lee@workplace.example"

PHRASES = [
    "Recipient {} rejected", "no mailbox here by that name ({})", "{} is not a known user",
    "Account for {} does not exist", "user={} unknown", "Mailbox of {} does not exist", "<<{}>> User unknown",
    "No such user {} here", "user {} is unknown", "Unknown user: {}", "User '{}' unknown", "User unknown ({})",
    "{}: no such user", "there is no {} at this address: unknown user", "we have no user called {}",
    "The account {} was not found", "unknown recipient {}; goodbye", "no such person as {}", "{}, user unknown",
    "User unknown: {}", "invalid mailbox '{}'", "Recipient address rejected: {} unknown in virtual table",
    "{} has left, user unknown", "User unknown - {}", "alias {} of the user does not exist",
    "user [{}] not found in directory", "The email account of {} is disabled",
]  # fmt: skip


def weight_of(subject: str, text: str, diagnostic: str, recipient: str = AMY) -> Weight | None:
    """The weight of a report with status 5.1.1 against the recipient; None if it is no bounce."""
    raw = (
        f"From: MAILER-DAEMON@relay.example\nTo: <b+{KEYS.sign_id(7, 'bounce')}@bounces.union.example>\n"
        f"Subject: {subject}\nMIME-Version: 1.0\n"
        f"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        f"--b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n--b\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; relay.example\n\nFinal-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 {diagnostic}\n\n--b--\n"
    ).replace("\n", "\r\n")
    found = classify_mail(raw.encode(), Origin("bounce", 7, "", AT, recipient), KEYS)
    assert isinstance(found, MessageEvent)
    reason = found.event.reason
    return None if reason is None else RefusalClass(reason, found.event.soft).weight


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_refusal_is_hard_only_if_it_names_nobody_but_our_recipient(phrase: str) -> None:
    for other in ("bob", "Zeb.Quinn", "siobhan", "r.jones2", "kowalska-nowak"):
        assert weight_of("Undelivered", "It failed.", phrase.format(other)) is Weight.SOFT, other
    for own in ("amy.lee", "AMY.LEE", f"<{AMY}>", "Amy", "Lee"):
        assert not names_another(f"550 5.1.1 {phrase.format(own)}", AMY), own


@pytest.mark.parametrize("phrase", [
    "User unknown", "No such user here", "sorry, no mailbox here by that name. (#5.1.1)", "Mailbox does not exist",
    "The email account that you tried to reach does not exist. Please double-check the recipient's email address",
    "Recipient address rejected: User unknown in virtual mailbox table", "RESOLVER.ADR.RecipNotFound; not found",
    "This user doesn't have a yahoo.com account", "unknown user account",
    "Requested action not taken: mailbox unavailable", "Adresse d au moins un destinataire invalide. OFR_416",
    "Benutzer unbekannt", "El usuario no existe", "UserSearch",
])  # fmt: skip
def test_a_refusal_that_names_nobody_is_hard(phrase: str) -> None:
    assert not names_another(f"550 5.1.1 {phrase}", AMY)


@pytest.mark.parametrize(
    "host", ["mx1", "mx-in-3.workplace.example", "mx-in-3", "smtp-relay2", "mail.old.example", "inbound-smtp"]
)
def test_the_host_that_refuses_is_nobodys_name(host: str) -> None:
    assert weight_of("Undelivered", "It failed.", f"{host}: User unknown") is Weight.HARD


UNDER_WAY = [
    "We have not given up on this message.", "Delivery has not been abandoned.", "This is not a final failure.",
    "The message is still in the queue.", "Your message remains queued.", "We keep trying to deliver your mail.",
    "The server goes on sending it.", "Our system will carry on trying.",
    "Continuaremos a tentar entregar durante 3 dias.", "Tentaremos novamente.", "Mensagem em espera.",
    "Vi fortsätter försöka leverera i tre dagar.", "Vi fortsaetter foersoeka leverera.", "Vi försöker igen.",
    "Meddelandet är försenat. Nytt försök görs.", "Leveringen er forsinket.", "Vi prøver igen om en time.",
    "Toimitus viivästyy.", "Zpráva je zpožděna.", "再試行します",
]  # fmt: skip


@pytest.mark.parametrize("said", UNDER_WAY)
def test_a_report_by_which_delivery_goes_on_is_not_hard(said: str) -> None:
    assert says_delayed(said)
    assert weight_of("Mail status", f"{AMY}\n{said}", "User unknown") is not Weight.HARD


@pytest.mark.parametrize("subject", [
    "Your message is still in the queue", "We keep trying to deliver your mail",
    "Temporarily undeliverable: Have you voted?", "Temporarily not delivered", "Still being sent: your mail",
    "Mensagem em espera", "Meddelandet är försenat",
])  # fmt: skip
def test_a_subject_by_which_delivery_goes_on_is_a_delays(subject: str) -> None:
    assert outcome_in(subject) == "delayed"
    assert weight_of(subject, "It failed.", "User unknown") is not Weight.HARD


@pytest.mark.parametrize("said", [
    f"{AMY} has it; only the copy to bob@old.example failed.",
    "It was accepted and stored. Forwarding to bob failed.",
    f"Your message is in the inbox of {AMY}; the copy failed.", "Your mail has been filed, one copy was refused.",
    f"{AMY} has your message.", "The original was safely archived; the copy bounced.",
    "Die Nachricht wurde gespeichert.",
])  # fmt: skip
def test_a_report_by_which_the_mail_is_kept_is_not_hard(said: str) -> None:
    assert says_arrived(said)
    assert weight_of("Undelivered", said, "User unknown") is Weight.SOFT


@pytest.mark.parametrize("said", [
    "It failed.", "No further attempts will be made.", "The server will not continue trying.", "We have given up.",
    "You were told that delivery was delayed; now it has failed for good.", "The message was not stored.",
    "Delivery was delayed, and has now failed.", "Check the address, and send it again.",
])  # fmt: skip
def test_a_report_by_which_it_is_over_is_hard(said: str) -> None:
    assert weight_of("Undelivered", f"{AMY}\n{said}", "User unknown") is Weight.HARD


@pytest.mark.parametrize("why", [
    "User unknown during migration", "User unknown while the mailbox is being moved",
    "unknown user, migration in progress", "User unknown due to a server upgrade", "User only reachable from inside",
    "unknown user: internal use only", "Recipient is only available to staff", "User not reachable from outside",
    "User only accepts mail from within the organisation",
])  # fmt: skip
def test_a_reason_that_passes_or_is_the_servers_rule_is_not_hard(why: str) -> None:
    assert weight_of("Undelivered", "It failed.", why) is not Weight.HARD
