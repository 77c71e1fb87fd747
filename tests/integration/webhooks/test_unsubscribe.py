"""Unsubscribing takes one press, or none: a page first for people, at once for a mail program's own button."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestClient

from core.db import Connection
from core.runtime import Runtime
from messaging.suppression import suppress
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import Campaign, look, make_campaign, press, serve

Client = TestClient[web.Request, web.Application]
ADDRESS = "ann@x.test"
STOPPED = {("email", ADDRESS, "opted_out")}


@pytest.fixture
async def campaign(runtime: Runtime, db: Connection) -> Campaign:
    clock = FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
    return await make_campaign(replace(runtime, clock=clock), db, now=clock())


@pytest.fixture
async def client(campaign: Campaign) -> AsyncIterator[Client]:
    async with serve(campaign.runtime) as client:
        yield client


async def test_the_link_shows_a_page_first(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=ADDRESS)
    page = await look(client, ann.unsubscribe)
    assert f"Stop messages to {ADDRESS}?" in page.words
    assert page.buttons == ["stop", "stop_everywhere"]
    assert await campaign.suppressed() == set()


async def test_the_button_stops_the_address_and_what_is_queued_for_it(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=ADDRESS)
    page = await press(client, ann.unsubscribe, await look(client, ann.unsubscribe), "stop")
    assert f"There will be no more messages to {ADDRESS}" in page.words
    assert await campaign.suppressed() == STOPPED
    assert await campaign.waiting(ann) == ("suppressed", "opted_out")


async def test_the_other_button_stops_everything_to_the_person(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=ADDRESS)
    await press(client, ann.unsubscribe, await look(client, ann.unsubscribe), "stop_everywhere")
    assert await campaign.suppressed() == STOPPED | {("person", str(ann.person_id), "opted_out")}


@pytest.mark.parametrize("multipart", [False, True])
@pytest.mark.parametrize("agent", ["", "Mozilla/5.0", "Google-Unsubscribe"])
async def test_one_click_acts_at_once_without_cookie_or_page(
    campaign: Campaign, client: Client, agent: str, multipart: bool
) -> None:
    ann = await campaign.ask(email=ADDRESS)
    form = FormData({"List-Unsubscribe": "One-Click"}, default_to_multipart=multipart)
    response = await client.post(ann.unsubscribe, data=form(), headers={"User-Agent": agent})
    assert response.status == 200
    assert await campaign.suppressed() == STOPPED
    [kept] = await campaign.db.fetch("select source, payload from inbound_log")
    assert (kept["source"], kept["payload"]["one_click"]) == ("unsubscribe", True)


async def test_unsubscribing_again_changes_nothing(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=ADDRESS)
    for _ in range(3):
        assert (await client.post(ann.unsubscribe, data={"List-Unsubscribe": "One-Click"})).status == 200
    assert await campaign.db.fetchval("select count(*) from suppression_event") == 1
    assert await campaign.db.fetchval("select count(*) from inbound_log") == 1


async def test_an_unsubscription_can_be_undone_once_from_the_page(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=ADDRESS)
    stopped = await press(client, ann.unsubscribe, await look(client, ann.unsubscribe), "stop_everywhere")
    page = await press(client, ann.unsubscribe, stopped, "undo_stop")
    assert page.buttons == ["nothing", "undo_stop"]
    assert len(await campaign.suppressed()) == 2, "a machine that presses what it finds signs nobody up"
    page = await press(client, ann.unsubscribe, page, "undo_stop")
    assert "You will get messages from us again" in page.words
    assert await campaign.suppressed() == set()
    await client.post(ann.unsubscribe, data={"List-Unsubscribe": "One-Click"})
    await press(client, ann.unsubscribe, stopped, "undo_stop")
    assert await campaign.suppressed() == STOPPED, "the same page cannot take it back twice"


async def test_denying_the_press_keeps_the_stop(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=ADDRESS)
    page = await press(client, ann.unsubscribe, await look(client, ann.unsubscribe), "stop")
    page = await press(client, ann.unsubscribe, page, "undo_stop")
    page = await press(client, ann.unsubscribe, page, page.buttons[0])
    assert "Emails to you are stopped" in page.words
    assert await campaign.suppressed() == STOPPED


async def test_a_forged_undo_brings_nothing_back(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=ADDRESS)
    await client.post(ann.unsubscribe, data={"List-Unsubscribe": "One-Click"})
    assert (await client.post(ann.unsubscribe, data={"answer": "undo_stop", "nonce": "guess"})).status == 200
    assert await campaign.suppressed() == STOPPED


async def test_undo_leaves_other_suppressions_alone(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=ADDRESS)
    await suppress(campaign.db, channel="email", address=ADDRESS, reason="hard_bounced", source="smtp")
    stopped = await press(client, ann.unsubscribe, await look(client, ann.unsubscribe), "stop")
    page = await press(client, ann.unsubscribe, stopped, "undo_stop")
    await press(client, ann.unsubscribe, page, "undo_stop")
    assert await campaign.suppressed() == {("email", ADDRESS, "hard_bounced")}


async def test_the_page_opened_again_says_that_messages_are_stopped(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=ADDRESS)
    await client.post(ann.unsubscribe, data={"List-Unsubscribe": "One-Click"})
    page = await look(client, ann.unsubscribe)
    assert "Emails to you are stopped. To get them again, choose so" in page.words
    assert page.buttons == ["undo_stop"]


async def test_the_page_says_which_messages_are_stopped_and_how_they_come_again(
    campaign: Campaign, client: Client
) -> None:
    both, texts = await campaign.ask(sms="+447400111111", email=ADDRESS), await campaign.ask(sms="+447400222222")
    for phone in ("+447400111111", "+447400222222"):
        await suppress(campaign.db, channel="sms", address=phone, reason="opted_out", source="sms_reply")
    for asked, words in (
        (both, "Texts to you are stopped; emails still come."),
        (texts, "Texts to you are stopped. To get"),
    ):
        page = await look(client, asked.confirm)
        assert words in page.words
        assert "text START to the number that ours came from" in page.words
    await suppress(campaign.db, channel="person", address=str(both.person_id), reason="opted_out", source="link")
    assert "Messages to you are stopped." in (await look(client, both.confirm)).words


async def test_a_confirm_token_unsubscribes_nobody_and_the_other_way_round(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=ADDRESS)
    assert (await client.post(f"/u{ann.confirm}", data={"List-Unsubscribe": "One-Click"})).status == 404
    assert (await client.get(ann.unsubscribe.removeprefix("/u"))).status == 404
    assert await campaign.suppressed() == set()


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"%zz=%", b"a" * 10_000])
async def test_any_other_post_means_stop(campaign: Campaign, client: Client, body: bytes) -> None:
    ann = await campaign.ask(email=ADDRESS)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await client.post(ann.unsubscribe, data=body, headers=headers)).status == 200
    assert await campaign.suppressed() == STOPPED


async def test_an_oversized_body_is_refused(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=ADDRESS)
    assert (await client.post(ann.unsubscribe, data=b"a" * 100_000)).status == 413
    assert await campaign.suppressed() == set()
