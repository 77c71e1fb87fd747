"""Signing in with a second factor, as a browser does it: pages, cookies, and what opens before a proof."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from pydantic import SecretStr

from core.http.client_network import INSIDE
from core.runtime import Runtime
from staff.grants import give_grant, revoke_grant
from staff.invitations import invite
from tests.support.console_site import BY, Site, console_site
from tests.support.electorate import add_unit
from tests.support.passkey_device import PasskeyDevice
from tests.support.staff_accounts import EVERYDAY_ROLE

ORIGIN = "https://muster.union.test"
KEYS = (SecretStr("a quiet river of nine green otters at dawn"),)


@pytest.fixture
async def site(runtime: Runtime) -> AsyncIterator[Site]:
    async with console_site(runtime, secret_key=KEYS) as site:
        yield site


async def send(site: Site, path: str, **fields: str) -> tuple[int, str, str]:
    """Send a form; return the status, where it leads, and the page."""
    answer = await site.client.post(path, data=fields, headers=site.own, allow_redirects=False)
    return answer.status, answer.headers.get("Location", ""), await answer.text()


async def where(site: Site, path: str) -> str:
    async with site.client.get(path, allow_redirects=False) as answer:
        return answer.headers.get("Location", "") if answer.status == 303 else str(answer.status)


async def enter(site: Site) -> None:
    """Sign an approver in by a link."""
    status, leads_to, _ = await send(site, await site.link(create_as="approver"))
    assert (status, leads_to) == (303, "/console/")


async def set_up_app(site: Site) -> tuple[pyotp.TOTP, list[str]]:
    """Set up an authenticator app as the pages say; return it, and the recovery codes."""
    assert (await send(site, "/console/second-factor/app"))[:2] == (303, "/console/second-factor/app")
    status, page = await site.get("/console/second-factor/app")
    assert status == 200
    found = re.search(r"secret=([A-Z2-7]{32})", page)
    assert found is not None
    assert "Google Authenticator" in page
    app = pyotp.TOTP(found[1])
    status, _, page = await send(site, "/console/second-factor/app/confirm", code=app.at(site.clock()))
    assert (status, "Your app is set up" in page, 'href="/console/">I have kept' in page) == (200, True, True), page
    return app, re.findall(r"<li>([0-9a-z]{4}(?:-[0-9a-z]{4}){3})</li>", page)


async def test_nothing_opens_before_a_second_factor_is_set_up(site: Site) -> None:
    await enter(site)
    for path in ("/console/", "/console/account", "/console/campaigns/x", "/console/nothing"):
        assert await where(site, path) == "/console/second-factor", path
    assert await where(site, "/console/live/overview") == "401"
    assert await where(site, "/console/second-factor") == "/console/second-factor/set-up"
    for path in ("/console/account/sessions/end", "/console/account/passkeys/1/remove"):
        assert (await send(site, path))[:2] == (303, "/console/second-factor")
    _, codes = await set_up_app(site)
    assert len(codes) == 10
    assert await where(site, "/console/") == "200"
    assert await where(site, "/console/second-factor") == "/console/", "it is fresh"


async def test_the_qr_code_is_a_picture_of_ours_that_no_cache_keeps(site: Site) -> None:
    assert await where(site, "/console/second-factor/app.svg") == "401"
    await enter(site)
    assert await where(site, "/console/second-factor/app.svg") == "404"
    await send(site, "/console/second-factor/app")
    async with site.client.get("/console/second-factor/app.svg") as answer:
        assert (answer.status, answer.content_type) == (200, "image/svg+xml")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "img-src 'self';" in answer.headers["Content-Security-Policy"]
        assert "style" not in await answer.text()
    page = (await site.get("/console/second-factor/app"))[1]
    assert 'src="/console/second-factor/app.svg"' in page
    app = pyotp.TOTP(re.findall(r"secret=([A-Z2-7]{32})", page)[0])
    await send(site, "/console/second-factor/app/confirm", code=app.at(site.clock()))
    assert await where(site, "/console/second-factor/app.svg") == "404", (
        "it is shown while it is set up, and never again"
    )


async def test_a_code_opens_the_pages_and_changes_the_cookie(site: Site) -> None:
    await enter(site)
    app, codes = await set_up_app(site)
    site.client.session.cookie_jar.clear()
    site.clock.wait(minutes=20)
    await enter(site)
    assert await where(site, "/console/") == "/console/second-factor"
    assert await where(site, "/console/second-factor/app") == "/console/second-factor/set-up"
    assert await where(site, "/console/second-factor/set-up") == "/console/second-factor?then=set-up"
    assert (await send(site, "/console/second-factor/app"))[1] == "/console/second-factor?then=account"
    before = next(iter(site.client.session.cookie_jar)).value
    status, _, page = await send(site, "/console/second-factor", code="12345")
    assert status == 422
    assert 'aria-invalid="true"' in page
    code = app.at(site.clock())
    assert (await send(site, "/console/second-factor", code=code))[:2] == (303, "/console/")
    assert next(iter(site.client.session.cookie_jar)).value != before
    assert await where(site, "/console/") == "200"
    site.client.session.cookie_jar.clear()
    await enter(site)
    assert (await send(site, "/console/second-factor", code=code))[0] == 422, "replayed"
    status, leads_to, _ = await send(site, "/console/second-factor?then=https://evil.test", code=codes[0])
    assert (status, leads_to) == (303, "/console/")


async def test_of_one_code_pressed_in_two_browsers_at_once_one_opens(site: Site) -> None:
    await enter(site)
    app, _ = await set_up_app(site)
    site.clock.wait(minutes=5)
    async with console_site(site.runtime, secret_key=KEYS) as elsewhere:
        elsewhere.clock.now = site.clock.now
        for browser in (site, elsewhere):
            browser.client.session.cookie_jar.clear()
            await enter(browser)
        code = app.at(site.clock())
        outcomes = await asyncio.gather(
            *(send(browser, "/console/second-factor", code=code) for browser in (site, elsewhere))
        )
        assert sorted(status for status, _, _ in outcomes) == [303, 422]


async def test_too_many_codes_have_to_wait(site: Site) -> None:
    await enter(site)
    app, _ = await set_up_app(site)
    site.client.session.cookie_jar.clear()
    site.clock.wait(minutes=5)
    await enter(site)
    for _ in range(5):
        assert (await send(site, "/console/second-factor", code="000000"))[0] == 422
    status, _, page = await send(site, "/console/second-factor", code=app.at(site.clock()))
    assert status == 429
    assert "Try again in 2 seconds." in page
    site.clock.wait(seconds=2)
    assert (await send(site, "/console/second-factor", code=app.at(site.clock())))[0] == 303


async def test_a_revoked_role_closes_open_pages_at_once(site: Site) -> None:
    await site.sign_in()
    assert await where(site, "/console/") == "200"
    async with site.runtime.pool.acquire() as db:
        staff_id = await db.fetchval("select staff_id from staff")
        await revoke_grant(db, staff_id, "campaigner", by=BY, now=site.clock())
    assert await where(site, "/console/") == "403"
    assert "no access at present" in (await site.get("/console/"))[1]


async def test_signed_in_on_shows_each_browser_and_ends_it(site: Site) -> None:
    await site.sign_in()
    async with console_site(site.runtime, secret_key=KEYS) as elsewhere:
        elsewhere.clock.now = site.clock.now
        phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0) AppleWebKit/605 Version/26.0 Safari/604"
        elsewhere.client.session.headers["User-Agent"] = phone
        await elsewhere.sign_in()
        status, page = await site.get("/console/account")
        assert status == 200
        assert "Safari on an iPhone" in page
        assert page.count("(this one)") == 1
        [path] = re.findall(r'action="(/console/account/sessions/[0-9a-f-]{36}/end)"', page)
        stored = await site.runtime.pool.fetch("select browser, came_from from staff_session order by began_at")
        assert {row["browser"] for row in stored} == {"A browser that does not say which", "Safari on an iPhone"}
        assert {row["came_from"] for row in stored} == {INSIDE}
        assert "Unknown network" in page
        assert "Passkeys are not offered here" in page, "the address is a number"
        assert (await send(site, path))[:2] == (303, "/console/account")
        assert await where(elsewhere, "/console/") == "401"
        assert await where(site, "/console/") == "200"
        await elsewhere.sign_in()
        assert (await send(site, "/console/account/sessions/end"))[:2] == (303, "/console/account")
        assert await where(elsewhere, "/console/") == "401"
        assert await where(site, "/console/") == "200"
    assert (await send(site, "/console/account/sessions/nonsense/end"))[0] == 404


async def test_another_accounts_session_is_not_ended(site: Site) -> None:
    await site.sign_in()
    family = await site.runtime.pool.fetchval("select family from staff_session")
    async with console_site(site.runtime, secret_key=KEYS) as elsewhere:
        elsewhere.clock.now = site.clock.now
        await send(elsewhere, await elsewhere.link("eve@union.test"))
        await send(elsewhere, f"/console/account/sessions/{family}/end")
    assert await where(site, "/console/") == "200"


async def ask(site: Site, path: str, body: Any = None) -> tuple[int, Any]:
    """What the pages' script does."""
    async with site.client.post(path, json=body or {}, headers={"Sec-Fetch-Site": "same-origin"}) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json()


