"""A coordinator's console shows their region and nothing of another; whoever is shown replies is recorded."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from console.live import LIVE, Live
from console.views import BallotView, CampaignView, Figures, OverviewView, read_page_state
from core.access import Actor, ActorKind, Grant, Permission, ReadScope, Scope
from core.alerts import raise_alert
from core.audit import seal, verify
from core.db import Connection, load_queries
from core.runtime import Runtime
from messaging.outbox import counts
from messaging.outbox.archive import archive_chunk, ready_year
from staff.roles import permissions_of
from tests.browser.union import Union, write_union
from tests.support.console_site import Site, console_site
from tests.support.electorate import add_ballot
from tests.support.scoped import scoped_pools
from webhooks.members.page_views import PageViews

WHOLE = ReadScope(Scope(is_everywhere=True), Scope(is_everywhere=True), commands=True)


@dataclass(frozen=True, slots=True)
class Regions:
    """Two regions, and what is true of the first."""

    north: int
    wales: int
    people: int
    confirmed: int


@pytest.fixture
async def site(runtime: Runtime) -> AsyncIterator[Site]:
    async with console_site(runtime) as site:
        yield site


@pytest.fixture
async def union(site: Site) -> Union:
    async with site.runtime.pool.acquire() as db:
        return await write_union(db, site.clock(), branches=20, members=300)


@pytest.fixture
async def regions(site: Site, union: Union) -> Regions:
    db = site.runtime.pool
    north, wales = [
        await db.fetchval("select unit_id from unit where name = $1 and kind = 'region'", name)
        for name in ("North", "Wales")
    ]
    of_north = "join unit u on u.unit_id = e.unit_id and $1 = any (u.lineage)"
    return Regions(
        north,
        wales,
        await db.fetchval(f"select count(*) from elector e {of_north}", north),
        await db.fetchval(
            f"select count(*) from claim_status s join elector e using (ballot_id, person_id) {of_north}"
            " where s.kind = 'voted'", north,
        ),
    )  # fmt: skip


def coordinator(unit_id: int, role: str = "coordinator") -> ReadScope:
    return Actor(ActorKind.STAFF, "c", 1, grants=(Grant(role, unit_id, permissions_of(role)),)).read_scope()


async def names(site: Site, kind: str, unit_id: int, *, inside: bool) -> set[str]:
    """Names of the branches inside or outside of a region that have electors."""
    rows = await site.runtime.pool.fetch(
        "select coalesce(name, '') as name from unit u where kind = $1 and ($2 = any (lineage)) = $3"
        " and exists (select from elector e where e.unit_id = u.unit_id)", kind, unit_id, inside,
    )  # fmt: skip
    return {row["name"] for row in rows}


async def test_a_coordinator_sees_the_region_only(site: Site, union: Union, regions: Regions) -> None:
    await site.sign_in("north@union.test", role="rep", unit_id=regions.north)
    status, overview = await site.get("/console/")
    assert status == 200
    assert f'<p class="figure-number">{regions.confirmed}</p>' in overview
    assert "Redis did not answer" not in overview, "problems are for the whole organisation"
    assert "muster people import" not in overview
    _, ballot = await site.get("/console/ballots/pay-2026")
    assert f"{regions.people} members" in ballot
    _, campaign = await site.get("/console/campaigns/pay-nudge")
    assert all("These figures are for North only." in page for page in (overview, ballot, campaign))
    here = await names(site, "branch", regions.north, inside=True)
    elsewhere = await names(site, "branch", regions.north, inside=False) - here
    assert here
    for page in (overview, ballot):
        assert not {name for name in elsewhere if f">{name}<" in page}
    assert all(name in ballot for name in here)


@pytest.mark.parametrize(("role", "shown"), [("campaigner", True), ("viewer", False), ("rep", False)])
async def test_commands_are_for_those_who_launch_in_the_whole_organisation(
    site: Site, union: Union, regions: Regions, role: str, *, shown: bool
) -> None:
    async with site.runtime.pool.acquire() as db:
        await raise_alert(db, key="mail", severity="error", title="A relay refuses.", remedy="Type: muster check mail")
        await db.execute("update campaign set state = 'paused', paused_reason = 'a wrong date'")
    await site.sign_in("pat@union.test", role=role)
    pages = [
        (await site.get(path))[1] for path in ("/console/", "/console/campaigns/pay-nudge", "/console/ballots/pay-2026")
    ]
    assert ("muster " in pages[0], "muster campaign resume" in pages[1]) == (shown, shown)
    if not shown:
        assert all("muster " not in page for page in pages)
        assert ("Tell the people who run Muster." in pages[0]) == (role == "rep"), (
            "alerts are for those who see contacts"
        )
        assert "until a campaigner of the whole organisation resumes it" in pages[1]


@pytest.mark.parametrize(("role", "has_ballot"), [("replier", False), ("viewer", False), ("viewer", True)])
async def test_without_a_ballot_no_role_reads_of_one(site: Site, role: str, *, has_ballot: bool) -> None:
    if has_ballot:
        async with site.runtime.pool.acquire() as db:
            closed = site.clock() - timedelta(days=90)
            await add_ballot(db, "pay", opens=closed - timedelta(days=9), closes=closed)
    await site.sign_in("pat@council.test", role=role)
    status, page = await site.get("/console/")
    words = re.sub("<[^>]+>", " ", page)
    assert status == 200
    assert ("No ballot is near" in words, "ballot" in words.casefold()) == (has_ballot, has_ballot)


async def test_a_page_says_what_part_its_figures_are_of(site: Site, union: Union, regions: Regions) -> None:
    figures = site.client.app[LIVE].figures
    branches = [row["unit_id"] for row in await site.runtime.pool.fetch("select unit_id from unit order by unit_id")]

    async def part(*unit_ids: int) -> str:
        return await figures.part(ReadScope(Scope(unit_ids=unit_ids), Scope()))

    assert await figures.part(WHOLE) == ""
    assert await part(regions.wales, regions.north) == "North and Wales"
    assert (await part(*branches)).endswith(f" and {len(branches) - 2} more")
    await site.sign_in("ada@union.test")
    assert "These figures are" not in (await site.get("/console/"))[1]


async def test_a_campaigns_progress_counts_the_region(site: Site, union: Union, regions: Regions) -> None:
    counted = "select count(*) from message m join person p using (person_id) join unit u using (unit_id) where {}"
    await site.runtime.pool.execute(
        "update message set state = 'delivered' where step_id = $1 and state in ('queued', 'sending', 'ambiguous')",
        union.step_ids[0],
    )
    expected = [
        await site.runtime.pool.fetchval(counted.format("step_id = $1 and $2 = any (u.lineage)"), step, regions.north)
        for step in union.step_ids
    ]
    figures = site.client.app[LIVE].figures
    shown = await figures.campaign("pay-nudge", coordinator(regions.north))
    everybody = await figures.campaign("pay-nudge", WHOLE)
    assert [step.total for step in shown.steps][:2] == expected
    assert all(0 < mine < step.total for mine, step in zip(expected, everybody.steps, strict=False))
    by_channel = [sum(channel.total for channel in step.by_channel) for step in shown.steps][:2]
    assert 0 < by_channel[0] <= expected[0], "whoever got nothing has no channel"
    # archived messages are counted where they are: the totals are of everybody
    async with site.runtime.pool.acquire() as db:
        await ready_year(db, union.step_ids[0])
        while (await archive_chunk(db, union.step_ids[0], PageViews())).messages:
            pass
        assert await db.fetchval("select count(*) from message_archive") > 0
    figures = Figures(site.runtime, scoped_pools(site.runtime), max_age=0)
    again = await figures.campaign("pay-nudge", coordinator(regions.north))
    assert [step.total for step in again.steps][:2] == expected
    assert [sum(channel.total for channel in step.by_channel) for step in again.steps][:2] == by_channel
    whole = await figures.campaign("pay-nudge", WHOLE)
    assert [step.total for step in whole.steps] == [step.total for step in everybody.steps]


async def test_progress_is_sums_and_a_regions_is_counted_in_its_steps(
    site: Site, union: Union, regions: Regions, owner: Connection
) -> None:
    await owner.execute("vacuum analyze message, person")
    queries = load_queries(counts.__file__)
    async with scoped_pools(site.runtime).within(WHOLE) as scoped:
        for query in ("count_steps", "count_partially"):
            plan = await scoped.fetch(f"explain (analyze, costs off) {queries[query]}", union.step_ids, 60.0)
            read = [row[0] for row in plan if " on message " in row[0] and "never executed" not in row[0]]
            assert read == [], "whoever sees everybody is shown sums"
    async with scoped_pools(site.runtime).within(coordinator(regions.north)) as scoped:
        plan = await scoped.fetch(f"explain {queries['count_partially']}", union.step_ids, 60.0)
        assert "Index Cond: (step_id = ANY" in "\n".join(row[0] for row in plan)


async def test_replies_are_those_of_the_region_and_not_for_a_viewer(site: Site, union: Union, regions: Regions) -> None:
    figures = site.client.app[LIVE].figures
    first = await site.runtime.pool.fetchval("select person_id from reply where person_id is not null limit 1")
    await site.runtime.pool.execute(
        "update person set unit_id = $2 where person_id = $1", first,
        await site.runtime.pool.fetchval("select min(unit_id) from unit where parent_id = $1", regions.north),
    )  # fmt: skip
    expected = await site.runtime.pool.fetch(
        "select reply_id from reply r join person p using (person_id) join unit u using (unit_id)"
        " where r.state = 'open' and $1 = any (u.lineage)", regions.north,
    )  # fmt: skip
    mine = (await figures.overview(coordinator(regions.north)))["replies"]
    assert {reply.reply_id for reply in mine.shown} == {row["reply_id"] for row in expected} != set()
    assert mine.waiting == len(expected)
    assert (await figures.overview(coordinator(regions.north, "viewer")))["replies"].waiting == 0
    every = (await figures.overview(WHOLE))["replies"]
    assert every.waiting == await site.runtime.pool.fetchval("select count(*) from reply where state = 'open'")


async def test_a_role_that_sees_nobody_opens_no_page(site: Site, union: Union) -> None:
    await site.sign_in("caller@union.test", role="caller")
    for path in ("/console/", "/console/ballots/pay-2026", "/console/campaigns/pay-nudge", "/console/live/overview"):
        status, page = await site.get(path)
        assert status == 403
        assert "Ask an administrator" in page
        assert "Pay ballot" not in page


async def test_figures_of_one_scope_are_never_shown_to_another(site: Site, union: Union, regions: Regions) -> None:
    """Read at once and by turns, through the one cache: each gets their own."""
    figures = site.client.app[LIVE].figures
    scopes = [WHOLE, coordinator(regions.north), coordinator(regions.wales), coordinator(regions.north, "viewer")]
    for _ in range(3):
        read = await asyncio.gather(*(figures.ballot("pay-2026", scope) for scope in scopes * 5))
        by_scope: dict[ReadScope, set[int]] = {}
        for scope, ballot in zip(scopes * 5, read, strict=True):
            by_scope.setdefault(scope, set()).add(ballot.score.electorate)
        sizes = [by_scope[scope] for scope in scopes]
        assert all(len(size) == 1 for size in sizes)
        assert sizes[1] == sizes[3] == {regions.people}
        assert len({size.copy().pop() for size in sizes}) == 3


async def test_a_live_stream_never_carries_another_scopes_figure(site: Site, union: Union, regions: Regions) -> None:
    """Viewers of all scopes watch the same pages while votes come in; each update is compared with its scope's own."""
    live = Live(site.runtime, scoped_pools(site.runtime), every=0.05)
    scopes = (WHOLE, coordinator(regions.north), coordinator(regions.wales))
    views = (OverviewView(), BallotView("pay-2026"), CampaignView("pay-nudge"))

    async def follow(view: OverviewView | BallotView | CampaignView, scope: ReadScope, rounds: int) -> list[str]:
        seen = []
        async with live.watch(view, scope) as viewer:
            for _ in range(rounds):
                seen += [data["html"] for event, data in await viewer.updates(idle_timeout=5) if event == "section"]
        return seen

    async def vote() -> None:
        for n in range(20):
            await site.runtime.pool.execute(
                "insert into count_change (ballot_id, unit_id, measure, n)"
                " select $1, unit_id, 'voted', 1 from unit where kind = 'branch' and parent_id = $2",
                union.ballot_id, regions.wales if n % 2 else regions.north,
            )  # fmt: skip
            await asyncio.sleep(0.02)

    pairs = [(view, scope) for view in views for scope in scopes for _ in range(3)]
    async with asyncio.timeout(60):
        pages, _ = await asyncio.gather(asyncio.gather(*(follow(view, scope, 6) for view, scope in pairs)), vote())
    here = {unit: await names(site, "branch", unit, inside=True) for unit in (regions.north, regions.wales)}
    for (view, scope), sections in zip(pairs, pages, strict=True):
        text = " ".join(sections)
        for unit, branches in here.items():
            other = scope is not WHOLE and unit not in scope.people.unit_ids
            own = branches - here[next(iter(set(here) - {unit}))]
            if isinstance(view, BallotView):
                assert bool({name for name in own if name in text}) != other, (view, scope)
    await live.close()


