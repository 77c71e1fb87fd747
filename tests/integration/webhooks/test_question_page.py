"""The page about a question: its words and answers, a changed answer, a comment, an undo; in English and Welsh."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from campaigns.replies.answer_history import answers_by
from campaigns.replies.reply_inbox import open_replies, read_by_staff
from core.db import Connection
from core.runtime import Runtime
from muster.operator import operator
from tests.support.clocks import FixedClock
from tests.support.council_commands import OF_A_BALLOT
from tests.support.electorate import NOW, add_person, add_unit
from tests.support.inbound_rows import BROWSER, HEADLESS, look, press, read, serve
from tests.support.member_states import Client
from tests.support.question_pages import tap, write
from tests.support.questions import AskedQuestion, add_question, ask

PHONE = "+447400900001"


@pytest.fixture
async def ann(db: Connection) -> int:
    return await add_person(db, "R1", unit=await add_unit(db, "Leeds"), sms=PHONE, email="ann@example.org")


@pytest.fixture
async def room(runtime: Runtime, db: Connection, ann: int) -> AskedQuestion:
    return await ask(runtime, db, await add_question(db))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def client(room: AskedQuestion, clock: FixedClock) -> AsyncIterator[Client]:
    async with serve(replace(room.runtime, clock=clock)) as client:
        yield client


async def test_a_person_answers_changes_comments_and_takes_it_back(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    page = await look(client, path)
    assert "How did we do when you visited us?" in page.words
    assert page.shown == ["answer_good", "answer_fair", "answer_poor", "call_me", "stop"]
    assert "What could we do better?" not in page.words

    page = await tap(client, clock, path, page, "answer_good")
    assert "You have answered “Good”." in page.words
    assert page.shown == ["comment", "answer_fair", "answer_poor", "undo", "call_me", "stop"]
    assert await room.answer_of(ann) == ("good", None)

    page = await tap(client, clock, path, page, "answer_poor")
    assert "You have answered “Poor”. Somebody will look into it." in page.words
    assert [(reply.why_open, reply.answer) for reply in await open_replies(room.db)] == [("low_answer", "Poor")]

    page = await write(client, clock, path, page, "  <b>waited</b> two hours ")
    assert "People here will read your words." in page.words
    assert [(reply.text, reply.answer) for reply in await open_replies(room.db)] == [
        ("", "Poor"), ("<b>waited</b> two hours", "Poor"),
    ]  # fmt: skip
    assert "waited" not in (await look(client, path)).words, "a link can be passed on"

    page = await tap(client, clock, path, await look(client, path), "undo")
    assert not await room.db.fetchval("select count(*) from response_comment"), "the words go with their answer"
    assert not await room.db.fetchval("select count(*) from reply where text <> ''")
    assert await open_replies(room.db) == []
    assert await room.answer_of(ann) == ("good", None), "the answer before it holds again"
    assert "Your answer before it counts again: “Good”." in page.words
    page = await tap(client, clock, path, page, "undo")
    assert await room.answer_of(ann) == (None, None)
    assert "answer_good" in page.shown
    assert "We have taken your answer back, with anything that you wrote beside it." in page.words


async def test_a_comment_alone_and_a_wish_for_a_call_alone_are_taken_back_by_buttons_that_say_so(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    page = await tap(client, clock, path, await look(client, path), "answer_good")
    page = await write(client, clock, path, page, "Why was nobody there?")
    assert page.shown[-4:] == ["undo_comment", "undo", "call_me", "stop"]
    page = await tap(client, clock, path, page, "undo_comment")
    assert "We have taken back what you wrote. Your answer still counts." in page.words
    assert (await room.answer_of(ann), await open_replies(room.db)) == (("good", None), [])
    assert not await room.db.fetchval("select count(*) from response_comment")

    page = await tap(client, clock, path, page, "call_me")
    assert [reply.why_open for reply in await open_replies(room.db)] == ["call_me"]
    page = await tap(client, clock, path, page, "undo_call")
    assert "We will not call you." in page.words
    assert (await room.answer_of(ann), await open_replies(room.db)) == (("good", None), [])


@pytest.mark.parametrize("by", ["a text", "staff"])
async def test_an_answer_that_came_otherwise_is_taken_back_on_the_page(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int, by: str
) -> None:
    answered = await room.says("3 nobody came" if by == "a text" else "it was not good", PHONE)
    if by == "staff":
        assert answered.reply_id is not None
        await read_by_staff(room.db, answered.reply_id, reading="poor", actor=operator("olga"), at=NOW)
    path = await room.link_to(ann)
    page = await look(client, path)
    assert "undo" in page.shown
    page = await tap(client, clock, path, page, "undo")
    assert (await room.answer_of(ann), await open_replies(room.db)) == ((None, None), [])
    assert not await room.db.fetchval("select count(*) from response_comment")


async def test_a_page_about_an_appointment_shows_when_and_where_it_is_now(
    runtime: Runtime, db: Connection, ann: int, clock: FixedClock
) -> None:
    await db.execute("insert into attribute (name, label) values ('appointment_at', 'x'), ('place', 'y')")
    there = {"appointment_at": "2026-11-24 10:20", "place": "the Town Hall"}
    await db.execute("update person set attributes = $2 where person_id = $1", ann, there)
    answers = [
        {"name": "will_attend", "label": "I will come", "digit": 1},
        {"name": "change_appointment", "label": "Another day", "digit": 2, "low": True},
    ]
    other = await add_question(db, name="next", title="your visit", answers=answers, translations={})
    room = await ask(runtime, db, other, name="next", template="appointment-reminder")
    async with serve(replace(room.runtime, clock=clock)) as client:
        path = await room.link_to(ann)
        page = await look(client, path)
        assert "When Tuesday 24 November, 10:20 Where the Town Hall" in " ".join(page.words.split())
        assert "Please answer before then." in page.words
        assert "Please answer by" not in page.words, "the question closes long after"
        await db.execute("update person set attributes = $2 where person_id = $1", ann, {"appointment_at": "next week"})
        page = await look(client, f"{path}?lang=cy")
        assert "Pryd next week" in " ".join(page.words.split())
        assert "Town Hall" not in page.words


async def test_the_page_says_nothing_of_a_ballot_in_any_language(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    welsh = await look(client, f"{path}?lang=cy")
    assert "Sut wnaethom ni pan ddaethoch chi atom?" in welsh.words
    assert "Mae Leeds Council yn gofyn i chi am eich ymweliad." in welsh.words
    pages = [welsh, await look(client, path)]
    pages.append(await tap(client, clock, f"{path}?lang=cy", welsh, "answer_fair"))
    assert "Eich ateb yw “Gweddol”." in pages[-1].words
    assert "Beth allem ni ei wneud yn well?" in pages[-1].words
    pages.append(await look(client, f"/p{path}"))
    pages.append(await tap(client, clock, path, await look(client, path), "stop"))
    for page in pages:
        assert OF_A_BALLOT.findall(page.words) == []


async def test_a_machine_is_asked_a_second_time_with_the_answers_in_words(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    page = await look(client, path, agent=HEADLESS)
    page = await press(client, path, page, "answer_poor", agent=HEADLESS)
    assert "One more question" in page.words
    assert "You pressed “Poor”." in page.words
    assert page.shown[0] == "nothing"
    assert {"answer_good", "answer_fair", "answer_poor"} < set(page.shown)
    assert await room.answer_of(ann) == (None, None)


async def test_an_empty_comment_and_one_after_the_end_change_nothing(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    page = await tap(client, clock, path, await look(client, path), "answer_good")
    page = await write(client, clock, path, page, "   ")
    assert "Nothing has been noted." in page.words
    await room.db.execute("update question set closes_at = $1", clock.now)
    page = await write(client, clock, path, page, "too late")
    assert "The time to answer is over." in page.words
    assert not await room.db.fetchval("select count(*) from response_comment")


async def test_after_the_close_nothing_is_taken_back_and_the_page_says_what_counts(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    page = await tap(client, clock, path, await look(client, path), "answer_good")
    page = await write(client, clock, path, page, "nice staff")
    await room.db.execute("update question set closes_at = $1", clock.now)
    for button in ("undo", "undo_comment"):
        page = await tap(client, clock, path, page, button)
        assert "The time to answer is over." in page.words
        assert "You have answered “Good”." in page.words
        assert "taken" not in page.words
    assert await room.answer_of(ann) == ("good", None)
    assert await room.db.fetchval("select comment from response_comment") == "nice staff"


async def test_a_call_is_taken_back_after_the_close_as_well(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    page = await tap(client, clock, path, await look(client, path), "answer_poor")
    page = await tap(client, clock, path, page, "call_me")
    await room.db.execute("update question set closes_at = $1", clock.now)
    page = await tap(client, clock, path, page, "undo_call")
    assert "We will not call you." in page.words
    page = await tap(client, clock, path, page, "undo")
    assert [reply.why_open for reply in await open_replies(room.db)] == ["low_answer"], "it stands, so staff see it"


async def test_the_same_answer_by_text_and_page_is_taken_back_at_once(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    await room.says("2", PHONE, at=clock.now)
    await room.says("3 waited two hours", PHONE, at=clock.now)
    path = await room.link_to(ann)
    await room.says("3", PHONE, at=clock.now)
    page = await look(client, path)
    page = await tap(client, clock, path, page, "undo")
    assert "Your answer before it counts again: “Fair”." in page.words
    assert (await room.answer_of(ann), await open_replies(room.db)) == (("fair", None), [])
    assert not await room.db.fetchval("select count(*) from response_comment")
    last = (await answers_by(room.db, [ann], []))[-1]
    assert last.words == (
        "In the question visit they are no longer counted as: Poor (taken back from their page). What counts now: Fair."
    )


async def test_a_question_without_a_box_shows_none(
    runtime: Runtime, db: Connection, ann: int, clock: FixedClock
) -> None:
    room = await ask(runtime, db, await add_question(db, comment=False))
    async with serve(replace(room.runtime, clock=clock)) as client:
        path = await room.link_to(ann)
        page = await tap(client, clock, path, await look(client, path), "answer_good")
        assert page.shown == ["answer_fair", "answer_poor", "undo", "call_me", "stop"]


async def test_the_same_comment_once_more_is_one(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    page = await tap(client, clock, path, await look(client, path), "answer_good")
    for words in ("The lift is slow", "The lift is slow ", "And the door", "The lift is slow"):
        page = await write(client, clock, path, page, words)
    kept = await room.db.fetch("select comment from response_comment order by response_id")
    assert [row["comment"] for row in kept] == ["The lift is slow", "And the door"]
    await tap(client, clock, path, await look(client, path), "undo")
    assert await room.db.fetchval("select count(*) from response_comment") == 0, "the words go with their answer"
    page = await tap(client, clock, path, await look(client, path), "answer_fair")
    await write(client, clock, path, page, "And the door")
    kept = await room.db.fetch("select comment from response_comment order by response_id")
    assert [row["comment"] for row in kept] == ["And the door"], "what was taken back is said anew"


async def test_a_comment_that_asks_to_cancel_is_for_a_person(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    page = await tap(client, clock, path, await look(client, path), "answer_good")
    await write(client, clock, path, page, "please cancel")
    assert [reply.why_open for reply in await open_replies(room.db)] == ["cancel"]
    assert not await room.db.fetchval("select count(*) from suppression")


@pytest.mark.parametrize("words", ["stop texting me", "Stop", "Cancel", "Stopio"])
async def test_a_stop_in_a_comment_is_obeyed_said_and_taken_back(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int, words: str
) -> None:
    path = await room.link_to(ann)
    page = await tap(client, clock, path, await look(client, path), "answer_good")
    page = await write(client, clock, path, page, words)
    assert "You will get no more of these messages" in page.words
    assert "People here will read your words" not in page.words
    assert page.shown == ["undo_stop"]
    assert await room.db.fetchval("select comment from response_comment") == words
    assert await room.db.fetchval("select count(*) from suppression where reason = 'opted_out'")

    page = await tap(client, clock, path, page, "undo_stop")
    assert "You will get messages from us again." in page.words
    assert not await room.db.fetchval("select count(*) from suppression where reason = 'opted_out'")
    assert (await room.answer_of(ann))[0] == "good"


async def test_a_stop_in_a_comment_is_obeyed_and_a_wish_for_a_call_is_seen(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    page = await tap(client, clock, path, await look(client, path), "answer_good")
    page = await write(client, clock, path, page, "Please ring me about this")
    assert [reply.why_open for reply in await open_replies(room.db)] == ["call_me"]
    await write(client, clock, path, page, "stop texting me")
    assert await room.db.fetchval("select reason from suppression where address = $1", PHONE) == "opted_out"


async def test_a_press_with_the_nonce_of_another_page_is_told_that_nothing_was_noted(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    page = await tap(client, clock, path, await look(client, path), "answer_good")
    clock.wait(seconds=20)
    for nonce in ("of-another-page", ""):
        data = {**page.fields, "nonce": nonce, "answer": "answer_poor"}
        response = await client.post(path, data=data, headers={"User-Agent": BROWSER})
        assert response.status == 409
        assert "This page had been used or was too old, so nothing was noted." in (await read(response)).words
    assert await room.answer_of(ann) == ("good", None)


async def test_a_double_click_is_told_only_what_was_answered(
    client: Client, clock: FixedClock, room: AskedQuestion, ann: int
) -> None:
    path = await room.link_to(ann)
    page = await tap(client, clock, path, await look(client, path), "answer_good")
    page = await look(client, path)
    await tap(client, clock, path, page, "answer_poor")
    again = await client.post(path, data={**page.fields, "answer": "answer_poor"}, headers={"User-Agent": BROWSER})
    assert again.status == 200
    assert "nothing was noted" not in (await read(again)).words
    other = await client.post(path, data={**page.fields, "answer": "answer_good"}, headers={"User-Agent": BROWSER})
    assert other.status == 409, "the page was used for another answer"
    assert await room.answer_of(ann) == ("poor", None)
