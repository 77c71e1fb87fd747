"""Link scanners of every kind seen in the wild: however they press, they answer nothing, and cost members little."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from core.db import Connection
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import (
    BROWSER,
    CHROME,
    HEADLESS,
    IMESSAGE,
    PHONE,
    Campaign,
    Forms,
    everything,
    look,
    press,
    read,
)

Client = TestClient[web.Request, web.Application]


async def scan(client: Client, clock: FixedClock, asked: object, agent: str, *steps: str) -> None:
    """Do what a scanner does: HEAD, GET, and presses of the first button it finds, a moment after."""
    paths = {"confirm": asked.confirm, "unsubscribe": asked.unsubscribe}  # type: ignore[attr-defined]
    page: Forms | None = None
    for step in steps:
        what, _, where = step.partition(" ")
        path = paths.get(where or "confirm", where)
        if what == "wait":
            clock.wait(seconds=float(where))
        elif what == "press" and page is not None:
            response = await client.post(
                path, data={**page.fields, "answer": page.buttons[0]}, headers={"User-Agent": agent}
            )
            page = await read(response)
        elif what != "press":
            response = await client.request(what, path, headers={"User-Agent": agent})
            page = await read(response) if what == "GET" else page


@pytest.mark.parametrize(
    ("agent", "steps"),
    [
        ("", ["HEAD confirm", "GET confirm", "HEAD unsubscribe", "GET unsubscribe"]),
        (HEADLESS, ["GET confirm", "GET confirm"]),
        (HEADLESS, ["GET confirm", "wait 2", "press", "wait 2", "press", "wait 2", "press"]),
        (CHROME, ["wait 12", "GET confirm"]),
        (CHROME, ["GET confirm", "press"]),
        (CHROME, ["GET confirm", "wait 3", "press"]),
        (CHROME, ["GET confirm", "wait 3", "press", "wait 3", "press", "wait 3", "press", "wait 3", "press"]),
        (CHROME, ["wait 3600", "GET confirm", "wait 30", "press", "wait 30", "press", "wait 30", "press"]),
        (IMESSAGE, ["GET confirm"]),
        ("WhatsApp/2.25.18 A", ["GET confirm"]),
        ("okhttp/4.12.0", ["HEAD confirm", "GET confirm", "press", "press"]),
    ],
)
async def test_no_scanner_confirms_anything(
    campaign: Campaign, client: Client, db: Connection, clock: FixedClock, agent: str, steps: list[str]
) -> None:
    campaign.sent_at = clock()
    ann = await campaign.ask(email="ann@x.test")
    before = await everything(db)
    await scan(client, clock, ann, agent, *steps)
    assert await everything(db) == before


@pytest.mark.parametrize("nth", range(1, 6))
@pytest.mark.parametrize("agent", [HEADLESS, CHROME])
async def test_no_scanner_gets_past_the_second_question_with_one_press(
    campaign: Campaign, client: Client, clock: FixedClock, agent: str, nth: int
) -> None:
    """Whichever button it presses at once, seconds after the message was sent."""
    campaign.sent_at = clock()
    ann = await campaign.ask(email="ann@x.test")
    page = await look(client, ann.confirm, agent)
    page = await press(client, ann.confirm, page, page.buttons[nth], agent)
    assert "One more question" in page.words
    assert page.buttons[0] == "nothing"
    assert await campaign.status(ann) is None
    assert await campaign.suppressed() == set()


SUSPICIOUS = {
    "hasty": ["GET"],
    "fresh": ["sent", "GET", "wait 5"],
    "every_link": ["GET unsubscribe", "GET", "wait 5"],
    "machine_near": ["machine", "GET", "wait 5"],
    "looks": ["GET", "GET", "GET", "GET", "wait 5"],
    "honeypot": ["GET trap", "GET", "wait 5"],
}


@pytest.mark.parametrize("signal", SUSPICIOUS)
async def test_each_signal_asks_a_person_a_second_time_and_then_believes_them(
    campaign: Campaign, client: Client, clock: FixedClock, signal: str
) -> None:
    if "sent" in SUSPICIOUS[signal]:
        campaign.sent_at = clock()
    ann = await campaign.ask(email="ann@x.test")
    page = Forms("")
    for step in SUSPICIOUS[signal]:
        match step.split():
            case ["wait", seconds]:
                clock.wait(seconds=float(seconds))
            case ["machine"]:
                await client.get(ann.confirm, headers={"User-Agent": HEADLESS})
            case ["GET", "trap"]:
                [trap] = [link for link in (await look(client, ann.confirm)).links if link.endswith("/page")]
                assert (await client.get(f"/{trap}", headers={"User-Agent": BROWSER})).status == 404
            case ["GET", "unsubscribe"]:
                await look(client, ann.unsubscribe)
            case ["GET"]:
                page = await look(client, ann.confirm)
    page = await press(client, ann.confirm, page, "voted")
    assert "One more question" in page.words
    assert signal in await campaign.db.fetchval("select signals from page_view where stage = 2")
    assert await campaign.status(ann) is None
    clock.wait(seconds=5)
    page = await press(client, ann.confirm, page, "voted")
    assert "Thank you, Ann!" in page.words
    assert await campaign.status(ann) == "voted"
    assert await campaign.db.fetchval("select confidence from claim") == pytest.approx(0.8)


async def test_a_press_before_the_send_is_known_is_suspicious(
    campaign: Campaign, client: Client, clock: FixedClock
) -> None:
    ann = await campaign.ask(email="ann@x.test", sent=False)
    page = await look(client, ann.confirm)
    clock.wait(minutes=10)
    assert "One more question" in (await press(client, ann.confirm, page, "voted")).words


async def test_a_preview_on_the_members_own_phone_costs_them_nothing(
    campaign: Campaign, client: Client, clock: FixedClock
) -> None:
    ann = await campaign.ask(sms=PHONE)
    await client.get(ann.confirm, headers={"User-Agent": IMESSAGE})
    page = await look(client, ann.confirm)
    clock.wait(seconds=3)
    await press(client, ann.confirm, page, "voted")
    assert await campaign.status(ann) == "voted"


async def test_a_scan_at_delivery_costs_the_member_nothing_later(
    campaign: Campaign, client: Client, clock: FixedClock
) -> None:
    campaign.sent_at = clock()
    ann = await campaign.ask(email="ann@x.test")
    await scan(client, clock, ann, HEADLESS, "GET confirm", "GET unsubscribe", "GET confirm")
    clock.wait(hours=1)
    page = await look(client, ann.confirm)
    clock.wait(seconds=3)
    await press(client, ann.confirm, page, "voted")
    assert await campaign.status(ann) == "voted"


async def test_denying_the_press_records_nothing(campaign: Campaign, client: Client, db: Connection) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    page = await press(client, ann.confirm, page, "voted")
    before = await everything(db)
    page = await press(client, ann.confirm, page, "nothing")
    assert "Nothing has been noted" in page.words
    assert await everything(db) == before


async def test_the_second_question_never_begins_with_what_was_pressed(campaign: Campaign, client: Client) -> None:
    orders = set()
    for number in range(12):
        recipient = await campaign.ask(sms=f"+4474001235{number:02}")
        page = await press(client, recipient.confirm, await look(client, recipient.confirm), "voted")
        assert page.buttons[0] == "nothing"
        assert page.buttons[1] != "voted"
        orders.add(tuple(page.buttons))
    assert len(orders) > 1
