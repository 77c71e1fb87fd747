"""Somebody answers a question on their phone, says more in the box, changes their mind, and takes everything back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import expect

from core.db import Connection
from tests.browser.accessibility import SIDEWAYS, assert_accessible
from tests.browser.conftest import Scheme, Site, Visit
from tests.browser.page_pictures import picture
from tests.browser.phone import PHONE
from tests.support.electorate import add_person
from tests.support.questions import AskedQuestion, add_question, ask

WORDS = "The <b>lift</b> was out.\nNobody said so."
BOX = "What could we do better?"


@pytest.fixture
async def ann(db: Connection) -> int:
    return await add_person(db, "R1", sms="+447400900001")


@pytest.fixture
async def room(site: Site, db: Connection, ann: int) -> AskedQuestion:
    closes = site.clock() + timedelta(days=7)
    return await ask(site.runtime, db, await add_question(db, closes=closes.isoformat()))


async def press(site: Site, visit: Visit, button: str) -> None:
    site.clock.wait(seconds=8)  # as long as a person takes
    async with visit.page.expect_navigation():
        await visit.page.get_by_role("button", name=button, exact=True).click()
    assert await visit.page.evaluate(SIDEWAYS) == 0
    await assert_accessible(visit)


async def comments(room: AskedQuestion) -> list[str]:
    return [row["comment"] for row in await room.db.fetch("select comment from response_comment order by response_id")]


@pytest.mark.parametrize(("view", "width", "scheme"), [("narrow", 360, "light"), ("wide", 1280, "dark")])
async def test_a_comment_is_written_beside_an_answer_and_taken_back(
    site: Site, room: AskedQuestion, ann: int, view: str, width: int, scheme: Scheme
) -> None:
    path = await room.link_to(ann)
    async with site.visit(
        width=width, scheme=scheme, signed_in=False, user_agent=PHONE, java_script_enabled=True
    ) as visit:
        said = visit.page.get_by_text
        assert await visit.go(path) == 200
        box = visit.page.get_by_label(BOX)
        await expect(box).to_have_count(0)
        await press(site, visit, "Good")
        await expect(said("You have answered “Good”.")).to_be_visible()
        assert await room.answer_of(ann) == ("good", None)

        await expect(box).to_be_visible()
        shape = await box.bounding_box()
        assert shape is not None
        assert shape["x"] >= 0
        assert shape["x"] + shape["width"] <= width
        assert shape["height"] >= 72, "room for three lines"
        assert await box.evaluate("box => parseFloat(getComputedStyle(box).fontSize)") >= 16, "or phones zoom in"
        await picture(visit.page, f"question-{view}-answered")
        await box.fill(WORDS)
        await picture(visit.page, f"question-{view}-comment")
        await press(site, visit, "Send")
        await expect(said("People here will read your words.")).to_be_visible()
        await picture(visit.page, f"question-{view}-sent")
        assert [words.split() for words in await comments(room)] == [WORDS.split()]
        assert await room.answer_of(ann) == ("good", None), "the words are beside it, and change it not"

        await press(site, visit, "Poor")
        await expect(said("You have answered “Poor”.")).to_be_visible()
        await picture(visit.page, f"question-{view}-changed")
        assert (await room.answer_of(ann))[0] == "poor"
        assert len(await comments(room)) == 1, "a changed answer leaves what was said"

        for left in (("good", 1), (None, 0)):  # the latest is taken back first, and words with their answer
            await press(site, visit, "That was a mistake: take my answer back")
            assert ((await room.answer_of(ann))[0], len(await comments(room))) == left
        await expect(visit.page.get_by_role("button", name="Good", exact=True)).to_be_visible()
        await picture(visit.page, f"question-{view}-taken-back")
        assert visit.troubles == []
