"""Requests not signed by the provider are refused: wrong keys, changed bodies, old signatures, borrowed tokens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import SecretStr

from core.db import Connection
from core.runtime import Runtime
from core.settings import Settings
from messaging.channels.smtp.provider_headers import reference_header
from messaging.channels.smtp.relay_registry import RELAYS
from messaging.settings import AllSettings
from tests.support.email_events import (
    MAILGUN_KEYS,
    NOW,
    POSTMARK_LOGINS,
    SNS_HOST,
    TOPIC,
    Keys,
    Request,
    SendGridKey,
    SnsKey,
    World,
    mailgun_signature,
    open_world,
    payload,
    postmark_headers,
)
from webhooks import process_inbound
from webhooks.email import HANDLERS, PROVIDERS
from webhooks.email.providers.sendgrid import is_signed, request_digest

OLD = timedelta(hours=27)


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


@pytest.fixture
async def world(runtime: Runtime, keys: Keys) -> AsyncIterator[World]:
    async with open_world(runtime, keys) as world:
        yield world


async def nothing_kept(db: Connection) -> bool:
    return bool(
        await db.fetchval("select not exists (select from inbound_log) and not exists (select from inbound_malformed)")
    )


def sendgrid_body(**more: Any) -> bytes:
    return json.dumps([payload("sendgrid", "bounce", "1-abc") | more]).encode()


# ---- SendGrid


def test_sendgrids_own_example_verifies() -> None:
    """The key, timestamp, signature and payload of the tests in SendGrid's own libraries."""
    import base64

    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eN"
        "Ec6wEA3F+g=="
    )
    signature = base64.b64decode(
        "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
    )
    event = {
        "email": "hello@world.com", "event": "dropped", "reason": "Bounced Address",
        "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
        "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        "smtp-id": "<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>", "timestamp": 1600112492,
    }  # fmt: skip
    body = json.dumps([event], sort_keys=True, separators=(",", ":")).encode() + b"\r\n"
    assert is_signed(key, signature, request_digest("1600112502", body))
    assert not is_signed(key, signature, request_digest("1600112503", body))
    assert not is_signed(key, signature, request_digest("1600112502", body.strip()))


async def test_a_changed_moved_or_old_request_of_sendgrids_is_refused(world: World, db: Connection) -> None:
    key, body = world.sendgrid[0], sendgrid_body()
    good = key.sign(body)
    name, stamp = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
    later = str(int(NOW.timestamp()) + 1)
    forgeries = [
        Request(body + b" ", good.headers),
        Request(body, good.headers | {stamp: later}),
        Request(body, good.headers | {name: good.headers[name][:-4]}),
        Request(body, good.headers | {name: "no base64"}),
        Request(body, good.headers | {name: ""}),
        Request(body, {}),
        SendGridKey().sign(body),
        key.sign(body, NOW - OLD),
        key.sign(body, NOW + timedelta(minutes=10)),
    ]
    for number, forged in enumerate(forgeries):
        assert await world.post("sendgrid", forged) == 403, number
    assert await nothing_kept(db)
    for number, known in enumerate(world.sendgrid):  # while one is exchanged for the other
        assert await world.post("sendgrid", known.sign(sendgrid_body(sg_event_id=str(number)))) == 200
    assert await db.fetchval("select count(*) from inbound_log") == 2


async def test_an_unreadable_signed_body_of_sendgrid_is_kept(world: World, db: Connection) -> None:
    bodies = [b"", b"{}", b"[1]", b"[{}]", b'[{"event": "bounce"}]', b"\xff\xfe", b"[" * 2000, b"[" * 900 + b"]" * 900]
    for body in bodies:
        assert await world.post("sendgrid", world.sendgrid[0].sign(body)) == 400, body
    assert await db.fetchval("select count(*) from inbound_malformed where source = 'sendgrid_event'") == len(bodies)


# ---- Mailgun


