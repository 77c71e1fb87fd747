"""A member's preferences: changed only by the recipient of the link, and never to more than is allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urljoin

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from campaigns.replies.answers import Inbound, answer_reply
from core.db import Connection
from core.runtime import Runtime
from messaging.suppression import suppress
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import (
    BROWSER,
    HEADLESS,
    NUMBER,
    PHONE,
    Campaign,
    Forms,
    Recipient,
    everything,
    look,
    make_campaign,
    press,
    serve,
)
from tests.support.member_states import NOON
from tests.support.rows import row_of

Client = TestClient[web.Request, web.Application]
MAIL = "ann@x.test"
SOURCES = ("consent_event", "consent", "audit")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
async def campaign(runtime: Runtime, db: Connection, clock: FixedClock) -> Campaign:
    return await make_campaign(replace(runtime, clock=clock), db, now=NOON)


@pytest.fixture
async def client(campaign: Campaign) -> AsyncIterator[Client]:
    async with serve(campaign.runtime) as client:
        yield client


@pytest.fixture
async def ann(campaign: Campaign) -> Recipient:
    return await campaign.ask(sms=PHONE, email=MAIL)


class PageReader:
    """Somebody with a link, who reads before they press."""

    def __init__(self, client: Client, clock: FixedClock, ann: Recipient) -> None:
        self.client, self.clock, self.ann = client, clock, ann

    async def look(self) -> Forms:
        return await look(self.client, self.ann.preferences)

    async def press(self, page: Forms, answer: str, **choices: str) -> Forms:
        self.clock.wait(seconds=30)
        page.fields |= {list(page.choices)[0 if channel == "sms" else -1]: to for channel, to in choices.items()}
        return await press(self.client, self.ann.preferences, page, answer)

    async def save(self, **choices: str) -> Forms:
        return await self.press(await self.look(), "save", **choices)


@pytest.fixture
def reader(client: Client, clock: FixedClock, ann: Recipient) -> PageReader:
    return PageReader(client, clock, ann)


async def agreed(db: Connection) -> list[tuple[str, bool]]:
    return [tuple(row) for row in await db.fetch("select channel, given from consent order by channel")]


async def suppressions(db: Connection) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in await db.fetch("select channel, address, purpose from suppression order by 1, 2, 3")]


async def test_the_page_lists_contact_points_with_masked_addresses(reader: PageReader) -> None:
    page = await reader.look()
    assert "Texts to +44 ••• 456" in page.words
    assert "Emails to a•••@x.test" in page.words
    assert PHONE not in page.words
    assert list(page.choices.values()) == ["service", "service"], "nobody has agreed to more"
    assert page.shown == ["save", "stop_all"]


async def test_addresses_that_would_look_alike_can_be_told_apart(
    campaign: Campaign, client: Client, clock: FixedClock, db: Connection
) -> None:
    max_ = await campaign.ask(email="max@example.net")
    for rank, address in enumerate(("max2@example.net", "moritz@example.net"), start=1):
        await db.execute(
            "insert into address (person_id, channel, address, rank) values ($1, 'email', $2, $3)",
            max_.person_id, address, rank,
        )  # fmt: skip
    page = await look(client, max_.preferences)
    for shown in ("m•••x@example.net", "m•••2@example.net", "m•••z@example.net"):
        assert f"Emails to {shown}" in page.words
    clock.wait(seconds=60)
    second = await db.fetchval("select address_id from address where address = 'max2@example.net'")
    chosen = {**page.fields, f"to-{second}": "everything", "answer": "save"}
    async with client.post(max_.preferences, data=chosen, headers={"User-Agent": BROWSER}) as answer:
        page = Forms(await answer.text())
    assert "Emails to m•••2@example.net: everything" in page.words, "the question names the one it is about"
    assert "m•••x@" not in page.words


async def test_every_link_of_the_message_leads_to_the_preferences(client: Client, ann: Recipient) -> None:
    for path in (ann.confirm, ann.unsubscribe):
        page = await look(client, f"{path}?lang=cy")
        (link,) = [link for link in page.links if "p/" in link]
        response = await client.get(urljoin(path, link))
        assert response.status == 200
        assert "Beth rydym yn ei anfon atoch" in await response.text()


async def test_opening_the_page_changes_nothing(client: Client, db: Connection, ann: Recipient) -> None:
    before = await everything(db), [await db.fetchval(f"select count(*) from {name}") for name in SOURCES]
    for method in ("GET", "HEAD", "GET"):
        assert (await client.request(method, f"{ann.preferences}?answer=stop_all&to-1=nothing")).status == 200
    after = await everything(db), [await db.fetchval(f"select count(*) from {name}") for name in SOURCES]
    assert after == before


async def test_fewer_messages_are_granted_at_once_and_queued_ones_withdrawn(
    campaign: Campaign, reader: PageReader
) -> None:
    page = await reader.save(sms="nothing")
    assert "Saved" in page.words
    assert page.choices.popitem()[1] == "service"
    assert await suppressions(campaign.db) == [("sms", PHONE, "all")]
    assert await campaign.waiting(reader.ann) == ("suppressed", "opted_out")
    audit = await row_of(campaign.db, "select actor_kind, actor_id, action, detail from audit_shown")
    assert (audit["actor_kind"], audit["actor_id"]) == ("member", reader.ann.person_id)
    assert audit["action"] == "preferences.changed"
    assert audit["detail"]["changes"] == [
        {"channel": "sms", "address": "+44 ••• 456", "from": "service", "to": "nothing"}
    ]


async def test_undoing_a_reduction_asks_first_and_restores_everything(campaign: Campaign, reader: PageReader) -> None:
    page = await reader.save(sms="nothing", email="nothing")
    assert ("person", str(reader.ann.person_id), "all") in await suppressions(campaign.db)
    page = await reader.press(page, "undo")
    assert "Shall we write to you again?" in page.words
    assert "Texts to +44 ••• 456: only what concerns" in page.words
    assert page.buttons == ["nothing", "yes"]
    assert len(await suppressions(campaign.db)) == 3, "it was only asked"
    page = await reader.press(page, "yes")
    assert list(page.choices.values()) == ["service", "service"]
    assert {purpose for _, _, purpose in await suppressions(campaign.db)} <= {"marketing"}


async def test_more_for_somebody_who_never_stopped_messages_is_asked_as_more(reader: PageReader) -> None:
    page = await reader.save(sms="everything")
    assert "Would you like more of our messages?" in page.words
    assert "write to you again" not in page.words


async def test_answering_no_changes_nothing(campaign: Campaign, reader: PageReader) -> None:
    await reader.save(sms="nothing")
    page = await reader.save(sms="service")
    page = await reader.press(page, "nothing")
    assert "Nothing has been noted" in page.words
    assert await suppressions(campaign.db) == [("sms", PHONE, "all")]


async def test_choosing_everything_records_a_consent_with_wording_source_and_time(
    campaign: Campaign, reader: PageReader
) -> None:
    page = await reader.press(await reader.save(email="everything"), "yes")
    assert list(page.choices.values()) == ["service", "everything"]
    assert await agreed(campaign.db) == [("email", True)]
    (event,) = await campaign.db.fetch("select purpose, action, source, wording, at, recorder from consent_event")
    assert tuple(event) == (
        "marketing", "give", "preferences", "Everything, also news, campaigns and appeals", reader.clock(), "member",
    )  # fmt: skip
    await reader.save(email="service")
    assert await agreed(campaign.db) == [("email", False)]
    assert await suppressions(campaign.db) == [("email", MAIL, "marketing")]
    page = await look(reader.client, reader.ann.confirm)
    assert "Messages to you are stopped" not in page.words, "no to marketing is no stop"


async def test_one_of_two_addresses_can_be_resumed_after_a_full_stop(campaign: Campaign, reader: PageReader) -> None:
    await reader.press(await reader.look(), "stop_all")
    page = await reader.press(await reader.save(email="service"), "yes")
    assert list(page.choices.values()) == ["nothing", "service"]
    assert ("person", str(reader.ann.person_id), "all") not in await suppressions(campaign.db)
    assert ("sms", PHONE, "all") in await suppressions(campaign.db)


# ---- what a page cannot lift


async def text(db: Connection, words: str, inbound_id: int, opt_out_type: str | None = None) -> None:
    at = await db.fetchval("select clock_timestamp()")  # what is said on a page is dated by the database's clock
    await answer_reply(db, Inbound(inbound_id, "sms", PHONE, (NUMBER,), words, at, opt_out_type))


async def test_a_stop_by_text_is_lifted_by_a_text_of_start_alone(campaign: Campaign, reader: PageReader) -> None:
    before = await reader.look()
    await text(campaign.db, "STOP", 1, "STOP")
    page = await reader.look()
    assert f"text START to {NUMBER}" in page.words
    assert len(page.offered) == 1, "nothing is to be chosen for the phone"
    page.fields |= dict.fromkeys(before.choices, "everything") | page.choices
    page = await reader.press(page, "save")
    assert "Nothing was changed" in page.words
    assert await suppressions(campaign.db) == [("sms", PHONE, "all")]
    await text(campaign.db, "START", 2, "START")
    assert await suppressions(campaign.db) == []
    audit = await row_of(campaign.db, "select actor_kind, action, subject, detail from audit_shown")
    lifted = await campaign.db.fetchval("select event_id from suppression_event where action = 'lift'")
    assert tuple(audit) == ("member", "messages.resumed", f"suppression_event {lifted}", {"source": "sms_reply"})
    assert "service" in (await reader.look()).choices.values()


async def test_a_start_after_a_full_stop_resumes_that_number_alone(campaign: Campaign, reader: PageReader) -> None:
    await reader.press(await reader.look(), "stop_all")
    await text(campaign.db, "STOP", 1, "STOP")
    await text(campaign.db, "START", 2, "START")
    assert await suppressions(campaign.db) == [("email", MAIL, "all")]
    assert list((await reader.look()).choices.values()) == ["service", "nothing"]


async def test_a_stop_by_text_replaces_one_by_page(campaign: Campaign, reader: PageReader) -> None:
    await reader.save(sms="nothing")
    await text(campaign.db, "STOP", 1, "STOP")
    assert "text START" in (await reader.look()).words


@pytest.mark.parametrize(
    ("reason", "words"),
    [("hard_bounced", "came back"), ("complained", "as spam"), ("do_not_contact", "Nothing is sent there")],
)
async def test_other_suppressions_are_explained_and_kept(
    campaign: Campaign, reader: PageReader, reason: str, words: str
) -> None:
    await suppress(campaign.db, channel="email", address=MAIL, reason=reason, source="smtp")
    page = await reader.look()
    assert words in page.words
    await reader.save(email="everything")
    assert await campaign.suppressed() == {("email", MAIL, reason)}


async def test_a_shared_address_says_so_and_keeps_the_wish_of_whoever_shares_it(
    campaign: Campaign, reader: PageReader
) -> None:
    bob = await campaign.ask(email="bob@x.test")
    await campaign.db.execute(
        "insert into address (person_id, channel, address) values ($1, 'sms', $2)", bob.person_id, PHONE
    )
    page = await reader.save(sms="nothing")
    assert "goes for everybody who shares it" in page.words
    page = await look(reader.client, bob.preferences)
    assert "Somebody who shares this one has asked us to stop" in page.words
    assert len(page.offered) == 1, "of the email"


async def test_an_addresss_new_holder_sees_nothing_of_the_former_one(campaign: Campaign, reader: PageReader) -> None:
    await campaign.db.execute("delete from address where address = $1", PHONE)
    page = await reader.look()
    assert "Texts to +44 ••• 456" in page.words
    assert "x.test" not in page.words
    await reader.press(page, "save", sms="nothing")
    assert await suppressions(campaign.db) == [("sms", PHONE, "all")]


async def test_an_addresss_new_holder_cannot_consent_for_the_former_one(campaign: Campaign, reader: PageReader) -> None:
    await campaign.db.execute("delete from address where address = $1", PHONE)
    page = await reader.look()
    assert "former address" in page.words
    await reader.press(page, "save", sms="everything")
    assert (await suppressions(campaign.db), await agreed(campaign.db)) == ([], [])


async def test_an_addresss_new_holder_cannot_lift_the_former_ones_stop(campaign: Campaign, reader: PageReader) -> None:
    await reader.press(await reader.look(), "stop_all")
    await campaign.db.execute("delete from address where address = $1", PHONE)
    page = await reader.look()
    assert not page.choices
    assert "former address" in page.words


# ---- who may


async def test_a_nonce_is_valid_for_one_view_of_one_page(
    campaign: Campaign, reader: PageReader, db: Connection
) -> None:
    page = await reader.look()
    await reader.press(page, "save", sms="nothing")
    before = await everything(db)
    confirm = await look(reader.client, reader.ann.confirm)
    for fields in (page.fields, confirm.fields, {"nonce": "guess"}, {}):
        data = {**fields, "answer": "stop_all"}
        assert (await reader.client.post(reader.ann.preferences, data=data)).status == 409
    assert await everything(db) == before


async def test_an_unknown_token_shows_the_usual_page(client: Client, ann: Recipient) -> None:
    nobody, elsewhere = await client.get("/p/0000000000000"), await client.get("/0000000000000")
    assert (nobody.status, await nobody.read()) == (404, await elsewhere.read())


async def test_a_machine_that_presses_every_button_changes_nothing(
    campaign: Campaign, client: Client, clock: FixedClock, ann: Recipient
) -> None:
    for agent in (HEADLESS, "okhttp/4.12.0", ""):
        for answer in ("save", "stop_all"):
            clock.wait(seconds=300)
            page = await look(client, ann.preferences, agent)
            page.fields |= dict.fromkeys(page.choices, "nothing")
            page = await press(client, ann.preferences, page, answer, agent)
            assert page.buttons == ["nothing", "yes"]
            await press(client, ann.preferences, page, page.buttons[0], agent)
    assert await suppressions(campaign.db) == []
