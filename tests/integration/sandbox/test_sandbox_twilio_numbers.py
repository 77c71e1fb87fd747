"""Twilio's magic numbers in the sandbox."""

from __future__ import annotations

import aiohttp
import pytest

from sandbox import Sandbox
from sandbox.twilio.magic import FROM, TO
from tests.support.sandbox_twilio import OURS, QUICK, Hook, Sdk, basic_auth, refusal


@pytest.mark.parametrize("number", [number for number, trick in TO.items() if trick.refuse])
async def test_magic_recipients_are_refused(sdk: Sdk, sandbox: Sandbox, number: str) -> None:
    error = await refusal(sdk, to=number)
    assert (error.status, error.code) == (400, TO[number].refuse)
    assert len(sandbox.twilio.messages) == 0


@pytest.mark.parametrize("number", FROM)
async def test_magic_senders_are_refused(sdk: Sdk, number: str) -> None:
    error = await refusal(sdk, from_=number)
    assert (error.status, error.code) == (400, FROM[number].refuse)


@pytest.mark.parametrize("number", [number for number, trick in TO.items() if trick.ending])
async def test_magic_recipients_are_accepted_and_not_reached(
    sandbox: Sandbox, sdk: Sdk, hook: Hook, number: str
) -> None:
    assert TO[number].ending is not None
    status, code = TO[number].ending or ("", 0)
    made = await sdk.create(to=number, status_callback=hook.url)
    assert made.status == "queued"
    await sandbox.idle()
    assert hook.statuses()[-1] == status
    assert hook.posts[-1]["ErrorCode"] == str(code)
    assert hook.statuses() == (["failed"] if status == "failed" else ["sent", "undelivered"])
    row = await sdk.do(lambda client: client.messages(made.sid).fetch())
    assert (row.status, row.error_code) == (status, code)
    assert row.error_message


@pytest.mark.parametrize("number", [number for number, trick in TO.items() if trick.status])
async def test_magic_recipients_break_the_api(sandbox: Sandbox, sdk: Sdk, number: str) -> None:
    trick = TO[number]
    error = await refusal(sdk, to=number)
    assert error.status == trick.status
    assert error.code == {429: 20429, 500: 20500, 503: 20503}[error.status]
    assert len(sandbox.twilio.messages) == (1 if trick.stored else 0)
    if trick.once:
        assert (await sdk.create(to=number)).status == "queued"
    else:
        assert (await refusal(sdk, to=number)).status == trick.status


async def test_a_429_says_when_to_come_back(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": basic_auth(sandbox)}) as http:
        url = f"{sandbox.twilio_base_url}/2010-04-01/Accounts/{QUICK.account_sid}/Messages.json"
        form = {"To": "+447700900921", "From": OURS, "Body": "Hi"}
        async with http.post(url, data=form) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
            assert await answer.json() == {
                "code": 20429,
                "message": "Too Many Requests",
                "more_info": "https://www.twilio.com/docs/errors/20429",
                "status": 429,
            }


@pytest.mark.parametrize("number", [number for number, trick in TO.items() if trick.drop and not trick.delay])
async def test_magic_recipients_hang_up(sandbox: Sandbox, sdk: Sdk, number: str) -> None:
    with pytest.raises(OSError):  # requests' own errors are OSErrors
        await sdk.create(to=number)
    stored = [message.to for message in sandbox.twilio.messages]
    assert stored == ([number] if TO[number].stored else [])


@pytest.mark.parametrize("number", [number for number, trick in TO.items() if trick.delay > 10])
async def test_magic_recipients_hang(sandbox: Sandbox, number: str) -> None:
    sdk = Sdk(sandbox)
    sdk._http.timeout = 0.3
    with pytest.raises(OSError):
        await sdk.create(to=number)
    sdk.close()
    assert len(sandbox.twilio.messages) == (1 if TO[number].stored else 0)


async def test_a_slow_recipient_is_only_slow(sdk: Sdk) -> None:
    sdk._http.timeout = 0.3
    with pytest.raises(OSError):
        await sdk.create(to="+447700900942")
    sdk._http.timeout = 60
    assert (await sdk.create(to="+447700900942")).status == "queued"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+447700900960", []),
        ("+447700900961", ["delivered", "sent"]),
        ("+447700900962", ["sent", "sent", "delivered", "delivered"]),
        ("+447700900963", ["sent", "delivered"]),
        ("+447700900964", ["sent", "delivered"]),
    ],
)
async def test_magic_recipients_have_odd_receipts(
    sandbox: Sandbox, sdk: Sdk, hook: Hook, number: str, expected: list[str]
) -> None:
    made = await sdk.create(to=number, status_callback=hook.url)
    if number == "+447700900964":  # told before the create was answered
        assert hook.statuses() == ["sent"]
    await sandbox.idle()
    assert sorted(hook.statuses(made.sid)) == sorted(expected)
    if number == "+447700900961":
        assert hook.statuses() == expected


async def test_every_magic_number_has_a_test() -> None:
    odd = {f"+44770090096{n}" for n in range(5)} | {"+447700900942"}
    tried = {
        number
        for number, trick in TO.items()
        if trick.refuse or trick.ending or trick.status or (trick.drop and (not trick.delay or trick.delay > 10))
    }
    assert tried | odd == set(TO)
