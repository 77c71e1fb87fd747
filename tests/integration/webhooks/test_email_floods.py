"""Attacks on providers' addresses by number: of slow uploads, of named certificates, of forged requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from core.db import Connection
from core.log_limit import LOG_LIMIT
from core.runtime import Runtime
from tests.support.email_events import NOW, SNS_HOST, Keys, Request, World, open_world, payload
from tests.support.inbound_rows import PHONE, Campaign, make_campaign, serve
from tests.support.mail_rows import ANN, BOUNCES, REPLIES
from tests.support.posted_mails import Sent, begin, by_mailgun, by_postmark, post, reply_address
from webhooks import delete_stale_rows
from webhooks.email.certificates import MAX_FETCHES
from webhooks.email.uploads import MAX_UPLOADS_IN_ALL, MAX_UPLOADS_PER_NETWORK

MB = 1024 * 1024
LARGEST = 3 * MB
"""Bytes of a body where mails may have 1 MB."""
NETWORKS = ("8.8.8.8", "9.9.9.9", "1.1.1.1", "4.4.4.4")


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


async def signed_mail_gets_in(world: World, campaign: Campaign, where: str = "7.7.7.7") -> int:
    recipient = await campaign.ask(email=f"ann{campaign.people}@member.test")
    request = by_mailgun(world, Sent(reply_address(world, recipient)), raw=True)
    request.headers["X-Forwarded-For"] = where
    return await post(world, "mailgun", request, "/mime")


async def test_slow_uploads_block_no_other_request(world: World, campaign: Campaign) -> None:
    """As many from as many networks as there ever were places, a byte each, and then silence."""
    slow = []
    for number in range(40):
        reader, writer = await begin(
            world, "mailgun", X_Forwarded_For=NETWORKS[number % 4], Content_Length="1000", Expect="100-continue"
        )
        assert b"100 Continue" in await reader.readline()  # it is being read
        writer.write(b"x")
        slow.append(writer)
    assert await signed_mail_gets_in(world, campaign) == 200
    assert await signed_mail_gets_in(world, campaign, NETWORKS[0]) == 200, "nor of their own networks"
    for writer in slow:
        writer.close()


async def answered(reader: asyncio.StreamReader) -> int:
    """The status of an answer, once it comes."""
    while True:
        line = await asyncio.wait_for(reader.readline(), 20)
        if line.startswith(b"HTTP/1.1 ") and b" 100 " not in line:
            return int(line.split()[1])


async def send_most_of(world: World, where: str, size: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An upload of which all but the end comes."""
    reader, writer = await begin(world, "mailgun", X_Forwarded_For=where, Content_Length=str(size + 1))
    writer.write(b"x" * size)
    await writer.drain()
    return reader, writer


async def test_bytes_of_those_nobody_knows_are_bounded_by_network_and_in_all(world: World, campaign: Campaign) -> None:
    size = LARGEST - 64
    held = [await send_most_of(world, "8.8.8.8", size) for _ in range(MAX_UPLOADS_PER_NETWORK + 2)]
    for reader, _ in held[:2]:
        assert await answered(reader) == 503, "the oldest of that network had to make room"
    assert await signed_mail_gets_in(world, campaign, "8.8.8.8") == 200
    held += [await send_most_of(world, f"20.0.{number}.1", size) for number in range(MAX_UPLOADS_IN_ALL)]
    for reader, _ in held[2 : 2 + MAX_UPLOADS_PER_NETWORK]:
        assert await answered(reader) == 503, "the oldest of all had to make room"
    assert await signed_mail_gets_in(world, campaign) == 200
    for _, writer in held:
        writer.close()


async def test_a_provider_known_by_its_headers_has_room_of_its_own(world: World, campaign: Campaign) -> None:
    held = [await send_most_of(world, f"20.0.{number}.1", LARGEST - 64) for number in range(MAX_UPLOADS_IN_ALL)]
    recipient = await campaign.ask(email=ANN)
    assert await post(world, "postmark", by_postmark(world, Sent(reply_address(world, recipient)), raw=True)) == 200
    for _, writer in held:
        writer.close()


# ---- certificates


def certificate(number: int) -> str:
    return f"https://{SNS_HOST}/SimpleNotificationService-{number:04}456789abcdef.pem"