async def test_a_passkey_signs_in_without_a_link(runtime: Runtime) -> None:
    # the address of the tests' server is a number, and cookies of https do not come back over http
    async with console_site(runtime, secret_key=KEYS, public_url="http://localhost") as site:
        device = PasskeyDevice("http://localhost")
        await enter(site)
        _, options = await ask(site, "/console/second-factor/set-up/passkey/options")
        status, answer = await ask(site, "/console/second-factor/set-up/passkey", device.create(options))
        assert (status, answer["to"], len(answer["codes"])) == (200, "/console/account", 10)
        assert await where(site, "/console/") == "200"
        site.client.session.cookie_jar.clear()
        _, options = await ask(site, "/console/passkey/options")
        signed = device.get(options)
        assert await ask(site, "/console/passkey", signed) == (200, {"to": "/console/"})
        assert await where(site, "/console/") == "200"
        site.client.session.cookie_jar.clear()
        status, answer = await ask(site, "/console/passkey", signed)
        assert (status, "did not work" in answer["message"]) == (422, True)
        assert await where(site, "/console/") == "401"
        await enter(site)  # by a link: then the passkey is the second factor
        assert await where(site, "/console/") == "/console/second-factor"
        _, options = await ask(site, "/console/second-factor/passkey/options")
        assert [credential["id"] for credential in options["allowCredentials"]] == [signed["id"]]
        status, answer = await ask(site, "/console/second-factor/passkey?then=account", device.get(options))
        assert (status, answer) == (200, {"to": "/console/account"})
        page = (await site.get("/console/account"))[1]
        assert "/remove" not in page, "an approver's last factor"
        assert "first set up another" in page
        path = "/console/account/passkeys/1/remove"
        site.clock.wait(minutes=10)
        assert (await send(site, path))[1] == "/console/second-factor?then=account", "not fresh any more"


