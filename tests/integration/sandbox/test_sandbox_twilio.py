"""The simulated Twilio, spoken to through the official SDK."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from sandbox import Sandbox, SandboxConfig, TwilioConfig, open_sandbox
from sandbox.twilio.magic import FROM, TO

ANNA = "+447700900123"
OURS = "+447480000001"
SERVICE = "MG" + "0" * 32
QUICK = TwilioConfig(
    sent_after=(0.0, 0.01), delivered_after=(0.0, 0.02), late_after=(0.05, 0.1), late=0, repeated=0, shuffled=0
)


@dataclass
class Hook:
    """A webhook of ours: what it was sent, and whether the signature was right."""

    url: str
    posts: list[dict[str, str]]
    valid: list[bool]
    status: int = 204
    twiml: str = ""

    def statuses(self, sid: str | None = None) -> list[str]:
        return [post["MessageStatus"] for post in self.posts if sid in (None, post["MessageSid"])]


@asynccontextmanager
async def open_hook(token: str = QUICK.auth_token) -> AsyncIterator[Hook]:
    hook = Hook("", [], [])

    async def take(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        signature = request.headers["X-Twilio-Signature"]
        hook.posts.append(form)
        hook.valid.append(RequestValidator(token).validate(str(request.url), form, signature))
        if hook.twiml:
            return web.Response(text=hook.twiml, content_type="text/xml")
        return web.Response(status=hook.status)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?m=12-ab"
    yield hook
    await runner.cleanup()


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with open_hook() as opened:
        yield opened


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig(twilio=QUICK)) as opened:
        yield opened


class Sdk:
    """The official client, pointed at the sandbox; its calls block, so each goes to a thread."""

    def __init__(self, sandbox: Sandbox, token: str | None = None) -> None:
        config = sandbox.config.twilio
        self._http = TwilioHttpClient(timeout=5)
        self._client = Client(config.account_sid, token or config.auth_token, http_client=self._http)
        self._client.api.base_url = sandbox.twilio_base_url

    async def do(self, call: Callable[[Client], Any]) -> Any:
        return await asyncio.to_thread(call, self._client)

    async def create(self, **fields: Any) -> Any:
        fields = {"to": ANNA, "from_": OURS, "body": "Hello", **fields}
        return await self.do(lambda client: client.messages.create(**fields))

    def close(self) -> None:
        self._http.session.close()


@pytest.fixture
async def sdk(sandbox: Sandbox) -> AsyncIterator[Sdk]:
    made = Sdk(sandbox)
    yield made
    made.close()


@asynccontextmanager
async def open_both(config: TwilioConfig) -> AsyncIterator[tuple[Sandbox, Sdk]]:
    async with open_sandbox(SandboxConfig(twilio=config)) as sandbox:
        sdk = Sdk(sandbox)
        yield sandbox, sdk
        sdk.close()


async def refusal(sdk: Sdk, **fields: Any) -> TwilioRestException:
    with pytest.raises(TwilioRestException) as caught:
        await sdk.create(**fields)
    return caught.value


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
    async with aiohttp.ClientSession(headers={"Authorization": _basic(sandbox)}) as http:
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


def _basic(sandbox: Sandbox) -> str:
    config = sandbox.config.twilio
    return aiohttp.encode_basic_auth(config.account_sid, config.auth_token)


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
    async with aiohttp.ClientSession(headers={"Authorization": _basic(sandbox)}) as http:
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
