"""Relays of every kind: their extensions are used, missing ones done without, and broken protocol is not trusted."""

from __future__ import annotations

import asyncio
import base64
import ssl
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import dkim
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from messaging.channels.channel import Accepted, Refused, Retry, Unknown
from messaging.channels.smtp import channel as smtp_channel
from messaging.content.mime import Skeleton
from messaging.content.render import RenderedEmail
from messaging.reasons import Reason
from tests.support.mail_relay import EVERYTHING, HANG_UP, Relay, always, channel_to, mail, serving

pytestmark = pytest.mark.both_loops


def welsh(to: str = "ann@x.test") -> bytes:
    rendered = RenderedEmail("Siân, wyt ti wedi pleidleisio?", "Annwyl Siân,\n\nŵyl hapus.\n", "<p>Si&#226;n</p>\n")
    return Skeleton("The Union <a@union.test>", "c1.union.test").build(
        to, rendered, "1-a@union.test", "https://m.test/u/x", datetime(2026, 11, 22, tzinfo=UTC)
    )


def said(text: bytes) -> tuple[str, str, list[str]]:
    message = message_from_bytes(text, policy=default)
    parts = [part for part in message.iter_parts() if isinstance(part, EmailMessage)]
    return message["Message-ID"], message["Subject"], [part.get_content().replace("\r\n", "\n") for part in parts]


# pipelining


@pytest.mark.parametrize("torn", [False, True])
async def test_all_commands_up_to_the_text_are_sent_together(*, torn: bool) -> None:
    # a relay that says nothing before DATA gets a mail only from somebody who does not wait
    async with serving(Relay(lazy=True, torn=torn)) as relay, channel_to(relay.url) as channel:
        for _ in range(3):
            assert isinstance(await channel.send(mail()), Accepted)
        assert len(relay.texts) == 3
        assert relay.connections == 1


async def test_without_pipelining_each_command_waits_for_its_reply() -> None:
    async with serving(Relay(offers=["8BITMIME"])) as relay, channel_to(relay.url) as channel:
        assert isinstance(await channel.send(mail()), Accepted)
        assert relay.early == []


@pytest.mark.parametrize("starttls", ["never", "auto"])
async def test_a_relay_that_knows_no_extensions_gets_plain_smtp(starttls: str) -> None:
    async with serving(Relay(answers=always({"EHLO": b"502 5.5.1 what\r\n"}))) as relay:
        async with channel_to(f"{relay.url}?starttls={starttls}") as channel:
            assert isinstance(await channel.send(mail(content=welsh())), Accepted)
        assert relay.commands[1:3] == ["HELO example.org", "MAIL FROM:<b+1-abc@union.test>"]
        assert relay.early == []
        assert relay.texts[0].isascii()


@pytest.mark.parametrize("offers", [["PIPELINING"], []])
async def test_after_a_refusal_the_connection_is_ready_for_the_next(offers: list[str]) -> None:
    answers = {"RCPT": [b"550 5.1.1 nobody\r\n"]}
    async with serving(Relay(offers=offers, answers=answers)) as relay, channel_to(relay.url) as channel:
        refused = await channel.send(mail("gone@x.test"))
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.HARD_BOUNCED
        assert isinstance(await channel.send(mail()), Accepted)
        assert relay.count("RSET") == 1
        assert relay.connections == 1
        assert len(relay.texts) == 1


async def test_a_relay_that_asks_for_the_text_of_a_refused_mail_gets_none() -> None:
    answers = {"RCPT": [b"550 5.1.1 nobody\r\n"], "DATA": [b"354 go on\r\n"]}
    async with serving(Relay(answers=answers)) as relay, channel_to(relay.url) as channel:
        assert isinstance(await channel.send(mail("gone@x.test")), Refused)
        assert isinstance(await channel.send(mail()), Accepted)
        assert relay.texts == [mail().content]
        assert relay.connections == 2  # after 354 only hanging up lets go of it


