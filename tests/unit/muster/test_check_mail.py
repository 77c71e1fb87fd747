"""`muster check mail` classifies a mail as the mail server does, wherever the mail is from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from core.errors import InputError
from muster.cli.check_mail import check_mail, forms_of, read_checked

DATA = Path(__file__).parents[2] / "data"
COMMAND = [sys.executable, "-c", "from muster.cli import main; main()", "check", "mail"]

REPLY = b"""\
Return-Path: <amy@member.test>
From: Amy <amy@member.test>
To: r+7-abcdefgh@reply.union.test
Subject: Re: Your vote

I have voted

Your Union
Stop these emails
"""
SENT = b"""\
From: Your Union <ballot@union.test>
To: amy@member.test
Subject: Your vote
Content-Type: multipart/alternative; boundary=x

--x
Content-Type: text/plain

Have you voted?

Your Union
Stop these emails
--x
Content-Type: text/html

<p>Have you voted?</p><p>Your Union<br>Stop these emails</p>
--x--
"""


@pytest.mark.parametrize(("name", "kind", "weight", "code"), [
    ("bounces/one-group-hard", "bounce", "hard", "5.1.1"),
    ("bounces/status-5.1.1-but-full", "bounce", "full", "5.2.2"),
    ("bounces/status-5.1.1-but-blocklisted", "bounce", "sender", "5.7.1"),
    ("bounces/opensmtpd-no-code", "bounce", "hard", "bounced"),
    ("bounces/control-vacation", "auto_response", None, None),
    ("bounces/arf-singular-header", "unsubscribe", None, "opt-out"),
    ("mail/arf-abuse", "complaint", None, "abuse"),
    ("mail/dsn-delayed", "bounce", None, "4.4.1"),
    ("mail/out-of-office", "auto_response", None, None),
])  # fmt: skip
def test_a_mail_is_classified_as_the_mail_server_does(
    name: str, kind: str, weight: str | None, code: str | None
) -> None:
    result = read_checked((DATA / f"{name}.eml").read_bytes())
    assert (result["kind"], result["weight"], result["code"]) == (kind, weight, code)
    assert result["hard"] is (weight == "hard")
    assert result["soft"] is (weight in {"soft", "full"})


def test_an_answer_is_shown_with_its_reading_and_the_writers_own_words() -> None:
    assert read_checked(REPLY)["kind"] == "reply"
    result = read_checked(REPLY, forms_of(SENT))
    assert (result["reading"], result["words"]) == ("voted", "I have voted")


def test_the_message_sent_is_recognised_by_its_text_and_its_html() -> None:
    plain, html = forms_of(SENT)
    assert (
        plain.split()
        == html.split()
        == ["Your", "vote", "Have", "you", "voted?", "Your", "Union", "Stop", "these", "emails"]
    )


@pytest.mark.parametrize(("to", "head", "kind"), [
    ("u+7-abcdefgh@reply.union.test", "From: amy@member.test\n", "unsubscribe"),
    ("somebody@union.test", "From: MAILER-DAEMON@mx.test\n", "bounce"),
    ("somebody@union.test", "Return-Path: <>\nFrom: gate@mx.test\nSubject: failure notice\n", "bounce"),
    ("somebody@union.test", "From: amy@member.test\n", "reply"),
    ("somebody@union.test", "From: amy@member.test\nSubject: Automatic reply: x\n", "auto_response"),
])  # fmt: skip
def test_the_recipient_is_read_from_the_mail(to: str, head: str, kind: str) -> None:
    assert read_checked(f"{head}To: {to}\n\nwords\n".encode())["kind"] == kind


@pytest.mark.parametrize(("head", "body", "kind", "reading"), [
    ("Subject: Undelivered ballot paper", "STOP", "reply", "opt_out"),
    ("Subject: Undelivered ballot paper", "I have voted", "reply", "unclear"),
    ("Subject: Re: Failed delivery of your ballot paper", "I have voted", "reply", "voted"),
    ("Subject: Mail delivery failed to my house", "My paper was not delivered.", "reply", "unclear"),
    ("Subject: Failure notice", "STOP", "reply", "opt_out"),
    ("Subject: Warning: could not send my ballot", "550 5.1.1 is my membership number", "reply", "unclear"),
    ("Subject: Automatic reply: x", "please stop emailing me", "reply", "opt_out"),
    ("Subject: Automatic reply: unsubscribe", "I am away.", "auto_response", None),
    ("Subject: STOP", "I am away.", "reply", "opt_out"),
    ("Subject: Voted", "Which of you do I ask about my pension?", "reply", "unclear"),
    ("Subject: Have you voted?", "Hm", "reply", "unclear"),
    ("Subject: Re: Vote\nList-Id: <a.b>", "please stop emailing me", "reply", "opt_out"),
    ("Subject: Re: Vote\nPrecedence: bulk", "I have voted", "reply", "unclear"),
    ("Subject: Vote\nFeedback-ID: 1.eu-west-1.abc:AmazonSES", "STOP", "reply", "opt_out"),
    ("Subject: Re: Vote\nFeedback-ID: 1.eu-west-1.abc:AmazonSES", "I have voted", "reply", "voted"),
    ("Subject: Automatic reply: x\nFeedback-ID: 1.eu-west-1.abc:AmazonSES", "I am away.", "auto_response", None),
])  # fmt: skip
def test_a_person_is_no_mail_system_whatever_their_subject(
    head: str, body: str, kind: str, reading: str | None
) -> None:
    envelope = "Return-Path: <amy@member.test>\nFrom: Amy <amy@member.test>\nTo: r+7-abcdefgh@reply.union.test\n"
    result = read_checked(f"{envelope}{head}\n\n{body}\n".encode())
    assert (result["kind"], result["reading"], result["reason"]) == (kind, reading, None)


@pytest.mark.parametrize("head", [
    "Return-Path: <amy@member.test>\nFrom: MAILER-DAEMON@mx.test\nSubject: Undelivered Mail",
    "Return-Path: <amy@member.test>\nFrom: Mail Delivery System <mx@mx.test>\nSubject: Returned mail",
    "Return-Path: <>\nFrom: gate@mx.test\nSubject: Returned mail",
    "From: Mail Delivery Subsystem <mx@mx.test>\nSubject: Returned mail",
])  # fmt: skip
def test_a_mail_system_that_answers_to_reply_to_bounces(head: str) -> None:
    text = "550 5.1.1 <amy@member.test>: user unknown"
    assert read_checked(f"{head}\nTo: r+7-abcdefgh@reply.union.test\n\n{text}\n".encode())["kind"] == "bounce"


@pytest.mark.parametrize(("path", "kind"), [
    ("", "reply"),
    ("Return-Path: <amy@member.test>\n", "reply"),
    ("Return-Path: \n", "reply"),
    ("Return-Path: <>\n", "auto_response"),
])  # fmt: skip
def test_only_an_empty_return_path_means_a_mail_system(path: str, kind: str) -> None:
    mail = f"{path}From: Amy <amy@member.test>\nTo: r+7-abcdefgh@reply.union.test\nSubject: Vote\n\nSTOP\n"
    assert read_checked(mail.encode())["kind"] == kind


def test_a_mail_that_cannot_be_read_is_an_error() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(300))
    with pytest.raises(InputError, match="cannot be read"):
        read_checked(nested)


def test_a_file_or_standard_input_is_judged_in_words_or_as_json(tmp_path: Path) -> None:
    mail, sent = tmp_path / "mail.eml", tmp_path / "sent.eml"
    mail.write_bytes(REPLY)
    sent.write_bytes(SENT)
    options = ["--json", "--sent", str(sent), "-"]
    done = subprocess.run([*COMMAND, *options], input=REPLY, capture_output=True, check=True, timeout=60)
    assert orjson.loads(done.stdout)["reading"] == "voted"
    done = subprocess.run([*COMMAND, str(DATA / "bounces/dma.eml")], capture_output=True, check=True, timeout=60)
    assert done.stdout.startswith(b"bounce, hard: the address is suppressed at once (5.1.1)\n")
    failed = subprocess.run([*COMMAND, str(tmp_path / "none")], capture_output=True, check=False, timeout=60)
    assert (failed.returncode, b"cannot be read" in failed.stderr) == (1, True)


@pytest.mark.parametrize(
    "content", [b"two lines\nof words\n", b"", b"member_id,email\n1,amy@member.test\n", b"Note: milk\n"]
)
def test_a_text_that_is_no_mail_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no mail: a mail begins with its headers"):
        check_mail(path, None, as_json=True)


def test_the_answer_in_words_says_what_follows() -> None:
    assert check_mail(DATA / "mail/out-of-office.eml", None, as_json=False).startswith(
        "auto_response: a machine wrote it; it is noted with the message it answers, and nobody has to read it\n"
        "Subject: "
    )
    mail = (
        b"From: amy@member.test\nTo: r+7-abcdefgh@reply.union.test\nSubject: Re: x\n\nVoted, please stop these emails\n"
    )
    assert read_checked(mail)["also"] == "voted"
