"""Bounces as servers really write them: each is seen, the dead count, and nobody alive is suppressed at once."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from core.keyring import Keyring
from messaging.channels.channel import Refused
from messaging.channels.smtp.codes import SmtpPhase, result_of
from messaging.reasons import Reason
from messaging.reports.bounce_classification import RefusalClass, Weight, judge_bounce
from messaging.reports.refusal_words import RefusalSubject, subjects
from webhooks.email.inbound_mail.addresses import Purpose
from webhooks.email.inbound_mail.classify import DoubtfulMail, MessageEvent, Origin, classify_mail
from webhooks.email.inbound_mail.delivery_status import statuses_in
from webhooks.email.inbound_mail.replies import MailReply

DATA = Path(__file__).parents[2] / "data" / "bounces"
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = Keyring([SecretStr("a secret for tests only")])
SEAL = KEYS.sign_id(7, "bounce")


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def classified(raw: bytes, purpose: Purpose = "bounce", sender: str = "") -> MessageEvent:
    result = classify_mail(raw, Origin(purpose, 7 if purpose != "complaint" else None, sender, AT), KEYS)
    assert isinstance(result, MessageEvent)
    return result


def weight_of(status_reports: MessageEvent) -> str:
    """The weight of a bounce, from the event that came of it."""
    event = status_reports.event
    return "none" if event.reason is None else RefusalClass(event.reason, event.soft).weight.value


RIGHT = {
    "hard": {Weight.HARD},
    "full": {Weight.FULL},
    "counts": {Weight.HARD, Weight.SOFT, Weight.FULL},
    "not-hard": set(Weight) - {Weight.HARD},
    "none": {Weight.NONE},
}


@pytest.mark.parametrize("case", rows("bounces.tsv"), ids=lambda case: case["file"])
def test_a_bounce_is_weighed_by_its_words(case: dict[str, str]) -> None:
    purpose: Purpose = "complaint" if case["file"].startswith("arf") else "bounce"
    status_reports = classified((DATA / case["file"]).read_bytes().replace(b"SEAL", SEAL.encode()), purpose)
    assert (status_reports.event.kind, status_reports.message_id) == (case["kind"], 7)
    if case["weight"] in RIGHT:
        assert weight_of(status_reports) in RIGHT[case["weight"]]


@pytest.mark.parametrize("case", rows("without_a_telling_code.tsv"), ids=lambda case: case["diagnostic"])
def test_the_words_decide_where_the_code_does_not(case: dict[str, str]) -> None:
    judged = judge_bounce(case["status"], case["diagnostic"])
    if case["right"].startswith("hard_bounced, or"):
        assert judged.weight in {Weight.HARD, Weight.SOFT}
    else:
        assert judged.reason.value == case["right"]


# ---- the server's own code and words come before the status of a relay


@pytest.mark.parametrize(("status", "words", "weight"), [
    ("5.1.1", "smtp; 550 5.7.1 Service unavailable, client host blocked using a list", "sender"),
    ("5.1.1", "smtp; 550 message rejected as spam by our policy", "sender"),
    ("5.1.2", "smtp; 554 Sender address rejected: Domain not found", "sender"),
    ("5.1.1", "smtp; 550 <b+1-x@bounces.union.test>: Sender address rejected: User unknown in virtual table", "sender"),
    ("5.1.1", "smtp; 550 5.1.1 Your address 192.0.2.1 is listed on a block list", "sender"),
    ("5.1.1", "smtp; 552 5.1.1 mailbox is full", "full"),
    ("5.1.1", "smtp; 452 4.2.2 Over quota", "full"),
    ("5.1.1", "smtp; 450 4.7.1 Greylisted, try again later", "none"),
    ("5.1.1", "smtp; 550 5.1.1 <amy@x.test> too many messages from you this hour", "sender"),
    ("5.2.1", "smtp; 450-4.2.1 The user is receiving mail at a rate that prevents more", "none"),
    ("5.1.1", "SMTP; 550 we do not like you", "soft"),  # the code is the relay's, and nobody knows the words
    ("5.1.0", "smtp; 550 5.1.0 no", "soft"),
    ("5.1.0", "smtp; 550 #5.1.0 Address rejected.", "hard"),
    ("5.7.1", "smtp; 550 5.1.1 no such user", "hard"),
    ("5.7.1", "smtp; 550 5.7.1 <amy@x.test>: Recipient address rejected: User unknown", "soft"),
    ("5.3.0", "smtp; 5.3.0 - Other mail system problem 550-'Unknown user amy@x.test'", "hard"),
    ("5.1.0", "smtp; 5.1.0 - Unknown address error 550-'5.7.1 ... Access denied'", "sender"),
    ("5.0.0", "smtp; 550 5.0.350 Remote server returned an error -> 550 5.7.1 blocked", "sender"),
    ("5.1.1", "smtp; 550 5.1.1 first said; later 550 5.2.2 full", "full"),
    ("4.4.7", "smtp; 550 user unknown", "soft"),
    ("5.0.0", "smtp; 451 Could not look you up", "soft"),
    ("5.2.1", "smtp; 550 5.2.1 The email account that you tried to reach is disabled.", "hard"),
    ("5.0.0", "smtp; 554 This account has been disabled or discontinued", "soft"),
    ("5.7.13", "SMTP; 525 5.7.13 Disabled recipient address", "soft"),
    ("5.0.0", "smtp; 550 Virus detected in attachment", "sender"),
    ("5.4.4", "X-Postfix; Host or domain name not found. Name service error for name=x.test: Host not found", "hard"),
    ("5.4.4", "X-Postfix; Host not found, try again", "soft"),
    ("5.4.6", "smtp; 554 5.4.6 Too many hops", "soft"),
    ("5.1.1", "x-unix; procmail: Couldn't create \"/var/spool/mail/amy\": No such user", "soft"),
    ("5.0.0", "smtp; 550 Adresse destinataire invalide", "hard"),
    ("5.0.0", "smtp; 550 Benutzer unbekannt", "hard"),
    ("5.0.0", "smtp; 550 Das Postfach ist voll", "full"),
    ("5.1.0", "smtp; 553 5.1.0 x.test does not exist (in reply to MAIL FROM command)", "sender"),
    ("5.1.1", "smtp; 550 5.1.1 no such user (in reply to RCPT TO command)", "hard"),
    ("5.5.1", "smtp; 503 5.5.1 bad sequence", "sender"),
    ("5.0.0", "smtp; 550 the user may not exist", "soft"),
    ("5.7.133", "smtp; 550 5.7.133 Sender not authenticated for group", "soft"),  # the recipient's own rules
    ("5.7.124", "smtp; 550 5.7.124 Sender not in allowed-senders list", "soft"),
    ("5.7.134", "smtp; 550 5.7.134 Sender was not authenticated for mailbox", "soft"),
    ("5.7.136", "", "soft"),
    ("5.7.12", "smtp; 550 5.7.12 Sender was not authenticated by organization", "soft"),
    ("5.7.129", "smtp; 550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission; not authorized", "soft"),
    ("5.7.504", "smtp; 550 5.7.504 [amy@x.test]: Recipient address rejected: Access denied", "soft"),
    ("5.2.122", "smtp; 550 5.2.122 Recipient's per hour message receive limit exceeded", "none"),
    ("5.2.121", "smtp; 550 5.2.121 Recipient's per hour message receive limit from specific sender exceeded", "none"),
    ("5.7.509", "smtp; 550 5.7.509 Access denied, sending domain x.test does not pass DMARC verification", "sender"),
    ("5.7.511", "smtp; 550 5.7.511 Access denied, banned sender[192.0.2.1]", "sender"),
    ("5.1.1", "smtp; 550 5.1.1 Message rejected due to content restrictions", "sender"),
    ("5.1.1", "smtp; 550 5.1.1 rejected by attachment restrictions", "sender"),
])  # fmt: skip
def test_code_and_words_together_say_whom_a_refusal_is_about(status: str, words: str, weight: str) -> None:
    assert judge_bounce(status, words).weight.value == weight


@pytest.mark.parametrize(("diagnostic", "behind", "weight"), [
    ("smtp; 5.1.0 - Unknown address error", "< #5.1.0 smtp;550 5.7.1 blocked using spamhaus>", "sender"),
    ("", "<mx.x.test #5.1.1 smtp;550-5.1.1 The email account that you tried to reach does not exist>", "hard"),
    ("smtp; 550 5.1.1 rejected", "<mx.x.test #5.2.2 smtp;552 5.2.2 mailbox full>", "full"),
    ("smtp; 550 5.1.1 no such user", "< #>", "hard"),
    ("smtp; 550 5.1.1 no such user", "", "hard"),
])  # fmt: skip
def test_the_reply_of_the_server_behind_is_read(diagnostic: str, behind: str, weight: str) -> None:
    fields = "Final-Recipient: rfc822; amy@x.test\nAction: failed\nStatus: 5.1.0\n"
    fields += f"Diagnostic-Code: {diagnostic}\n" if diagnostic else ""
    status_reports = classified(report(f"{fields}X-Supplementary-Info: {behind}\n"))
    assert weight_of(status_reports) == weight


def test_names_chosen_by_others_do_not_count() -> None:
    for words in (
        "host mx.antispam.test[192.0.2.1] said: 550 5.1.1 <no.quota@x.test>: User unknown",
        "550 5.1.1 <spam.policy@x.test>... User unknown",
        "550 5.1.1 user unknown, see https://support.mail.test/security?id=full-mailbox",
    ):
        assert judge_bounce("", words).weight is Weight.HARD, words
    assert RefusalSubject.POLICY in subjects("550 see https://www.spamhaus.test/query")  # but whose list it is


@given(st.sampled_from(["spam", "blacklisted", "over quota", "sender rejected", "too many messages", "DMARC policy"]))
def test_a_refusal_about_us_or_a_quota_is_never_hard(words: str) -> None:
    for code in ("5.1.1", "5.2.1", "5.1.0", "5.1.10", "5.0.0", ""):
        for text in (f"550 {code} {words}", f"550 {code} User unknown; {words}", f"550-{code} {words}\n550 {code} no"):
            assert judge_bounce(code, text).weight is not Weight.HARD


@settings(max_examples=30)
@given(st.text(max_size=2500), st.text(max_size=40))
def test_any_text_is_judged(words: str, status: str) -> None:
    assert judge_bounce(status, words).weight in Weight


# ---- the same judgement in the dialogue


@pytest.mark.parametrize(("code", "reply", "phase", "weight"), [
    (550, "User unknown", SmtpPhase.RCPT, "hard"),
    (550, "5.1.1 blocked by our spam policy", SmtpPhase.RCPT, "sender"),
    (552, "mailbox full", SmtpPhase.RCPT, "full"),
    (550, "Requested action not taken: mailbox unavailable", SmtpPhase.RCPT, "soft"),
    (550, "No", SmtpPhase.RCPT, "soft"),
    (550, "5.1.1 unknown", SmtpPhase.MAIL, "sender"),  # it answers who sends: nobody else is meant
    (550, "User unknown", SmtpPhase.CONNECT, "sender"),
    (554, "5.7.1 rejected", SmtpPhase.BODY, "sender"),
])  # fmt: skip
def test_a_relay_is_judged_as_a_report_is(code: int, reply: str, phase: SmtpPhase, weight: str) -> None:
    refused = result_of(code, reply, phase)
    assert isinstance(refused, Refused)
    assert RefusalClass(refused.reason, refused.soft).weight.value == weight


# ---- forms of reports


def report(fields: str, *, text: str = "It failed.", head: str = "") -> bytes:
    return (
        f"From: Mail Delivery System <MAILER-DAEMON@mx.test>\nSubject: Undelivered Mail\n{head}"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="xx"\n\n'
        f"--xx\nContent-Type: text/plain\n\n{text}\n\n--xx\nContent-Type: message/delivery-status\n\n{fields}\n--xx--\n"
    ).encode()


@pytest.mark.parametrize(("fields", "kind", "weight"), [
    ("Action : expired\nStatus : 4.4.7\nFinal-Recipient : rfc822; a@x.test\n", "bounced", "soft"),
    ("Final-Recipient: rfc822; a@x.test\nAction: Failed (unknown)\nStatus: 5.1.1 (no user)\n", "bounced", "hard"),
    ("Final-Recipient: rfc822; a@x.test\nStatus: 5.1.1\n", "bounced", "hard"),
    ("Final-Recipient: rfc822; a@x.test\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n", "bounced", "hard"),
    ("Final-Recipient: rfc822; a@x.test\nDiagnostic-Code: smtp; 451 4.3.0 later\n", "deferred", "none"),
    ("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@x.test\nAction: delayed\n", "deferred", "none"),
    ("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@x.test\nAction: relayed\nStatus: 2.1.5\n", "noted", "none"),
    ("Reporting-MTA: dns; x\n", "bounced", "soft"),
    ("Action: failed\nStatus: 5.1.1\n\nAction: failed\nStatus: 5.2.2\n", "bounced", "full"),  # handed on to two
])  # fmt: skip
def test_a_report_is_read_however_its_fields_stand(fields: str, kind: str, weight: str) -> None:
    status_reports = classified(report(fields))
    assert (status_reports.event.kind, weight_of(status_reports)) == (kind, weight)


def test_a_field_goes_on_over_lines_that_are_not_indented() -> None:
    (status,) = statuses_in("Diagnostic-Code: smtp; 550-This mailbox\n550-is gone\n\n550 5.1.1 bye\nStatus : 5.0.0\n")
    assert status == {"diagnostic-code": "smtp; 550-This mailbox\n550-is gone\n550 5.1.1 bye", "status": "5.0.0"}
    assert statuses_in("Dear all,\nre: action\nSubject: hello") == []


def plain(text: str, head: str) -> bytes:
    return f"{head}Content-Type: text/plain; charset=utf-8\n\n{text}\n".encode()


SYSTEM = "From: MAILER-DAEMON@mx.test\nSubject: Notice\n"
SOMEBODY = "From: Amy <amy@member.test>\nSubject: Re: Your vote\n"


@pytest.mark.parametrize(("text", "head", "kind", "weight"), [
    ("Votre message est revenu.", SYSTEM, "bounced", "soft"),  # nobody knows these words: it counts, and is shown
    ("<amy@x.test>: 550 5.1.1 unknown", SYSTEM, "bounced", "hard"),
    ("<amy@x.test>: 550 unknown user", SYSTEM, "bounced", "hard"),
    ("550 unknown user", SYSTEM, "bounced", "soft"),  # words that stand beside no mailbox suppress nobody at once
    ("Your mail has been delayed. You do not need to resend it.", SYSTEM, "deferred", "none"),
    ("Failed: 550 5.1.1 unknown\n\nOriginal message follows:\n\nSubject: spam and quota", SYSTEM, "bounced", "hard"),
    ("Your message could not be delivered.", "From: gate@mx.test\nSubject: Notice\n", "bounced", "soft"),
    ("I am away until 5.1.1. Ring 555 1234.", SOMEBODY, "noted", "none"),
    ("Away.", "From: MAILER-DAEMON@mx.test\nSubject: Out of Office\n", "noted", "none"),
    ("Room: 4.4.7", f"{SYSTEM}Auto-Submitted: auto-replied\n", "noted", "none"),
    ("There was an error sending: 550 5.1.1 no user", f"{SYSTEM}Auto-Submitted: auto-replied\n", "bounced", "hard"),
])  # fmt: skip
def test_a_report_in_a_form_of_its_own_is_seen_and_a_holiday_notice_is_none(
    text: str, head: str, kind: str, weight: str
) -> None:
    status_reports = classified(plain(text, head))
    assert (status_reports.event.kind, weight_of(status_reports)) == (kind, weight)


def test_an_unreadable_report_is_shown_to_staff() -> None:
    assert classified(plain("Votre message est revenu.", SYSTEM)).event.reason is Reason.UNREAD_BOUNCE


def test_a_report_without_its_boundary_is_read() -> None:
    raw = report("Final-Recipient: rfc822; a@x.test\nAction: failed\nStatus: 5.1.1\n").replace(
        b'boundary="xx"', b'boundary="yy"'
    )
    assert weight_of(classified(raw)) == "hard"


PERSON = """From: Amy <amy@member.example>
To: r+seal@reply.union.example
Subject: Re: Have you voted?
{head}MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=B

--B
Content-Type: text/plain

Please STOP emailing me. My mail to the branch came back: Action: failed, Status: 5.1.1
--B
{part}
--B--
"""
STATUS_PART = """Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; branch@union.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User unknown"""
FORWARDED = f"""Content-Type: message/rfc822

From: MAILER-DAEMON@mx.example
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=C

--C
{STATUS_PART}
--C--"""


@pytest.mark.parametrize("part", [STATUS_PART, FORWARDED, "Content-Type: text/plain\n\nAction: failed\nStatus: 5.1.1"])
@pytest.mark.parametrize("head", ["", "List-Id: <branch.union.example>\n", "Precedence: bulk\n"])
def test_a_forwarded_report_is_no_bounce_of_the_forwarder(part: str, head: str) -> None:
    raw = PERSON.format(part=part, head=head).encode()
    result = classify_mail(raw, Origin("reply", 7, "amy@member.example", AT, "amy@member.example"), KEYS)
    answer = result.decide(result.answer.own(())) if isinstance(result, DoubtfulMail) else result
    assert isinstance(answer, MailReply)
    assert answer.own(()).words.startswith("Please STOP emailing me.")
