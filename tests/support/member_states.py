"""Every page a member can meet, in every state, as the real application makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

from core.db import connect, open_pool
from core.db.logins import Login, address_as
from core.http.rate_limit import MAX_MISSES_PER_NETWORK
from core.runtime import Runtime
from messaging.suppression import suppress
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import BROWSER, Campaign, Forms, Recipient, make_campaign, serve

Client = TestClient[web.Request, web.Application]
HELD = (
    ("opted_out", "link"), ("hard_bounced", "smtp"), ("complained", "smtp"), ("wrong_number", "staff"),
)  # fmt: skip
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Tour:
    """A walk through the pages, which keeps each under a name.

    Args:
        campaign: who is asked what.
        clock: theirs.
        client: on the application.
        language: of the members.
    """

    def __init__(self, campaign: Campaign, clock: FixedClock, client: Client, language: str) -> None:
        self.campaign = campaign
        self.clock = clock
        self.client = client
        self.language = language
        self.pages: dict[str, str] = {}
        self._number = 0

    async def member(self, **more: object) -> Recipient:
        self._number += 1
        return await self.campaign.ask(sms=self.number, language=self.language, first_name="Siân", **more)  # type: ignore[arg-type]

    @property
    def number(self) -> str:
        """The latest member's."""
        return f"+4474001234{self._number:02}"

    async def see(self, name: str, path: str, status: int = 200, **request: str) -> Forms:
        """Open a page."""
        return await self._keep(name, await self.client.get(path, headers=self._headers()), status)

    async def press(
        self,
        name: str,
        path: str,
        page: Forms,
        answer: str,
        status: int = 200,
        *,
        more: Mapping[str, str] | None = None,
    ) -> Forms:
        """Press a button of a page, after reading it."""
        self.clock.wait(seconds=150)
        return await self.send(name, path, {**page.fields, "answer": answer, **(more or {})}, status)

    async def send(
        self, name: str, path: str, fields: dict[str, str], status: int = 200, method: str = "POST"
    ) -> Forms:
        response = await self.client.request(method, path, data=fields, headers=self._headers())
        return await self._keep(name, response, status)

    def _headers(self) -> dict[str, str]:
        return {"User-Agent": BROWSER, "Accept-Language": f"{self.language}-GB, en;q=0.5"}

    async def _keep(self, name: str, response: ClientResponse, status: int) -> Forms:
        text = await response.text()
        assert response.status == status, (name, response.status, text)
        self.pages[name] = text
        return Forms(text)


async def every_page(runtime: Runtime, language: str) -> dict[str, str]:
    """The HTML of every page in every state, by name.

    Args:
        runtime: with an empty database.
        language: of the members, and of the browser where nobody is known.
    """
    clock = FixedClock(NOON)
    here = replace(runtime, clock=clock)
    async with here.pool.acquire() as db, serve(here) as client:
        campaign = await make_campaign(here, db, now=NOON, posting=timedelta(days=6))
        tour = Tour(campaign, clock, client, language)
        for part in (_answers, _takes_back, _unsubscribes, _prefers, _is_held, _goes_wrong, _out_of_time):
            await part(tour)
        closed = await open_pool(here.settings.database_url or "", size=1)
        await closed.close()
        async with serve(replace(here, pool=closed)) as without:
            tour.client = without
            await tour.see("unavailable", "/0000000000000", 503)
        return tour.pages


async def _answers(tour: Tour) -> None:
    for answer in ("voted", "not_yet", "no_ballot_paper", "call_me", "stop"):
        ann = await tour.member()
        page = await tour.see("question", ann.confirm)
        await tour.press(answer, ann.confirm, page, answer)
        await tour.see(f"{answer}, seen again", ann.confirm)
    ann = await tour.member()
    page = await tour.see("question", ann.confirm)
    page = await tour.send("second question", ann.confirm, {**page.fields, "answer": "voted"})
    await tour.press("nothing pressed", ann.confirm, page, "nothing")


