"""Texts through the official SDK against a simulated account: the outcome after each kind of answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from twilio.rest import Client

from core.errors import Unavailable
from core.settings import Settings
from messaging.channels.channel import Accepted, OutboundText, Refused, Retry, Unknown
from messaging.channels.twilio.channel import TwilioChannel
from messaging.channels.twilio.client import SessionClient
from messaging.reasons import Reason
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.outbox_rows import SMS_FROM, with_sandbox

ANN = "+447700900123"


Recipient = tuple[str, dict[str, str], dict[str, list[str]]]
"""A request: its path, headers and form."""


def text(to: str = ANN, *, sender: str = SMS_FROM, body: str = "Have you voted?") -> OutboundText:
    return OutboundText(1, sender, to, body, "1-abc", 1)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def channel(sandbox: Sandbox, http: aiohttp.ClientSession) -> TwilioChannel:
    return TwilioChannel(with_sandbox(Settings(_env_file=None), sandbox), http, timeout=2)


async def test_an_accepted_text_has_the_providers_id(sandbox: Sandbox, channel: TwilioChannel) -> None:
    outcome = await channel.send(text())
    assert isinstance(outcome, Accepted)
    assert outcome.provider_id is not None
    assert (outcome.provider_id[:2], outcome.segments) == ("SM", 1)


async def test_a_messaging_service_sends_too(channel: TwilioChannel) -> None:
    outcome = await channel.send(text(sender="MG00000000000000000000000000000001"))
    assert isinstance(outcome, Accepted)
    assert outcome.segments is None  # not counted yet


@pytest.mark.parametrize(("to", "reason"), [
    ("+447700900901", Reason.INVALID_NUMBER),
    ("+447700900902", Reason.SENDER_REFUSED),
    ("+447700900903", Reason.ACCOUNT_REFUSED),
    ("+447700900904", Reason.OPTED_OUT),
    ("+447700900906", Reason.SENDER_REFUSED),
    ("+447700900909", Reason.INVALID_NUMBER),
])  # fmt: skip
async def test_a_refusal_is_assigned_to_sender_or_recipient(channel: TwilioChannel, to: str, reason: Reason) -> None:
    outcome = await channel.send(text(to))
    assert isinstance(outcome, Refused)
    assert outcome.reason is reason
    assert outcome.code.isdigit()


async def test_a_wrong_password_is_the_accounts_fault(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    settings = with_sandbox(Settings(_env_file=None), sandbox, twilio_auth_token=(SecretStr("wrong"),))
    outcome = await TwilioChannel(settings, http).send(text())
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.code) == (Reason.ACCOUNT_REFUSED, "20003")


async def test_too_many_requests_says_how_long_to_wait(channel: TwilioChannel) -> None:
    outcome = await channel.send(text("+447700900921"))
    assert isinstance(outcome, Retry)
    assert (outcome.slow, outcome.after, outcome.reason) == (True, 1.0, Reason.BUSY)


async def test_a_full_queue_at_twilio_is_tried_later(channel: TwilioChannel) -> None:
    assert isinstance(await channel.send(text("+447700900905")), Retry)


@pytest.mark.parametrize("to", [
    "+447700900931", "+447700900932", "+447700900933", "+447700900940", "+447700900941", "+447700900943",
])  # fmt: skip
async def test_without_an_answer_the_outcome_is_unknown_and_nothing_is_repeated(
    sandbox: Sandbox, channel: TwilioChannel, to: str
) -> None:
    assert isinstance(await channel.send(text(to)), Unknown)
    listed = await channel.trace(text(to), datetime.now(UTC) - timedelta(minutes=1))
    assert listed is not None
    assert len(listed) == (to in {"+447700900932", "+447700900940"})


async def test_a_trace_is_the_same_text_to_the_same_number_from_the_same_sender_lately(channel: TwilioChannel) -> None:
    since = datetime.now(UTC)
    sent = await channel.send(text())
    assert isinstance(sent, Accepted)
    traces = await channel.trace(text(), since)
    assert traces is not None
    assert [trace.provider_id for trace in traces] == [sent.provider_id]
    assert await channel.trace(text(body="Something else"), since) == []
    assert await channel.trace(text("+447700900124"), since) == []
    assert await channel.trace(text(sender="+447480222222"), since) == []
    assert await channel.trace(text(), since + timedelta(hours=1)) == []


async def test_a_server_that_is_away_is_tried_later(
    http: aiohttp.ClientSession, sandbox: Sandbox, unused_tcp_port: int
) -> None:
    settings = with_sandbox(Settings(_env_file=None), sandbox, twilio_base_url=f"http://127.0.0.1:{unused_tcp_port}")
    channel = TwilioChannel(settings, http)
    outcome = await channel.send(text())
    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.slow) == (Reason.NOT_REACHED, True)
    with pytest.raises(Unavailable):
        await channel.trace(text(), datetime.now(UTC))


@asynccontextmanager
async def answering(body: str, status: int = 201, recipient: list[Recipient] | None = None) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        if recipient is not None:
            recipient.append((request.path, dict(request.headers), parse_qs(await request.text())))
        return web.Response(text=body, status=status, content_type="application/json")

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("body", ["", "not JSON", "[]", "{"])
async def test_an_unreadable_answer_is_an_unknown_outcome(
    http: aiohttp.ClientSession, sandbox: Sandbox, body: str
) -> None:
    async with answering(body) as url:
        channel = TwilioChannel(with_sandbox(Settings(_env_file=None), sandbox, twilio_base_url=url), http)
        assert isinstance(await channel.send(text()), Unknown)


async def test_requests_are_the_same_as_the_sdks(http: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    recipient: list[Recipient] = []
    async with answering('{"sid": "SM1", "status": "queued"}', recipient=recipient) as url:
        settings = with_sandbox(Settings(_env_file=None), sandbox, twilio_base_url=url)
        await TwilioChannel(settings, http).send(text())
        token = settings.twilio_auth_token[0].get_secret_value()
        transport = SessionClient(http, 2.0)
        sdk = Client(settings.twilio_account_sid, token, http_client=transport, environment={"": ""})
        sdk.api.base_url = url
        (callback,) = recipient[0][2]["StatusCallback"]
        await sdk.messages.create_async(to=ANN, from_=SMS_FROM, body="Have you voted?", status_callback=callback)
    ours, theirs = recipient
    assert ours == theirs


async def test_a_refusal_in_the_newer_form_is_read_too(http: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """RFC 9457, which the SDK raises as an exception of its own."""
    problem = (
        '{"type": "https://www.twilio.com/docs/errors/21610", "title": "Recipient opted out", "status": 400,'
        ' "code": 21610, "detail": "Attempt to send to unsubscribed recipient"}'
    )
    async with answering(problem, 400) as url:
        channel = TwilioChannel(with_sandbox(Settings(_env_file=None), sandbox, twilio_base_url=url), http)
        outcome = await channel.send(text())
    assert outcome == Refused(Reason.OPTED_OUT, "21610", "Attempt to send to unsubscribed recipient")


async def test_requests_share_the_session_and_leave_it_open(
    channel: TwilioChannel, http: aiohttp.ClientSession
) -> None:
    await asyncio.gather(*(channel.send(text(f"+4477009001{n:02}")) for n in range(8)))
    await channel.close()
    assert not http.closed