async def test_a_token_of_mailguns_counts_once_whatever_comes_with_it(world: World, db: Connection) -> None:
    signature = mailgun_signature()
    for name in ("delivered", "complained", "unsubscribed"):
        body = payload("mailgun", name, "1-abc") | {"signature": signature}
        assert await world.post("mailgun", Request(json.dumps(body).encode())) == 200
    assert await db.fetchval("select string_agg(payload -> 'event' ->> 'event', ' ') from inbound_log") == "delivered"


async def test_a_changed_or_old_signature_of_mailguns_is_refused(world: World, db: Connection) -> None:
    event, good = payload("mailgun", "complained", "1-abc"), mailgun_signature()
    wrong: tuple[object, ...] = (
        {}, None, [], "x", good | {"token": good["token"][:-1] + "0"}, good | {"timestamp": good["timestamp"] + "0"},
        good | {"signature": good["signature"].upper()}, good | {"signature": ""}, good | {"signature": "\u0161"},
        good | {"signature": None}, good | {"token": 7}, mailgun_signature(NOW - OLD), mailgun_signature(token="short"),
        mailgun_signature(key="another key"),
        mailgun_signature(NOW + timedelta(minutes=10)),
    )  # fmt: skip
    for bad in wrong:
        assert await world.post("mailgun", Request(json.dumps(event | {"signature": bad}).encode())) == 403, bad
    for body in (b"", b"[]", b"no JSON", b'{"signature": 5}'):
        assert await world.post("mailgun", Request(body)) == 403
    assert await nothing_kept(db)
    for key in MAILGUN_KEYS:  # while one is exchanged for the other
        said = event | {"signature": mailgun_signature(key=key)}
        assert await world.post("mailgun", Request(json.dumps(said).encode())) == 200
    assert await db.fetchval("select count(*) from inbound_log") == 2


# ---- Postmark


async def test_either_of_postmarks_logins_is_let_in_and_no_other(world: World, db: Connection) -> None:
    body = json.dumps(payload("postmark", "delivery", "1-abc")).encode()
    for login in POSTMARK_LOGINS:
        assert await world.post("postmark", Request(body, postmark_headers(login))) == 200
    good = postmark_headers()["Authorization"]
    wrong = [
        "", "Basic", "Basic !", good.replace("Basic", "Bearer"), good[:-4], good + "AAAA",
        *(postmark_headers(login)["Authorization"] for login in ("muster:", "muster:wrong", ":", "", "MUSTER:x")),
    ]  # fmt: skip
    for header in wrong:
        assert await world.post("postmark", Request(body, {"Authorization": header})) == 403, header
    assert await db.fetchval("select count(*) from inbound_log") == 1


# ---- Amazon


async def test_both_versions_of_amazons_signature_verify(world: World, db: Connection) -> None:
    event = payload("ses", "delivery", "1-abc")
    for version in ("1", "2"):
        for more in ({}, {"Subject": "Amazon SES Email Event Notification"}):
            body = world.sns.notification(event, SignatureVersion=version, **more)
            assert await world.post("ses", world.from_sns(body)) == 200
    assert await db.fetchval("select count(*) from inbound_log") == 4
    assert len(world.amazon.asked) == 1  # the certificate is fetched once


CERTIFICATES = [
    "https://evil.test/SimpleNotificationService-0123456789abcdef.pem",
    f"http://{SNS_HOST}/SimpleNotificationService-0123456789abcdef.pem",
    f"https://{SNS_HOST}.evil.test/SimpleNotificationService-0123456789abcdef.pem",
    f"https://{SNS_HOST}@evil.test/SimpleNotificationService-0123456789abcdef.pem",
    f"https://evil.test/{SNS_HOST}/SimpleNotificationService-0123456789abcdef.pem",
    f"https://{SNS_HOST}:8443/SimpleNotificationService-0123456789abcdef.pem",
    f"https://{SNS_HOST}/SimpleNotificationService-0123456789abcdef.pem?a=b",
    f"https://{SNS_HOST}/../SimpleNotificationService-0123456789abcdef.pem/x",
    f"https://{SNS_HOST}/?Action=ConfirmSubscription",
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",  # not the topic's region
    "https://s3.eu-west-2.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
    "https://[::1]/x.pem", "https://[", "", "file:///etc/passwd",
]  # fmt: skip


