"""Pages of the console: what they show to staff, and what they must not show."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from ballots.ballots import enrol
from ballots.claims import record_claim
from console.assets import assets
from core.alerts import raise_alert
from core.runtime import Runtime
from tests.browser.union import Union, write_union
from tests.support.console_site import Site, console_site
from tests.support.electorate import add_ballot, add_person, add_unit


@pytest.fixture
async def site(runtime: Runtime) -> AsyncIterator[Site]:
    async with console_site(runtime) as site:
        await site.sign_in()
        yield site


@pytest.fixture
async def union(site: Site) -> Union:
    async with site.runtime.pool.acquire() as db:
        return await write_union(db, site.clock(), branches=30, members=600)


async def test_a_newcomer_is_told_what_to_do_next(site: Site) -> None:
    _, page = await site.get("/console/")
    for command in ("muster people import", "muster ballot create", "muster campaign create", "muster campaign launch"):
        assert command in page


async def test_the_overview_shows_ballots_campaigns_and_replies(site: Site, union: Union) -> None:
    db = site.runtime.pool
    status, page = await site.get("/console/")
    assert status == 200
    confirmed = await db.fetchval("select count(*) from claim_status where kind = 'voted'")
    waiting = await db.fetchval(
        "select count(*) from message where step_id = $1 and state = 'queued'", union.step_ids[1]
    )
    assert f'<p class="figure-number">{confirmed}</p>' in page
    assert f"<dd>{waiting}</dd>" in page
    assert "300 needed" not in page
    assert "50% needed: 300" in page
    assert "Redis did not answer" in page
    assert "Nothing to do if it does not come back" in page
    assert "Reps: call your members" in page


async def test_confirmations_are_never_called_turnout(site: Site, union: Union) -> None:
    for path in ("/console/", "/console/ballots/pay-2026"):
        _, page = await site.get(path)
        assert "not turnout" in page
        assert page.lower().count("turnout") == page.lower().count("not turnout")


@pytest.mark.parametrize(
    ("opens", "closes", "last_posting", "said"),
    [
        (2, 20, 18, ["Not open yet", "Opens in", "The ballot has not opened yet"]),
        (-10, 5, 3, ["Open", "until the last safe post", "Confirmed by day", "Closes "]),
        (-10, 1, -1, ["too late to post"]),
        (-20, -1, -3, ["Closed"]),
    ],
)
async def test_a_ballot_is_shown_according_to_its_phase(
    site: Site, union: Union, opens: int, closes: int, last_posting: int, said: list[str]
) -> None:
    now = site.clock()
    await site.runtime.pool.execute(
        "update ballot set opens_at = $1, closes_at = $2, last_posting_at = $3",
        *(now + timedelta(days=days) for days in (opens, closes, last_posting)),
    )
    pages = [await site.get(path) for path in ("/console/", "/console/ballots/pay-2026")]
    assert [status for status, _ in pages] == [200, 200]
    for words in said:
        assert any(words in page for _, page in pages), words


async def test_a_ballot_without_electors_is_shown(site: Site, union: Union) -> None:
    await site.runtime.pool.execute("delete from count_change")
    for path in ("/console/", "/console/ballots/pay-2026"):
        status, page = await site.get(path)
        assert status == 200
        assert "0 members" in page


async def test_a_branch_of_one_member_never_needs_two(site: Site) -> None:
    async with site.runtime.pool.acquire() as db:
        cardiff, york = await add_unit(db, "Cardiff"), await add_unit(db, "York")
        voter, _ = await add_person(db, "C1", unit=cardiff), await add_person(db, "Y1", unit=york)
        now = site.clock()
        ballot = await add_ballot(db, opens=now - timedelta(days=10), closes=now + timedelta(days=10))
        await enrol(db, ballot)
        await record_claim(
            db, ballot_id=ballot, person_id=voter, kind="voted", source="link", recorder="member", confidence=1, at=now
        )
    _, page = await site.get("/console/")
    assert "1 of 2 branches has reached 50% by estimate" in page
    assert "1 more of 1" in page
    assert "2 more of" not in page
    assert "0.9<small>" in page, "the estimate of one confirmation"
    _, page = await site.get("/console/ballots/pay-2026")
    assert page.count('class="there-word">reached') == 1


async def test_campaigns_with_one_title_can_be_told_apart(site: Site, union: Union) -> None:
    await site.runtime.pool.execute("update campaign set title = 'Have you voted?'")
    _, page = await site.get("/console/")
    assert "<code>pay-nudge</code>" in page
    assert "<code>reps-call</code>" in page


async def test_replies_show_the_command_to_handle_them(site: Site, union: Union) -> None:
    _, page = await site.get("/console/")
    oldest = await site.runtime.pool.fetchval("select reply_id from reply order by received_at limit 1")
    assert f"<code>muster replies show {oldest}</code>" in page
    assert f"Reply {oldest}<" in page


async def test_a_disaggregated_ballot_is_named_as_such(site: Site, union: Union) -> None:
    await site.runtime.pool.execute("update ballot set disaggregated = true")
    _, page = await site.get("/console/")
    assert "Each branch must pass by itself" in page


async def test_many_problems_are_folded_up(site: Site) -> None:
    async with site.runtime.pool.acquire() as db:
        for number in range(7):
            await raise_alert(db, key=f"k{number}", severity="error", title=f"Problem {number}.", remedy="Look.")
    _, page = await site.get("/console/")
    assert "<summary>3 more</summary>" in page
    assert all(f"Problem {number}." in page for number in range(7))


async def test_a_paused_campaign_says_why_and_how_to_resume(site: Site, union: Union) -> None:
    await site.runtime.pool.execute(
        "update campaign set state = 'paused', paused_reason = 'The sender is refused.' where name = 'pay-nudge'"
    )
    for path in ("/console/", "/console/campaigns/pay-nudge"):
        _, page = await site.get(path)
        assert "The sender is refused." in page
        assert "muster campaign resume pay-nudge" in page


async def test_replies_show_no_more_of_their_writer_than_needed(site: Site, union: Union) -> None:
    _, page = await site.get("/console/")
    assert "Bethan O." in page
    assert "Okafor" not in page
    assert "+447700900121" not in page
    assert "07700 900123" not in page
    assert "+44 ••• 121" in page


async def test_a_press_for_a_call_is_listed_as_a_reply(site: Site, union: Union) -> None:
    await site.runtime.pool.execute("update reply set channel = 'link', text = '' where why_open = 'call_me'")
    _, page = await site.get("/console/")
    assert "On their page" in page
    assert "Wants a call" in page
    assert page.count("<blockquote") == 3


async def test_a_writer_with_a_single_name_is_not_given_away(site: Site, union: Union) -> None:
    await site.runtime.pool.execute("update person set first_name = '', last_name = 'Okafor' where person_id = 1")
    _, page = await site.get("/console/")
    assert "Okafor" not in page
    assert "<strong>O.</strong>" in page


async def test_text_of_members_and_files_is_escaped(site: Site, union: Union) -> None:
    evil = "<script>alert(1)</script>"
    async with site.runtime.pool.acquire() as db:
        await db.execute("update reply set text = $1", evil)
        await db.execute("update unit set name = $1 || unit_id where kind = 'branch'", evil)
        await db.execute("update campaign set title = $1, paused_reason = $1, state = 'paused'", evil)
        await db.execute("update ballot set title = $1", evil)
    for path in ("/console/", "/console/ballots/pay-2026", "/console/campaigns/pay-nudge"):
        status, page = await site.get(path)
        assert status == 200
        assert evil not in page
        assert "&lt;script&gt;" in page


async def test_a_campaigns_page_counts_the_reasons_for_no_message(site: Site, union: Union) -> None:
    _, page = await site.get("/console/campaigns/pay-nudge")
    for words in (
        "Step 1: ballot-open",
        "Step 3: last-posting-day",
        "They have already answered",
        "no usable address",
        "SMS segments",
    ):
        assert words in page
    skipped = await site.runtime.pool.fetchval(
        "select count(*) from message where step_id = $1 and reason = 'no_address'", union.step_ids[0]
    )
    assert f'<td class="n">{skipped}</td>' in page


async def test_a_ballots_page_sorts_and_finds_branches(site: Site, union: Union) -> None:
    def order(page: str) -> list[str]:
        return [row.partition("<")[0].strip() for row in page.split('<th scope="row" role="rowheader">')[1:]]

    _, page = await site.get("/console/ballots/pay-2026?sort=name")
    names = order(page)
    assert len(names) > 20
    assert names == sorted(names, key=str.casefold)
    _, page = await site.get("/console/ballots/pay-2026?sort=-name")
    assert order(page) == names[::-1]
    assert 'aria-sort="descending"' in page
    _, page = await site.get("/console/ballots/pay-2026?find=tŷ+GLAS")
    assert order(page)
    assert all("Tŷ Glas" in name for name in order(page))
    named = order(page)
    _, page = await site.get("/console/ballots/pay-2026?find=ty+glas")
    assert order(page) == named, "with accents or without"
    _, page = await site.get("/console/ballots/pay-2026?find=Glasss")
    assert "has “Glasss” in its name; like it:" in page
    assert set(named) <= set(order(page))
    _, page = await site.get('/console/ballots/pay-2026?find="><script>')
    assert "<script>" not in page
    assert "has “&#34;&gt;&lt;script&gt;” in its name" in page
    assert (await site.get("/console/ballots/pay-2026?sort=nonsense"))[0] == 200


@pytest.mark.parametrize("path", ["/console/campaigns/none", "/console/ballots/none", "/console/none"])
async def test_a_missing_page_says_that_it_is_missing(site: Site, path: str) -> None:
    status, page = await site.get(path)
    assert status == 404
    assert "Nothing here" in page
    assert 'href="/console/"' in page


async def test_no_page_carries_inline_script_or_style(site: Site, union: Union) -> None:
    for path in ("/console/", "/console/ballots/pay-2026", "/console/campaigns/pay-nudge", "/console/sign-in"):
        _, page = await site.get(path)
        assert " style=" not in page
        assert "<style" not in page
        assert page.count("<script") == page.count('<script src="/console/static/')
        assert "http" not in page.replace("http-equiv", "").replace("https://", "http://").partition("<main")[0]


async def test_assets_may_be_kept_for_ever_because_their_names_change(site: Site) -> None:
    for asset in assets().values():
        async with site.client.get(asset.url) as response:
            assert response.status == 200
            assert response.content_type == asset.content_type
            assert "immutable" in response.headers["Cache-Control"]
            assert await response.read() == asset.body
    assert (await site.get("/console/static/console.000000000000.css"))[0] == 404
    assert (await site.get("/console/static/..%2fauth.py"))[0] == 404


async def test_without_a_database_the_page_explains_it(site: Site) -> None:
    await site.runtime.pool.close()
    status, page = await site.get("/console/")
    assert status == 503
    assert "Nothing is lost" in page


async def test_the_console_without_a_slash_redirects(site: Site) -> None:
    async with site.client.get("/console", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/console/")
