"""Texts that Twilio hands over: answers, opt-outs, confirmations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from campaigns.replies.answered_messages import words_of
from core.db import Connection
from core.runtime import Runtime
from messaging.outbox.concealment import Contents
from messaging.outbox.transactional import MessageKind, NewMessage, send_to
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import PHONE, Campaign, make_campaign, serve
from tests.support.rows import row_of
from tests.support.twilio_requests import (
    INBOUND,
    NEW,
    OLD,
    SID,
    Client,
    answer,
    rows,
    send,
    text,
)
from webhooks import process_inbound


@pytest.fixture
async def here(runtime: Runtime) -> Runtime:
    tokens = {"twilio_auth_token": (SecretStr(NEW), SecretStr(OLD)), "public_url": "https://muster.test"}
    clock = FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
    return replace(runtime, settings=runtime.settings.model_copy(update=tokens), clock=clock)


@pytest.fixture
async def campaign(here: Runtime, db: Connection) -> Campaign:
    return await make_campaign(here, db, now=here.clock())


@pytest.fixture
async def client(here: Runtime) -> AsyncIterator[Client]:
    async with serve(here) as client:
        yield client


async def test_a_reply_by_digit_confirms_and_withdraws(campaign: Campaign, client: Client, db: Connection) -> None:
    ann = await campaign.ask(sms=PHONE)
    response = await send(client, INBOUND, text("1"))
    assert (response.status, response.content_type) == (200, "text/xml")
    assert await response.text() == '<?xml version="1.0" encoding="UTF-8"?><Response/>'
    assert await campaign.status(ann) is None, "processed only after the answer"
    await process_inbound(campaign.runtime, 10)
    assert await campaign.status(ann) == "voted"
    assert await campaign.waiting(ann) == ("cancelled", "answered")
    assert await db.fetchval("select confidence from claim") == pytest.approx(0.95)


async def test_a_reply_to_a_sign_in_text_is_none_to_the_campaign(
    campaign: Campaign, client: Client, db: Connection
) -> None:
    ann = await campaign.ask(sms=PHONE)
    link = NewMessage(MessageKind.SIGN_IN, "sms", PHONE, campaign.sms_id, Contents("Sign in to Muster"), "console")
    await send_to(db, link, at=campaign.sent_at)
    await db.execute(
        "update message set state = 'sent', sent_at = $1, wire_at = $1 where step_id is null",
        campaign.sent_at + timedelta(minutes=1),
    )
    await send(client, INBOUND, text("1"))
    await send(client, INBOUND, text("Yes", sid=SID[:-1] + "b", OptOutType="START"))  # as Twilio takes it
    await process_inbound(campaign.runtime, 10)
    assert await campaign.status(ann) is None
    replies = await db.fetch("select person_id, reading, why_open from reply order by reply_id")
    assert [tuple(row) for row in replies] == [(ann.person_id, "unclear", "unclear")] * 2
    await send(client, INBOUND, text("STOP", sid=SID[:-1] + "c", OptOutType="STOP"))
    await process_inbound(campaign.runtime, 10)
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}


async def test_the_same_text_twice_is_one_reply(campaign: Campaign, client: Client, db: Connection) -> None:
    await campaign.ask(sms=PHONE)
    for _ in range(3):
        assert (await send(client, INBOUND, text("Voted"))).status == 200
        await process_inbound(campaign.runtime, 10)
    assert (await rows(db, "reply"), await rows(db, "claim")) == (1, 1)


@pytest.mark.parametrize("word", ["STOP", "stop", " Unsubscribe ", "end"])
async def test_twilio_itself_confirms_its_keywords(campaign: Campaign, client: Client, word: str) -> None:
    await campaign.ask(sms=PHONE)
    assert await answer(campaign.runtime, client, text(word)) == ""
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}


@pytest.mark.parametrize(
    ("words", "confirmed"),
    [("please stop texting me", "The Union: you will get no more texts"), ("stopiwch plis", "ni chewch ragor")],
)
async def test_an_opt_out_in_other_words_is_confirmed_by_us_once(
    campaign: Campaign, client: Client, db: Connection, words: str, confirmed: str
) -> None:
    await campaign.ask(sms=PHONE)
    for sid in (SID, SID[:-1] + "b"):  # two texts before a worker has read the first
        assert "<Message>" not in await (await send(client, INBOUND, text(words, sid=sid))).text()
    assert confirmed in await answer(campaign.runtime, client, text(words))
    assert await rows(db, "transactional") == 1
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}


async def test_a_text_is_classified_once_when_it_comes(campaign: Campaign, client: Client, db: Connection) -> None:
    await campaign.ask(sms=PHONE)
    await send(client, INBOUND, text("1"))
    assert (await db.fetchval("select payload -> 'read' from inbound_log"))["reading"] == "voted"
    await db.execute("update inbound_log set payload = jsonb_set(payload, '{read,rule}', '\"as it came\"')")
    await process_inbound(campaign.runtime, 10)
    assert await db.fetchval("select rule from reply") == "as it came"


async def test_an_opt_out_is_confirmed_by_whose_ballot_it_was(
    campaign: Campaign, client: Client, db: Connection
) -> None:
    await db.execute("update ballot set organisation = 'Sprocket Makers' where ballot_id = $1", campaign.ballot_id)
    await campaign.ask(sms=PHONE)
    body = await answer(campaign.runtime, client, text("please stop texting me"))
    assert "Sprocket Makers: you will get no more texts" in body


async def test_an_opt_out_is_confirmed_by_nobody_rather_than_by_your_organisation(here: Runtime) -> None:
    known = {name: getattr(here.settings, name) for name in here.settings.model_fields_set - {"organisation"}}
    async with serve(replace(here, settings=type(here.settings)(**known))) as client:
        body = await answer(here, client, text("please stop texting me"))
    assert body.startswith("You will get no more texts")
    assert "Your organisation" not in body


async def test_a_text_from_an_unknown_number_waits_for_staff(
    campaign: Campaign, client: Client, db: Connection
) -> None:
    await send(client, INBOUND, text("voted", sender="+15005550006"))
    await process_inbound(campaign.runtime, 10)
    assert tuple(await row_of(db, "select person_id, why_open, state from reply")) == (None, "unknown_sender", "open")
    assert await rows(db, "claim") == 0


@pytest.mark.parametrize(
    "said",
    [
        "Liked “Hi Ann, have you voted? To stop these texts, text STOP to 12345”",
        "Thanks\n{ours}",
        "{ours} ok",
    ],
)
async def test_our_own_words_sent_back_are_no_wish(campaign: Campaign, client: Client, said: str) -> None:
    recipient = await campaign.ask(sms=PHONE)
    (ours,) = await words_of(campaign.db, recipient.message_id)
    assert await answer(campaign.runtime, client, text(said.format(ours=ours))) == ""
    assert await campaign.suppressed() == set()


async def test_an_escape_sequence_in_a_text_is_not_kept(campaign: Campaign, client: Client, db: Connection) -> None:
    await campaign.ask(sms=PHONE)
    await send(client, INBOUND, text("\x1b]0;PWN\x07\x1b[2J\x1b[31mwho\u202e is this"))
    await process_inbound(campaign.runtime, 10)
    assert await db.fetchval("select text from reply") == "who is this"


async def test_a_member_opted_out_already_gets_no_confirmation(campaign: Campaign, client: Client) -> None:
    here = campaign.runtime
    assert await answer(here, client, text("take me off your list"))
    assert await answer(here, client, text("please stop texting me", sid=SID[:-1] + "b")) == ""
    assert await answer(here, client, text("", sid=SID[:-1] + "c", NumMedia="1")) == ""


async def test_pictures_are_not_read_which_is_said_once_and_their_words_are(
    campaign: Campaign, client: Client, db: Connection
) -> None:
    ann = await campaign.ask(sms=PHONE)
    picture = {"NumMedia": "1", "MediaUrl0": "https://api.twilio.test/p", "MediaContentType0": "image/jpeg"}
    here = campaign.runtime
    assert "cannot see pictures" in await answer(here, client, text("Posted mine on Monday", **picture))
    assert await answer(here, client, text("", sid=SID[:-1] + "b", **picture)) == ""
    assert await campaign.status(ann) == "voted"
    rows_stored = await db.fetch("select text, rule, why_open from reply order by reply_id")
    assert [tuple(row) for row in rows_stored] == [
        ("Posted mine on Monday", "posted_phrase", None),
        ("", "media", "unclear"),
    ]


async def test_a_text_in_many_parts_is_one_and_whole(campaign: Campaign, client: Client, db: Connection) -> None:
    await campaign.ask(sms=PHONE)
    long = "I have something to say about this ballot. " * 30
    await send(client, INBOUND, text(long, NumSegments="9"))
    await process_inbound(campaign.runtime, 10)
    assert await db.fetchval("select text from reply") == long


@pytest.mark.parametrize(("kind", "reading"), [("STOP", "opt_out"), ("HELP", "help")])
async def test_an_opt_out_by_twilio_counts_whatever_the_words(
    campaign: Campaign, client: Client, db: Connection, kind: str, reading: str
) -> None:
    await campaign.ask(sms=PHONE)
    assert await answer(campaign.runtime, client, text("ARRET", OptOutType=kind)) == ""
    assert tuple(await row_of(db, "select reading, rule from reply")) == (reading, "provider")
