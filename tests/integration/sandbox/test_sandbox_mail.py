"""The sandbox's mail server, spoken to through aiosmtplib."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from email.message import EmailMessage

import aiosmtplib
import pytest

from sandbox import Sandbox, SandboxConfig, open_sandbox
from sandbox.postmaster import QUIRKS, MailConditions
from sandbox.smtp import MAX_MAIL_SIZE
from tests.support.effort import effort_of_async

SENDER = "b+12-ab@union.test"
TEXT = b"Subject: Hi\r\nMessage-ID: <m1@union.test>\r\n\r\nHello.\r\nHow are you?\r\n"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


def port(sandbox: Sandbox) -> int:
    return int(sandbox.smtp_url.partition("?")[0].rpartition(":")[2])


@pytest.fixture
async def smtp(sandbox: Sandbox) -> AsyncIterator[aiosmtplib.SMTP]:
    client = connection(sandbox)
    await client.connect()
    yield client
    client.close()


def connection(sandbox: Sandbox) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(hostname="127.0.0.1", port=port(sandbox), start_tls=False, timeout=5)


async def test_a_mail_is_kept_as_it_came(sandbox: Sandbox, smtp: aiosmtplib.SMTP) -> None:
    await smtp.sendmail(SENDER, ["anna@example.test"], TEXT)
    [mail] = sandbox.mailbox
    assert (mail.sender, mail.recipients, mail.message_id) == (SENDER, ("anna@example.test",), "<m1@union.test>")
    assert mail.raw == TEXT
    assert [message.number for message in sandbox.mailbox.to("ANNA@example.test")] == [mail.number]


@pytest.mark.parametrize(
    "body",
    [
        b"ends in a full stop.\r\nand another.\r\n",
        b".\r\n..\r\n.hidden\r\n",
        b"a\r\n.\r\nb\r\n",
        b"\r\n",
        "ŵ 😀 £\r\n".encode(),
        b"x" * 900 + b"\r\n" + b"y.\r\n" * 5000,
    ],
)
async def test_dots_and_long_texts_survive(sandbox: Sandbox, smtp: aiosmtplib.SMTP, body: bytes) -> None:
    text = b"Subject: Hi\r\n\r\n" + body
    for _ in range(2):  # the second proves that nothing of the first was left in the line
        await smtp.sendmail(SENDER, ["anna@example.test"], text)
    assert [mail.raw for mail in sandbox.mailbox] == [text, text]


async def test_the_server_announces_its_extensions(smtp: aiosmtplib.SMTP) -> None:
    await smtp.ehlo()
    assert {"smtputf8", "8bitmime", "size"} <= set(smtp.esmtp_extensions)
    assert smtp.esmtp_extensions["size"] == str(MAX_MAIL_SIZE)


async def test_addresses_beyond_ascii_are_accepted(sandbox: Sandbox, smtp: aiosmtplib.SMTP) -> None:
    message = EmailMessage()
    message["To"], message["Subject"] = "siân@exämple.test", "Pleidlais"
    message.set_content("Ŵyt ti wedi pleidleisio?")
    await smtp.send_message(message, sender=SENDER, recipients=["siân@exämple.test"])
    [mail] = sandbox.mailbox
    assert mail.recipients == ("siân@exämple.test",)


async def test_too_large_a_mail_is_refused_by_its_size(sandbox: Sandbox, smtp: aiosmtplib.SMTP) -> None:
    await smtp.ehlo()
    with pytest.raises(aiosmtplib.SMTPSenderRefused) as caught:
        await smtp.mail(SENDER, options=[f"SIZE={MAX_MAIL_SIZE + 1}"])
    assert caught.value.code == 552
    assert len(sandbox.mailbox) == 0


@pytest.mark.parametrize("line", [b"MAIL FROM:<a@b.test> BODY=9BIT", b"RCPT TO:<a@b.test>", b"DATA", b"NONSENSE"])
async def test_wrong_commands_are_answered_with_an_error(smtp: aiosmtplib.SMTP, line: bytes) -> None:
    await smtp.ehlo()
    answer = await smtp.execute_command(line)
    assert 500 <= answer.code < 600


@pytest.mark.parametrize(
    "keyword", [keyword for keyword, quirk in QUIRKS.items() if quirk.phase == "rcpt" and not quirk.close]
)
async def test_magic_recipients_are_refused(sandbox: Sandbox, smtp: aiosmtplib.SMTP, keyword: str) -> None:
    quirk = QUIRKS[keyword]
    await smtp.ehlo()
    await smtp.mail(SENDER)
    with pytest.raises(aiosmtplib.SMTPRecipientRefused) as caught:
        await smtp.rcpt(f"anna+{keyword}@example.test")
    assert f"{caught.value.code} {caught.value.message}" == quirk.reply
    await smtp.rset()
    assert sum(sandbox.mailbox.refused.values()) == 1
    if quirk.once:
        await smtp.sendmail(SENDER, [f"anna+{keyword}@example.test"], TEXT)
        assert len(sandbox.mailbox) == 1


@pytest.mark.parametrize(
    "keyword", [keyword for keyword, quirk in QUIRKS.items() if quirk.phase == "data" and quirk.reply]
)
async def test_magic_recipients_have_their_text_refused(sandbox: Sandbox, smtp: aiosmtplib.SMTP, keyword: str) -> None:
    with pytest.raises(aiosmtplib.SMTPDataError) as caught:
        await smtp.sendmail(SENDER, [f"{keyword}@example.test"], TEXT)
    assert f"{caught.value.code} {caught.value.message}" == QUIRKS[keyword].reply
    assert len(sandbox.mailbox) == 0
    await smtp.sendmail(SENDER, ["anna@example.test"], TEXT)  # the connection is still good
    assert len(sandbox.mailbox) == 1


@pytest.mark.parametrize("keyword", ["busy", "shutdown"])
async def test_magic_recipients_make_the_server_hang_up_politely(sandbox: Sandbox, keyword: str) -> None:
    outcomes = []
    for _ in range(2):
        client = connection(sandbox)
        await client.connect()
        try:
            await client.sendmail(SENDER, [f"{keyword}@example.test"], TEXT)
            outcomes.append(250)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            outcomes.append(refused.recipients[0].code)
        except aiosmtplib.SMTPResponseException as refused:
            outcomes.append(refused.code)
        client.close()
    assert outcomes == ([421, 250] if keyword == "busy" else [421, 421])


@pytest.mark.parametrize(("keyword", "stored"), [("hang", 1), ("drop", 0)])
async def test_magic_recipients_drop_the_line_after_the_text(
    sandbox: Sandbox, smtp: aiosmtplib.SMTP, keyword: str, stored: int
) -> None:
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await smtp.sendmail(SENDER, [f"{keyword}@example.test"], TEXT)
    assert len(sandbox.mailbox) == stored
    assert [mail.fate for mail in sandbox.mailbox] == ["unacknowledged"] * stored


async def test_a_magic_recipient_cuts_the_line_in_the_middle_of_the_text(
    sandbox: Sandbox, smtp: aiosmtplib.SMTP
) -> None:
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await smtp.sendmail(SENDER, ["cut@example.test"], TEXT * 1000)
    assert len(sandbox.mailbox) == 0
    again = connection(sandbox)
    await again.connect()
    await again.sendmail(SENDER, ["cut@example.test"], TEXT)
    again.close()
    assert len(sandbox.mailbox) == 1


@pytest.mark.parametrize(("keyword", "fate"), [("bounced", "bounced"), ("complain", "complained")])
async def test_some_mails_are_taken_and_go_wrong_later(
    sandbox: Sandbox, smtp: aiosmtplib.SMTP, keyword: str, fate: str
) -> None:
    await smtp.sendmail(SENDER, [f"{keyword}@example.test"], TEXT)
    assert [mail.fate for mail in sandbox.mailbox] == [fate]
    assert sandbox.mailbox.counts()["by_fate"] == {fate: 1}


async def test_a_slow_recipient_is_only_slow(sandbox: Sandbox, smtp: aiosmtplib.SMTP) -> None:
    impatient = connection(sandbox)
    await impatient.connect()
    with pytest.raises(aiosmtplib.SMTPReadTimeoutError):
        await impatient.sendmail(SENDER, ["slow@example.test"], TEXT, timeout=0.3)
    impatient.close()
    assert len(sandbox.mailbox) == 0
    await smtp.sendmail(SENDER, ["slow@example.test"], TEXT, timeout=60)
    assert len(sandbox.mailbox) >= 1


def test_every_quirk_has_a_test() -> None:
    tried = {keyword for keyword, quirk in QUIRKS.items() if quirk.reply}
    assert tried | {"cut", "hang", "drop", "bounced", "complain", "slow"} == set(QUIRKS)


@pytest.mark.parametrize(
    ("weather", "refused", "stored"),
    [
        (MailConditions(busy=1.0), "421 4.3.2", 0),
        (MailConditions(deferred=1.0), "451 4.3.0", 0),
        (MailConditions(refused=1.0), "550 5.1.1", 0),
        (MailConditions(cut=1.0), "dropped", 0),
        (MailConditions(silent=1.0, silence=0.01), "", 1),
    ],
)
async def test_bad_conditions_apply_to_any_recipient(weather: MailConditions, refused: str, stored: int) -> None:
    async with open_sandbox(SandboxConfig(mail=weather)) as sandbox:
        client = connection(sandbox)
        await client.connect()
        with pytest.raises(aiosmtplib.SMTPException):
            await client.sendmail(SENDER, ["anna@example.test"], TEXT)
        client.close()
        assert list(sandbox.mailbox.refused) == ([refused] if refused else [])
        assert [mail.fate for mail in sandbox.mailbox] == ["unacknowledged"] * stored


async def test_a_share_of_bad_conditions_applies_to_some() -> None:
    async with open_sandbox(SandboxConfig(mail=MailConditions(refused=0.3, latency=0.001))) as sandbox:
        client = connection(sandbox)
        await client.connect()
        for _ in range(100):
            with contextlib.suppress(aiosmtplib.SMTPRecipientsRefused):
                await client.sendmail(SENDER, ["anna@example.test"], TEXT)
        client.close()
        assert len(sandbox.mailbox) + sandbox.mailbox.refused["550 5.1.1"] == 100
        assert 10 < len(sandbox.mailbox) < 90


async def test_it_takes_a_thousand_mails_a_second_with_room_to_spare(sandbox: Sandbox) -> None:
    async def send(count: int) -> None:
        client = connection(sandbox)
        await client.connect()
        for _ in range(count):
            await client.mail(SENDER)
            await client.rcpt("anna@example.test")
            await client.data(TEXT)
        await client.quit()

    spent = await effort_of_async(lambda: asyncio.gather(*(send(100) for _ in range(8))))  # of its own client, too
    assert len(sandbox.mailbox) == 800
    assert spent < 120


async def test_closing_the_sandbox_closes_its_connections() -> None:
    async with open_sandbox(SandboxConfig()) as sandbox:
        client = connection(sandbox)
        await client.connect()
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await client.noop()
    client.close()
