"""Mail posted by providers: as it came or parsed, from each of the four, and from nobody else."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from core.db import Connection
from core.runtime import Runtime
from tests.support.email_events import (
    NOW,
    Keys,
    Request,
    SendGridKey,
    World,
    mailgun_signature,
    open_world,
    postmark_headers,
)
from tests.support.inbound_rows import Campaign, make_campaign
from tests.support.mail_rows import ANN, BOUNCES, DATA, REPLIES
from tests.support.posted_mails import Sent, begin, by_mailgun, by_postmark, multipart, post, reply_address
from webhooks import process_inbound
from webhooks.email.inbound import MAX_AT_ONCE, compose_mail
from webhooks.email.inbound_mail.parsed_mail import parse_mail

PROVIDERS = ("sendgrid", "mailgun", "postmark", "ses")


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


@pytest.fixture
async def world(runtime: Runtime, keys: Keys) -> AsyncIterator[World]:
    update = {"bounce_domain": BOUNCES, "reply_domain": REPLIES, "mailroom_largest": 1}
    async with open_world(replace(runtime, settings=runtime.settings.model_copy(update=update)), keys) as world:
        yield world


@pytest.fixture
async def campaign(world: World, db: Connection) -> Campaign:
    return await make_campaign(world.runtime, db, now=NOW)


def by_sendgrid(world: World, mail: Sent, *, raw: bool, key: SendGridKey | None = None) -> Request:
    envelope = json.dumps({"to": [mail.to], "from": mail.sender})
    fields: dict[str, str | bytes] = {"dkim": "{@member.test : pass}", "envelope": envelope, "spf": "pass"}
    if raw:
        fields["email"] = mail.raw
    else:
        headers = (
            f"Received: by mx0001\n with SMTP\nFrom: Ann <{mail.sender}>\nContent-Type: multipart/mixed;\n\tboundary=x"
        )
        fields |= {"headers": headers, "text": mail.text, "html": "", "attachments": str(mail.attachments)}
        fields |= {"from": f"Ann <{mail.sender}>", "subject": mail.subject}
    body, content_type = multipart(fields)
    request = (key or world.sendgrid[0]).sign(body)
    request.headers["Content-Type"] = content_type
    return request


def by_ses(world: World, mail: Sent, *, raw: bool) -> Request:
    content = base64.b64encode(mail.raw).decode() if raw else mail.raw.decode()
    fields = {
        "notificationType": "Received", "content": content,
        "mail": {"source": mail.sender, "destination": [mail.to, "other@union.test"], "messageId": "o3vrnil0e2ic28"},
        "receipt": {"recipients": [mail.to], "action": {"type": "SNS", "encoding": "BASE64" if raw else "UTF8"}},
    }  # fmt: skip
    return world.from_sns(world.sns.notification(fields))


WAYS: dict[str, Callable[..., Request]] = {
    "sendgrid": by_sendgrid,
    "mailgun": by_mailgun,
    "postmark": by_postmark,
    "ses": by_ses,
}


async def test_an_answer_by_any_provider_is_read(world: World, campaign: Campaign, db: Connection) -> None:
    for provider, make in WAYS.items():
        for raw in (True, False):
            address = f"{provider}{raw}@member.test".lower()
            recipient = await campaign.ask(email=address)
            mail = Sent(reply_address(world, recipient), address, attachments=0 if raw else 1)
            request = make(world, mail, raw=raw)
            more = "/mime" if provider == "mailgun" and raw else ""
            assert await post(world, provider, request, more) == 200, (provider, raw)
            if provider != "mailgun":  # the same once more, as after an answer that was lost
                assert await post(world, provider, make(world, mail, raw=raw)) == 200
            await process_inbound(world.runtime, 10)
            reply = await db.fetchrow("select * from reply order by reply_id desc limit 1")
            assert reply is not None, (provider, raw)
            assert (reply["address"], reply["text"], reply["message_id"]) == (
                address, "I’ve voted – thank you", recipient.message_id
            )  # fmt: skip
            noted = reply["note"] is not None
            assert noted == (not raw), (provider, raw)
            assert await campaign.status(recipient) == "voted", (provider, raw)
    assert await db.fetchval("select count(*) from reply") == 2 * len(WAYS)


async def test_words_in_any_script_come_through_each_form_of_mailguns(
    world: World, campaign: Campaign, db: Connection
) -> None:
    words = "Wedi pleidleisio – diolch, Siân ŵ"
    recipient = await campaign.ask(email=ANN)
    for number, attachments in enumerate((0, 1)):  # which is which form
        mail = Sent(reply_address(world, recipient), text=words, subject=f"Re: {number} ŵ", attachments=attachments)
        assert await post(world, "mailgun", by_mailgun(world, mail, raw=False)) == 200
    eight_bit = f"From: {ANN}\nContent-Type: text/plain; charset=utf-8\n\n{words}".encode()
    fields = {"recipient": reply_address(world, recipient), "sender": ANN, "body-mime": eight_bit} | mailgun_signature()
    request = Request(urlencode(fields).encode(), {"Content-Type": "application/x-www-form-urlencoded"})
    assert await post(world, "mailgun", request, "/mime") == 200
    await process_inbound(world.runtime, 10)
    rows_stored = [row["text"] for row in await db.fetch("select text from reply order by reply_id")]
    assert rows_stored == [f"Subject: 0 ŵ\n\n{words}", f"Subject: 1 ŵ\n\n{words}", words]


async def test_a_bounce_that_a_provider_took_in_counts(world: World, campaign: Campaign) -> None:
    recipient = await campaign.ask(email=ANN)
    signed_id = world.runtime.keyring.sign_id(recipient.message_id, "bounce")
    raw = (DATA / "dsn-hard.eml").read_bytes().replace(b"SEAL", signed_id.encode())
    envelope = json.dumps({"to": [f"b+{signed_id}@{BOUNCES}"], "from": ""})
    body, content_type = multipart({"envelope": envelope, "email": raw})
    request = world.sendgrid[0].sign(body)
    request.headers["Content-Type"] = content_type
    assert await post(world, "sendgrid", request) == 200
    await process_inbound(world.runtime, 10)
    assert await campaign.suppressed() == {("email", ANN, "hard_bounced")}


async def test_mail_that_nobody_signed_is_refused(world: World, campaign: Campaign, db: Connection) -> None:
    recipient = await campaign.ask(email=ANN)
    mail = Sent(reply_address(world, recipient))
    sendgrid, postmark, ses = (WAYS[name](world, mail, raw=True) for name in ("sendgrid", "postmark", "ses"))
    sns = json.loads(ses.body)
    forgeries = [
        ("sendgrid", by_sendgrid(world, mail, raw=True, key=SendGridKey())),
        ("sendgrid", Request(sendgrid.body.replace(b"pass", b"fail"), sendgrid.headers)),
        ("sendgrid", Request(sendgrid.body, {"Content-Type": sendgrid.headers["Content-Type"]})),
        ("mailgun", by_mailgun(world, mail, raw=True, key="another key")),
        ("mailgun", by_mailgun(world, mail, raw=True, at=NOW - timedelta(hours=27))),
        ("mailgun", Request(b"", {"Content-Type": "multipart/form-data"})),
        ("mailgun", Request(b"a=b&" * 5000, {"Content-Type": "application/x-www-form-urlencoded"})),
        ("postmark", Request(postmark.body, postmark_headers("muster:wrong password of postmark"))),
        ("postmark", Request(postmark.body)),
        ("ses", world.from_sns(sns | {"Message": sns["Message"].replace("Received", "received")})),
        ("ses", world.from_sns(sns | {"SigningCertURL": "https://evil.test/SimpleNotificationService-012345.pem"})),
    ]
    for number, (provider, forged) in enumerate(forgeries):
        assert await post(world, provider, forged) == 403, number
    assert await db.fetchval("select count(*) from inbound_log") == 0


async def test_a_token_of_mailguns_brings_one_mail(world: World, campaign: Campaign, db: Connection) -> None:
    ann, bob = await campaign.ask(email=ANN), await campaign.ask(email="bob@member.test")
    signature = mailgun_signature()
    for recipient, words in ((ann, "I have voted"), (ann, "STOP"), (bob, "STOP")):
        body = {"recipient": reply_address(world, recipient), "sender": ANN, "body-mime": Sent("x", text=words).raw}
        request = Request(urlencode(body | signature).encode(), {"Content-Type": "application/x-www-form-urlencoded"})
        assert await post(world, "mailgun", request, "/mime") == 200
    await process_inbound(world.runtime, 10)
    assert await db.fetchval("select string_agg(text, ' ') from reply") == "I have voted"
    assert await campaign.suppressed() == set()


async def test_mail_to_unknown_addresses_and_malformed_mail_are_refused(world: World, db: Connection) -> None:
    for provider, make in WAYS.items():
        assert await post(world, provider, make(world, Sent("nobody@reply.union.test"), raw=True)) == 200
    assert await db.fetchval("select count(*) from inbound_log where source = 'mail'") == 0
    useless = [
        ("sendgrid", world.sendgrid[0].sign(b"no form")),
        ("postmark", Request(b"{}", postmark_headers())),
        ("postmark", Request(b"[]", postmark_headers())),
        ("ses", world.from_sns(world.sns.notification({"notificationType": "Received"}))),
        ("ses", world.from_sns(world.sns.notification({"notificationType": "Bounce"}))),
    ]
    for number, (provider, request) in enumerate(useless):
        assert await post(world, provider, request) == 400, number
    assert await db.fetchval("select count(*) from inbound_malformed") == len(useless)
    assert await post(world, "ses", world.from_sns(world.sns.confirmation())) == 200
    assert await post(world, "ses", world.from_sns(world.sns.confirmation(Type="UnsubscribeConfirmation"))) == 200
    assert await db.fetchval("select count(*) from alert") == 1
    assert any("ConfirmSubscription" in url for url in world.amazon.asked)


async def test_a_provider_that_is_not_set_up_takes_no_mail_and_a_large_one_is_refused(
    world: World, campaign: Campaign, runtime: Runtime
) -> None:
    from tests.support.inbound_rows import serve

    async with serve(runtime) as client:
        for provider in PROVIDERS:
            for more in ("", "/mime"):
                response = await client.post(f"/webhooks/email/{provider}/inbound{more}", data=b"")
                assert response.status == 404
    recipient = await campaign.ask(email=ANN)
    large = Sent(reply_address(world, recipient), text="words " * 150_000)
    request = by_postmark(world, large, raw=True)
    assert len(large.raw) > 1024 * 1024
    request.body = request.body.replace(b'"TextBody": "' + large.text.encode(), b'"TextBody": "')
    from io import BytesIO

    response = await world.client.post(
        "/webhooks/email/postmark/inbound", data=BytesIO(request.body), headers=request.headers
    )
    assert response.status == 413


# ---- those who mean ill


async def test_a_slow_client_takes_no_connection_from_the_provider(world: World, campaign: Campaign) -> None:
    dribbling = [
        await begin(world, "mailgun", X_Forwarded_For="8.8.8.8", Expect="100-continue") for _ in range(MAX_AT_ONCE + 4)
    ]
    for reader, _ in dribbling:
        assert b"100 Continue" in await reader.readline()  # it is being read, or waits
    request = by_mailgun(world, Sent(reply_address(world, await campaign.ask(email=ANN))), raw=True)
    request.headers["X-Forwarded-For"] = "9.9.9.9"
    assert await post(world, "mailgun", request) == 200
    for _, writer in dribbling:
        writer.close()


@pytest.mark.parametrize(("provider", "headers", "status"), [
    ("postmark", postmark_headers("muster:wrong password of postmark"), 403),
    ("sendgrid", {}, 403),
    ("sendgrid", SendGridKey().sign(b"", NOW - timedelta(hours=27)).headers, 403),
    ("mailgun", {"Content-Length": str(4 * 1024 * 1024)}, 413),
])  # fmt: skip
async def test_a_refusal_by_headers_is_answered_before_the_body_is_read(
    world: World, provider: str, headers: dict[str, str], status: int
) -> None:
    reader, writer = await begin(world, provider, **headers)
    assert (await reader.readline()).split()[1] == str(status).encode()
    writer.close()


# ---- forms and mails


def test_a_mail_taken_apart_cannot_smuggle_headers_in() -> None:
    headers = [
        ("From", "a@b.test\r\nBcc: x@y.test"), ("X-Bad\r\nBcc", "x@y.test"), ("Content-Type", "message/rfc822"),
        ("Subject", "Ŵ" * 5000), ("", "x"), ("Auto-Submitted", "no\n\nBody: x"),
    ]  # fmt: skip
    letter = parse_mail(compose_mail(headers, "words ŵ\n\udc80", "", 3))
    assert letter.message["Bcc"] is None
    assert letter.message.get_content_type() == "multipart/mixed"
    assert letter.text.startswith("words ŵ")
    assert letter.attachments == 3
    only_html = parse_mail(compose_mail([], " ", "<p>words</p><blockquote>STOP</blockquote>", 0))
    assert only_html.text == "words"


@given(junk=st.binary(max_size=300), where=st.integers(0, 900), which=st.sampled_from(["sendgrid", "postmark", "ses"]))
@examples(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_signed_junk_is_answered_and_stops_nobody(
    world: World, db: Connection, junk: bytes, where: int, which: str
) -> None:
    mail = Sent(f"r+{world.runtime.keyring.sign_id(1, 'reply')}@{REPLIES}")
    raw = mail.raw
    changed = raw[:where] + junk + raw[where + 5 :]
    match which:
        case "sendgrid":
            envelope = json.dumps({"to": [mail.to], "from": ANN})
            body, content_type = multipart({"envelope": envelope, "email": changed})
            request = world.sendgrid[0].sign(body)
            request.headers["Content-Type"] = content_type
        case "postmark":
            said = json.loads(by_postmark(world, mail, raw=True).body) | {"RawEmail": changed.decode("latin-1")}
            request = Request(json.dumps(said).encode(), postmark_headers())
        case _:
            event = {
                "notificationType": "Received",
                "content": base64.b64encode(changed).decode(),
                "receipt": {"recipients": [mail.to], "action": {"encoding": "BASE64"}},
            }
            request = world.from_sns(world.sns.notification(event))
    assert await post(world, which, request) == 200
    await process_inbound(world.runtime, 100)
    odd = "select error from inbound_log where state = 'new' or error is not null and error not like 'InputError%'"
    assert await db.fetchval(odd) is None
    await db.execute("delete from reply")
    await db.execute("delete from inbound_log")
