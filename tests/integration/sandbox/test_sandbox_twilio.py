"""The simulated Twilio, spoken to through the official SDK."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException

from sandbox import Sandbox
from tests.support.sandbox_twilio import (
    ANNA,
    OURS,
    QUICK,
    SERVICE,
    Hook,
    Sdk,
    basic_auth,
    open_both,
    open_hook,
    refusal,
)


async def test_a_message_is_accepted_and_can_be_fetched(sandbox: Sandbox, sdk: Sdk) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    made = await sdk.create(body="a" * 161)
    assert (made.status, made.num_segments, made.direction) == ("queued", "2", "outbound-api")
    assert (made.to, made.from_, made.error_code, made.date_sent) == (ANNA, OURS, None, None)
    deadline = time.monotonic() + 30
    while (row := await sdk.do(lambda client: client.messages(made.sid).fetch())).status != "delivered":
        assert time.monotonic() < deadline
    assert row.sid == made.sid
    assert began <= row.date_sent <= datetime.now(UTC)
    assert row.price is not None


async def test_a_messaging_service_accepts_first_and_counts_later(sandbox: Sandbox, sdk: Sdk, hook: Hook) -> None:
    made = await sdk.create(from_=None, messaging_service_sid=SERVICE, status_callback=hook.url)
    assert (made.status, made.num_segments, made.from_, made.messaging_service_sid) == ("accepted", "0", None, SERVICE)
    await sandbox.idle()
    assert hook.statuses() == ["queued", "sent", "delivered"]
    row = await sdk.do(lambda client: client.messages(made.sid).fetch())
    assert row.num_segments == "1"
    assert row.from_ in QUICK.service_numbers
    assert {post["MessagingServiceSid"] for post in hook.posts} == {SERVICE}


async def test_a_name_may_send_but_cannot_be_answered(sandbox: Sandbox, sdk: Sdk) -> None:
    made = await sdk.create(from_="MyUnion")
    assert made.from_ == "MyUnion"
    await sandbox.idle()
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{sandbox.twilio_base_url}/sandbox/reply", json={"phone": ANNA, "text": "voted"}) as answer,
    ):
        assert answer.status == 409


async def test_receipts_are_signed_and_come_in_order(sandbox: Sandbox, sdk: Sdk, hook: Hook) -> None:
    made = await sdk.create(status_callback=hook.url)
    await sandbox.idle()
    assert hook.statuses(made.sid) == ["sent", "delivered"]
    assert hook.valid == [True, True]
    assert hook.posts[-1].keys() >= {"AccountSid", "ApiVersion", "From", "MessageSid", "SmsSid", "SmsStatus", "To"}


async def test_receipts_come_late_twice_and_shuffled() -> None:
    nasty = replace(QUICK, repeated=0.5, shuffled=0.5, late=0.2, seed=3)
    async with open_hook() as hook, open_both(nasty) as (sandbox, sdk):
        sids = [(await sdk.create(to=f"+4477{n:08}", status_callback=hook.url)).sid for n in range(40)]
        await sandbox.idle()
        told = [hook.statuses(sid) for sid in sids]
        assert all(set(statuses) == {"sent", "delivered"} for statuses in told)
        assert any(len(statuses) > 2 for statuses in told)
        assert any(statuses[0] == "delivered" for statuses in told)
        assert all(hook.valid)


async def test_receipts_are_lost_and_repeated_as_configured() -> None:
    async with open_hook() as hook, open_both(replace(QUICK, lost=1.0)) as (sandbox, sdk):
        await sdk.create(status_callback=hook.url)
        await sandbox.idle()
        assert hook.posts == []
    async with open_hook() as hook, open_both(replace(QUICK, repeated=1.0, repeats=2)) as (sandbox, sdk):
        made = await sdk.create(status_callback=hook.url)
        await sandbox.idle()
        assert sorted(hook.statuses(made.sid)) == ["delivered"] * 3 + ["sent"] * 3


async def test_a_silent_account_takes_a_text_and_never_answers() -> None:
    async with open_both(replace(QUICK, silent=1.0, silence=0.01)) as (sandbox, sdk):
        with pytest.raises(OSError):  # requests' own errors are OSErrors
            await sdk.create()
        assert len(sandbox.twilio.messages) == 1


@pytest.mark.parametrize(("fragment", "posts"), [("", 2), ("#rc=2&rp=5xx", 6)])
async def test_a_webhook_is_tried_again_only_if_its_url_asks(
    sandbox: Sandbox, sdk: Sdk, hook: Hook, fragment: str, posts: int
) -> None:
    hook.status = 503
    await sdk.create(status_callback=hook.url + fragment)
    await sandbox.idle()
    assert len(hook.posts) == posts
    assert all(hook.valid)  # the fragment is not signed


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": ""}, 21604),
        ({"to": "07700900123"}, 21211),
        ({"from_": ""}, 21603),
        ({"from_": "a name that is far too long"}, 21212),
        ({"from_": ANNA}, 21266),
        ({"from_": None, "messaging_service_sid": "MGnope"}, 21701),
        ({"body": ""}, 21602),
        ({"body": "a" * 1601}, 21617),
        ({"status_callback": "not a url"}, 21609),
        ({"validity_period": 36001}, 20001),
        ({"schedule_type": "fixed"}, 35114),
    ],
)
async def test_wrong_parameters_are_refused(sdk: Sdk, fields: dict[str, Any], code: int) -> None:
    error = await refusal(sdk, **fields)
    assert (error.status, error.code) == (400, code)


async def test_a_wrong_password_is_refused(sandbox: Sandbox) -> None:
    sdk = Sdk(sandbox, token="wrong")
    error = await refusal(sdk)
    sdk.close()
    assert (error.status, error.code) == (401, 20003)


async def test_a_missing_message_is_not_found(sdk: Sdk) -> None:
    with pytest.raises(TwilioRestException) as caught:
        await sdk.do(lambda client: client.messages("SM" + "0" * 32).fetch())
    assert (caught.value.status, caught.value.code) == (404, 20404)


async def test_lists_are_filtered_by_to_and_from(sandbox: Sandbox, sdk: Sdk) -> None:
    for number in range(3):
        await sdk.create(to=f"+44770090010{number}", from_=OURS if number else "MyUnion")
    everything = await sdk.do(lambda client: client.messages.list())
    assert [entry.to[-1] for entry in everything] == ["2", "1", "0"]
    to = await sdk.do(lambda client: client.messages.list(to="+447700900101"))
    assert [message.to for message in to] == ["+447700900101"]
    sender = await sdk.do(lambda client: client.messages.list(from_="MyUnion"))
    assert [message.to for message in sender] == ["+447700900100"]
    assert await sdk.do(lambda client: client.messages.list(to="+447700900101", from_="MyUnion")) == []


async def test_lists_are_filtered_by_date_both_ends_included(sandbox: Sandbox, sdk: Sdk) -> None:
    made = await sdk.create()
    message = sandbox.twilio.messages.get(made.sid)
    assert message is not None
    sent = datetime(2026, 3, 14, 12, 0, 0, tzinfo=UTC)
    message.journey[:] = [stage._replace(at=sent.timestamp()) for stage in message.journey]

    async def found(**when: datetime) -> bool:
        return bool(await sdk.do(lambda client: client.messages.list(**when)))

    second = timedelta(seconds=1)
    assert await found(date_sent=sent)
    assert not await found(date_sent=sent + second)
    assert await found(date_sent_after=sent)
    assert not await found(date_sent_after=sent + second)
    assert await found(date_sent_before=sent)
    assert not await found(date_sent_before=sent - second)
    assert await found(date_sent_after=sent - second, date_sent_before=sent + second)
    async with aiohttp.ClientSession(headers={"Authorization": basic_auth(sandbox)}) as http:
        url = f"{sandbox.twilio_base_url}/2010-04-01/Accounts/{QUICK.account_sid}/Messages.json"
        days = {
            "DateSent=2026-03-14": 1,
            "DateSent=2026-03-13": 0,
            "DateSent>=2026-03-14": 1,
            "DateSent<=2026-03-14": 0,
        }
        for query, expected in days.items():
            async with http.get(f"{url}?{query}") as answer:
                assert len((await answer.json())["messages"]) == expected, query
        async with http.get(f"{url}?DateSent=yesterday") as answer:
            assert answer.status == 400


async def test_a_message_that_has_not_left_has_no_date_to_be_found_by() -> None:
    async with open_both(replace(QUICK, sent_after=(60, 60))) as (_, sdk):
        made = await sdk.create()
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        assert await sdk.do(lambda client: client.messages.list(to=ANNA, date_sent_after=hour_ago)) == []
        assert [message.sid for message in await sdk.do(lambda client: client.messages.list(to=ANNA))] == [made.sid]


async def test_lists_come_in_pages(sdk: Sdk) -> None:
    for _ in range(7):
        await sdk.create()
    assert len(await sdk.do(lambda client: client.messages.list(page_size=3))) == 7
    page = await sdk.do(lambda client: client.messages.page(page_size=3))
    assert len(list(page)) == 3
    assert "Page=1" in page.next_page_url
    assert page.previous_page_url is None


async def test_a_message_can_be_redacted_and_deleted_once_it_has_ended(sandbox: Sandbox, sdk: Sdk) -> None:
    made = await sdk.create()
    await asyncio.to_thread(_until_ended, sandbox, made.sid)
    redacted = await sdk.do(lambda client: client.messages(made.sid).update(body=""))
    assert redacted.body == ""
    assert await sdk.do(lambda client: client.messages(made.sid).delete()) is True
    assert len(sandbox.twilio.messages) == 0
    assert await sdk.do(lambda client: client.messages.list(to=ANNA)) == []


def _until_ended(sandbox: Sandbox, sid: str) -> None:
    message = sandbox.twilio.messages.get(sid)
    assert message is not None
    deadline = time.monotonic() + 30
    while message.stage(time.time()).status != "delivered":
        assert time.monotonic() < deadline
        time.sleep(0.005)


async def test_a_message_under_way_cannot_be_deleted_or_redacted() -> None:
    async with open_both(replace(QUICK, sent_after=(60, 60))) as (_, sdk):
        made = await sdk.create()
        for change in (
            lambda client: client.messages(made.sid).delete(),
            lambda client: client.messages(made.sid).update(body=""),
        ):
            with pytest.raises(TwilioRestException) as caught:
                await sdk.do(change)
            assert (caught.value.status, caught.value.code) == (409, 20009)


async def test_a_message_can_be_cancelled_before_it_leaves_only() -> None:
    async with open_hook() as hook, open_both(replace(QUICK, sent_after=(60, 60))) as (_, sdk):
        made = await sdk.create(status_callback=hook.url)
        cancelled = await sdk.do(lambda client: client.messages(made.sid).update(status="canceled"))
        assert cancelled.status == "canceled"
        with pytest.raises(TwilioRestException) as caught:
            await sdk.do(lambda client: client.messages(made.sid).update(status="canceled"))
        assert caught.value.code == 30409


async def test_a_scheduled_message_waits(sandbox: Sandbox, sdk: Sdk) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    made = await sdk.create(from_=None, messaging_service_sid=SERVICE, schedule_type="fixed", send_at=later)
    assert made.status == "scheduled"
