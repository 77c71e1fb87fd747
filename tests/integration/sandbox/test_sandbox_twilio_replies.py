"""Replies and opt-outs by text in the sandbox, and how slow or broken it can be."""

from __future__ import annotations

import asyncio
from dataclasses import replace

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
    open_both,
    refusal,
)


async def test_a_reply_reaches_the_webhook_signed(sandbox: Sandbox, sdk: Sdk, hook: Hook) -> None:
    sandbox.twilio.inbound_url = hook.url
    await sdk.create()
    [message] = sandbox.twilio.messages
    assert await sandbox.twilio.receive(ANNA, message, "I've voted 👍")
    [post] = hook.posts
    assert hook.valid == [True]
    assert (post["From"], post["To"], post["Body"], post["NumMedia"]) == (ANNA, OURS, "I've voted 👍", "0")
    assert "OptOutType" not in post
    inbound = await sdk.do(lambda client: client.messages(post["MessageSid"]).fetch())
    assert (inbound.direction, inbound.status) == ("inbound", "received")


async def test_after_stop_only_start_lets_anything_through(sandbox: Sandbox, sdk: Sdk, hook: Hook) -> None:
    sandbox.twilio.inbound_url = hook.url
    await sdk.create()
    [message] = sandbox.twilio.messages
    await sandbox.twilio.receive(ANNA, message, "STOP")
    assert hook.posts[-1]["OptOutType"] == "STOP"
    assert (await refusal(sdk)).code == 21610
    assert (await sdk.create(from_="+447480000009")).status == "queued"  # another sender was not stopped
    await sandbox.twilio.receive(ANNA, message, "I have voted")
    assert (await refusal(sdk)).code == 21610
    await sandbox.twilio.receive(ANNA, message, "HELP")
    assert hook.posts[-1]["OptOutType"] == "HELP"
    assert (await refusal(sdk)).code == 21610
    await sandbox.twilio.receive(ANNA, message, "start")
    assert hook.posts[-1]["OptOutType"] == "START"
    assert (await sdk.create()).status == "queued"
    answers = [message.body for message in sandbox.twilio.messages if message.direction == "outbound-reply"]
    assert len(answers) == 3  # Twilio itself confirmed STOP, HELP and START
    assert "unsubscribed" in answers[0]


async def test_an_opt_out_from_a_messaging_service_counts_for_all_its_numbers(sandbox: Sandbox, sdk: Sdk) -> None:
    await sdk.create(from_=None, messaging_service_sid=SERVICE)
    [message] = sandbox.twilio.messages
    await sandbox.twilio.receive(ANNA, message, "stop")
    assert (await refusal(sdk, from_=None, messaging_service_sid=SERVICE)).code == 21610
    assert (await refusal(sdk, from_=SERVICE)).code == 21610


async def test_the_webhook_may_answer_in_twiml(sandbox: Sandbox, sdk: Sdk, hook: Hook) -> None:
    sandbox.twilio.inbound_url = hook.url
    hook.twiml = "<Response><Message>Thank you</Message></Response>"
    await sdk.create()
    [message] = sandbox.twilio.messages
    await sandbox.twilio.receive(ANNA, message, "voted")
    assert [message.body for message in sandbox.twilio.messages if message.direction == "outbound-reply"] == [
        "Thank you"
    ]


async def test_a_text_is_shown_on_the_phone_once_it_is_delivered(sandbox: Sandbox, sdk: Sdk) -> None:
    seen: list[str] = []
    sandbox.twilio.handsets.append(lambda message: seen.append(message.to))
    await sdk.create()
    await sdk.create(to="+447700900955")
    await sandbox.idle()
    assert seen == [ANNA]


async def test_the_api_can_be_slow() -> None:
    async with open_both(replace(QUICK, latency=(60, 60))) as (_, sdk):
        sdk._http.timeout = 0.3
        with pytest.raises(OSError):
            await sdk.create()


async def test_the_account_has_a_rate() -> None:
    async with open_both(replace(QUICK, rate=3)) as (sandbox, sdk):
        answers = await asyncio.gather(*(sdk.create() for _ in range(12)), return_exceptions=True)
        busy = [answer for answer in answers if isinstance(answer, TwilioRestException)]
        assert {answer.code for answer in busy} == {20429}
        assert len(busy) + len(sandbox.twilio.messages) == 12
        assert len(busy) >= 6


async def test_the_api_can_fail_at_random() -> None:
    bad = replace(QUICK, busy=0.2, broken=0.2, dropped=0.2, seed=5)
    async with open_both(bad) as (sandbox, sdk):
        answers = [await _outcome(sdk) for _ in range(60)]
    assert {type(answer).__name__ for answer in answers} > {"MessageInstance", "TwilioRestException"}
    taken = sum(not isinstance(answer, TwilioRestException) for answer in answers)
    assert len(sandbox.twilio.messages) == taken  # dropped ones were stored, refused ones were not


async def _outcome(sdk: Sdk) -> object:
    try:
        return await sdk.create()
    except (TwilioRestException, OSError) as error:
        return error
