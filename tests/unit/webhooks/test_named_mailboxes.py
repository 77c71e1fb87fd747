"""Mailboxes that a refusal names: only the member's own is dead, whoever else stands beside the code."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from messaging.reasons import Reason
from messaging.reports.bounce_classification import Weight, judge_bounce
from tests.support.effort import effort_of
from webhooks.email.events import EmailEvent
from webhooks.email.inbound_mail.mailbox_refusals import says_forwarded
from webhooks.email.inbound_mail.named_mailboxes import blames_ours, helpers_in, without_help
from webhooks.email.inbound_mail.parsed_mail import parse_mail
from webhooks.email.inbound_mail.refused_names import names_another
from webhooks.email.inbound_mail.reports import read_bounce

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
AMY, BOB = "amy@workplace.example", "bob@old.example"
OURS = "b+7-abcdefgh@bounces.union.example"
BALLOT = "ballot@union.example"
HARD, SOFT, SENDER = Reason.HARD_BOUNCED, Reason.RECIPIENT_REFUSED, Reason.SENDER_REFUSED


def read(raw: str) -> EmailEvent:
    event = read_bounce(parse_mail(raw.replace("\n", "\r\n").encode()), AT, recipient=AMY)
    assert event is not None
    assert event.kind == "bounced"
    return event


def text(said: str) -> EmailEvent:
    head = f"From: MAILER-DAEMON@relay.example\nTo: <{OURS}>\nSubject: Undeliverable mail\n"
    return read(f"{head}Content-Type: text/plain; charset=utf-8\n\n{said}\n")


def report(diagnostic: str, said: str = "It failed.") -> EmailEvent:
    fields = f"Final-Recipient: rfc822; {AMY}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; {diagnostic}"
    return read(
        f"From: MAILER-DAEMON@relay.example\nTo: <{OURS}>\nSubject: Undeliverable mail\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        f"--b\nContent-Type: text/plain; charset=utf-8\n\n{said}\n--b\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; relay.example\n\n{fields}\n--b\nContent-Type: message/rfc822\n\n"
        f"From: Union <{BALLOT}>\nTo: {AMY}\nSubject: Vote\n\nVote.\n--b--\n"
    )


# ---- mailboxes to which the member's leads


@pytest.mark.parametrize("said", [
    f"Forwarding from {AMY} failed: 550 5.1.1 User unknown",
    f"Forwarding from {AMY} failed: User unknown",
    f"{AMY} has forwarding on. Forwarding address: 550 5.1.1 User unknown",
    f"The mail was auto-forwarded by {AMY}.\n\n550 5.1.1 User unknown",
    f"{AMY} => {BOB}\n550 5.1.1 User unknown",
    f"<{AMY}> ==> <{BOB}>\n  550 5.1.1 User unknown",
    f"{AMY} -> bob\n550 5.1.1 User unknown",
    f"{AMY} \u2192 {BOB}\nUser unknown",
    f"{BOB} <- {AMY}\n550 5.1.1 User unknown",
    f"Delivery to members of list {AMY} failed:\n member 4: 550 5.1.1 User unknown",
    f"List {AMY}:\n  bob 550 5.1.1 User unknown",
    f"{BOB}\n  (from {AMY})\n  550 5.1.1 User unknown",
    f"{AMY} is a distribution list.\n550 5.1.1 User unknown",
    f"{AMY} is a group; one of its members could not be reached: 550 5.1.1 User unknown",
    f"Mailbox {AMY} redirects to an address that does not exist: 550 5.1.1",
    f"A rule in {AMY}'s inbox could not forward your message: 550 5.1.1 recipient not found",
    f"The server could not forward the message from {AMY} to her new address: 550 5.1.1 User unknown",
    f"Mail to an alias of {AMY}: 550 5.1.1 User unknown",
    f"Weiterleitung von {AMY} fehlgeschlagen: 550 5.1.1 User unknown",
    f"Le message transféré par {AMY} : 550 5.1.1 utilisateur inconnu",
    f"Przekierowanie z {AMY}: 550 5.1.1 User unknown",
    f"Переадресация с {AMY}: 550 5.1.1 User unknown",
    # by name alone
    f"{AMY} took the message.\nbob: 550 5.1.1 User unknown",
    f"{AMY}\n  user bob: 550 5.1.1 User unknown",
    f"via {AMY}: 550 5.1.1 bob: User unknown",
])  # fmt: skip
def test_a_refusal_of_whom_the_mail_was_passed_on_to_is_soft(said: str) -> None:
    event = text(said)
    assert (event.reason, event.soft) == (SOFT, True)


@pytest.mark.parametrize("diagnostic", [
    f"550 5.1.1 forwarding address of {AMY}: User unknown",
    "550 5.1.1 RESOLVER.FWD.NotFound; forwarding recipient not found",
    "550 5.1.1 RESOLVER.FWD.NotFound; not found",
    "550 5.1.10 RESOLVER.GRP.Expansion; Recipient not found",
    "550 5.1.1 User unknown (redirected)",
    f"550 5.1.1 {AMY} => {BOB}: User unknown",
    "550 5.1.1 bob... User unknown",
    "550 5.1.1 bob: unknown user",
    "550 5.1.1 No such user bob here",
    "550 5.1.1 user bob is unknown",
    "550 5.1.1 Unknown user: bob",
    "550 5.1.1 User 'bob' unknown",
    "550 5.1.1 User unknown (bob)",
    "550 5.1.1 User unknown <bob>",
    '550 5.1.1 mailbox "bob" not found',
    "550 5.1.1 The account bob does not exist",
])  # fmt: skip
def test_a_diagnostic_about_whom_the_mail_was_passed_on_to_is_soft(diagnostic: str) -> None:
    event = report(diagnostic)
    assert (event.reason, event.soft) == (SOFT, True)


@pytest.mark.parametrize("said", [
    f"<{BOB}> (expanded from <{AMY}>): User unknown",
    f"{BOB} (engendré par {AMY})",
    f"{BOB} (erzeugt von {AMY})",
    f"{AMY} => {BOB}",
    f"The mail to {AMY} was redirected by a rule of hers.",
])  # fmt: skip
def test_a_report_with_fields_is_soft_where_its_text_says_that_the_mail_was_passed_on(said: str) -> None:
    assert report("550 5.1.1 User unknown", said).reason is SOFT


@pytest.mark.parametrize("said", [
    "If the problem continues, forward this message to your email admin.",
    f"{OURS} -> {AMY}",
    f"Please forward this report to your help desk.\n\n{AMY}: it has no forwarding address.",
    "Rules that forward mail are described in our help pages.",
])  # fmt: skip
def test_advice_and_the_way_of_our_own_mail_leave_a_refusal_hard(said: str) -> None:
    assert report("550 5.1.1 User unknown", said).reason is HARD


@pytest.mark.parametrize("said", [
    f"{AMY}\n  Reason: 550 5.1.1 User unknown",
    f"{AMY}\n  Remote server said: 550 5.1.1 User unknown",
    f"{AMY}\n  Antwort: 550 5.1.1 User unknown",
    f"{AMY} => failed: 550 5.1.1 User unknown",
    f"amy: 550 5.1.1 amy... User unknown\n\nIt was sent to {AMY}.",
    f"{AMY}: 550 5.1.6 the mailbox has moved, no forwarding address",
    f"{AMY}: 550 5.1.1 User unknown\n\nPlease forward this message to your administrator.",
])  # fmt: skip
def test_labels_of_a_reply_are_nobodys_names(said: str) -> None:
    assert text(said).reason is HARD


@pytest.mark.parametrize("diagnostic", [
    "550 5.1.1 No such user here", "550 5.1.1 No such user amy here", "550 5.1.1 Unknown user: amy",
    "550 5.1.1 User 'amy' unknown", "550 5.1.1 user unknown (UserSearch)", "550 5.1.1 mx1: User unknown",
    "550 5.1.1 user unknown in virtual mailbox table", "550 5.1.1 Recipient address rejected: User unknown",
    "550 5.1.1 The email account that you tried to reach does not exist.",
    "550 5.1.1 User unknown (in reply to RCPT TO)",
    f"550 5.1.1 User unknown <{AMY}>", "550 5.1.1 No such user at workplace.example",
])  # fmt: skip
def test_ordinary_words_of_a_refusal_are_nobodys_names(diagnostic: str) -> None:
    assert report(diagnostic).reason is HARD


@pytest.mark.parametrize("diagnostic", [
    "550 5.1.2 bounces.union.example: host not found",
    "550 5.1.1 domain bounces.union.example does not exist",
    "550 5.1.1 Recipient lookup failed, LDAP server unavailable",
    "550 5.1.1 mailbox being migrated, unknown user for the moment",
    "550 5.1.1 recipient accepts only internal mail",
    "550 5.1.1 user does not accept external mail",
    "550 5.1.1 user unknown, please retry in an hour",
    "550 5.1.1 mailbox closed until Monday",
])  # fmt: skip
def test_a_refusal_for_another_reason_suppresses_nobody_at_once(diagnostic: str) -> None:
    assert report(diagnostic).reason is not HARD


def test_words_of_a_forwarding_are_soft_wherever_a_refusal_comes_from() -> None:
    for words in (
        "550 5.1.1 forwarding address unknown",
        "550 5.1.1 RESOLVER.FWD.NotFound",
        "No such member of the list",
    ):
        assert judge_bounce("5.1.1", words).weight is Weight.SOFT, words
    assert judge_bounce("5.1.1", "550 5.1.1 User unknown (mail transfer agent)").weight is Weight.HARD
    assert judge_bounce("5.7.1", "550 5.7.1 forwarding is against our policy").weight is Weight.SENDER
    assert judge_bounce("5.2.2", "552 5.2.2 forwarding address is over quota").weight is Weight.FULL


# ---- mailboxes of ours


@pytest.mark.parametrize("diagnostic", [
    f"550 5.1.1 User unknown ({OURS})",
    f"550 5.1.1 MAIL FROM:<{OURS}> user unknown",
    f"550 5.1.1 MAIL FROM:<{OURS}> user unknown (RCPT TO:<{AMY}>)",
    f"550 5.1.1 <{OURS}> is not a known user",
    f"550 5.1.1 user unknown {OURS}",
    f"550 5.1.1 no mailbox for {BALLOT} here",
    f"550 5.1.0 Address rejected. no such user {OURS}",
    f"550 5.1.1 no such user: <{OURS}>",
    f"550 5.1.1 {OURS.replace('@', '=')} user unknown",
    f"550 5.1.1 {OURS.partition('@')[0]}... user unknown",
    f"550 5.1.1 <SRS0=ab=cd=bounces.union.example={OURS.partition('@')[0]}@forwarder.example>: user unknown",
])  # fmt: skip
def test_a_refusal_that_names_our_own_mailbox_is_about_us(diagnostic: str) -> None:
    assert report(diagnostic).reason is SENDER


def test_a_refusal_with_only_a_note_of_the_sender_is_about_nobody_for_certain() -> None:
    event = report(f"550 5.1.1 user unknown (sent by <{OURS}>)")
    assert (event.reason, event.soft) == (SOFT, True)


@pytest.mark.parametrize("diagnostic", [
    f"550 5.1.1 <{AMY}>: no such user. MAIL FROM <{OURS}>",
    f"550 5.1.1 <{AMY}>: user unknown ({OURS})",
    f"550 5.1.1 from <{OURS}> to <{AMY}>: user unknown",
])  # fmt: skip
def test_a_refusal_that_names_the_recipient_beside_us_is_about_them(diagnostic: str) -> None:
    assert report(diagnostic).reason is HARD


# ---- mailboxes offered for help


HELP = [
    "For help contact helpdesk@workplace.example",
    "Contact postmaster@workplace.example / helpdesk@workplace.example",
    "Questions? postmaster@workplace.example",
    "Please mail support@workplace.example for help",
    "If this is a mistake, write to <mailto:it-support@workplace.example>.",
    "Please report problems to abuse@relay.example or to admin@relay.example.",
    "For further assistance, please send mail to\n  postmaster@workplace.example",
    "Problem? Ask mailto:anna.jones@relay.example",
    "Bei Fragen wenden Sie sich an support@relay.example",
]


@pytest.mark.parametrize("offered", HELP)
def test_a_mailbox_that_is_offered_for_help_leaves_a_refusal_hard(offered: str) -> None:
    assert text(f"<{AMY}>: 550 5.1.1 User unknown. {offered}").reason is HARD
    assert text(f"550 5.1.1 <{AMY}> user unknown; {offered}").reason is HARD
    assert text(f"{AMY}: 550 5.1.1 User unknown\n\n{offered}\n").reason is HARD
    assert text(f"{AMY}: User unknown. {offered}").reason is HARD
    assert report(f"550 5.1.1 User unknown, {offered.replace(chr(10), ' ')}").reason is HARD


@pytest.mark.parametrize("said", [
    "Copies to helpdesk@old.example failed: 550 5.1.1 User unknown. {} was delivered.",
    "{} leads to support@old.example: 550 5.1.1 User unknown",
    "{}, postmaster@old.example: 550 5.1.1 User unknown",
    "{}. For help write to admin@old.example: 550 5.1.1 User unknown",
    "{} is well.\n\nPlease contact support@old.example.\nsupport@old.example: 550 5.1.1 User unknown",
    "{}: contact bob@old.example, 550 5.1.1 User unknown",
])  # fmt: skip
def test_a_help_desk_that_is_itself_refused_offers_no_help(said: str) -> None:
    assert text(said.format(AMY)).reason is not HARD


def test_the_recipient_may_be_a_help_desk() -> None:
    assert helpers_in("Contact postmaster@x.example", "postmaster@x.example") == set()
    assert helpers_in("Contact itamar@x.example or supporters@x.example", AMY) == set()
    assert helpers_in("Contact help@x.example, it.support@x.example or admin2@x.example", AMY) == {
        "help@x.example", "it.support@x.example", "admin2@x.example",
    }  # fmt: skip


# ---- the time it takes


@pytest.mark.parametrize("piece", [
    "a@b.example -> ", "a@a@", "a=> ", f"{AMY} => ", "a: 550 ", "\na: 550", "5.1.1 a... ", "5.1.1 a a a ", "contact ",
    "contact a@b ", "mailto:", "postmaster@a.example / ", "(((", "; ", f"user unknown {OURS}; ", "forward this to the ",
])  # fmt: skip
def test_a_long_refusal_is_read_in_little_time(piece: str) -> None:
    words = (piece * 2000)[:2000]
    assert effort_of(lambda: says_forwarded(words, AMY, {OURS})) < 60
    assert effort_of(lambda: blames_ours(words, AMY, {OURS})) < 60
    assert effort_of(lambda: (without_help(words, AMY), names_another(words, AMY), judge_bounce("", words))) < 30