async def test_a_certificate_from_elsewhere_is_not_even_fetched(world: World, db: Connection) -> None:
    for url in CERTIFICATES:
        body = world.sns.notification(payload("ses", "bounce", "1-abc"), SigningCertURL=url)
        assert await world.post("ses", world.from_sns(body)) == 403, url
    assert world.amazon.asked == []
    assert await nothing_kept(db)


async def test_a_message_not_signed_by_amazon_is_refused(world: World, db: Connection) -> None:
    event = payload("ses", "bounce", "1-abc")
    good = world.sns.notification(event)
    forgeries = [
        SnsKey().notification(event),  # somebody else's key
        good | {"Message": good["Message"] + " "},
        good | {"Subject": "One that was not signed"},
        good | {"Timestamp": "2026-11-22T12:04:31.000Z"},
        good | {"MessageId": "another"},
        good | {"SignatureVersion": "1"},
        good | {"SignatureVersion": "3"},
        good | {"Signature": ""},
        good | {"Signature": "no base64"},
        good | {"Type": "SubscriptionConfirmation"},
        good | {"Type": "Levitation"},
        world.sns.notification(event, TopicArn="arn:aws:sns:eu-west-2:999999999999:muster"),
        world.sns.notification(event, TopicArn=f"{TOPIC}x"),
        world.sns.notification(event, Timestamp="2026-11-21T09:04:30.000Z"),
        world.sns.notification(event, Timestamp="2026-11-22T12:20:30.000Z"),
        world.sns.notification(event, Timestamp="yesterday"),
    ]
    for number, forged in enumerate(forgeries):
        assert await world.post("ses", world.from_sns(forged)) == 403, number
    assert await nothing_kept(db)


async def test_an_expired_or_malformed_certificate_is_refused(world: World, db: Connection) -> None:
    past = SnsKey((NOW - timedelta(days=9), NOW - timedelta(days=1)))
    answers = [
        (lambda: web.Response(body=past.pem), 403),
        (lambda: web.Response(body=b"no certificate"), 403),
        (lambda: web.Response(body=b"x" * 100_000), 503),
        (lambda: web.Response(status=302, headers={"Location": "https://evil.test/"}), 503),
        (lambda: web.Response(status=500), 503),
    ]
    for number, (pem, status) in enumerate(answers):
        world.amazon.pem = pem
        url = f"https://{SNS_HOST}/SimpleNotificationService-{number}123456789abcdef.pem"
        body = past.notification(payload("ses", "bounce", "1-abc"), SigningCertURL=url)
        assert await world.post("ses", world.from_sns(body)) == status, number
    assert await nothing_kept(db)


async def test_fetches_of_certificates_are_limited(world: World, db: Connection) -> None:
    for number in range(40):
        url = f"https://{SNS_HOST}/SimpleNotificationService-{number:04}456789abcdef.pem"
        body = SnsKey.notification(world.sns, payload("ses", "bounce", "1-abc"), SigningCertURL=url, Signature="AAAA")
        await world.post("ses", world.from_sns(body | {"Signature": "AAAA"}))
    assert len(world.amazon.asked) == 20
    assert await nothing_kept(db)