async def test_another_sites_page_gets_no_challenge(site: Site) -> None:
    async with site.client.post("/console/passkey/options", headers={"Sec-Fetch-Site": "cross-site"}) as answer:
        assert answer.status == 403
    assert await site.runtime.pool.fetchval("select count(*) from passkey_challenge") == 0


async def test_an_invitation_is_accepted_by_its_button(site: Site) -> None:
    async with site.runtime.pool.acquire() as db:
        leeds, ends = await add_unit(db, "Leeds"), datetime(2027, 3, 31, 22, 59, 59, tzinfo=UTC)
        link = await invite(
            db, "ada@union.test", "Ada Price", "viewer", by=BY, now=site.clock(), unit_id=leeds, ends_at=ends
        )
    words = f"An administrator ({BY.name}) invites you to The Union on Muster, as viewer of Leeds until Wednesday 31"
    words += " March 2027 (last day)."
    for _ in range(3):
        status, page = await site.get(link)
        assert (status, words in page) == (200, True)
    assert (await send(site, link))[:2] == (303, "/console/")
    assert await where(site, "/console/") == "200"
    assert (await send(site, link))[:2] == (303, "/console/"), "a double click"
    site.client.session.cookie_jar.clear()
    assert (await send(site, link))[0] == 404
    assert await where(site, link) == "404"