@pytest.mark.parametrize("offers", [["PIPELINING"], []])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
async def test_a_421_within_a_mail_means_later_and_a_new_connection(verb: str, offers: list[str]) -> None:
    answers = {verb: [b"421 4.3.2 shutting down\r\n"]}
    async with serving(Relay(offers=offers, answers=answers)) as relay, channel_to(relay.url) as channel:
        outcome = await channel.send(mail())
        assert isinstance(outcome, Retry)
        assert outcome.slow
        assert isinstance(await channel.send(mail()), Accepted)
        assert relay.connections == 2


async def test_a_relay_that_has_had_enough_of_one_connection_gets_another() -> None:
    async with serving(Relay()) as relay, channel_to(relay.url) as channel:
        assert isinstance(await channel.send(mail()), Accepted)
        relay.answers["MAIL"] = [b"421 4.7.0 too many mails on this connection\r\n"]
        assert isinstance(await channel.send(mail()), Accepted)
        assert relay.connections == 2


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ({"MAIL": b"nonsense\r\n"}, Retry),
        ({"MAIL": b"250-" + b"x" * 100_000}, Retry),
        ({"RCPT": b"354 go on\r\n"}, Retry),
        ({"DATA": b"250 taken\r\n"}, Retry),
        ({"DATA": b"354 go on\r\n250 taken\r\n"}, Retry),
        ({"DATA": HANG_UP}, Retry),
        ({"BODY": HANG_UP}, Unknown),
        ({"BODY": b"nonsense\r\n"}, Unknown),
        ({"BODY": b"250 taken\r\n250 taken\r\n"}, Accepted),
        ({"BODY": b"250 taken\r\n421 no more of you\r\n"}, Accepted),
        ({"BODY": b"354 go on\r\n"}, Unknown),
    ],
)
@pytest.mark.parametrize("offers", [["PIPELINING"], []])
async def test_a_relay_that_breaks_the_protocol_is_not_trusted(
    answers: dict[str, bytes], outcome: type, offers: list[str]
) -> None:
    async with serving(Relay(offers=offers, answers=always(answers))) as relay, channel_to(relay.url) as channel:
        assert isinstance(await channel.send(mail()), outcome)
        assert channel._idle == []
        relay.answers.clear()
        assert isinstance(await channel.send(mail()), Accepted)


# connections that are kept


async def test_a_connection_is_given_up_after_its_share_of_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_channel, "MAILS_PER_CONNECTION", 3)
    async with serving(Relay()) as relay:
        async with channel_to(relay.url) as channel:
            for _ in range(7):
                assert isinstance(await channel.send(mail()), Accepted)
            assert relay.connections == 3
        assert relay.count("QUIT") == 3


async def test_a_connection_left_alone_is_asked_first_or_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Relay()) as relay, channel_to(relay.url) as channel:
        assert isinstance(await channel.send(mail()), Accepted)
        assert relay.count("NOOP") == 0
        monkeypatch.setattr(smtp_channel, "NOOP_AFTER", 0.0)
        assert isinstance(await channel.send(mail()), Accepted)
        assert (relay.count("NOOP"), relay.connections) == (1, 1)
        relay.answers["NOOP"] = [b"451 4.3.0 not well\r\n"]
        assert isinstance(await channel.send(mail()), Accepted)
        assert (relay.count("NOOP"), relay.connections) == (2, 2)
        monkeypatch.setattr(smtp_channel, "MAX_IDLE_TIME", 0.0)
        assert isinstance(await channel.send(mail()), Accepted)
        assert (relay.count("NOOP"), relay.connections) == (2, 3)


async def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Relay()) as relay, channel_to(relay.url) as channel:
        await asyncio.gather(channel.send(mail()), channel.send(mail()))
        assert len(channel._idle) == 2
        monkeypatch.setattr(smtp_channel, "MAX_IDLE_TIME", 0.0)
        assert isinstance(await channel.send(mail()), Accepted)
        assert len(channel._idle) == 1