async def name_certificates(world: World, where: str, *, times: int = MAX_FETCHES + 5) -> list[int]:
    """As anybody can who knows the topic."""
    seen = []
    for number in range(times):
        body = world.sns.notification(payload("ses", "bounce", "1-abc"), SigningCertURL=certificate(number))
        request = world.from_sns(body | {"Signature": "AAAA"})
        request.headers["X-Forwarded-For"] = where
        seen.append(await world.post("ses", request))
    return seen


async def tell(world: World, **more: str) -> int:
    request = world.from_sns(world.sns.notification(payload("ses", "bounce", "1-abc"), **more))
    request.headers["X-Forwarded-For"] = "54.239.0.1"
    return await world.post("ses", request)


async def test_requests_with_made_up_certificates_delay_no_event_of_amazons(world: World, db: Connection) -> None:
    assert await tell(world) == 200
    asked = len(world.amazon.asked)
    assert 503 in await name_certificates(world, NETWORKS[0])
    assert len(world.amazon.asked) == asked + MAX_FETCHES
    assert await tell(world) == 200
    assert await tell(world, SigningCertURL=certificate(9999)) == 200, "a new one, named from elsewhere"
    kept = {row["url"] for row in await db.fetch("select url from sns_certificate")}
    assert certificate(9999) in kept
    assert certificate(1) not in kept, "what has signed nothing is not kept"


async def test_after_a_restart_the_last_good_certificate_is_not_fetched(world: World) -> None:
    assert await tell(world) == 200
    asked = list(world.amazon.asked)
    async with serve(world.runtime) as client:
        restarted = replace(world, client=client)
        world.amazon.pem = lambda: pytest.fail("nothing is fetched")
        assert await tell(restarted) == 200
    assert world.amazon.asked == asked


# ---- the log


async def test_a_certificate_that_amazon_has_long_changed_is_kept_no_more(world: World, db: Connection) -> None:
    assert await tell(world) == 200
    signed_at = world.runtime.clock()
    for days, kept in ((400, 1), (801, 0)):
        now = signed_at + timedelta(days=days)
        await delete_stale_rows(db, now - timedelta(days=7), now=now)
        assert await db.fetchval("select count(*) from sns_certificate") == kept
    async with serve(world.runtime) as client:
        assert await tell(replace(world, client=client)) == 200, "it is asked for again"


async def test_forged_requests_are_logged_once_a_minute(world: World) -> None:
    forged = Request(json.dumps(payload("mailgun", "delivered", "1-abc")).encode())
    with capture_logs() as lines:
        for _ in range(50):
            assert await world.post("mailgun", forged) == 403
            for path, status in (("twilio/inbound", 403), ("twilio/status", 403), ("vonage/inbound", 503)):
                async with world.client.post(f"/webhooks/{path}", data=b"Body=STOP") as answer:
                    assert answer.status == status
        first = sum(line["log_level"] == "warning" for line in lines)
        assert world.client.app is not None
        world.client.app[LOG_LIMIT].close()  # a minute is over
    written = [line for line in lines if line["log_level"] == "warning"]
    assert (first, len(written)) == (4, 8), written
    assert [line["more"] for line in written[4:]] == [49] * 4
    assert {line["about"] for line in written} == {
        "/webhooks/email/mailgun", "/webhooks/twilio/inbound", "/webhooks/twilio/status", "/webhooks/vonage/inbound"
    }  # fmt: skip


async def test_an_unnamed_proxy_is_logged_once_a_minute(runtime: Runtime, db: Connection) -> None:
    settings = runtime.settings.model_copy(update={"proxies": ()})
    campaign = await make_campaign(runtime, db, now=runtime.clock() - timedelta(minutes=5))
    ann = await campaign.ask(sms=PHONE)
    async with serve(replace(runtime, settings=settings)) as client:
        with capture_logs() as lines:
            for _ in range(5):
                async with client.get(ann.confirm, headers={"X-Forwarded-For": "8.8.8.8"}) as answer:
                    assert answer.status == 200
    hints = [line["about"] for line in lines if "MUSTER_PROXIES" in line["event"]]
    assert hints == ["127.0.0.0/24"]
