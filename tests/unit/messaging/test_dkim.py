"""DKIM: receivers verify our signature, and no changed mail passes."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingsError
from core.settings import Settings
from messaging.channels.smtp import dkim as signing
from messaging.channels.smtp.dkim import Signer, open_signer
from messaging.content.mime import Skeleton, seven_bit
from messaging.content.render import RenderedEmail

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
Dns = Callable[..., bytes]

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
MUST_BE_SIGNED = (
    *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Feedback-ID"),
    *("List-Unsubscribe", "List-Unsubscribe-Post"),
)


def pem(key: PrivateKey, shape: form.PrivateFormat = form.PrivateFormat.PKCS8, *, password: bytes = b"") -> bytes:
    lock = form.BestAvailableEncryption(password) if password else form.NoEncryption()
    return key.private_bytes(form.Encoding.PEM, shape, lock)


def raw(key: ed25519.Ed25519PrivateKey) -> bytes:
    return base64.b64encode(key.private_bytes(form.Encoding.Raw, form.PrivateFormat.Raw, form.NoEncryption()))


def published(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> Dns:
    """The DNS that holds the public half."""
    if isinstance(key, rsa.RSAPrivateKey):
        der = key.public_key().public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
        record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)
    else:
        der = key.public_key().public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)
        record = b"v=DKIM1; k=ed25519; p=" + base64.b64encode(der)

    def look_up(name: bytes, timeout: float = 5) -> bytes:
        assert name == b"s1._domainkey.union.test."
        return record

    return look_up


def email(subject: str = "Siân, have you voted?", text: str = "Annwyl Siân\n", to: str = "ann@x.test") -> bytes:
    content = Skeleton("The Union <a@union.test>", "c1.union.test", feedback_id="1:2:3:muster").build(
        to, RenderedEmail(subject, text, "<p>Hi</p>\n"), "1-a@union.test", "https://m.test/u/x",
        datetime(2026, 11, 22, tzinfo=UTC),
    )  # fmt: skip
    return seven_bit(content)


@pytest.mark.parametrize(
    ("file", "key"),
    [
        (pem(RSA), RSA),
        (pem(RSA, form.PrivateFormat.TraditionalOpenSSL), RSA),
        (pem(RSA).replace(b"\n", b"\r\n"), RSA),
        (pem(ED25519), ED25519),
        (raw(ED25519) + b"\n", ED25519),
    ],
    ids=["rsa", "rsa-pkcs1", "rsa-crlf", "ed25519", "ed25519-raw"],
)
def test_a_receiver_verifies_the_signature(file: bytes, key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> None:
    signed = Signer("union.test", "s1", file).sign(email())
    assert dkim.verify(signed, dnsfunc=published(key))
    assert not dkim.verify(signed.replace(b"Hi</p>", b"Ho</p>"), dnsfunc=published(key))
    assert signed.endswith(email())
    head = signed.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    tags = dict(part.strip().split("=", 1) for part in message_from_bytes(signed)["DKIM-Signature"].split(";"))
    assert tags["c"] == "relaxed/relaxed"
    assert (tags["d"], tags["s"]) == ("union.test", "s1")


@pytest.mark.parametrize("header", MUST_BE_SIGNED)
def test_a_header_cannot_be_changed_taken_away_or_given_a_second_time(header: str) -> None:
    signed = Signer("union.test", "s1", pem(ED25519)).sign(email())
    head, gap, text = signed.partition(b"\r\n\r\n")
    line = re.compile(rb"^" + header.encode() + rb": ", re.MULTILINE)
    assert len(line.findall(head)) == 1
    for forged in (
        line.sub(header.encode() + b": x", head),
        line.sub(b"X-Gone: ", head),
        header.encode() + b": another\r\n" + head,
    ):
        assert not dkim.verify(forged + gap + text, dnsfunc=published(ED25519)), forged


def test_the_reply_to_header_is_signed() -> None:
    signed = Signer("union.test", "s1", pem(ED25519)).sign(email())
    assert dkim.verify(b"X-Relayed: yes\r\n" + signed, dnsfunc=published(ED25519))
    assert not dkim.verify(b"Reply-To: thief@x.test\r\n" + signed, dnsfunc=published(ED25519))


_SIGNER = Signer("union.test", "s1", pem(ED25519))


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=100), st.text(max_size=300))
def test_every_mail_of_ours_verifies(subject: str, text: str) -> None:
    signed = _SIGNER.sign(email(" ".join(subject.split()), text))
    assert dkim.verify(signed, dnsfunc=published(ED25519))


def test_a_mailbox_beyond_ascii_verifies_too() -> None:
    signed = _SIGNER.sign(email(to="jörg@x.test"))
    assert message_from_bytes(signed, policy=default)["To"] == "jörg@x.test"
    assert dkim.verify(signed, dnsfunc=published(ED25519))


@pytest.mark.parametrize(("key", "words"), [
    (b"", "is neither"),
    (b"hello\xff", "holds no key"),
    (b"-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n", "is neither"),
    (pem(RSA, password=b"secret"), "is neither"),
    (pem(RSA, form.PrivateFormat.TraditionalOpenSSL)[:900], "holds no key"),
    (pem(ec.generate_private_key(ec.SECP256R1())), "is neither"),
    (RSA.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo), "is neither"),
])  # fmt: skip
def test_a_text_that_is_no_key_is_refused_in_one_line(key: bytes, words: str) -> None:
    with pytest.raises(SettingsError, match="MUSTER_DKIM_KEY_FILE") as refused:
        Signer("union.test", "s1", key)
    assert words in refused.value.message
    assert "\n" not in str(refused.value)
    assert "openssl" in refused.value.remedy


def test_a_key_that_receivers_no_longer_accept_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "MIN_KEY_SIZE", 4096)  # no library makes the small ones any more
    with pytest.raises(SettingsError, match="an RSA key of 2048 bits"):
        Signer("union.test", "s1", pem(RSA))


@pytest.mark.parametrize(("domain", "selector"), [("", "s1"), ("union.test", "s 1"), ("a;b=c", "s1"), ("ü..test", "s")])
def test_names_that_dns_does_not_allow_are_refused(domain: str, selector: str) -> None:
    with pytest.raises(SettingsError, match="MUSTER_DKIM_"):
        Signer(domain, selector, pem(ED25519))


def test_a_domain_may_be_international() -> None:
    assert b"d=xn--bcher-kva.test;" in Signer("bücher.test", "s1", pem(ED25519)).sign(email())


def test_all_three_settings_are_needed_or_none(tmp_path: Path) -> None:
    file = tmp_path / "dkim.pem"
    file.write_bytes(pem(ED25519))
    assert open_signer(Settings(_env_file=None)) is None
    assert open_signer(Settings(_env_file=None, dkim_domain="union.test", dkim_selector="s1", dkim_key_file=file))
    with pytest.raises(SettingsError, match="MUSTER_DKIM_SELECTOR and MUSTER_DKIM_KEY_FILE are not set"):
        open_signer(Settings(_env_file=None, dkim_domain="union.test"))
    with pytest.raises(SettingsError, match="MUSTER_DKIM_DOMAIN is not set"):
        open_signer(Settings(_env_file=None, dkim_selector="s1", dkim_key_file=file))


@pytest.mark.parametrize(("contents", "words"), [
    (None, "MUSTER_DKIM_KEY_FILE: Path does not point to a file"),
    (b"no key\n", "MUSTER_DKIM_KEY_FILE names holds no key"),
])  # fmt: skip
def test_muster_does_not_start_with_a_key_that_cannot_sign(contents: bytes | None, words: str, tmp_path: Path) -> None:
    file = tmp_path / "dkim.pem"
    if contents is not None:
        file.write_bytes(contents)
    given = {
        "MUSTER_HOME": str(tmp_path / "home"),
        "MUSTER_SMTP_URL": "smtp://127.0.0.1:1",
        "MUSTER_DKIM_DOMAIN": "union.test",
        "MUSTER_DKIM_SELECTOR": "s1",
        "MUSTER_DKIM_KEY_FILE": str(file),
    }
    started = subprocess.run(
        [sys.executable, "-m", "muster", "run"],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 1
    assert words in started.stderr
    assert len(started.stderr.strip().splitlines()) <= 2  # what is wrong, and what to do
    assert not (tmp_path / "home").exists()