async def test_what_takes_a_fresh_proof_asks_for_it(site: Site) -> None:
    await enter(site)
    app, _ = await set_up_app(site)
    fresh = ("/console/second-factor/set-up/codes", "/console/account/app/remove", "/console/account/passkeys/1/remove")
    status, _, page = await send(site, fresh[1])
    assert (status, "First set up another" in page) == (409, True), "an approver's last one"
    assert 'href="/console/account">Back to your account' in page
    site.clock.wait(minutes=10)
    for path in fresh:
        assert (await send(site, path))[:2] == (303, "/console/second-factor?then=account"), path
    await send(site, "/console/second-factor?then=account", code=app.at(site.clock()))
    status, _, page = await send(site, fresh[0])
    assert (status, "Keep these recovery codes" in page, 'href="/console/account">I have' in page) == (200, True, True)
    site.client.session.cookie_jar.clear()
    await send(site, await site.link("bob@union.test"))
    for path in fresh:
        assert (await send(site, path))[1] == "/console/second-factor/set-up", "who has none sets one up first"


async def test_without_a_grant_in_force_the_page_says_which_and_the_account_opens(site: Site) -> None:
    await site.sign_in()
    async with site.runtime.pool.acquire() as db:
        ada = await db.fetchval("select staff_id from staff")
        await revoke_grant(db, ada, EVERYDAY_ROLE, by=BY, now=site.clock())
    status, page = await site.get("/console/")
    assert status == 403
    assert "Campaigner of the whole organisation, taken back on Monday 23 November 2026" in page
    async with site.runtime.pool.acquire() as db:
        leeds = await add_unit(db, "Leeds")
        begins, ends = site.clock() + timedelta(days=1), site.clock() + timedelta(days=2)
        await give_grant(db, ada, "viewer", by=BY, now=site.clock(), unit_id=leeds, starts_at=begins, ends_at=ends)
    status, page = await site.get("/console/")
    assert status == 403
    assert "Viewer of Leeds from Tuesday 24 November 2026, 10:00 until Wednesday 25 November 2026, 10:00" in page
    status, page = await site.get("/console/account")
    assert (status, "from <time" in page, "Tue 24 November 2026" in page) == (200, True, True)
    assert "Go to the overview" not in page
    site.clock.wait(minutes=60 * 48)
    assert (await where(site, "/console/")) == "401", "a day later nobody is signed in"


async def test_the_overview_warns_below_two_administrators(site: Site) -> None:
    async def warns() -> bool:
        return "Fewer than two people are administrator" in (await site.get("/console/"))[1]

    await send(site, await site.link(create_as="administrator"))
    await set_up_app(site)
    assert await warns()
    await site.link("bob@union.test", create_as="administrator")
    assert not await warns()
    await site.runtime.pool.execute("update staff set disabled_at = now() where email = 'bob@union.test'")
    site.client.session.cookie_jar.clear()
    await send(site, await site.link("eve@union.test"))
    assert not await warns(), "who cannot change it is not told"
