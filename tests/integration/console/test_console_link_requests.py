"""Asking for a sign-in link: one answer for every address, a link for the staff, and no way to lock anybody out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from console.link_requests import MAX_OF_A_NETWORK, MAX_REQUESTS, REQUESTS, LinkRequests
from core.http.client_network import INSIDE
from core.runtime import Runtime
from staff.accounts import set_phone
from staff.sign_in import make_sign_in_link
from tests.support.console_site import BY, Site, console_site

KEYS = (SecretStr("a quiet river of nine green otters at dawn"),)
MAX_LINKS = 4


@pytest.fixture
async def site(runtime: Runtime) -> AsyncIterator[Site]:
    async with console_site(runtime, secret_key=KEYS) as site:
        yield site


async def ask(site: Site, email: str, **more: str) -> tuple[int, str]:
    data = {"email": email, **more}
    answer = await site.client.post("/console/sign-in", data=data, headers=site.own, allow_redirects=False)
    page = await answer.text()
    assert site.client.app is not None
    await site.client.app[REQUESTS].done()
    return answer.status, page


async def count(site: Site, table: str) -> int:
    return int(await site.runtime.pool.fetchval(f"select count(*) from {table}"))


async def test_whoever_is_on_the_staff_gets_a_link_and_nobody_else(site: Site) -> None:
    await site.link("ada@union.test")
    await site.link("gone@union.test")
    await site.runtime.pool.execute("update staff set disabled_at = now() where email = 'gone@union.test'")
    await site.runtime.pool.execute("delete from sign_in")
    known, unknown, gone = [await ask(site, f"{name}@union.test") for name in ("ada", "eve", "gone")]
    assert known[0] == unknown[0] == gone[0] == 200
    pages = {page.replace(name, "X") for (_, page), name in ((known, "ada@"), (unknown, "eve@"), (gone, "gone@"))}
    assert len(pages) == 1
    assert await count(site, "sign_in") == 1
    messages = await site.runtime.pool.fetch("select address, state from message")
    assert [tuple(row) for row in messages] == [("ada@union.test", "queued")]
    audit = await site.runtime.pool.fetch("select action, came_from from audit_shown where actor = 'sign-in page'")
    assert [tuple(row) for row in audit] == [("staff.link_made", INSIDE)]


async def test_the_link_stands_nowhere_in_clear(site: Site) -> None:
    await site.link("ada@union.test")
    await ask(site, " ADA@union.test ")
    content = await site.runtime.pool.fetchval("select content::text from transactional")
    assert not re.search(r"sign-in/[A-Za-z0-9_-]{43}", content)
    assert "••••" in content
    assert await count(site, "sign_in") == 2


async def test_a_stranger_who_asks_again_and_again_locks_nobody_out(site: Site) -> None:
    await site.link("ada@union.test")
    await site.runtime.pool.execute("delete from sign_in")
    for _ in range(MAX_LINKS + 3):
        assert (await ask(site, "ada@union.test"))[0] == 200
    assert await count(site, "sign_in") == MAX_LINKS, "each of them works, and Ada has them all"
    site.clock.wait(minutes=10)
    await ask(site, "ada@union.test")
    assert await count(site, "sign_in") == MAX_LINKS + 1


async def test_a_busy_office_is_never_made_to_wait(site: Site) -> None:
    for n in range(80):
        assert (await ask(site, f"eve{n}@union.test"))[0] == 200
    await site.link("ada@union.test")
    await site.runtime.pool.execute("delete from sign_in")
    assert (await ask(site, "ada@union.test"))[0] == 200
    assert await count(site, "sign_in") == 1
    assert await count(site, "sign_in_backoff") == 1, "nothing is kept of mailboxes that are nobody's"


async def test_who_asks_all_day_keeps_its_owner_in_links_that_work_and_nobody_elses_away(site: Site) -> None:
    for name in ("ada", "bob"):
        await site.link(f"{name}@union.test")
    await site.runtime.pool.execute("delete from sign_in")
    for _ in range(120):
        assert (await ask(site, "ada@union.test"))[0] == 200
        site.clock.wait(seconds=30)
        live = "select count(*) from sign_in where used_at is null and expires_at > $1"
        assert await site.runtime.pool.fetchval(live, site.clock()) >= 1
    assert await count(site, "sign_in") < 25, "an hour of it"
    assert (await ask(site, "bob@union.test"))[0] == 200
    bobs = "select count(*) from sign_in join staff using (staff_id) where email = 'bob@union.test'"
    assert await site.runtime.pool.fetchval(bobs) == 1


async def test_a_flood_takes_a_few_connections_and_leaves_room_for_other_networks(site: Site) -> None:
    await site.link("ada@union.test")
    await site.runtime.pool.execute("delete from sign_in")
    requests = LinkRequests()
    assert requests.add(site.runtime, "x@union.test", "192.0.2.0/24")
    assert not requests.add(site.runtime, "x@union.test", "198.51.100.0/24"), "one at a time for each mailbox"
    taken = sum(requests.add(site.runtime, f"x{n}@union.test", "192.0.2.0/24") for n in range(2 * MAX_OF_A_NETWORK))
    assert taken == MAX_OF_A_NETWORK - 1
    assert requests.add(site.runtime, "ada@union.test", "203.0.113.0/24")
    for n in range(2 * MAX_REQUESTS):
        requests.add(site.runtime, f"y{n}@union.test", f"2001:db8:{n:x}::/48")
    assert requests.under_way == MAX_REQUESTS
    await requests.done()
    assert requests.under_way == 0
    assert await count(site, "sign_in") == 1
    assert requests.add(site.runtime, "ada@union.test", "192.0.2.0/24"), "there is room again"
    await requests.done()


@pytest.mark.parametrize("typed", ["", "ada", "ada@", "<b>@x", "a" * 300 + "@union.test"])
async def test_what_is_no_address_is_said_to_be_none(site: Site, typed: str) -> None:
    status, page = await ask(site, typed)
    assert status == 422
    assert 'aria-describedby="email-problem"' in page
    assert "<b>" not in page


async def test_another_sites_form_asks_for_nothing(site: Site) -> None:
    await site.link("ada@union.test")
    answer = await site.client.post(
        "/console/sign-in", data={"email": "ada@union.test"}, headers={"Origin": "https://evil.test"}
    )
    assert answer.status == 403
    assert await count(site, "message") == 0


TEXTS = {"sms_from": "+447700900100", "twilio_account_sid": "AC1", "twilio_auth_token": SecretStr("x")}


async def test_a_link_by_text_goes_to_the_accounts_phone_and_verifies_it(runtime: Runtime) -> None:
    async with console_site(runtime, secret_key=KEYS, **TEXTS) as site:
        for name in ("ada", "bob"):
            await site.link(f"{name}@union.test")
        await site.runtime.pool.execute("delete from sign_in")
        await site.runtime.pool.execute("update staff set phone = '+447700900123' where email = 'ada@union.test'")
        assert 'value="text"' in (await site.get("/console/sign-in"))[1]
        answers = [await ask(site, f"{name}@union.test", by="text") for name in ("ada", "bob", "eve")]
        assert {status for status, _ in answers} == {200}
        pages = {page.replace(f"{name}@", "X") for (_, page), name in zip(answers, ("ada", "bob", "eve"), strict=True)}
        assert len(pages) == 1, "neither the staff nor their phones show"
        messages = await site.runtime.pool.fetch("select channel, address from message")
        assert [tuple(row) for row in messages] == [("sms", "+447700900123")]
        async with site.runtime.pool.acquire() as db:
            phone = {"email": "ada@union.test", "now": site.clock(), "by": BY, "phone": "+447700900123"}
            for changed, verified in ((True, 0), (False, 1), (False, 1)):
                link = await make_sign_in_link(db, **phone)  # type: ignore[arg-type]
                number = "+447700900999" if changed else "+447700900123"
                await db.execute("update staff set phone = $1 where email = 'ada@union.test'", number)
                assert (await site.post(link)).status == 303
                assert await count(site, "staff where phone_verified_at is not null") == verified
                assert await count(site, "audit_shown where action = 'staff.phone_verified'") == verified
            staff_id = await db.fetchval("select staff_id from staff where email = 'ada@union.test'")
            await set_phone(db, staff_id, "+447700900124", by=BY, now=site.clock())
            assert await count(site, "staff where phone_verified_at is not null") == 0, "another number"


async def test_without_a_provider_of_texts_there_is_no_choice(site: Site) -> None:
    await site.link("ada@union.test")
    await site.runtime.pool.execute("update staff set phone = '+447700900123'")
    assert 'value="text"' not in (await site.get("/console/sign-in"))[1]
    assert "Look at your mail" in (await ask(site, "ada@union.test", by="text"))[1]
    assert await site.runtime.pool.fetchval("select channel from message") == "email"
