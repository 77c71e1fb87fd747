"""From an audience to the outbox: everybody once, a reason for whoever gets nothing, at any interruption."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

import campaigns.addressing
from ballots.ballots import create_ballot
from ballots.claims import record_claim
from campaigns import campaigns as lifecycle
from campaigns.campaigns import Campaign, create_campaign
from campaigns.launch import launch, launch_due_steps, launch_step_now
from campaigns.preview import plan_launch
from campaigns.variables import known_variables, person_variables
from core.db import Connection, exclusive
from core.errors import Conflict, NotFound, SpecError
from core.frequency_caps import parse_caps
from core.runtime import Runtime
from messaging.reasons import Reason
from messaging.suppression import suppress
from muster.operator import operator
from tests.support.electorate import NOW, STEPS, add_person, add_unit, at_noon, ballot_spec, campaign_spec, connected


@pytest.fixture
def muster(runtime: Runtime) -> Runtime:
    """With providers, at a fixed time."""
    return at_noon(runtime)


async def _campaign(runtime: Runtime, **changes: object) -> Campaign:
    async with connected(runtime) as db:
        if not await db.fetchval("select count(*) from ballot"):
            await create_ballot(db, ballot_spec(), actor=operator("staff"))
    return await create_campaign(runtime, campaign_spec(**changes), operator("staff"))


async def _people(runtime: Runtime, n: int) -> None:
    async with connected(runtime) as db:
        unit = await add_unit(db, "Leeds")
        for i in range(n):
            await add_person(db, f"M{i}", unit=unit, sms=f"+4477009{i:05}", email=f"m{i}@x.test", grade="AO")


async def _rows(db: Connection, position: int = 1) -> dict[str, tuple[str | None, str, str | None]]:
    rows = await db.fetch(
        "select external_id, channel, message.state::text, reason from message join step using (step_id)"
        " join person using (person_id) where position = $1",
        position,
    )
    return {row["external_id"]: (row["channel"], row["state"], row["reason"]) for row in rows}


async def test_everybody_in_the_audience_has_a_row_and_a_reason(muster: Runtime) -> None:
    async with connected(muster) as db:
        unit = await add_unit(db, "Leeds")
        await add_person(db, "both", unit=unit, sms="+447700900001", email="a@x.test")
        await add_person(db, "phone", unit=unit, sms="+447700900002")
        await add_person(db, "flatmate", unit=unit, sms="+447700900002")
        await add_person(db, "flatmate-with-mail", unit=unit, sms="+447700900002", email="d@x.test")
        await add_person(db, "none", unit=unit)
        voter = await add_person(db, "voter", unit=unit, sms="+447700900003")
        await add_person(db, "out", unit=unit, sms="+447700900004")
        await add_person(db, "out-by-mail", unit=unit, sms="+447700900005", email="h@x.test")
        gone = await add_person(db, "gone", unit=unit, sms="+447700900006")
        ballot = await create_ballot(db, ballot_spec(), actor=operator("staff"))
        await suppress(db, channel="sms", address="+447700900004", reason="opted_out", source="sms_reply")
        await suppress(db, channel="email", address="h@x.test", reason="hard_bounced", source="smtp")
        await suppress(db, channel="person", address=str(gone), reason="deceased", source="staff")
        await record_claim(
            db, ballot_id=ballot.ballot_id, person_id=voter, kind="voted", source="rep", recorder="x", confidence=1
        )
    campaign = await _campaign(muster)

    async with connected(muster) as db:
        planned = await plan_launch(db, campaign.campaign_id, public_url="http://muster.test")
    [launched] = await launch(muster, campaign.campaign_id, operator("staff"))

    expected = {
        "both": ("email", "queued", None),
        "phone": ("sms", "queued", None),
        "flatmate": (None, "skipped", "shared_address"),
        "flatmate-with-mail": ("email", "queued", None),
        "none": (None, "skipped", "no_address"),
        "voter": (None, "skipped", "answered"),
        "out": (None, "suppressed", "opted_out"),
        "out-by-mail": ("sms", "queued", None),
        "gone": (None, "suppressed", "deceased"),
    }
    async with connected(muster) as db:
        assert await _rows(db) == expected
        assert {reason for _, _, reason in expected.values() if reason} <= {reason.value for reason in Reason}
        events = await db.fetch(
            "select m.state = e.state as same_state, m.reason is not distinct from e.code as same_reason, e.source"
            " from message m join message_event e using (message_id)"
        )
    assert [tuple(event) for event in events] == [(True, True, "launch")] * len(expected)
    assert (planned.steps[0].by_channel, planned.steps[0].not_sent) == (launched.by_channel, launched.not_sent)
    assert planned.steps[0].audience == len(expected)


async def test_variables_are_a_snapshot_of_what_the_template_uses(muster: Runtime) -> None:
    async with connected(muster) as db:
        north = await add_unit(db, "North", "region")
        leeds = await add_unit(db, "Leeds", "branch", north)
        person = await add_person(db, "1", unit=leeds, sms="+447700900001", grade="AO")
        await add_person(db, "2", email="b@x.test", dept="DWP")
        known = await known_variables(db)
        assert {"first_name", "grade", "dept", "confirm_link", "ballot"} <= known
        variables = await person_variables(db, person)
        assert variables == {
            "first_name": "Ann", "last_name": "Lee", "full_name": "Ann Lee", "member_id": "1", "language": "en",
            "unit": "Leeds", "branch": "Leeds", "region": "North", "workplace": "", "grade": "AO", "dept": "",
            "time_zone": "Europe/London", "appointment_at": "", "place": "", "letter": "",
        }  # fmt: skip
        assert set((await person_variables(db, person + 1)).values()) > {"", "DWP"}
        with pytest.raises(NotFound):
            await person_variables(db, person + 2)
    campaign = await _campaign(muster)

    await launch(muster, campaign.campaign_id, operator("staff"))

    async with connected(muster) as db:
        await db.execute("update person set first_name = 'Zoe'")
        rows = await db.fetch("select variables, sender_id, time_zone, not_before from message order by person_id")
    assert [row["variables"] for row in rows] == [{"first_name": "Ann", "language": "en"}] * 2
    assert all(row["sender_id"] and row["time_zone"] == "Europe/London" and row["not_before"] == NOW for row in rows)


async def stop_launch_at(owner: Connection, address: str) -> None:
    """Make the page that writes to an address fail, until the trigger `stop` is dropped."""
    await owner.execute(
        "create function stop() returns trigger language plpgsql as $$ begin raise 'killed'; end $$;"
        "create trigger stop before insert on message for each row"
        f" when (new.address = '{address}') execute function stop()"
    )


async def test_a_killed_launch_goes_on_where_it_stopped(
    muster: Runtime, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns.addressing, "PAGE_SIZE", 10)
    await _people(muster, 35)
    campaign = await _campaign(muster)
    await stop_launch_at(owner, "m25@x.test")
    with pytest.raises(asyncpg.RaiseError, match="killed"):
        await launch(muster, campaign.campaign_id, operator("staff"))
    async with connected(muster) as db:
        assert await db.fetchval("select state from step where position = 1") == "launching"
        assert len(await _rows(db)) == 20, "whole pages only"
        planned = await plan_launch(db, campaign.campaign_id, public_url="http://muster.test")
        assert planned.steps[0].audience == 15, "what is left"
        await owner.execute("drop trigger stop on message")

    assert await launch_due_steps(muster) == 1

    async with connected(muster) as db:
        assert len(await _rows(db)) == 35
        assert await db.fetchval("select count(*) from message_event") == 35
        assert await db.fetchval("select state from step where position = 1") == "running"


async def test_an_interrupted_launch_remembers_the_addresses_it_has_used(
    muster: Runtime, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns.addressing, "PAGE_SIZE", 1)
    async with connected(muster) as db:
        for name in ("first", "second"):
            await add_person(db, name, sms="+447700900001")
    campaign = await _campaign(muster)
    await launch(muster, campaign.campaign_id, operator("staff"))
    async with connected(muster) as db:
        await owner.execute("delete from message where person_id = (select max(person_id) from person)")
        first = await db.fetchval("select min(person_id) from person")
        await db.execute("update step set state = 'launching', launch_cursor = $1 where position = 1", first)
    await launch_due_steps(muster)
    async with connected(muster) as db:
        assert (await _rows(db))["second"] == (None, "skipped", "shared_address")


@pytest.mark.parametrize("page", [1, 2, 10_000])
async def test_a_shared_phone_gets_one_message_however_people_fall_into_pages(
    muster: Runtime, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(campaigns.addressing, "PAGE_SIZE", page)
    async with connected(muster) as db:
        for n in range(9):
            await add_person(db, f"P{n}", sms=f"+44770090000{n % 3}")
    campaign = await _campaign(muster)
    async with connected(muster) as db:
        planned = (await plan_launch(db, campaign.campaign_id, public_url="http://muster.test")).steps[0]
    assert (planned.by_channel, planned.not_sent) == ({"sms": 3}, {"shared_address": 6})

    [launched] = await launch(muster, campaign.campaign_id, operator("staff"))

    assert (launched.by_channel, launched.not_sent) == (planned.by_channel, planned.not_sent)
    async with connected(muster) as db:
        assert [who for who, (channel, *_) in (await _rows(db)).items() if channel] == ["P0", "P1", "P2"]


async def test_launching_twice_at_once_sends_once(muster: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns.addressing, "PAGE_SIZE", 5)
    await _people(muster, 40)
    campaign = await _campaign(muster)

    results = await asyncio.gather(
        *(launch(muster, campaign.campaign_id, operator(f"staff {n}")) for n in range(3)), launch_due_steps(muster),
        return_exceptions=True,
    )  # fmt: skip

    refused = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(refusal, Conflict) for refusal in refused), refused
    assert any("right now" in str(refusal) or "launched already" in str(refusal) for refusal in refused)
    async with connected(muster) as db:
        assert len(await _rows(db)) == 40
        assert await db.fetchval("select count(*) from message_event") == 40
        assert await db.fetchval("select count(*) from audit_shown where action = 'campaign.launched'") == 1
    with pytest.raises(Conflict, match="launched already"):
        await launch(muster, campaign.campaign_id, operator("staff"))


async def test_a_manual_launch_waits_for_the_worker_that_has_the_step(muster: Runtime) -> None:
    await _people(muster, 6)
    campaign = await _campaign(muster)
    assert muster.settings.database_url is not None
    async with connected(muster) as db:
        step_id = await db.fetchval("select step_id from step where position = 1")
        async with exclusive(muster.settings.database_url, f"launch:{step_id}"):
            officer = asyncio.create_task(launch(muster, campaign.campaign_id, operator("staff")))
            while not await db.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted"):
                assert not officer.done(), officer.result()
                await asyncio.sleep(0.01)
    [launched] = await officer
    assert (launched.step_id, sum(launched.by_channel.values())) == (step_id, 6)


async def test_later_steps_start_when_their_time_comes_and_skip_who_has_answered(muster: Runtime) -> None:
    await _people(muster, 4)
    campaign = await _campaign(muster)
    await launch(muster, campaign.campaign_id, operator("staff"))
    async with connected(muster) as db:
        voter = await db.fetchval("select person_id from person where external_id = 'M1'")
        await record_claim(
            db,
            ballot_id=campaign.subject.subject_id,
            person_id=voter,
            kind="voted",
            source="link",
            recorder="x",
            confidence=1,
        )
        assert (await _rows(db))["M1"] == ("email", "cancelled", "answered")

    assert await launch_due_steps(replace(muster, clock=lambda: NOW + timedelta(days=2))) == 0
    assert await launch_due_steps(replace(muster, clock=lambda: NOW + timedelta(days=3))) == 1
    assert await launch_due_steps(replace(muster, clock=lambda: NOW + timedelta(days=3))) == 0

    async with connected(muster) as db:
        rows = await _rows(db, 2)
    assert rows.pop("M1") == (None, "skipped", "answered")
    assert set(rows.values()) == {("sms", "queued", None)}


async def test_a_step_can_be_launched_before_its_time(muster: Runtime) -> None:
    await _people(muster, 2)
    campaign = await _campaign(muster)
    with pytest.raises(Conflict, match="is draft"):
        await launch_step_now(muster, campaign.campaign_id, 2, actor=operator("test"))
    await launch(muster, campaign.campaign_id, operator("staff"))

    assert (await launch_step_now(muster, campaign.campaign_id, 2, actor=operator("test"))).by_channel == {"sms": 2}

    with pytest.raises(Conflict, match="launched already"):
        await launch_step_now(muster, campaign.campaign_id, 2, actor=operator("test"))
    with pytest.raises(NotFound, match="no step 3"):
        await launch_step_now(muster, campaign.campaign_id, 3, actor=operator("test"))
    async with connected(muster) as db:
        launched = await db.fetch(
            "select actor, detail from audit_shown where action = 'step.launched' order by audit_id"
        )
    assert [(row["actor"], row["detail"]) for row in launched] == [("staff", {"step": 1}), ("test", {"step": 2})]
    with pytest.raises(NotFound):
        await launch(muster, 10**6, operator("staff"))


async def test_members_imported_between_two_steps_get_the_second(muster: Runtime) -> None:
    await _people(muster, 1)
    campaign = await _campaign(muster)
    await launch(muster, campaign.campaign_id, operator("staff"))
    async with connected(muster) as db:
        await add_person(db, "late", sms="+447700900999")
    await launch_step_now(muster, campaign.campaign_id, 2, actor=operator("test"))
    async with connected(muster) as db:
        assert set(await _rows(db, 1)) == {"M0"}
        assert set(await _rows(db, 2)) == {"M0", "late"}


async def test_pausing_in_the_middle_of_a_launch_stops_it_and_resuming_goes_on(
    muster: Runtime, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns.addressing, "PAGE_SIZE", 5)
    await _people(muster, 20)
    campaign = await _campaign(muster)
    await stop_launch_at(owner, "m12@x.test")
    with pytest.raises(asyncpg.RaiseError, match="killed"):
        await launch(muster, campaign.campaign_id, operator("staff"))
    await owner.execute("drop trigger stop on message")
    async with connected(muster) as db:
        await lifecycle.pause(db, campaign.name, operator("amy"))
    assert await launch_due_steps(muster) == 0

    async with connected(muster) as db:
        assert len(await _rows(db)) == 10, "the two pages before it was paused"
        await lifecycle.resume(db, campaign.name, operator("amy"))
    assert await launch_due_steps(muster) == 1
    async with connected(muster) as db:
        assert len(await _rows(db)) == 20


async def test_a_step_that_cannot_be_launched_raises_an_alert_until_it_can(muster: Runtime) -> None:
    await _people(muster, 2)
    campaign = await _campaign(muster, audience={"unit": "Leeds"})
    async with connected(muster) as db:
        await db.execute("update unit set name = 'Bradford'")
    with pytest.raises(SpecError, match="cannot be found"):
        await launch(muster, campaign.campaign_id, operator("staff"))
    assert await launch_due_steps(muster) == 0
    async with connected(muster) as db:
        assert await db.fetchval("select count(*) from alert where resolved_at is null and key like 'launch:%'") == 1
        await db.execute("update unit set name = 'Leeds'")
    assert await launch_due_steps(muster) == 1
    async with connected(muster) as db:
        assert await db.fetchval("select count(*) from alert where resolved_at is null") == 0


async def test_the_plan_counts_segments_and_cost_by_rendering(muster: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    await _people(muster, 30)
    async with connected(muster) as db:
        await db.execute("update person set first_name = 'Ŵil' where external_id = 'M7'")
    price = {"sms_segment": 0.05, "email": 0.001, "currency": "GBP"}
    campaign = await _campaign(muster, price=price)

    async with connected(muster) as db:
        first, second = (await plan_launch(db, campaign.campaign_id, public_url="http://muster.test")).steps

        assert (first.by_channel, first.segments, first.exact) == ({"email": 30}, 0, True)
        assert first.cost == pytest.approx(0.03)
        (example,) = first.examples
        assert (example.channel, example.messages) == ("email", 30)
        assert example.text.startswith("Subject: Ann, have you posted")
        assert second.by_channel == {"sms": 30}
        assert (second.rendered, second.ucs2) == (30, 1)
        assert second.segments == 29 * 1 + 3, "one segment each, three for the one beyond GSM-7"
        assert second.cost == pytest.approx(second.segments * 0.05)

        monkeypatch.setattr("campaigns.preview.SAMPLE_SIZE", 10)
        sampled = (await plan_launch(db, campaign.campaign_id, public_url="http://muster.test")).steps[1]
        assert (sampled.rendered, sampled.exact) == (10, False)
        assert await db.fetchval("select count(*) from message") == 0, "planning changes nothing"


async def test_the_plan_counts_caps_and_closed_windows(muster: Runtime) -> None:
    async with connected(muster) as db:
        had = [await add_person(db, f"{n}", sms=f"+4477009000{n:02}") for n in range(4)]
        await create_ballot(db, ballot_spec(), actor=operator("staff"))
    earlier = await _campaign(muster, name="earlier", steps=STEPS[:1])
    await launch(muster, earlier.campaign_id, operator("staff"))
    async with connected(muster) as db:
        await db.execute(
            "update message set state = 'delivered', sent_at = $2 where person_id = any ($1)",
            had[:3], NOW - timedelta(days=2),
        )  # fmt: skip
        await db.execute("update message set state = 'failed' where person_id = $1", had[2])
    step = {**STEPS[0], "window": {"days": "Tue"}, "send_before": "2026-11-27T12:00:00"}
    soon = await _campaign(muster, name="soon", steps=[step, {**step, "window": {}, "when": {"after": "1 hour"}}])

    async with connected(muster) as db:
        first, second = (
            await plan_launch(
                db, soon.campaign_id, public_url="http://muster.test", now=NOW, caps=parse_caps("1 in 6 days")
            )
        ).steps
    assert first.opens_at is not None
    assert f"{first.opens_at:%A %H:%M}" == "Tuesday 00:00"
    assert (first.by_channel, first.capped_wait, first.capped_out) == ({"sms": 4}, 2, 0)
    assert (second.opens_at, second.never) == (None, False)
    assert (second.capped_wait, second.capped_out) == (2, 0)
    async with connected(muster) as db:
        [first, _] = (
            await plan_launch(
                db, soon.campaign_id, public_url="http://muster.test", now=NOW, caps=parse_caps("1 in 14 days")
            )
        ).steps
    assert (first.capped_wait, first.capped_out) == (0, 2)