async def test_a_subscription_to_our_topic_is_confirmed_and_to_no_other(world: World, db: Connection) -> None:
    good = world.sns.confirmation(SubscribeURL="https://evil.test/?steal=1")  # signed by Amazon, and yet not followed
    assert await world.post("ses", world.from_sns(good)) == 200
    assert world.amazon.asked[1] == f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={good['Token']}"
    other = world.sns.confirmation(TopicArn="arn:aws:sns:eu-west-2:999999999999:muster")
    assert await world.post("ses", world.from_sns(other)) == 403
    world.amazon.confirms = 500
    assert await world.post("ses", world.from_sns(world.sns.confirmation())) == 503  # so that Amazon asks again
    assert len(world.amazon.asked) == 3
    assert await nothing_kept(db)
    ended = world.sns.confirmation(Type="UnsubscribeConfirmation")
    assert await world.post("ses", world.from_sns(ended)) == 200
    assert await db.fetchval("select severity from alert where key = 'ses:unsubscribed'") == "warning"


# ---- anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from([
    "event", "sg_event_id", "timestamp", "reason", "status", "type", "muster", "event-data", "signature", "severity",
    "user-variables", "message", "delivery-status", "RecordType", "Type", "Metadata", "BouncedAt", "ID", "Details",
    "eventType", "mail", "bounce", "complaint", "bouncedRecipients", "tags", "headers", "Message", "Timestamp",
])  # fmt: skip


@given(changes=st.lists(st.tuples(st.integers(0, 3), FIELDS, JSON), min_size=1, max_size=6))
@examples(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_signed_nonsense_is_answered_and_stops_nobody(
    world: World, db: Connection, changes: list[tuple[int, str, Any]]
) -> None:
    bounces = (("sendgrid", "bounce"), ("mailgun", "failed-permanent"), ("postmark", "bounce-hard"), ("ses", "bounce"))
    for which, name, value in changes:
        provider, bounce = bounces[which]
        request = world.request(provider, bounce, 1, **{name: value})
        assert await world.post(provider, request) in {200, 400, 403}, (provider, name, value)
    await process_inbound(world.runtime, 100)
    # nothing crashed: it was done, or set aside because it is no event
    odd = "select error from inbound_log where state = 'new' or error is not null and error not like 'InputError%'"
    assert await db.fetchval(odd) is None
    await db.execute("delete from inbound_log")


def test_every_provider_has_a_handler() -> None:
    assert [f"{provider.name}_event" for provider in PROVIDERS] == list(HANDLERS)
    assert [relay.name for relay in RELAYS.values()] == list(RELAYS) == [provider.name for provider in PROVIDERS]


@pytest.mark.parametrize(("provider", "lines"), [
    ("sendgrid", b'X-SMTPAPI: {"unique_args": {"muster": "1-abcdefgh"}}\r\n'),
    ("mailgun", b'X-Mailgun-Variables: {"muster": "1-abcdefgh"}\r\n'),
    ("postmark", b"X-PM-Metadata-muster: 1-abcdefgh\r\nX-PM-KeepID: true\r\n"),
    ("ses", b"X-SES-MESSAGE-TAGS: muster=1-abcdefgh\r\nX-SES-CONFIGURATION-SET: union\r\n"),
])  # fmt: skip
def test_each_provider_has_its_own_way_to_carry_our_id(provider: str, lines: bytes) -> None:
    settings = Settings(_env_file=None, email_provider=provider, ses_configuration_set="union")
    header = reference_header(settings)
    assert header is not None
    assert header("b+1-abcdefgh@bounces.union.test") == lines
    assert reference_header(Settings(_env_file=None)) is None


@pytest.mark.parametrize("given_settings", [
    {"sendgrid_webhook_key": "not a key"}, {"postmark_webhook_auth": "muster:short"}, {"ses_topic_arn": "muster"},
    {"postmark_webhook_auth": "no colon but long enough for it"}, {"ses_configuration_set": "a\r\nBcc: x"},
    {"email_provider": "pigeon"},
])  # fmt: skip
def test_a_setting_that_cannot_be_right_is_refused(given_settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(given_settings))):
        AllSettings(_env_file=None, **given_settings)


def test_secrets_are_not_shown() -> None:
    settings = Settings(_env_file=None, mailgun_webhook_key=(SecretStr("key-1"),))
    assert "key-1" not in repr(settings)