async def test_a_stream_ends_when_the_grant_is_revoked(site: Site, union: Union, regions: Regions) -> None:
    await site.sign_in("north@union.test", role="rep", unit_id=regions.north)
    async with site.client.get("/console/live/overview") as response:
        assert response.status == 200
        assert await response.content.readline()
        await site.runtime.pool.execute("update staff_grant set revoked_at = $1, revoked_by = 'x'", site.clock())
        site.clock.wait(seconds=61)
        async with asyncio.timeout(30):
            while await response.content.readline():
                pass
    assert (await site.get("/console/live/overview"))[0] == 403


async def seen(site: Site) -> list[tuple[str, str, set[int]]]:
    rows = await site.runtime.pool.fetch(
        "select actor, permission, detail from audit_shown where action = 'replies.seen' order by audit_id"
    )
    return [(row["actor"], row["permission"], set(row["detail"]["replies"])) for row in rows]


async def test_whoever_is_shown_replies_is_in_the_audit(site: Site, union: Union, regions: Regions) -> None:
    waiting = {row["reply_id"] for row in await site.runtime.pool.fetch("select reply_id from reply")}
    await site.sign_in("ada@union.test")
    assert await seen(site) == []
    await site.get("/console/")
    assert await seen(site) == [("ada@union.test", Permission.SEE_CONTACTS, waiting)]
    await site.get("/console/ballots/pay-2026")
    assert len(await seen(site)) == 1, "no replies are on that page"
    async with site.runtime.pool.acquire() as db:
        await seal(db)
        assert (await verify(db)).problems == ()


