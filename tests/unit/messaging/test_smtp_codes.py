"""Mail servers' replies in our words, and the address of a relay."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SettingsError
from messaging.channels.channel import Refused, Retry
from messaging.channels.smtp.codes import SmtpPhase, result_of
from messaging.channels.smtp.smtp_session import dot_stuffed, envelope_path
from messaging.channels.smtp.smtp_transport import read_smtp_url
from messaging.reasons import OUR_FAULT, SUPPRESSES, Reason


@pytest.mark.parametrize("reply", ["5.1.1 User unknown", "5.1.2 Host unknown", "5.1.10 Null MX", "5.2.1 Disabled"])
def test_a_mailbox_that_does_not_exist_is_suppressed(reply: str) -> None:
    refused = result_of(550, reply, SmtpPhase.RCPT)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.HARD_BOUNCED
    assert refused.reason in SUPPRESSES


@pytest.mark.parametrize(
    "reply", ["5.7.1 Relaying denied", "5.7.26 Unauthenticated", "5.3.0 Failed", "5.1.8 Bad sender"]
)
@pytest.mark.parametrize("phase", [SmtpPhase.MAIL, SmtpPhase.RCPT, SmtpPhase.BODY])
def test_a_policy_refusal_is_about_the_sender_never_the_recipient(reply: str, phase: SmtpPhase) -> None:
    refused = result_of(550, reply, phase)
    assert isinstance(refused, Refused)
    assert refused.reason in OUR_FAULT


@pytest.mark.parametrize(("code", "phase", "reason"), [
    (550, SmtpPhase.RCPT, Reason.RECIPIENT_REFUSED),
    (553, SmtpPhase.MAIL, Reason.SENDER_REFUSED),
    (554, SmtpPhase.BODY, Reason.CONTENT_REFUSED),
    (554, SmtpPhase.CONNECT, Reason.SENDER_REFUSED),
    (535, SmtpPhase.AUTH, Reason.ACCOUNT_REFUSED),
])  # fmt: skip
def test_without_an_enhanced_code_the_phase_decides(code: int, phase: SmtpPhase, reason: Reason) -> None:
    refused = result_of(code, "No", phase)
    assert isinstance(refused, Refused)
    assert refused.reason is reason


def test_a_password_that_is_refused_is_the_accounts_fault_whatever_the_code() -> None:
    refused = result_of(535, "5.7.8 Bad credentials", SmtpPhase.AUTH)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.ACCOUNT_REFUSED


@pytest.mark.parametrize(("code", "reply", "phase", "slow"), [
    (421, "4.3.2 Shutting down", SmtpPhase.RCPT, True),
    (451, "4.7.1 Greylisted", SmtpPhase.RCPT, False),
    (451, "4.3.0 Try later", SmtpPhase.BODY, False),
    (450, "Too much mail from you", SmtpPhase.MAIL, True),
    (421, "Too many connections", SmtpPhase.CONNECT, True),
])  # fmt: skip
def test_a_temporary_refusal_is_tried_again_and_slows_the_sender_only_when_it_is_meant(
    code: int, reply: str, phase: SmtpPhase, *, slow: bool
) -> None:
    retry = result_of(code, reply, phase)
    assert isinstance(retry, Retry)
    assert retry.slow is slow


def test_a_full_mailbox_is_distinguished_from_a_full_server() -> None:
    assert result_of(452, "4.2.2 Mailbox full", SmtpPhase.RCPT).reason is Reason.MAILBOX_FULL
    assert result_of(552, "5.2.2 Mailbox full", SmtpPhase.RCPT).reason is Reason.MAILBOX_FULL
    assert result_of(452, "4.3.1 Disk full", SmtpPhase.RCPT).reason is Reason.BUSY


def test_a_text_is_never_mistaken_for_an_enhanced_code() -> None:
    assert result_of(550, "5.1.1.1 is our address", SmtpPhase.RCPT).code in {"550", "5.1.1"}
    assert result_of(550, "see 5.7.1", SmtpPhase.RCPT).code == "550"


def test_a_relay_is_read_from_its_url() -> None:
    relay = read_smtp_url("smtp://ann%40x:p%3Aw@relay.test:587?starttls=always")
    assert (relay.host, relay.port, relay.username, relay.password) == ("relay.test", 587, "ann@x", "p:w")
    assert relay.start_tls is True
    assert not relay.tls
    assert read_smtp_url("smtps://relay.test").port == 465
    assert read_smtp_url("smtp://relay.test").start_tls is None
    assert read_smtp_url("smtp://relay.test?starttls=never").start_tls is False
    assert read_smtp_url("smtp://ann:pw@relay.test").start_tls is True
    assert read_smtp_url("smtp://ann:pw@relay.test?starttls=never").start_tls is False


@pytest.mark.parametrize("url", [
    "http://relay", "smtp://", "relay:25", "smtp://relay?starttls=maybe", "smtp://r:port", "smtp://r:99999", "smtp://r:0",
    "smtp://relay?startls=always", "smtp://relay?starttls=always&tls=1", "smtp://relay/path", "smtp://relay#1",
])  # fmt: skip
def test_a_wrong_relay_url_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_smtp_url(url.replace("//", "//user:hunter2@"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("content", "sent"), [
    (b"a\r\n", b"a\r\n.\r\n"),
    (b".a\r\n.\r\n..b\r\n", b"..a\r\n..\r\n...b\r\n.\r\n"),
    (b"a\nb\rc", b"a\r\nb\r\nc\r\n.\r\n"),
    (b"", b"\r\n.\r\n"),
])  # fmt: skip
def test_the_final_dot_is_the_only_one_alone_on_its_line(content: bytes, sent: bytes) -> None:
    assert dot_stuffed(content) == sent


pieces = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a", b" ", b"MAIL FROM:<a@b>", b"\x0b", b"\x85"])
)


@given(pieces.map(b"".join) | st.binary(max_size=60))
def test_no_text_can_end_its_mail(content: bytes) -> None:
    sent = dot_stuffed(content)
    assert sent.endswith(b"\r\n.\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", sent)
    lines = sent.split(b"\r\n")
    assert lines.index(b".") == len(lines) - 2
    received = [line.removeprefix(b".") for line in lines[:-2]]
    assert received == (content.splitlines() or [b""])


@given(st.text(st.sampled_from("ab@.<> \r\n\t\0\x7fŵ\u2028\u00a0\ud800,:;")))
def test_no_address_can_end_its_command(address: str) -> None:
    path = envelope_path(address)
    assert path is None or not re.search(rb"[\0-\x20<>\x7f]", path)


def test_an_address_cannot_carry_a_command() -> None:
    assert envelope_path("ann@example.org") == b"ann@example.org"
    assert envelope_path("ann@bücher.example") == b"ann@xn--bcher-kva.example"
    assert envelope_path("jörg@example.org") == "jörg@example.org".encode()
    assert envelope_path("ann@straße.example") == b"ann@xn--strae-oqa.example"
    assert envelope_path("ann@ü..example") is None
    assert envelope_path("\ud800@example.org") is None
    assert envelope_path("a@b>\r\nRCPT TO:<c@d") is None
    assert envelope_path("a b@example.org") is None
