"""Ballots and campaigns, from their files to their end."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ballots.ballots import create_ballot, get_ballot
from ballots.counts import find_totals
from ballots.phase import Phase
from ballots.spec import load_ballot_spec
from campaigns import campaigns
from campaigns.campaigns import create_campaign, find_status, get_campaign
from campaigns.launch import launch, launch_due_steps
from campaigns.spec import CampaignSpec, load_campaign_spec
from core.db import Connection
from core.errors import Conflict, NotFound, SpecError
from core.runtime import Runtime
from messaging.outbox.senders import resume_sender
from messaging.outbox.steps import finish_drained
from messaging.states import State
from muster.cli.campaign_tables import status_table
from muster.operator import operator
from tests.support.electorate import NOW, STEPS, add_person, add_unit, at_noon, ballot_spec, campaign_spec, connected

DOCS = Path(__file__).parents[3] / "docs" / "campaigns.md"


@pytest.fixture
def muster(runtime: Runtime) -> Runtime:
    """With providers, at a fixed time."""
    return at_noon(runtime)


async def _members(runtime: Runtime) -> None:
    async with connected(runtime) as db:
        unit = await add_unit(db, "Leeds")
        await add_person(db, "1", unit=unit, sms="+447700900001", email="a@x.test")
        await add_person(db, "2", unit=unit, sms="+447700900001")
        await add_person(db, "3", unit=unit)
        await create_ballot(db, ballot_spec(), actor=operator("staff"))


async def test_a_ballot_is_made_with_its_electorate_and_its_dates(db: Connection) -> None:
    north = await add_unit(db, "North", "region")
    leeds = await add_unit(db, "Leeds", "branch", north)
    await add_person(db, "1", unit=leeds)
    await add_person(db, "2", unit=await add_unit(db, "South", "region"))
    await add_person(db, "3")

    ballot = await create_ballot(
        db,
        ballot_spec(
            units=["North"],
            last_posting="2026-12-03",
            replacement_by="2026-11-27T17:00:00",
            opens="2026-07-01T09:00:00",
        ),
        actor=operator("staff"),
    )

    assert (await find_totals(db, ballot.ballot_id))["electorate"] == 1
    assert ballot.opens_at == datetime(2026, 7, 1, 8, tzinfo=UTC), "summer time in London"
    assert ballot.local(ballot.last_posting_at) == "Thursday 3 December"
    assert ballot.local(ballot.closes_at) == "Monday 7 December, 12:00"
    assert ballot.local(None) == ""
    assert (ballot.threshold, ballot.over_report) == (0.5, 0.13)
    with pytest.raises(Conflict, match="already a ballot pay"):
        await create_ballot(db, ballot_spec(), actor=operator("staff"))
    with pytest.raises(NotFound, match="no ballot other"):
        await get_ballot(db, "other")
    with pytest.raises(SpecError):
        await create_ballot(db, ballot_spec(name="x", units=["Nowhere"]), actor=operator("staff"))
    assert await db.fetchval("select count(*) from ballot") == 1, "a refused ballot leaves nothing"


async def test_an_electorate_is_those_with_the_attributes_it_asks_for(db: Connection) -> None:
    leeds = await add_unit(db, "Leeds")
    await add_person(db, "1", unit=leeds, status="Live", grade="A")
    await add_person(db, "2", unit=leeds, status="Lapsed", grade="A")
    await add_person(db, "3", unit=leeds, status="Live")
    await add_person(db, "4", status="Honorary", grade="B")
    await add_person(db, "5")
    for name, more, electors in (
        ("a", {"attribute": {"status": "Live"}}, ["1", "3"]),
        ("b", {"attribute": {"status": ["Live", "Honorary"], "grade": True}}, ["1", "4"]),
        ("c", {"attribute": {"status": False}}, ["5"]),
        ("d", {"attribute": {"status": ["Live", "Honorary"]}, "units": ["Leeds"]}, ["1", "3"]),
        ("e", {}, ["1", "2", "3", "4", "5"]),
    ):
        ballot = await create_ballot(db, ballot_spec(name=name, **more), actor=operator("staff"))
        rows = await db.fetch(
            "select external_id from elector join person using (person_id) where ballot_id = $1 order by 1",
            ballot.ballot_id,
        )
        assert [row["external_id"] for row in rows] == electors, name
        assert (await find_totals(db, ballot.ballot_id))["electorate"] == len(electors)
    with pytest.raises(SpecError) as refused:
        await create_ballot(db, ballot_spec(name="f", attribute={"statis": "Live"}), actor=operator("staff"))
    assert "ballot.attribute.statis" in refused.value.problems[0]
    assert "status" in refused.value.problems[0]


async def test_the_phase_of_a_ballot_follows_its_dates(db: Connection) -> None:
    ballot = await create_ballot(
        db, ballot_spec(last_posting="2026-12-03", replacement_by="2026-11-27T17:00:00"), actor=operator("staff")
    )
    for day, phase in (
        (datetime(2026, 11, 1, tzinfo=UTC), Phase.BEFORE),
        (datetime(2026, 11, 20, tzinfo=UTC), Phase.OPEN),
        (datetime(2026, 11, 28, tzinfo=UTC), Phase.NO_REPLACEMENT),
        (datetime(2026, 12, 4, tzinfo=UTC), Phase.LAST_POSTED),
        (datetime(2026, 12, 7, 12, tzinfo=UTC), Phase.CLOSED),
    ):
        assert ballot.phase(day) is phase


async def test_the_file_in_the_docs_makes_a_ballot_and_a_campaign(muster: Runtime, tmp_path: Path) -> None:
    match = re.search(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert match is not None
    path = tmp_path / "pay.toml"
    path.write_text(match[1], encoding="utf-8")
    async with connected(muster) as db:
        await add_person(db, "1", sms="+447700900001")
        await create_ballot(db, load_ballot_spec(path), actor=operator("staff"))
    await create_campaign(muster, load_campaign_spec(path), operator("staff"))

    [launched] = await launch(muster, (await _found(muster)).campaign_id, operator("staff"))

    assert launched.by_channel == {"sms": 1}
    async with connected(muster) as db:
        steps = await db.fetch(
            "select after, due_at, send_before, quiet_from, constants, secret from step order by position"
        )
    assert [step["after"] for step in steps] == [None, timedelta(days=3), None]
    assert steps[2]["due_at"] == datetime(2026, 12, 1, 10, tzinfo=UTC)
    assert steps[0]["send_before"] == datetime(2026, 12, 7, 12, tzinfo=UTC), "by default the close of the ballot"
    assert steps[0]["quiet_from"].hour == 20
    assert steps[0]["constants"]["ballot"]["last_posting"] == "Thursday 3 December"
    assert steps[0]["secret"] == muster.keyring.current


async def _found(runtime: Runtime) -> campaigns.Campaign:
    async with connected(runtime) as db:
        [name] = await campaigns.campaign_names(db)
        return await get_campaign(db, name)


def _no_step(**step: object) -> Callable[[], CampaignSpec]:
    return lambda: campaign_spec(steps=[STEPS[0] | step])


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_no_step(template="ballot-remindr"), "campaign.steps[1].template: There is no message template"),
        (_no_step(template="bad"), "campaign.steps[1].template: bad/sms.txt"),
        (
            _no_step(template="textonly"),
            "campaign.steps[1].channels: the template textonly has no email text, only sms",
        ),
        (_no_step(when={"at": "2026-12-08"}), "campaign.steps[1].when.at: the ballot is closed by then"),
        (_no_step(send_before="2026-11-20"), "campaign.steps[1].send_before: that time has passed"),
        (
            _no_step(audience={"attribute": {"grade": "AO"}}),
            "campaign.steps[1].audience.attribute.grade: no member file",
        ),
        (lambda: campaign_spec(audience={"unit": "Leds"}), "campaign.audience.unit: there is no unit “Leds”"),
        (lambda: campaign_spec(senders={"email": "us"}), "campaign.senders.email: write an address"),
    ],
)
async def test_errors_are_found_when_the_campaign_is_created(
    muster: Runtime, tmp_path: Path, make: Callable[[], CampaignSpec], problem: str
) -> None:
    for name, text in (("bad", "Hi {{ frist_name }} STOP"), ("textonly", "Hi {{ first_name }} STOP")):
        folder = tmp_path / "messages" / name
        folder.mkdir(parents=True)
        (folder / "sms.txt").write_text(f"---\npurpose: service\n---\n{text}", encoding="utf-8")
    await _members(muster)
    own = replace(muster, settings=muster.settings.model_copy(update={"templates": tmp_path}))

    with pytest.raises(SpecError) as caught:
        await create_campaign(own, make(), operator("staff"))

    assert any(line.startswith(problem) for line in caught.value.problems), caught.value.problems
    async with connected(muster) as db:
        assert await campaigns.campaign_names(db) == []


async def test_a_channel_without_a_provider_is_refused(muster: Runtime) -> None:
    await _members(muster)
    without = replace(muster, settings=muster.settings.model_copy(update={"smtp_url": None}))
    with pytest.raises(SpecError) as caught:
        await create_campaign(without, campaign_spec(), operator("staff"))
    assert caught.value.problems == ("campaign.steps[1].channels: no mail relay is set up (MUSTER_SMTP_URL)",)


async def test_a_campaign_that_would_reach_nobody_is_refused_with_the_reasons(muster: Runtime) -> None:
    await _members(muster)
    with pytest.raises(SpecError, match="would reach nobody of its 1 person") as caught:
        await create_campaign(muster, campaign_spec(audience={"members": ["3"]}), operator("staff"))
    assert caught.value.problems[0].startswith("1 x no_address: ")
    with pytest.raises(SpecError, match="is empty") as empty:
        await create_campaign(muster, campaign_spec(audience={"language": "cy"}), operator("staff"))
    assert "muster people count" in empty.value.remedy


async def test_a_closed_ballot_an_unknown_one_and_a_name_that_is_taken_are_refused(muster: Runtime) -> None:
    await _members(muster)
    await create_campaign(muster, campaign_spec(), operator("staff"))
    with pytest.raises(Conflict, match="already a campaign nudges"):
        await create_campaign(muster, campaign_spec(), operator("staff"))
    with pytest.raises(NotFound, match="no ballot other"):
        await create_campaign(muster, campaign_spec(name="b", about={"ballot": "other"}), operator("staff"))
    late = replace(muster, clock=lambda: datetime(2026, 12, 8, tzinfo=UTC))
    with pytest.raises(Conflict, match="closed on Monday 7 December, 12:00"):
        await create_campaign(late, campaign_spec(name="c"), operator("staff"))


async def test_senders_and_pace_come_from_the_file_or_the_settings(muster: Runtime) -> None:
    await _members(muster)
    await create_campaign(muster, campaign_spec(), operator("staff"))
    own = {"email": "Branch <branch@x.test>"}
    await create_campaign(muster, campaign_spec(name="own", senders=own, pace={"sms": 12.5}), operator("staff"))

    async with connected(muster) as db:
        rows = await db.fetch("select channel, address, display_name, pace::float8 from sender order by 1, 2")
    assert [tuple(row) for row in rows] == [
        ("email", "ballot@union.test", "Muster Union", None),
        ("email", "branch@x.test", "Branch", None),
        ("sms", "+447700900000", "", 12.5),
    ]


async def test_a_campaign_is_paused_resumed_and_cancelled_with_its_steps(muster: Runtime) -> None:
    await _members(muster)
    campaign = await create_campaign(muster, campaign_spec(), operator("staff"))
    async with connected(muster) as db:
        with pytest.raises(Conflict, match="is draft; only one that is running can be paused"):
            await campaigns.pause(db, "nudges", operator("amy"))
    await launch(muster, campaign.campaign_id, operator("staff"))

    async with connected(muster) as db:
        paused = await campaigns.pause(db, "nudges", operator("amy"), "too many replies")
        assert (paused.state, paused.paused_reason) == ("paused", "too many replies")
        assert await db.fetchval("select state from step where position = 1") == "paused"
    later = replace(muster, clock=lambda: NOW + timedelta(days=4))
    assert await launch_due_steps(later) == 0, "nothing starts while it is paused"
    with pytest.raises(Conflict, match="is paused"):
        await launch(muster, campaign.campaign_id, operator("staff"))

    async with connected(muster) as db:
        resumed = await campaigns.resume(db, "nudges", operator("amy"))
        assert (resumed.state, resumed.paused_reason) == ("running", None)
        await campaigns.cancel(db, "nudges", operator("amy"))
        with pytest.raises(Conflict, match="is cancelled"):
            await campaigns.resume(db, "nudges", operator("amy"))
        told = await find_status(db, "nudges", NOW)
        assert [step.state for step in told.steps] == ["cancelled", "cancelled"]
        assert told.steps[0].counts == {State.CANCELLED: 2, State.SKIPPED: 1}
        assert told.outcome.figures["turnout"].electorate == 3
        actions = [row["action"] for row in await db.fetch("select action from audit_shown order by audit_id")]
    assert actions == [
        "ballot.created", "campaign.created", "campaign.launched", "step.launched", "campaign.paused",
        "campaign.resumed", "campaign.cancelled",
    ]  # fmt: skip


async def test_a_campaign_is_finished_when_its_steps_are(muster: Runtime) -> None:
    await _members(muster)
    campaign = await create_campaign(muster, campaign_spec(), operator("staff"))
    await launch(muster, campaign.campaign_id, operator("staff"))
    async with connected(muster) as db:
        await db.execute("update step set state = 'finished' where position = 1")
        await launch_due_steps(muster)
        assert (await get_campaign(db, "nudges")).state == "running", "a step is still to come"
        await db.execute("update step set state = 'finished'")
        await launch_due_steps(muster)
        finished = await get_campaign(db, "nudges")
    assert (finished.state, finished.finished_at) == ("finished", NOW)


async def test_a_window_and_caps_become_the_steps_own(muster: Runtime) -> None:
    await _members(muster)
    window = {"days": "Mon-Fri", "hours": "09:00-18:00", "zone": "subject", "from": "2026-11-24", "until": "2026-12-01"}
    steps = [
        {**STEPS[0], "window": {"zone": "Europe/Paris", "until": "2026-11-30T12:00:00"}, "frequency_cap": "none"},
        {**STEPS[1], "send_before": "2026-11-29T12:00:00"},
    ]
    await create_campaign(
        muster, campaign_spec(steps=steps, window=window, frequency_cap="2 in 7 days"), operator("staff")
    )
    async with connected(muster) as db:
        first, second = await db.fetch("select * from step order by position")
    assert (first["window_days"], first["window_zone"]) == ([1, 2, 3, 4, 5], "Europe/Paris")
    assert (f"{first['window_from']:%H:%M}", f"{first['window_until']:%H:%M}") == ("09:00", "18:00")
    assert first["send_after"] == datetime(2026, 11, 24, tzinfo=UTC)
    assert first["send_before"] == datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert first["frequency_caps"] == []
    assert (second["window_zone"], second["send_before"]) == ("Europe/London", datetime(2026, 11, 29, 12, tzinfo=UTC))
    assert second["frequency_caps"] == [{"messages": 2, "seconds": 7 * 86_400.0, "purpose": "all"}]


async def test_a_window_that_is_over_or_upside_down_is_refused_by_key(muster: Runtime) -> None:
    await _members(muster)
    for window, line in (
        ({"until": "2026-11-21"}, "campaign.steps[1].window.until: that time has passed"),
        ({"from": "2026-12-09"}, "campaign.steps[1].window.from: that is after the last moment it may be sent"),
    ):
        with pytest.raises(SpecError) as refused:
            await create_campaign(muster, campaign_spec(steps=STEPS[:1], window=window), operator("staff"))
        [problem] = refused.value.problems
        assert problem.startswith(line)


async def test_a_campaign_that_has_something_to_send_again_runs_again_and_can_be_paused(muster: Runtime) -> None:
    await _members(muster)
    campaign = await create_campaign(muster, campaign_spec(steps=STEPS[:1]), operator("staff"))
    await launch(muster, campaign.campaign_id, operator("staff"))
    async with connected(muster) as db:
        await db.execute("update message set state = 'failed', reason = 'sender_refused' where state = 'queued'")
        await finish_drained(db)
    await launch_due_steps(muster)
    async with connected(muster) as db:
        assert (await get_campaign(db, "nudges")).state == "finished"
        refused = "select distinct sender_id from message where state = 'failed' and channel = 'sms'"
        assert await resume_sender(db, await db.fetchval(refused), now=NOW, actor=operator("staff")) == 1
        paused = await campaigns.pause(db, "nudges", operator("staff"), "wait")  # before any worker has looked
        assert (paused.state, await db.fetchval("select state from step")) == ("paused", "paused")
        await campaigns.resume(db, "nudges", operator("staff"))
    await launch_due_steps(muster)
    async with connected(muster) as db:
        assert (await get_campaign(db, "nudges")).state == "running"
        await campaigns.cancel(db, "nudges", operator("staff"))
        assert await db.fetchval("select state from step") == "cancelled"


async def test_a_campaign_with_returned_messages_is_resumed_by_a_worker(muster: Runtime) -> None:
    await _members(muster)
    campaign = await create_campaign(muster, campaign_spec(steps=STEPS[:1]), operator("staff"))
    await launch(muster, campaign.campaign_id, operator("staff"))
    async with connected(muster) as db:
        await db.execute("update step set state = 'finished'")
    await launch_due_steps(muster)
    async with connected(muster) as db:
        await db.execute("update step set state = 'running'")
    await launch_due_steps(muster)
    async with connected(muster) as db:
        row = await get_campaign(db, "nudges")
        assert (row.state, row.finished_at) == ("running", None)


async def test_a_stopped_sender_is_shown_on_the_campaign(muster: Runtime) -> None:
    await _members(muster)
    campaign = await create_campaign(muster, campaign_spec(), operator("staff"))
    await launch(muster, campaign.campaign_id, operator("staff"))
    async with connected(muster) as db:
        await db.execute(
            "update sender set paused_reason = '12 of the last 90 messages were refused.' where channel = 'sms'"
        )
        now = await find_status(db, "nudges", NOW)
    assert [(step.sender, step.stopped) for step in now.steps] == [
        ("+447700900000", "12 of the last 90 messages were refused.")
    ] * 2
    console = Console(width=200, file=StringIO())
    console.print(status_table(now))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("Nothing is sent from +447700900000: 12 of the last 90 messages were refused.") == 1
    assert "muster messages resume +447700900000" in shown
