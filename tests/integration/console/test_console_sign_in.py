"""Sign-in: links work once, sessions end, and no other site's page can press our buttons."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from http.cookies import SimpleCookie

import pytest

from core.db import Connection
from core.errors import Conflict, InputError, NotFound
from core.runtime import Runtime
from core.settings import Settings
from staff.sessions import SESSION_ENDS, admit_session, end_session
from staff.sign_in import end_access, make_sign_in_link
from tests.support.console_site import BY, Site, console_site
from tests.support.locks import waits_for_a_lock
from tests.support.staff_accounts import EVERYDAY_ROLE


@pytest.fixture
async def site(runtime: Runtime) -> AsyncIterator[Site]:
    async with console_site(runtime) as site:
        yield site


async def test_a_link_signs_in_once(site: Site) -> None:
    link = await site.link()
    status, page = await site.get(link)
    assert status == 200
    assert '<form method="post">' in page

    answer = await site.post(link)
    assert (answer.status, answer.headers["Location"]) == (303, "/console/")
    assert (await site.get("/console/"))[0] == 200

    site.client.session.cookie_jar.clear()
    answer = await site.post(link)
    assert answer.status == 404
    assert "Ask for another link" in await answer.text()
    assert (await site.get("/console/"))[0] == 401


async def test_looking_at_a_link_does_not_use_it(site: Site) -> None:
    link = await site.link()
    for _ in range(3):
        assert (await site.client.head(link)).status == 200
        assert (await site.get(link))[0] == 200
    assert (await site.post(link)).status == 303


async def test_unknown_expired_and_used_links_look_the_same(site: Site) -> None:
    expired, used = await site.link(minutes=15), await site.link(minutes=60)
    site.clock.wait(minutes=15)
    await site.post(used)
    site.client.session.cookie_jar.clear()
    unknown = "/console/sign-in/" + "A" * 43
    pages = {await site.get(path) for path in (expired, used, unknown, "/console/sign-in/short", f"{unknown}%00")}
    assert len(pages) == 1
    status, page = pages.pop()
    assert status == 404
    assert "does not work any more" in page
    for path in (expired, used, unknown, "/console/sign-in/short"):
        assert (await site.post(path)).status == 404


async def test_only_one_of_two_simultaneous_presses_signs_in(site: Site) -> None:
    link = await site.link()
    answers = await asyncio.gather(*(site.post(link) for _ in range(8)))
    assert sorted(answer.status for answer in answers).count(303) == 1
    assert await site.runtime.pool.fetchval("select count(*) from staff_session") == 1


async def test_a_second_press_when_signed_in_leads_to_the_overview(site: Site) -> None:
    link = await site.link()
    assert (await site.post(link)).status == 303
    answer = await site.post(link)
    assert (answer.status, answer.headers["Location"]) == (303, "/console/")


async def test_only_digests_are_stored_and_a_sign_in_is_audited(site: Site) -> None:
    link = await site.link()
    await site.post(link)
    cookie = next(iter(site.client.session.cookie_jar)).value
    stored = await site.runtime.pool.fetch(
        "select encode(digest, 'escape') as text from sign_in"
        " union all select encode(digest, 'escape') from staff_session"
    )
    assert len(stored) == 2
    assert not {link.rpartition("/")[2], cookie} & {row["text"] for row in stored}
    audit = await site.runtime.pool.fetch("select actor, action from audit_shown order by audit_id")
    assert [tuple(row) for row in audit] == [
        ("an operator", "staff.added"),
        ("an operator", "grant.given"),
        ("an operator", "staff.link_made"),
        ("ada@union.test", "staff.signed_in"),
    ]


async def test_the_cookie_is_for_this_site_and_no_script(site: Site) -> None:
    answer = await site.post(await site.link())
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["muster"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"]) == (True, "Lax", "/", "43200")
    assert not cookie["secure"]


async def test_behind_https_the_cookie_is_bound_to_the_host(runtime: Runtime) -> None:
    async with console_site(runtime, public_url="https://muster.union.test") as site:
        answer = await site.post(await site.link(), Origin="https://muster.union.test")
        assert answer.status == 303
        cookie = SimpleCookie(answer.headers["Set-Cookie"])["__Host-muster"]
        assert cookie["secure"]
        assert (cookie["path"], cookie["domain"]) == ("/", "")


@pytest.mark.parametrize("configured", ["https://muster.union.test:443", "https://Muster.union.test/"])
async def test_a_browser_that_names_no_port_is_let_in_where_the_setting_names_the_usual_one(
    runtime: Runtime, configured: str
) -> None:
    public_url = Settings.model_validate({"public_url": configured}).public_url
    async with console_site(runtime, public_url=public_url) as site:
        assert (await site.post(await site.link(), Origin="https://muster.union.test")).status == 303
        assert (await site.post(await site.link(), Origin="http://muster.union.test")).status == 403
        assert (await site.post(await site.link(), Origin="https://muster.union.test:444")).status == 403


async def test_signing_in_ends_the_session_the_browser_held(site: Site) -> None:
    await site.sign_in()
    before = await site.runtime.pool.fetchval("select digest from staff_session")
    await site.sign_in()
    assert await site.runtime.pool.fetchval("select array_agg(digest) from staff_session") != [before]
    assert await site.runtime.pool.fetchval("select count(*) from staff_session") == 1


async def test_signing_out_ends_the_session_everywhere(site: Site) -> None:
    await site.sign_in()
    token = next(iter(site.client.session.cookie_jar)).value
    answer = await site.post("/console/sign-out")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/sign-in?signed-out")
    assert "You are signed out." in (await site.get(answer.headers["Location"]))[1]
    assert "You are signed out." not in (await site.get("/console/sign-in"))[1]
    assert not list(site.client.session.cookie_jar)
    assert await site.get_with(token) == (401, False)
    noted = await site.runtime.pool.fetchval("select actor from audit_shown where action = 'staff.signed_out'")
    assert noted == "ada@union.test"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://muster.test"},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://evil.test", "Host": "evil.test"},
        {"Origin": "https://muster.test"},
        {"Origin": "http://muster.test:8000"},
        {"Origin": "http://muster.test.evil.test"},
        {"X-Nothing": "no origin at all"},
    ],
)
async def test_another_sites_form_is_refused(site: Site, headers: dict[str, str]) -> None:
    await site.sign_in()
    refused = await site.post("/console/sign-out", **headers)
    assert refused.status == 403
    assert "http://muster.test" in await refused.text(), "who opened it elsewhere must learn where to"
    assert (await site.get("/console/"))[0] == 200
    link = await site.link()
    assert (await site.post(link, **headers)).status == 403
    assert (await site.get(link))[0] == 200


async def test_a_form_of_our_own_may_name_the_public_address(site: Site) -> None:
    assert (await site.post(await site.link(), Origin="http://muster.test")).status == 303
    assert (await site.post("/console/sign-out", **{"Sec-Fetch-Site": "same-origin"})).status == 303


async def test_a_session_ends_twelve_hours_after_the_last_page(site: Site) -> None:
    await site.sign_in()
    for _ in range(3):
        site.clock.wait(hours=11)
        assert (await site.get("/console/"))[0] == 200
    site.clock.wait(hours=12)
    assert (await site.get("/console/"))[0] == 401


async def test_a_session_changes_its_token_every_hour_without_dropping_requests_under_way(site: Site) -> None:
    await site.sign_in()
    first = next(iter(site.client.session.cookie_jar)).value
    site.clock.wait(minutes=59)
    await site.get("/console/")
    assert next(iter(site.client.session.cookie_jar)).value == first
    site.clock.wait(minutes=1)
    await site.get("/console/")
    second = next(iter(site.client.session.cookie_jar)).value
    assert second != first
    assert await site.get_with(first) == (200, False)  # a late one must not put the old token back
    site.clock.wait(minutes=2)
    assert await site.get_with(first) == (401, False)
    assert await site.get_with(second) == (200, False)


def token_of(site: Site) -> str:
    return str(next(iter(site.client.session.cookie_jar)).value)


async def test_requests_at_the_hourly_change_get_one_new_session_between_them(site: Site) -> None:
    await site.sign_in()
    first = token_of(site)
    site.clock.wait(hours=1)
    answers = await asyncio.gather(*(site.get_with(first) for _ in range(6)))
    assert [status for status, _ in answers] == [200] * 6
    assert [cookie for _, cookie in answers].count(True) == 1
    assert await site.runtime.pool.fetchval("select count(*) from staff_session where retired_at is null") == 1
    assert await site.runtime.pool.fetchval("select count(distinct family) from staff_session") == 1


@pytest.mark.parametrize("ended", [False, True])
async def test_an_open_page_does_not_keep_the_former_token_alive(site: Site, *, ended: bool) -> None:
    await site.sign_in()
    first = token_of(site)
    late = site.clock() + timedelta(minutes=59, seconds=59)
    change = site.clock() + timedelta(hours=1)
    pool = site.runtime.pool
    async with pool.acquire() as one, pool.acquire() as other, pool.acquire() as watch:
        async with other.transaction():
            await other.execute("select from staff_session for update")
            behind = asyncio.create_task(
                admit_session(one, first, now=late)
            )  # has looked, and waits to write that it has
            await waits_for_a_lock(watch)
            if ended:
                await end_session(other, first, now=change)
            else:
                renewed = await admit_session(other, first, now=change)
                assert renewed is not None
                assert renewed.cookie not in {None, first}
        admission = await behind
        assert admission is not None
        assert admission.cookie is None, "it would put the old token back"
        assert await admit_session(one, first, now=change + timedelta(minutes=2)) is None
        assert await admit_session(one, first, now=change + timedelta(hours=10)) is None


async def test_signing_out_ends_every_token_that_came_from_the_same_sign_in(site: Site) -> None:
    await site.sign_in()
    tokens = [token_of(site)]
    for _ in range(3):
        site.clock.wait(hours=1)
        await site.get("/console/")
        tokens.append(token_of(site))
    assert len(set(tokens)) == 4
    async with console_site(site.runtime) as elsewhere:
        elsewhere.clock.now = site.clock.now
        await elsewhere.sign_in()
        assert await site.get_with(tokens[2]) == (200, False), "it is in its last minute"
        await site.post("/console/sign-out")
        for token in tokens:
            assert await site.get_with(token) == (401, False)
        assert (await elsewhere.get("/console/"))[0] == 200, "another sign-in is another family"


async def test_signing_out_while_the_token_changes_leaves_nothing(site: Site) -> None:
    for _ in range(5):
        site.client.session.cookie_jar.clear()
        await site.sign_in()
        token = token_of(site)
        site.clock.wait(hours=1)
        await asyncio.gather(
            *(site.get_with(token) for _ in range(3)), site.post("/console/sign-out"), site.get_with(token)
        )
        assert await site.runtime.pool.fetchval("select count(*) from staff_session") == 0


async def test_a_session_ends_a_week_after_the_sign_in_whatever_was_opened(site: Site) -> None:
    await site.sign_in()
    for _ in range(7 * 24 // 6 - 1):
        site.clock.wait(hours=6)
        assert (await site.get("/console/"))[0] == 200
    site.clock.wait(hours=6)
    assert (await site.get("/console/"))[0] == 401
    last = await site.runtime.pool.fetchval("select max(expires_at - began_at) from staff_session")
    assert last == SESSION_ENDS


async def test_restored_access_restores_no_session_and_no_link(site: Site) -> None:
    await site.sign_in()
    token, link = token_of(site), await site.link()
    async with site.runtime.pool.acquire() as db, db.transaction():
        assert await end_access(db, await db.fetchval("select staff_id from staff"), now=site.clock()) == (1, 1)
    assert await site.get_with(token) == (401, False)
    assert (await site.post(link)).status == 404
    assert (await site.post(await site.link())).status == 303


async def test_a_disabled_account_is_signed_out_at_once(site: Site) -> None:
    await site.sign_in()
    link = await site.link()
    await site.runtime.pool.execute("update staff set disabled_at = now()")
    assert (await site.get("/console/"))[0] == 401
    assert (await site.post(link)).status == 404
    with pytest.raises(Conflict):
        await site.link()


async def test_unknown_mailboxes_become_no_staff_unless_enabled(db: Connection, site: Site) -> None:
    with pytest.raises(NotFound, match="muster user add"):
        await site.link("new@union.test", create_as=None)
    await site.link("new@union.test")
    await site.link(" NEW@union.test ", create_as=None)
    assert await db.fetchval("select count(*) from staff") == 1
    with pytest.raises(InputError):
        await make_sign_in_link(db, email="nobody", now=site.clock(), by=BY, create_as=EVERYDAY_ROLE)


async def test_links_are_256_bits_and_never_the_same(site: Site) -> None:
    links = {await site.link() for _ in range(20)}
    assert len(links) == 20
    assert all(re.fullmatch(r"/console/sign-in/[A-Za-z0-9_-]{43}", link) for link in links)


@pytest.mark.parametrize(
    "path",
    [
        "/console/",
        "/console/campaigns/x",
        "/console/ballots/x",
        "/console/live/overview",
        "/console/live/campaigns/x",
        "/console/live/ballots/x",
        "/console/anything/else",
    ],
)
async def test_every_page_requires_a_session(site: Site, path: str) -> None:
    async with site.client.get(path) as response:
        assert response.status == 401
        page = await response.text()
        assert "Get a link" in page
        assert "muster user" not in page, "who signs in has no shell"
        assert response.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "WWW-Authenticate" in response.headers
