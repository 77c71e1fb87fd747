"""A member's link: people answer with one press; machines, however they press, answer nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from core.db import Connection
from core.runtime import Runtime
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import (
    BROWSER,
    PHONE,
    Campaign,
    Forms,
    look,
    make_campaign,
    press,
    read,
)
from tests.support.rows import row_of

Client = TestClient[web.Request, web.Application]


# ---- people


async def test_one_press_confirms_and_withdraws_what_was_queued(
    campaign: Campaign, client: Client, clock: FixedClock
) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    assert "Have you posted your ballot paper?" in page.words
    assert "Hello Ann" in page.words
    assert page.shown == ["voted", "not_yet", "no_ballot_paper", "call_me", "stop"]
    assert await campaign.status(ann) is None
    clock.wait(seconds=5)
    page = await press(client, ann.confirm, page, "voted")
    assert "Thank you, Ann!" in page.words
    assert "voted" not in page.buttons
    assert await campaign.status(ann) == "voted"
    assert await campaign.waiting(ann) == ("cancelled", "answered")
    claim = await row_of(campaign.db, "select source, recorder, confidence, message_id, at from claim")
    assert tuple(claim) == ("link", "member", pytest.approx(0.95), ann.message_id, clock())
    [kept] = await campaign.db.fetch("select source, state, payload from inbound_log")
    assert (kept["source"], kept["state"], kept["payload"]["answer"]) == ("link", "done", "voted")


async def test_the_page_opened_again_shows_the_answer(campaign: Campaign, client: Client, clock: FixedClock) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    await press(client, ann.confirm, page, "voted")
    clock.wait(days=1)
    page = await look(client, ann.confirm)
    assert "You have told us that you have voted" in page.words
    assert page.shown == ["undo", "call_me", "stop"]


async def test_undo_restores_the_status_before(campaign: Campaign, client: Client, clock: FixedClock) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    page = await press(client, ann.confirm, page, "voted")
    clock.wait(seconds=5)
    page = await press(client, ann.confirm, page, "undo")
    assert "taken it back" in page.words
    assert "voted" in page.shown
    assert await campaign.status(ann) is None
    assert await campaign.db.fetchval("select count(*) from goal_met") == 0
    assert await campaign.db.fetchval("select count(*) from claim where kind = 'retracted'") == 1


async def test_undo_retracts_only_the_last_answer(campaign: Campaign, client: Client, clock: FixedClock) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    for answer in ("voted", "call_me", "undo"):
        clock.wait(minutes=3)
        page = await press(client, ann.confirm, page, answer)
    assert await campaign.status(ann) == "voted"
    assert await campaign.db.fetchval("select count(*) from reply where state = 'open'") == 0
    clock.wait(minutes=3)
    await press(client, ann.confirm, page, "undo")
    assert await campaign.status(ann) is None


@pytest.mark.parametrize(
    ("answer", "kind", "why", "words"),
    [
        ("not_yet", "not_voted", None, "There is still time"),
        ("no_ballot_paper", "no_ballot_paper", "no_ballot_paper", "no ballot paper has come to you"),
        ("call_me", None, "call_me", "will call you"),
    ],
)
async def test_each_answer_is_recorded_as_its_claim(
    campaign: Campaign, client: Client, clock: FixedClock, answer: str, kind: str | None, why: str | None, words: str
) -> None:
    ann = await campaign.ask(email="ann@x.test")
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    page = await press(client, ann.confirm, page, answer)
    assert words in page.words
    assert answer not in page.buttons
    assert "undo" in page.buttons
    assert await campaign.status(ann) == kind
    assert await campaign.waiting(ann) == ("queued", None)
    replies = await campaign.db.fetch("select channel, person_id, why_open, state from reply")
    assert [tuple(row) for row in replies] == ([("link", ann.person_id, why, "open")] if why else [])


async def test_a_not_yet_and_then_voted_are_recorded_from_the_same_page(
    campaign: Campaign, client: Client, clock: FixedClock
) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    page = await press(client, ann.confirm, page, "not_yet")
    clock.wait(minutes=5)
    await press(client, ann.confirm, page, "voted")
    assert await campaign.status(ann) == "voted"


async def test_stop_stops_everything_and_can_be_taken_back(
    campaign: Campaign, client: Client, clock: FixedClock
) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    page = await press(client, ann.confirm, page, "stop")
    assert page.shown == ["undo_stop"]
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out"), ("person", str(ann.person_id), "opted_out")}
    assert await campaign.waiting(ann) == ("suppressed", "opted_out")
    clock.wait(seconds=5)
    page = await press(client, ann.confirm, page, "undo_stop")
    assert "You will get messages from us again" in page.words
    assert await campaign.suppressed() == set()


async def test_a_token_is_read_as_people_type_it(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(sms=PHONE)
    await look(client, ann.confirm.upper())
    await look(client, ann.confirm.replace("0", "o").replace("1", "I"))
    await look(client, ann.confirm.replace("0", "O").replace("1", "l"))


async def test_a_welsh_member_reads_welsh_pages(campaign: Campaign, client: Client, clock: FixedClock) -> None:
    sian = await campaign.ask(sms=PHONE, first_name="Siân", language="cy")
    response = await client.get(sian.confirm, headers={"User-Agent": BROWSER})
    text = await response.text()
    assert '<html lang="cy">' in text
    assert "Ydych chi wedi postio eich papur pleidleisio?" in text
    clock.wait(seconds=5)
    page = await press(client, sian.confirm, Forms(text), "voted")
    assert "Diolch, Siân!" in page.words


async def test_a_language_without_translation_is_shown_in_english(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(sms=PHONE, language="pl")
    assert "Have you posted your ballot paper?" in (await look(client, ann.confirm)).words


async def test_a_page_left_open_too_long_asks_once_more(campaign: Campaign, client: Client, clock: FixedClock) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    clock.wait(days=3)
    response = await client.post(ann.confirm, data={**page.fields, "answer": "voted"}, headers={"User-Agent": BROWSER})
    assert response.status == 409
    page = await read(response)
    assert "Please press once more" in page.words
    assert await campaign.status(ann) is None
    clock.wait(seconds=5)
    await press(client, ann.confirm, page, "voted")
    assert await campaign.status(ann) == "voted"


# ---- phases


async def test_a_closed_ballot_is_explained_and_takes_no_answer(
    campaign: Campaign, client: Client, clock: FixedClock
) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    clock.wait(days=10)
    closed = await look(client, ann.confirm)
    assert "This vote has closed" in closed.words
    assert closed.shown == ["stop"]
    clock.now -= timedelta(minutes=1)
    page = await look(client, ann.confirm)
    clock.wait(minutes=2)
    page = await press(client, ann.confirm, page, "voted")
    assert "This vote has closed" in page.words
    assert await campaign.status(ann) is None


async def test_before_the_ballot_opens_the_page_asks_nothing(
    here: Runtime, db: Connection, client: Client, clock: FixedClock
) -> None:
    campaign = await make_campaign(here, db, now=clock(), opens=timedelta(days=1))
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    assert "Voting has not started yet" in page.words
    assert page.shown == ["call_me", "stop"]


async def test_long_after_it_closed_the_link_is_as_unknown_as_any(
    campaign: Campaign, client: Client, clock: FixedClock
) -> None:
    ann = await campaign.ask(sms=PHONE)
    clock.wait(days=71)
    assert (await client.get(ann.confirm)).status == 404


# ---- looking changes nothing


# ---- nonces


# ---- links that do not exist


# ---- what the page is made of