# encryption and passwords


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.mark.parametrize("smtps", [False, True])
async def test_mail_is_sent_encrypted(context: ssl.SSLContext, ca_file: Path, *, smtps: bool) -> None:
    async with serving(Relay(context=context, smtps=smtps, lazy=True)) as relay:
        async with channel_to(relay.url, smtp_ca_file=ca_file) as channel:
            for _ in range(3):
                assert isinstance(await channel.send(mail()), Accepted)
            assert isinstance(
                await channel.send(mail(content=b"From: a@union.test\r\n\r\n" + b"x\r\n" * 10**5)), Accepted
            )
        assert relay.connections == 1
        assert {command.split()[0] for command in relay.clear} <= {"EHLO", "STARTTLS"}
        assert relay.count("QUIT") == 1


@pytest.mark.parametrize("smtps", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
async def test_a_certificate_counts_only_from_a_known_authority_and_for_its_name(
    context: ssl.SSLContext, ca_file: Path, host: str, *, smtps: bool
) -> None:
    known: dict[str, Any] = {} if host == "127.0.0.1" else {"smtp_ca_file": ca_file}
    async with serving(Relay(context=context, smtps=smtps), host=host) as relay:
        async with channel_to(relay.url, **known) as channel:
            outcome = await channel.send(mail())
        assert isinstance(outcome, Retry)
        assert outcome.slow
        assert outcome.reply.startswith("The relay's certificate is not trusted:")
        assert relay.texts == []


async def test_a_password_is_sent_encrypted(context: ssl.SSLContext, ca_file: Path) -> None:
    async with serving(Relay(context=context, password="open sesame")) as relay:
        async with channel_to(relay.url.replace(" ", "%20"), smtp_ca_file=ca_file) as channel:
            assert isinstance(await channel.send(mail()), Accepted)
        assert relay.count("AUTH") == 1
        assert {command.split()[0] for command in relay.clear} <= {"EHLO", "STARTTLS"}


async def test_a_password_that_is_refused_is_the_accounts_fault(context: ssl.SSLContext, ca_file: Path) -> None:
    async with serving(Relay(context=context, password="right")) as relay:
        async with channel_to(relay.url.replace("right", "wrong"), smtp_ca_file=ca_file) as channel:
            outcome = await channel.send(mail())
        assert isinstance(outcome, Refused)
        assert outcome.reason is Reason.ACCOUNT_REFUSED


@pytest.mark.parametrize("quoted", [
    b"open sesame", b"open%20sesame", base64.b64encode(b"\0user\0open sesame"), base64.b64encode(b"open sesame"),
])  # fmt: skip
async def test_a_relay_that_quotes_the_password_is_not_repeated(
    context: ssl.SSLContext, ca_file: Path, quoted: bytes
) -> None:
    said = always({"AUTH": b"535 5.7.8 you said <" + quoted + b">, and that is wrong\r\n"})
    async with (
        serving(Relay(context=context, password="open sesame", answers=said)) as relay,
        channel_to(relay.url.replace(" ", "%20"), smtp_ca_file=ca_file) as channel,
    ):
        refused = await channel.send(mail())
    assert isinstance(refused, Refused)
    assert refused.reply == "535 5.7.8 you said <••••••>, and that is wrong"


async def test_a_password_is_not_sent_without_encryption() -> None:
    async with serving(Relay(password="secret", offers=["AUTH PLAIN LOGIN"])) as relay:
        async with channel_to(relay.url) as channel:
            outcome = await channel.send(mail())
        assert isinstance(outcome, Retry)
        assert "STARTTLS" in outcome.reply
        assert relay.count("AUTH") == 0
        async with channel_to(f"{relay.url}?starttls=never") as channel:
            assert isinstance(await channel.send(mail()), Accepted)


# what a relay offers


async def test_text_is_sent_in_eight_or_seven_bits_and_means_the_same() -> None:
    forms = []
    for offers in (["8BITMIME"], []):
        async with serving(Relay(offers=offers)) as relay, channel_to(relay.url) as channel:
            assert isinstance(await channel.send(mail(content=welsh())), Accepted)
            assert ("BODY=8BITMIME" in relay.commands[1]) == bool(offers)
            forms += relay.texts
    assert forms[0] == welsh()
    assert not forms[0].isascii()
    assert forms[1].isascii()
    assert said(forms[0]) == said(forms[1])
    assert said(forms[0])[2][0] == "Annwyl Siân,\n\nŵyl hapus.\n"


async def test_a_mailbox_beyond_ascii_needs_a_relay_that_takes_it() -> None:
    async with serving(Relay()) as relay, channel_to(relay.url) as channel:
        assert isinstance(await channel.send(mail("jörg@bücher.test", welsh("jörg@bücher.test"))), Accepted)
        assert relay.commands[1].endswith("BODY=8BITMIME SMTPUTF8")
        assert relay.commands[2] == "RCPT TO:<jörg@xn--bcher-kva.test>"
        assert message_from_bytes(relay.texts[0], policy=default)["To"] == "jörg@xn--bcher-kva.test"
    async with serving(Relay(offers=["8BITMIME"])) as relay, channel_to(relay.url) as channel:
        outcome = await channel.send(mail("jörg@x.test", welsh("jörg@x.test")))
        assert isinstance(outcome, Refused)
        assert outcome.reason is Reason.RECIPIENT_REFUSED
        assert "SMTPUTF8" in outcome.reply
        assert relay.count("MAIL") == 0
        assert isinstance(await channel.send(mail("ann@bücher.test", welsh())), Accepted)
        assert relay.commands[1].endswith(" BODY=8BITMIME")
        assert relay.connections == 1


async def test_a_relays_announced_size_limit_is_kept() -> None:
    async with serving(Relay(offers=["SIZE 1000"])) as relay, channel_to(relay.url) as channel:
        outcome = await channel.send(mail(content=b"From: a@union.test\r\n\r\n" + b"x" * 1000 + b"\r\n"))
        assert isinstance(outcome, Refused)
        assert outcome.reason is Reason.CONTENT_REFUSED
        assert "1000" in outcome.reply
        assert relay.count("MAIL") == 0
        assert isinstance(await channel.send(mail()), Accepted)
        assert relay.commands[1].endswith(f" SIZE={len(relay.texts[0])}")


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\n", b"\r\n.\r\n", b"\r\r\n.\r\r\n"]
)
async def test_no_mail_can_be_smuggled_inside_another(end: bytes) -> None:
    smuggled = b"MAIL FROM:<boss@union.test>\r\nRCPT TO:<ann@x.test>\r\nDATA\r\nGive it to me\r\n.\r\n"
    async with serving(Relay()) as relay, channel_to(relay.url) as channel:
        content = b"From: a@union.test\r\n\r\nHello" + end + smuggled + b"end\r\n"
        assert isinstance(await channel.send(mail(content=content)), Accepted)
        assert isinstance(await channel.send(mail()), Accepted)
        assert relay.count("MAIL") == 2
        assert len(relay.texts) == 2
        assert relay.texts[0] == b"\r\n".join(content.splitlines()) + b"\r\n"


async def test_a_signed_mail_verifies_whatever_the_relay_offers(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    file = tmp_path / "dkim.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    for offers in (EVERYTHING, ()):
        async with (
            serving(Relay(offers=offers)) as relay,
            channel_to(relay.url, dkim_domain="union.test", dkim_selector="s1", dkim_key_file=file) as channel,
        ):
            assert isinstance(await channel.send(mail(content=welsh())), Accepted)
        (text,) = relay.texts
        assert text.isascii()  # a relay that had to convert it would break the signature
        assert said(text) == said(welsh())
        assert dkim.verify(text, dnsfunc=lambda *_, **__: b"v=DKIM1; k=ed25519; p=" + public)