async def test_a_reply_that_comes_while_the_page_is_open_is_recorded_too(site: Site, union: Union) -> None:
    await site.sign_in("ada@union.test")
    state = await read_page_state(OverviewView(), site.client.app[LIVE].figures, WHOLE)
    have = ",".join(section.digest for section in state.sections.values())
    async with site.client.get("/console/live/overview", params={"have": have}) as response:
        await response.content.readuntil(b"event: beat")
        assert await seen(site) == [], "the page has them already"
        new = await site.runtime.pool.fetchval(
            "insert into reply (inbound_id, channel, address, sender, text, reading, rule, rule_version, why_open,"
            " state, received_at)"
            " values (99, 'sms', '+447700900999', 'us', 'new', 'unclear', 'r', '1', 'unclear', 'open', $1)"
            " returning reply_id", site.clock(),
        )  # fmt: skip
        async with asyncio.timeout(30):
            while not await seen(site):
                await response.content.readline()
        # it is said how long ago each came, which changes by itself
        site.clock.wait(seconds=50)
        await site.runtime.pool.execute("update reply set note = 'read' where reply_id = $1", new)
        async with asyncio.timeout(30):
            await response.content.readuntil(b"event: section")
            await response.content.readuntil(b"event: beat")
    assert await seen(site) == [("ada@union.test", Permission.SEE_CONTACTS, {new})], "each once"