async def _takes_back(tour: Tour) -> None:
    ann = await tour.member()
    page = await tour.see("question", ann.confirm)
    page = await tour.press("voted", ann.confirm, page, "voted")
    recipient = await tour.send("undo: second question", ann.confirm, {**page.fields, "answer": "undo"})
    await tour.press("undone", ann.confirm, recipient, "undo")
    page = await tour.see("question", ann.confirm)
    stopped = await tour.press("stop", ann.confirm, page, "stop")
    await tour.press("stop taken back", ann.confirm, stopped, "undo_stop")
    tour.clock.wait(minutes=5)
    await tour.send("page used", ann.confirm, {**page.fields, "answer": "voted"}, 409)


async def _unsubscribes(tour: Tour) -> None:
    for button in ("stop", "stop_everywhere"):
        ann = await tour.member()
        page = await tour.see("unsubscribe", ann.unsubscribe)
        page = await tour.press(f"unsubscribe: {button}", ann.unsubscribe, page, button)
        await tour.see("unsubscribe: stopped", ann.unsubscribe)
        recipient = await tour.press("unsubscribe: second question", ann.unsubscribe, page, "undo_stop")
        await tour.press("unsubscribe: taken back", ann.unsubscribe, recipient, "undo_stop")


async def _prefers(tour: Tour) -> None:
    ann = await tour.member(email="siân@x.test")
    page = await tour.see("preferences", ann.preferences)
    sms, email = page.choices
    recipient = await tour.send("preferences: is it you?", ann.preferences, {**page.fields, "answer": "stop_all"})
    page = await tour.press("preferences: not meant", ann.preferences, recipient, "nothing")
    await tour.press("preferences: nothing changed", ann.preferences, page, "save")
    page = await tour.see("preferences", ann.preferences)
    page = await tour.press("preferences: saved", ann.preferences, page, "save", more={sms: "nothing"})
    page = await tour.press("preferences: shall we write?", ann.preferences, page, "undo")
    await tour.press("preferences: undone", ann.preferences, page, "yes")
    await tour.press("preferences: page used", ann.preferences, page, "yes", 409)
    page = await tour.see("preferences", ann.preferences)
    page = await tour.press(
        "preferences: shall we write of everything?", ann.preferences, page, "save", more={email: "everything"}
    )
    await tour.press("preferences: everything", ann.preferences, page, "yes")


async def _is_held(tour: Tour) -> None:
    """Whatever can stand in the way, on one page, and of an address that others have too."""
    db = tour.campaign.db
    ann = await tour.member()
    for number, (reason, source) in enumerate(HELD):
        address = f"{number}@x.test"
        await db.execute(
            "insert into address (person_id, channel, address) values ($1, 'email', $2)", ann.person_id, address
        )
        await suppress(db, channel="email", address=address, reason=reason, source=source)
    await db.execute(
        "insert into address (person_id, channel, address) values ($1, 'email', '0@x.test')", ann.person_id - 1
    )
    await suppress(db, channel="sms", address=tour.number, reason="opted_out", source="sms_reply")
    await tour.see("preferences: held", ann.preferences)
    await db.execute("update sender set address = 'TheUnion' where channel = 'sms'")
    await tour.see("preferences: held by a number nobody knows", ann.preferences)
    await db.execute("delete from address where person_id = $1", ann.person_id)
    await tour.see("preferences: no longer theirs", ann.preferences)


async def _goes_wrong(tour: Tour) -> None:
    ann = await tour.member()
    await tour.see("missing", "/0000000000000", 404)
    await tour.send("not so", ann.confirm, {}, 405, "PUT")
    await tour.send("too large", ann.confirm, {"answer": "x" * 100_000}, 413)
    owner = await connect(address_as(tour.campaign.runtime.settings.database_url or "", Login.OWNER))
    await owner.execute("alter table link rename to nowhere")
    await tour.see("broken", ann.confirm, 500)
    await owner.execute("alter table nowhere rename to link")
    await owner.close()
    for _ in range(MAX_MISSES_PER_NETWORK):
        await tour.client.get("/0000000000000")
    await tour.see("waiting", "/0000000000000", 429)


async def _out_of_time(tour: Tour) -> None:
    ann = await tour.member()
    tour.clock.now = NOON - timedelta(days=11)
    await tour.see("before", ann.confirm)
    tour.clock.now = NOON + timedelta(days=11)
    await tour.see("closed", ann.confirm)
