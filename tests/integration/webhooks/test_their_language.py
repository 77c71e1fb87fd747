"""Each person's own language: on every page of a link, after each press, and in what is texted back at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from core.db import Connection
from core.runtime import Runtime
from messaging.content.translations import wording
from tests.support.clocks import FixedClock
from tests.support.electorate import add_person
from tests.support.inbound_rows import NUMBER, PHONE, Campaign, make_campaign, read, serve
from webhooks import process_inbound

Client = TestClient[web.Request, web.Application]
TOKEN = "the token of the account"
WELSH = wording("cy")


@pytest.fixture
async def here(runtime: Runtime) -> Runtime:
    settings = runtime.settings.model_copy(
        update={"twilio_auth_token": (SecretStr(TOKEN),), "public_url": "https://muster.test"}
    )
    return replace(runtime, settings=settings, clock=FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC)))


@pytest.fixture
async def campaign(here: Runtime, db: Connection) -> Campaign:
    return await make_campaign(here, db, now=here.clock())


@pytest.fixture
async def client(here: Runtime) -> AsyncIterator[Client]:
    async with serve(here) as client:
        yield client


async def text_back(here: Runtime, client: Client, body: str, *, pictures: int = 0) -> str:
    """What a text is answered by itself, once it is processed; "" for nothing."""
    path = "/webhooks/twilio/inbound"
    sid = f"SM{await here.pool.fetchval('select count(*) from inbound_log'):032x}"  # each text has its own
    form = {
        "MessageSid": sid, "From": PHONE, "To": NUMBER, "Body": body, "NumMedia": str(pictures),
    }  # fmt: skip
    signature = RequestValidator(TOKEN).compute_signature(f"https://muster.test{path}", form)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.post(path, data=urlencode(form), headers=headers)).status == 200
    await process_inbound(here, 10)
    said = await here.pool.fetch("select content ->> 'text' as text from transactional")
    return "".join(row["text"] for row in said)


@pytest.mark.parametrize("path", ["confirm", "unsubscribe", "preferences"])
async def test_every_page_and_what_follows_a_press_is_in_their_language(
    campaign: Campaign, client: Client, path: str
) -> None:
    asked = await campaign.ask(email="ann@x.test", language="cy-GB")
    url = getattr(asked, path)
    page = await read(await client.get(url))
    assert page.language == "cy"
    pressed = next(button for button in page.buttons if button != "page")
    after = await read(await client.post(url, data=page.fields | {"answer": pressed}))
    assert after.language == "cy"
    assert WELSH["languages"] in (await (await client.get(url)).text())


async def test_a_wrong_link_answers_in_the_language_of_the_browser(client: Client) -> None:
    for accepts, language in (("cy-GB, en;q=0.5", "cy"), ("pl", "en")):
        page = await read(await client.get(f"/{'x' * 22}", headers={"Accept-Language": accepts}))
        assert page.language == language


@pytest.mark.parametrize(
    ("language", "body", "pictures", "words"),
    [
        ("cy", "please stop texting me", 0, "ni chewch ragor"),
        ("en", "please stop texting me", 0, "you will get no more texts"),
        ("en", "stopiwch plis", 0, "ni chewch ragor"),
        ("pl", "please stop texting me", 0, "you will get no more texts"),
        ("cy", "", 1, "ni allwn weld lluniau"),
    ],
)
async def test_an_automatic_answer_is_in_the_language_of_the_text_or_else_of_the_person(
    campaign: Campaign, client: Client, language: str, body: str, pictures: int, words: str
) -> None:
    await campaign.ask(sms=PHONE, language=language)
    assert words in await text_back(campaign.runtime, client, body, pictures=pictures)


async def test_without_a_message_the_language_is_that_of_all_who_have_the_phone(
    client: Client, campaign: Campaign, db: Connection
) -> None:
    await add_person(db, "1", sms=PHONE)
    await db.execute("update person set language = 'cy'")
    assert "ni allwn weld lluniau" in await text_back(campaign.runtime, client, "", pictures=1)
    await add_person(db, "2", sms=PHONE)
    confirmed = await text_back(campaign.runtime, client, "please stop texting me")
    assert "you will get no more texts" in confirmed
    assert "ni chewch ragor" not in confirmed


async def test_sharers_of_an_erased_persons_address_read_their_own_language(
    campaign: Campaign, client: Client, superuser: Connection
) -> None:
    asked = await campaign.ask(email="both@x.test")
    async with superuser.transaction():
        await superuser.execute("set local session_replication_role = replica")
        await superuser.execute("insert into erased_place values ($1, 'email', 'both@x.test')", asked.message_id)
        await superuser.execute(
            "update message set address = 'erased-' || message_id where message_id = $1", asked.message_id
        )
    page = await read(await client.get(asked.unsubscribe, headers={"Accept-Language": "cy"}))
    assert page.language == "cy"
    assert WELSH["unsubscribe_here"] in page.words
