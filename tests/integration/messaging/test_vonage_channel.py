"""Texts by Vonage's Messages API against a simulated account: the outcome after each kind of answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from core.errors import Unavailable
from core.settings import Settings
from messaging.channels.channel import Accepted, OutboundText, Refused, Retry, Unknown
from messaging.channels.vonage.channel import VonageChannel
from messaging.reasons import Reason
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.two_providers import VONAGE_FROM, with_vonage

ANN = "+447700900123"
DATA = Path(__file__).parents[2] / "data" / "vonage"


def text(
    to: str = ANN, *, sender: str = VONAGE_FROM, body: str = "Have you voted?", signed_id: str = "1-abc"
) -> OutboundText:
    return OutboundText(1, sender, to, body, signed_id, 1)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def settings(sandbox: Sandbox) -> Settings:
    return with_vonage(Settings(_env_file=None, public_url="http://127.0.0.1:9"), sandbox)


@pytest.fixture
def channel(settings: Settings, http: aiohttp.ClientSession) -> VonageChannel:
    return VonageChannel(settings, http, timeout=2)


async def test_an_accepted_text_has_the_providers_id_and_carries_our_signed_id(
    sandbox: Sandbox, channel: VonageChannel
) -> None:
    outcome = await channel.send(text())
    (sent,) = sandbox.vonage.messages
    assert outcome == Accepted("202", sent.uuid)
    assert (sent.to, sent.sender, sent.body, sent.client_ref) == (ANN, VONAGE_FROM, "Have you voted?", "1-abc")
    assert sent.webhook == "http://127.0.0.1:9/webhooks/vonage/status"


async def test_a_name_may_send_too(sandbox: Sandbox, channel: VonageChannel) -> None:
    assert isinstance(await channel.send(text(sender="The Union")), Accepted)
    assert sandbox.vonage.messages[0].sender == "The Union"


@pytest.mark.parametrize(("to", "reason", "code"), [
    ("+447700900901", Reason.INVALID_NUMBER, "1170"),
    ("+447700900903", Reason.ACCOUNT_REFUSED, "1160"),
    ("+447700900904", Reason.OPTED_OUT, "1240"),
    ("+447700900906", Reason.SENDER_REFUSED, "1120"),
    ("+44", Reason.INVALID_NUMBER, "1150"),
])  # fmt: skip
async def test_a_refusal_is_assigned_to_sender_or_recipient(
    channel: VonageChannel, to: str, reason: Reason, code: str
) -> None:
    outcome = await channel.send(text(to))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.code) == (reason, code)


async def test_a_wrong_password_is_the_accounts_fault(settings: Settings, http: aiohttp.ClientSession) -> None:
    wrong = settings.model_copy(update={"vonage_api_secret": SecretStr("wrong")})
    outcome = await VonageChannel(wrong, http).send(text())
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.code) == (Reason.ACCOUNT_REFUSED, "unauthorized")


async def test_too_many_requests_says_how_long_to_wait(channel: VonageChannel) -> None:
    outcome = await channel.send(text("+447700900921"))
    assert isinstance(outcome, Retry)
    assert (outcome.slow, outcome.after, outcome.reason) == (True, 1.0, Reason.BUSY)


@pytest.mark.parametrize("to", [
    "+447700900931", "+447700900932", "+447700900933", "+447700900940", "+447700900941", "+447700900943",
])  # fmt: skip
async def test_without_an_answer_the_outcome_is_unknown_and_nothing_is_repeated(
    sandbox: Sandbox, channel: VonageChannel, to: str
) -> None:
    assert isinstance(await channel.send(text(to)), Unknown)
    kept = sandbox.vonage.sent_to(to)
    assert len(kept) == (to in {"+447700900932", "+447700900940"})
    listed = await channel.trace(text(to), datetime.now(UTC) - timedelta(minutes=1))
    assert ([trace.provider_id for trace in listed] if listed else None) == ([row.uuid for row in kept] or None)


async def test_a_trace_is_the_record_with_our_signed_id(channel: VonageChannel) -> None:
    since = datetime.now(UTC)
    sent = await channel.send(text())
    assert isinstance(sent, Accepted)
    traces = await channel.trace(text(), since)
    assert traces is not None
    assert [trace.provider_id for trace in traces] == [sent.provider_id]
    assert await channel.trace(text(signed_id="2-abc"), since) is None
    assert await channel.trace(text("+447700900124"), since) is None
    assert await channel.trace(text(), since + timedelta(hours=1)) is None


async def test_a_text_missing_in_the_records_may_have_been_sent(sandbox: Sandbox, channel: VonageChannel) -> None:
    since = datetime.now(UTC)
    await channel.send(text())
    sandbox.vonage.config = replace(sandbox.vonage.config, reported_after=3600.0)
    assert await channel.trace(text(), since) is None
    sandbox.vonage.config = replace(sandbox.vonage.config, reported_after=0.0, reports=False)
    assert await channel.trace(text(), since) is None  # an account without that extra


async def test_a_server_that_is_away_is_tried_later(
    http: aiohttp.ClientSession, settings: Settings, unused_tcp_port: int
) -> None:
    away = settings.model_copy(update={"vonage_base_url": f"http://127.0.0.1:{unused_tcp_port}"})
    channel = VonageChannel(away, http)
    outcome = await channel.send(text())
    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.slow) == (Reason.NOT_REACHED, True)
    with pytest.raises(Unavailable):
        await channel.trace(text(), datetime.now(UTC))


@asynccontextmanager
async def answering(body: bytes, status: int) -> AsyncIterator[str]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize(("name", "status", "kind"), [
    ("answer-202.json", 202, Accepted), ("answer-401.json", 401, Refused), ("answer-402.json", 402, Refused),
    ("answer-422.json", 422, Refused), ("answer-429.json", 429, Retry), ("answer-202.json", 200, Unknown),
    ("answer-202.json", 302, Unknown), ("answer-401.json", 408, Unknown),
])  # fmt: skip
async def test_documented_answers_are_understood(
    http: aiohttp.ClientSession, settings: Settings, name: str, status: int, kind: type
) -> None:
    async with answering((DATA / name).read_bytes(), status) as url:
        channel = VonageChannel(settings.model_copy(update={"vonage_base_url": url}), http)
        assert isinstance(await channel.send(text()), kind)


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b"{", b'{"message_uuid": 5}', b"\xff"])
async def test_an_unreadable_answer_is_an_unknown_outcome(
    http: aiohttp.ClientSession, settings: Settings, body: bytes
) -> None:
    async with answering(body, 202) as url:
        channel = VonageChannel(settings.model_copy(update={"vonage_base_url": url}), http)
        assert isinstance(await channel.send(text()), Unknown)


async def test_documented_records_are_understood(http: aiohttp.ClientSession, settings: Settings) -> None:
    async with answering((DATA / "records.json").read_bytes(), 200) as url:
        channel = VonageChannel(settings.model_copy(update={"vonage_base_url": url}), http)
        traces = await channel.trace(text(), datetime.now(UTC))
        assert [trace.provider_id for trace in traces or ()] == ["aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"]


@pytest.mark.parametrize(("body", "status"), [(b"{}", 200), (b"", 200), (b"[]", 200), (b"{}", 500), (b"{}", 429)])
async def test_unreadable_records_are_requested_again(
    http: aiohttp.ClientSession, settings: Settings, body: bytes, status: int
) -> None:
    async with answering(body, status) as url:
        channel = VonageChannel(settings.model_copy(update={"vonage_base_url": url}), http)
        with pytest.raises(Unavailable):
            await channel.trace(text(), datetime.now(UTC))
