"""Links as they arrive, with the sentence around them glued on; and whatever goes wrong with them is a page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from yarl import URL

from core.db import Connection, open_pool
from core.runtime import Runtime
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import BROWSER, PHONE, Campaign, Forms, Recipient, look, make_campaign, press, serve

Client = TestClient[web.Request, web.Application]
GIVEN = Path(__file__).parents[2] / "data" / "links_followed_by.tsv"
ZERO_WIDTH = ("%E2%80%8B", "%EF%BB%BF", "%C2%AD", "%E2%80%8E", "%E2%81%A0")
AFTER = [
    *(json.loads(line.split("\t")[0]) for line in GIVEN.read_text(encoding="utf-8").splitlines()[1:]),
    *ZERO_WIDTH,
    ".)", ").%20", "?", "!!!", "…", "%E2%80%A6", "...", "»", "\u201c", "%22%3E", "&gt;", "&utm_source=x", "~", "|", "]",
    "}", "%2C%20thanks", "%20or%20reply%201", "%5D", "%09", "%0D%0A", "%C2%A0", "//", "/.", "/%E2%80%9D", "/%20", "%2F",
    "%252E", "%2520", "%E3%80%82", "です", "’s", "%F0%9F%91%8D", "%E2%80", "%FF", "." * 250, "/" * 40,
]  # fmt: skip
BEFORE = [*ZERO_WIDTH, "%20", "%22", "(", "<", "“", "%E2%80%9C", "%3C", "*", "_", "…", "%252F", ".", "'", "%0A", "-"]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
async def campaign(runtime: Runtime, db: Connection, clock: FixedClock) -> Campaign:
    return await make_campaign(replace(runtime, clock=clock), db, now=clock())


@pytest.fixture
async def client(campaign: Campaign) -> AsyncIterator[Client]:
    async with serve(campaign.runtime) as client:
        yield client


@pytest.fixture(params=["sms", "email"])
async def ann(campaign: Campaign, request: pytest.FixtureRequest) -> Recipient:
    """Somebody whose link has a row, or whose link needs none."""
    return await (campaign.ask(sms=PHONE) if request.param == "sms" else campaign.ask(email="ann@member.test"))


def at(client: Client, path: str) -> URL:
    """Where a browser goes that is given such a link: it escapes what cannot stand in a path, and nothing else."""
    return URL(str(client.make_url("/"))[:-1] + quote(path, safe="/%?&=.,!;'*()_~$:@+[]|^-"), encoded=True)


async def test_text_glued_behind_a_link_is_ignored(ann: Recipient, client: Client) -> None:
    for after in AFTER:
        for path, words in (
            (ann.confirm, "Have you posted your ballot paper?"),
            (ann.unsubscribe, "Stop messages to"),
            (ann.preferences, "What we send you"),
        ):
            async with client.session.get(at(client, path + after), headers={"User-Agent": BROWSER}) as answer:
                text = await answer.text()
                assert (answer.status, answer.content_type) == (200, "text/html"), path + after
                assert words in Forms(text).words


async def test_text_glued_before_a_link_is_ignored(ann: Recipient, client: Client) -> None:
    for before in BEFORE:
        for path in (ann.confirm, ann.unsubscribe, ann.preferences):
            folder, _, token = path.rpartition("/")
            async with client.session.get(at(client, f"{folder}/{before}{token}")) as answer:
                assert answer.status == 200, before


@pytest.mark.parametrize("slashes", ["//", "/////"])
async def test_a_slash_that_is_doubled_is_ignored_and_every_link_and_button_works(
    ann: Recipient, client: Client, slashes: str
) -> None:
    for path in (ann.confirm, ann.unsubscribe, ann.preferences):
        folder, _, token = path.rpartition("/")
        for doubled in (slashes + path.lstrip("/"), f"{folder}{slashes}{token}"):
            here = at(client, doubled)
            async with client.session.get(here, headers={"User-Agent": BROWSER}) as answer:
                assert answer.status == 200, doubled
                page = Forms(await answer.text())
            for link in page.links:
                async with client.session.get(here.join(URL(link, encoded=True))) as answer:
                    assert answer.status == (404 if link.endswith("/page") else 200), link
    async with client.session.get(at(client, slashes + "0000000000000")) as answer:
        assert (answer.status, answer.content_type) == (404, "text/html")


async def test_invisible_characters_within_a_token_are_ignored(ann: Recipient, client: Client) -> None:
    for hidden in ZERO_WIDTH:
        async with client.session.get(at(client, f"{ann.confirm[:6]}{hidden}{ann.confirm[6:]}")) as answer:
            assert answer.status == 200, hidden


@pytest.mark.parametrize("after", ["a", "0", "z.", "0/", "%61"])
async def test_characters_that_may_belong_to_a_token_are_not_cut_off(
    ann: Recipient, client: Client, after: str
) -> None:
    async with client.session.get(at(client, ann.confirm + after)) as answer:
        assert answer.status == 404
    async with client.session.get(at(client, ann.confirm[:-1])) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("after", ["", ".", "%20", "/", "/%E2%80%9D", "//"])
async def test_every_button_and_link_of_such_a_page_works(
    campaign: Campaign, client: Client, ann: Recipient, after: str
) -> None:
    """By what a browser makes of them: relative to the address it was given, with all that is glued to it."""
    here = at(client, ann.confirm + after)
    async with client.session.get(here, headers={"User-Agent": BROWSER}) as answer:
        page = Forms(await answer.text())
    for link in page.links:
        there = here.join(URL(link, encoded=True))
        async with client.session.get(there, headers={"User-Agent": BROWSER}) as answer:
            assert answer.status == (404 if link.endswith("/page") else 200), link
    assert await campaign.db.fetchval("select count(*) from page_view where 'honeypot' = any (signals)") == 1
    campaign.runtime.clock.wait(minutes=5)  # type: ignore[attr-defined]
    async with client.session.get(here, headers={"User-Agent": BROWSER}) as answer:
        page = Forms(await answer.text())
    campaign.runtime.clock.wait(seconds=9)  # type: ignore[attr-defined]
    fields = {**page.fields, "answer": "voted"}
    async with client.session.post(here, data=fields, headers={"User-Agent": BROWSER}) as answer:
        assert answer.status == 200
        assert "Thank you" in await answer.text()
    assert await campaign.status(ann) == "voted"
    stop = at(client, ann.unsubscribe + after)
    async with client.session.post(stop, data={"List-Unsubscribe": "One-Click"}) as answer:
        assert answer.status == 200
    assert [reason for _, _, reason in await campaign.suppressed()] == ["opted_out"]


async def test_a_browsers_own_requests_count_as_no_guess(client: Client) -> None:
    for _ in range(70):
        async with client.get("/favicon.ico") as answer:
            assert answer.status == 404
    async with client.get("/0000000000000") as answer:
        assert answer.status == 404


# ---- whoever meets an error on a telephone meets a page


LONG = "z" * 400


PATHS = (
    "/0000000000000", "/0000000000000.", "/u/0000000000000.", "/p/x.y", "/robots.txt", "/favicon.ico", "/.env", "/u/",
    "/p", f"/{LONG}", f"/u/{LONG}", "/%FF%FE", "/%00", "/0000000000000/page", "/0000000000000/other", "/a/b/c/d",
    "/index.html", "/console/nothing-here", "/console/campaigns/nowhere",
)  # fmt: skip


async def test_every_error_a_person_can_meet_is_a_page(client: Client) -> None:
    for path, method, accept in product(PATHS, ("GET", "POST", "PUT"), ("*/*", "text/html,*/*;q=0.8")):
        headers = {"User-Agent": BROWSER, "Accept": accept}
        where = at(client, path)
        async with client.session.request(method, where, headers=headers, allow_redirects=False) as answer:
            text = await answer.text()
            if answer.status < 400:
                assert path.startswith("/console/"), "nobody is signed in"
                continue
            assert answer.content_type == "text/html", (path, answer.status, text[:200])
            assert "<h1>" in text
            assert "viewport" in text


async def test_a_body_too_large_and_a_database_that_is_away_are_pages(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(sms=PHONE)
    pool = await open_pool(campaign.runtime.settings.database_url or "", size=1)
    await pool.close()
    async with serve(replace(campaign.runtime, pool=pool)) as without:
        for path in (f"{ann.confirm}.", f"{ann.unsubscribe}%20", ann.preferences, "/console/"):
            async with without.session.get(
                at(without, path), headers={"User-Agent": BROWSER, "Accept": "*/*"}
            ) as answer:
                if answer.status < 400:
                    continue
                assert (answer.status, answer.content_type) == (503, "text/html"), path
    for path in (ann.confirm, f"{ann.unsubscribe}.", f"{ann.preferences}/"):
        async with client.post(path, data={"answer": "x" * 100_000}) as answer:
            assert (answer.status, answer.content_type) == (413, "text/html")


async def test_programs_get_errors_as_json_whatever_their_user_agent(client: Client) -> None:
    paths = (
        "/api/v1/turnout/x/changes",
        "/api/v2/nothing",
        "/api/",
        "/webhooks/",
        "/webhooks/twilio/inbound",
        "/metrics",
    )
    for path, agent in product(paths, (BROWSER, "curl/8", "")):
        async with client.post(path, headers={"User-Agent": agent, "Accept": "text/html"}) as answer:
            assert (answer.status // 100, answer.content_type) == (4, "application/problem+json")


async def test_the_second_question_says_what_was_pressed_and_asks_plainly(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(sms=PHONE)
    for language, pressed, posted in (
        ("en", "You pressed “Yes, I have voted”.", "I have posted my ballot paper"),
        ("cy", "Rydych wedi pwyso “Ydw, rwyf wedi pleidleisio”.", "Rwyf wedi postio fy mhapur pleidleisio"),
    ):
        path = f"{ann.confirm}?lang={language}"
        async with client.get(path, headers={"User-Agent": BROWSER}) as answer:
            page = Forms(await answer.text())
        again = await press(client, path, page, "voted")
        assert pressed in again.words
        assert posted in again.words
        assert again.shown[0] == "nothing"
        assert set(again.shown[1:4]) == {"voted", "not_yet", "no_ballot_paper"}
        assert again.shown[1] != "voted"
        assert set(again.shown[4:]) == {"call_me", "stop"}


@pytest.mark.parametrize("wish", ["stop", "call_me"])
async def test_the_second_question_is_about_the_wish_that_was_pressed(
    campaign: Campaign, client: Client, wish: str
) -> None:
    ann = await campaign.ask(sms=PHONE)
    for language, pressed in (
        ("en", {"stop": "You pressed “Stop these messages”.", "call_me": "You pressed “Please call me”."}),
        ("cy", {"stop": "“Stopiwch y negeseuon hyn”", "call_me": "“Ffoniwch fi os gwelwch yn dda”"}),
    ):
        path = f"{ann.confirm}?lang={language}"
        async with client.get(path, headers={"User-Agent": BROWSER}) as answer:
            page = Forms(await answer.text())
        page = await press(client, path, page, wish)
        assert pressed[wish] in page.words
        assert page.shown[:2] == ["nothing", wish], "a machine that presses the first button does nothing"
        assert "which of these is true" not in page.words
        above, _, below = page.words.partition({"en": "Something else?", "cy": "Rhywbeth arall?"}[language])
        assert {"en": "please confirm", "cy": "cadarnhewch"}[language] in above
        assert set(page.shown[2:]) == {"voted", "not_yet", "no_ballot_paper", "stop", "call_me"} - {wish}
        assert {"en": "I have posted my ballot paper", "cy": "Rwyf wedi postio fy mhapur"}[language] in below
    page = await press(client, ann.confirm, page, wish)
    assert {"stop": "We have stopped.", "call_me": "will call you."}[wish] in page.words


async def test_a_person_who_goes_on_pressing_is_not_taken_for_a_machine(
    campaign: Campaign, client: Client, clock: FixedClock
) -> None:
    ann = await campaign.ask(sms=PHONE)
    page = await look(client, ann.confirm)
    for answer in ("not_yet", "no_ballot_paper", "call_me", "not_yet", "voted", "undo", "voted", "stop"):
        clock.wait(seconds=8)
        page = await press(client, ann.confirm, page, answer)
        assert "One more question" not in page.words, answer
    assert await campaign.status(ann) == "voted"


async def test_the_first_page_says_the_last_safe_time_to_post_until_it_has_passed(
    campaign: Campaign, client: Client, db: Connection, clock: FixedClock
) -> None:
    ann = await campaign.ask(sms=PHONE)
    await db.execute("update ballot set last_posting_at = $1", clock() + timedelta(days=1))
    for language, words in (("en", "post your ballot paper by"), ("cy", "postiwch eich papur pleidleisio erbyn")):
        async with client.get(f"{ann.confirm}?lang={language}", headers={"User-Agent": BROWSER}) as answer:
            assert words in Forms(await answer.text()).words
    await db.execute("update ballot set last_posting_at = $1", clock() - timedelta(minutes=1))
    assert "post your ballot paper by" not in (await look(client, ann.confirm)).words
