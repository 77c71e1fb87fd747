"""Bounces, complaints and machines' answers as mail, read without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.errors import InputError
from core.keyring import Keyring
from core.settings import Settings
from messaging.reasons import Reason
from messaging.reports.bounce_classification import RefusalClass, judge_bounce
from tests.support.effort import effort_of
from webhooks.email.inbound_mail.addresses import Destination, read_destination
from webhooks.email.inbound_mail.auto_responses import is_automatic, is_distributed, sounds_automatic
from webhooks.email.inbound_mail.delivery_status import statuses_of
from webhooks.email.inbound_mail.mail_store import mail_fingerprint
from webhooks.email.inbound_mail.parsed_mail import LOOKED_AT, MAX_PARTS, ParsedMail, parse_mail
from webhooks.email.inbound_mail.reports import read_bounce, read_complaint

DATA = Path(__file__).parents[2] / "data" / "mail"
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = Keyring([SecretStr("a secret for tests only"), SecretStr("an older secret for tests")])
SEAL = KEYS.sign_id(7, "bounce")
HARD, FULL = Reason.HARD_BOUNCED, Reason.MAILBOX_FULL
BOUNCES = ["dsn-hard", "dsn-full", "dsn-policy", "dsn-global", "qmail", "exim"]


def mail(name: str) -> bytes:
    return (DATA / f"{name}.eml").read_bytes().replace(b"SEAL", SEAL.encode())


def letter(name: str) -> ParsedMail:
    return parse_mail(mail(name))


@pytest.mark.parametrize(("status", "words", "reason", "soft"), [
    ("5.1.1", "", HARD, False),
    ("5.1.2", "", HARD, False),
    ("5.1.10", "", HARD, False),
    ("5.2.1", "", HARD, False),
    ("5.2.2", "", FULL, True),
    ("4.2.2", "", FULL, True),
    ("4.4.1", "", Reason.EXPIRED_AT_PROVIDER, True),
    ("4.1.1", "", Reason.EXPIRED_AT_PROVIDER, True),
    ("4.7.1", "", Reason.BUSY, False),
    ("5.3.0", "", Reason.SENDER_REFUSED, False),
    ("5.7.1", "", Reason.SENDER_REFUSED, False),
    ("5.7.26", "", Reason.SENDER_REFUSED, False),
    ("5.1.8", "", Reason.SENDER_REFUSED, False),
    ("5.2.3", "", Reason.CONTENT_REFUSED, False),
    ("5.6.0", "", Reason.CONTENT_REFUSED, False),
    ("5.4.4", "", Reason.RECIPIENT_REFUSED, True),
    ("5.0.0", "smtp; 550 5.1.1 user unknown", HARD, False),
    ("5.0.0", "550 5.7.1 rejected, 5.1.1 is not meant", Reason.SENDER_REFUSED, False),
    ("5.0.0", "550 no", Reason.RECIPIENT_REFUSED, True),
    ("4.0.0", "", Reason.RECIPIENT_REFUSED, True),
    ("", "host 1.5.1.1 said 550 5.2.1 disabled", HARD, False),
    ("", "host 192.5.1.1 said no", Reason.RECIPIENT_REFUSED, True),
    ("2.0.0", "", Reason.RECIPIENT_REFUSED, True),
    ("", "", Reason.RECIPIENT_REFUSED, True),
])  # fmt: skip
def test_the_enhanced_code_says_what_a_bounce_means(status: str, words: str, reason: Reason, soft: bool) -> None:
    judged = judge_bounce(status, words)
    assert (judged.reason, judged.soft) == (reason, soft)


def test_without_a_code_a_bounce_is_weighed_as_its_reporter_does() -> None:
    assert judge_bounce("", "nothing", RefusalClass(HARD)) == RefusalClass(HARD)


@pytest.mark.parametrize(("name", "kind", "reason", "soft"), [
    ("dsn-hard", "bounced", HARD, False),
    ("dsn-hard-in-words", "bounced", HARD, False),
    ("dsn-disabled", "bounced", HARD, False),
    ("dsn-full", "bounced", FULL, True),
    ("dsn-expired", "bounced", Reason.EXPIRED_AT_PROVIDER, True),
    ("dsn-delayed", "deferred", None, False),
    ("dsn-policy", "bounced", Reason.SENDER_REFUSED, False),
    ("dsn-system", "bounced", Reason.SENDER_REFUSED, False),
    ("dsn-reputation", "bounced", Reason.BUSY, False),
    ("dsn-delivered", "delivered", None, False),
    ("dsn-relayed", "noted", None, False),
    ("dsn-no-code", "bounced", Reason.UNREAD_BOUNCE, True),
    ("dsn-global", "bounced", HARD, False),
    ("dsn-global-base64", "bounced", HARD, False),
    ("qmail", "bounced", HARD, False),
    ("exim", "bounced", Reason.EXPIRED_AT_PROVIDER, True),
])  # fmt: skip
def test_a_bounce_says_what_became_of_its_message(name: str, kind: str, reason: Reason | None, soft: bool) -> None:
    event = read_bounce(letter(name), AT)
    assert event is not None
    assert (event.kind, event.reason, event.soft, event.at) == (kind, reason, soft, AT)


@pytest.mark.parametrize(("name", "kind", "known"), [
    ("arf-abuse", "complained", True),
    ("arf-redacted", "complained", True),
    ("arf-not-spam", "noted", True),
    ("arf-opt-out", "unsubscribed", True),
    ("arf-auth-failure", "noted", True),
    ("sent-back", "complained", True),
])  # fmt: skip
def test_a_complaint_names_the_message_by_an_id_of_ours(name: str, kind: str, known: bool) -> None:
    complaint = read_complaint(letter(name), KEYS, AT)
    assert complaint is not None
    assert (complaint.event.kind, complaint.message_id) == (kind, 7 if known else None)
    forged = mail(name).replace(SEAL.encode(), (SEAL[:-1] + ("2" if SEAL[-1] != "2" else "3")).encode())
    found = read_complaint(parse_mail(forged), KEYS, AT)
    assert found is None or found.message_id is None


def machine_wrote(mail: ParsedMail) -> bool:
    return is_automatic(mail, "ann@member.test") or sounds_automatic(mail)


@pytest.mark.parametrize("name", ["vacation", "out-of-office", "challenge", *BOUNCES])
def test_answers_of_machines_are_recognised(name: str) -> None:
    assert machine_wrote(letter(name))


@pytest.mark.parametrize("head", [
    "Auto-Submitted: auto-generated", 'Auto-Submitted: "auto-replied" (holiday)', "X-Autoreply: nobody",
    "Precedence: auto_reply", "X-Autoreply: yes", "X-Autorespond: x",
    "Subject: Out of Office: your mail", "Subject: Annual leave until Monday",
    "Subject: Re: Automatic reply: x", "Subject: Ymateb awtomatig: pleidlais",
    "Subject: =?utf-8?b?UsOpcG9uc2UgYXV0b21hdGlxdWU=?=", "Subject: Automatisch antwoord: stemmen",
    "Subject: Autosvar: x", "Subject: Autoresponder: I am away", "Subject: Automatyczna odpowiedź", "Subject: 自動返信",
    "From: MAILER-DAEMON@x.test", "From: autoreply@x.test",
    "Content-Type: multipart/report; report-type=disposition-notification; boundary=a",
])  # fmt: skip
def test_headers_of_machines_are_recognised(head: str) -> None:
    raw = f"{head}\r\nTo: r@union.test\r\n\r\nI have voted\r\n".encode()
    assert machine_wrote(parse_mail(raw))


@pytest.mark.parametrize("head", [
    "Auto-Submitted: no", "Subject: Re: Please confirm that you have voted", "Subject: Re: Out of time? Vote now",
    "Subject: holiday", "Subject: Re: Annual leave: have your say in the ballot", "Subject: AW: RE[2]: Vacation pay",
    "Subject: Ateb: Ar wyliau?", "Subject: Re: Read: what the offer means", "X-Auto-Response-Suppress: All",
    "X-Autoreply: no", "X-Autogenerated: No", "X-Autorespond: false", "X-FC-MachineGenerated: 0",
    "X-Autoreply: none", 'X-Autoreply: "no"', "X-Autoreply: No (a person)", "X-Autoreply:", "X-Mail-Autoreply: n",
    'Auto-Submitted: "no"', "Auto-Submitted: no (written by hand)", "Auto-Submitted: (by hand) NO; x=y",
    "Auto-Submitted: none", "Auto-Submitted: false", "Auto-Submitted: 0", "Auto-Submitted: 'no'",
    "Precedence: first-class", "Precedence: bulk", "List-Id: <a.b>", "From: no-reply@x.test",
    "From: Noreen <noreen@x.test>", "X-Mailer: iPhone Mail (20A362)",
])  # fmt: skip
def test_people_are_not_taken_for_machines(head: str) -> None:
    raw = f"{head}\r\nTo: r@union.test\r\n\r\nI have voted\r\n".encode()
    assert not machine_wrote(parse_mail(raw))
    assert is_automatic(parse_mail(raw), "")  # nobody sends without a name


@pytest.mark.parametrize("head", [
    "Precedence: Bulk", "Precedence: list", "Precedence: junk", "List-Id: <a.b>", "List-Unsubscribe: <mailto:l@x.test>",
    "From: no-reply@x.test", "From: do_not_reply@x.test", "From: members-bounces@lists.x.test",
    "From: group+bounces=ann@x.test",
])  # fmt: skip
def test_mail_of_a_list_is_distributed_but_not_automatic(head: str) -> None:
    raw = f"{head}\r\nTo: r@union.test\r\n\r\nI have voted\r\n".encode()
    assert is_distributed(parse_mail(raw), "ann@member.test")
    assert not is_automatic(parse_mail(raw), "ann@member.test")
    plain = parse_mail(b"From: noreen@x.test\r\nX-Mailer: List\r\n\r\nI have voted\r\n")
    assert not is_distributed(plain, "ann@member.test")
    assert is_distributed(plain, "list-bounces@x.test")


# ---- addresses


def test_the_address_tells_the_purpose_of_a_mail() -> None:
    settings = Settings(
        _env_file=None, email_from="The Union <Ballot@union.test>", bounce_domain="bounces.union.test",
        reply_domain="reply.union.test",
    )  # fmt: skip
    reply, gone = KEYS.sign_id(7, "reply"), KEYS.sign_id(7, "unsubscribe")

    def read(address: str) -> Destination | None:
        return read_destination(settings, KEYS, address)

    assert read(f"b+{SEAL}@bounces.union.test") == Destination("bounce", 7)
    assert read(f"<B+{SEAL.upper()}@Bounces.Union.Test>") == Destination("bounce", 7)
    assert read(f"r+{reply}@reply.union.test") == Destination("reply", 7)
    assert read(f"u+{gone}@reply.union.test") == Destination("unsubscribe", 7)
    assert read("complaints@bounces.union.test") == Destination("complaint")
    assert read("ballot@UNION.test") == Destination("conversation")
    for required in (
        "PostMaster@bounces.union.test",
        "postmaster@reply.union.test",
        "abuse@bounces.union.test",
        "Postmaster",
    ):
        assert read(required) == Destination("conversation"), required
    old = Keyring([SecretStr("an older secret for tests")]).sign_id(7, "bounce")
    assert read(f"b+{old}@bounces.union.test") == Destination("bounce", 7)  # rotated, and still known
    for stranger in (
        f"b+{SEAL[:-1]}0@bounces.union.test", f"b+{reply}@bounces.union.test", f"r+{SEAL}@reply.union.test",
        f"r+{reply}@bounces.union.test", f"b+{SEAL}@evil.test", "b+@bounces.union.test", "b+7@bounces.union.test",
        "postmaster@evil.test", "", "@", "b+\u0161@bounces.union.test", f"b+{SEAL}x@bounces.union.test",
    ):  # fmt: skip
        assert read(stranger) is None, stranger


def test_the_same_mail_has_one_fingerprint_however_it_came() -> None:
    raw = mail("dsn-hard")
    other = b"Return-Path: <>\nReceived: from a\n\tby b; Sun\nDelivered-To: x\n" + raw.replace(b"\r\n", b"\n") + b"\n"
    assert mail_fingerprint(raw, "b@x.test") == mail_fingerprint(other, "B@x.test")
    assert mail_fingerprint(raw, "b@x.test") != mail_fingerprint(raw, "c@x.test")
    assert mail_fingerprint(raw, "b@x.test") != mail_fingerprint(raw.replace(b"5.1.1", b"5.1.2"), "b@x.test")


# ---- what is made to do harm


def nested(depth: int) -> bytes:
    head = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return head + b"\r\nhello\r\n"


BOMBS = {
    "semicolons": b"Content-Type: text/plain" + b";a=b" * 60_000 + b"\r\n\r\nhi",
    "folded semicolons": b"Content-Type: text/plain" + b';\r\n a="b' * 25_000 + b"\r\n\r\nhi",
    "quotes": b'Content-Disposition: attachment; filename="' + b'\\";' * 60_000 + b"\r\n\r\nhi",
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 15_000 + b"\r\n\r\nhi",
    "addresses": b"From: " + b"<a@b>,(" * 30_000 + b"\r\n\r\nhi",
    "comments in comments": b"From: " + b"(" * 1500 + b"\r\nTo: " + b"(" * 1900 + b"\r\n\r\nhi",
    "comments after comments": b"From: " + b"(a)" * 60_000 + b"\r\n\r\nhi",
    "many headers": b"X-A: b\r\n" * 30_000 + b"\r\nhi",
    "many parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 25_000,
    "long line": b"\r\n" + b"a" * 300_000,
    "html": b"Content-Type: text/html\r\n\r\n" + b"<div><!--" * 28_000,
    "html tags": b"Content-Type: text/html\r\n\r\n" + b"<div>" * 50_000,
    "charset": b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a-" * 100_000,
    "zip charset": b"Content-Type: text/plain; charset=zip\r\n\r\nabc",
    "base64": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=\r\n" * 60_000,
    "report": b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    + b"Action: failed\r\n\r\n" * 14_000,
    "nested report": nested(300),
    "not a mail": bytes(range(256)) * 1000,
    "nothing": b"",
    "colons": b":\r\n" * 80_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_malicious_mail_is_read_quickly(name: str) -> None:
    def read() -> None:
        try:
            parsed = parse_mail(BOMBS[name])
        except InputError:
            return
        assert len(parsed.text) <= 20_000
        assert parsed.attachments <= MAX_PARTS
        machine_wrote(parsed)
        read_bounce(parsed, AT)
        read_complaint(parsed, KEYS, AT)

    assert effort_of(read) < 300  # thousands, where nothing is cut; this says only that something is


def test_a_mail_nested_without_end_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        parse_mail(nested(5000)[:LOOKED_AT])


@given(st.binary(max_size=400), st.sampled_from(["dsn-hard", "arf-abuse", "qmail", "vacation"]), st.integers(0, 1500))
def test_any_bytes_are_read_as_a_mail_or_refused(junk: bytes, name: str, where: int) -> None:
    raw = mail(name)
    try:
        parsed = parse_mail(raw[:where] + junk + raw[where + len(junk) // 2 :])
    except InputError:
        return
    assert "\0" not in parsed.text
    parsed.header("Subject")
    machine_wrote(parsed)
    event = read_bounce(parsed, AT)
    assert event is None or event.kind != "complained"
    read_complaint(parsed, KEYS, AT)


@pytest.mark.parametrize("sign", [b"\x0b", b"\x0c", b"\x1c", b"\x1e"])
def test_a_report_with_a_line_end_inside_a_field_is_read(sign: bytes) -> None:
    parsed = parse_mail(
        b"From: MAILER-DAEMON@mx.test\nContent-Type: message/delivery-status\n\n"
        b"Reporting-MTA: dns; mx.test\nArrival-Date: Sun, 22 Nov 202" + sign + b"11:00:00 GMT\n\n"
        b"Final-Recipient: rfc822; ann@member.test\nAction: failed\nStatus: 5.1.1\n"
    )
    (status,) = statuses_of(parsed.message)
    assert (status["final-recipient"], status["status"]) == ("rfc822; ann@member.test", "5.1.1")
