"""Leavers stay in what is over and leave everything else; a file does not bring them back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ballots.ballots import enrol
from ballots.claims import record_claim
from ballots.counts import find_differences, find_totals
from ballots.leavers import Leaver, come_back, read_leavers, record_leavers, strike_off
from campaigns.audience import compile_audience, unheld_in_audience
from campaigns.languages import people_by_language
from campaigns.spec import Filter
from core.db import Connection, Pool
from core.errors import NotFound
from core.http.outbound_http import open_outbound_http
from core.runtime import Runtime
from messaging.outbox.dispatcher import Dispatcher
from messaging.suppression import active_suppressions, suppress
from muster.jobs import Jobs
from muster.operator import operator
from people.lists.suppressions import import_suppressions
from people.people import count_people, find_person
from tests.support.electorate import NOW, add_ballot, add_person, ballot_subject
from tests.support.member_files import import_members
from tests.support.outbox_rows import add_messages, add_step

TODAY = NOW.replace(hour=0)


async def two_ballots(db: Connection) -> tuple[int, int, list[int]]:
    """One that is over and one that is open, and three members in both; the first has voted in each."""
    people = [await add_person(db, f"M{n}", sms=f"+44770090000{n}") for n in (1, 2, 3)]
    over = await add_ballot(db, "over", opens=NOW - timedelta(days=30), closes=NOW - timedelta(days=3))
    going = await add_ballot(db, "open")
    for ballot_id in (over, going):
        await enrol(db, ballot_id)
        await record_claim(
            db, ballot_id=ballot_id, person_id=people[0], kind="voted", source="link", recorder="member", confidence=1.0
        )
    return over, going, people


async def figures(db: Connection, ballot_id: int) -> tuple[int, int]:
    now = await find_totals(db, ballot_id)
    assert await find_differences(db, ballot_id) == []
    return now["electorate"], now["voted"]


async def test_a_leaver_stays_in_what_is_over_and_leaves_the_rest(db: Connection) -> None:
    over, going, people = await two_ballots(db)
    step = await add_step(db)
    (waiting,) = await add_messages(db, step, "sms", ["+447700900001"], first_person=people[0])
    left = await record_leavers(db, [Leaver("M1", TODAY)], actor=operator("olga"), now=NOW)
    assert (left.struck_off, left.withdrawn, left.ballots, left.problems) == (1, 1, 1, [])
    assert await figures(db, over) == (3, 1)
    assert await figures(db, going) == (2, 0)
    row = await db.fetchrow("select state::text, reason from message where message_id = $1", waiting)
    assert tuple(row or ()) == ("suppressed", "left")
    audience = await compile_audience(db, Filter(), subject=await ballot_subject(db, over))
    assert await audience.size(db) == 2, "nobody asks a leaver, whatever the ballot"
    assert (await count_people(db)).people == 2
    assert await db.fetchval("select count(*) from claim where person_id = $1", people[0]) == 2
    assert await enrol(db, going) == 0
    again = await record_leavers(db, [Leaver("M1", TODAY)], actor=operator("olga"), now=NOW)
    assert (again.struck_off, again.known) == (0, 1)

    assert await come_back(db, ["M1", "M2"], actor=operator("olga"), now=NOW) == ["M1"]
    assert await figures(db, going) == (3, 1)
    assert not await active_suppressions(db, channel="person", address=str(people[0]))
    noted = await db.fetch("select actor, action, subject from audit_shown order by audit_id")
    person = f"person {people[0]}"
    assert [tuple(row) for row in noted] == [("olga", "people.left", person), ("olga", "people.leave_undone", person)]


async def test_a_day_to_come_strikes_off_when_it_has_come(runtime: Runtime, db: Connection) -> None:
    _, going, _ = await two_ballots(db)
    left = await record_leavers(db, [Leaver("M1", TODAY + timedelta(days=2))], actor=operator("olga"), now=NOW)
    assert (left.struck_off, left.to_come) == (0, 1)
    assert await figures(db, going) == (3, 1)
    assert (await strike_off(db, NOW + timedelta(days=1))).struck_off == 0
    there = replace(runtime, clock=lambda: NOW + timedelta(days=2))
    async with open_outbound_http(()) as outside:
        jobs = Jobs(there, Dispatcher(there, {}), outside)
        await jobs.leavers.ask()
        await jobs.counts.ask()
    assert await figures(db, going) == (2, 0)


async def left_on(db: Connection, member_id: str) -> str:
    at = await db.fetchval("select left_at from person where external_id = $1", member_id)
    return f"{at:%m-%d}"


async def test_a_list_that_names_leavers_again_changes_nothing(db: Connection) -> None:
    """As monthly lists do: without a date, with an older one, or with one that is to come."""
    await two_ballots(db)
    await record_leavers(
        db, [Leaver("M1", TODAY - timedelta(days=30))], actor=operator("olga"), now=NOW - timedelta(days=20)
    )
    day = await left_on(db, "M1")
    for at in (TODAY, TODAY - timedelta(days=60), TODAY + timedelta(days=60)):
        again = await record_leavers(db, [Leaver("M1", at)], actor=operator("olga"), now=NOW)
        assert (again.struck_off, again.to_come, again.known) == (0, 0, 1)
        assert await left_on(db, "M1") == day
    assert await db.fetchval("select count(*) from audit_shown where action = 'people.left'") == 1


async def test_a_date_to_come_is_corrected_until_it_has_come(db: Connection) -> None:
    await two_ballots(db)
    await record_leavers(db, [Leaver("M1", TODAY + timedelta(days=9))], actor=operator("olga"), now=NOW)
    later = await record_leavers(db, [Leaver("M1", TODAY + timedelta(days=12))], actor=operator("olga"), now=NOW)
    assert (later.to_come, later.known) == (1, 0)
    now = await record_leavers(db, [Leaver("M1", TODAY)], actor=operator("olga"), now=NOW)
    assert (now.struck_off, now.to_come, now.known) == (1, 0, 0)


async def test_a_leaver_named_twice_counts_once(db: Connection) -> None:
    await two_ballots(db)
    twice = [Leaver("M1", TODAY, 2), Leaver("M2", TODAY, 3), Leaver("M1", TODAY, 4), Leaver("M2", NOW, 5)]
    left = await record_leavers(db, twice, actor=operator("olga"), now=NOW)
    assert (left.struck_off, left.known, left.repeated) == (2, 0, 2)
    assert [(problem.line, problem.code) for problem in left.problems] == [(5, "another_date")]


async def test_leaving_again_after_a_return_counts_whatever_our_clock_shows(db: Connection) -> None:
    """Ours is behind the database's, which is what comings back are dated by."""
    _, _, people = await two_ballots(db)
    behind = await db.fetchval("select now() - interval '5 minutes'")
    for _ in range(2):
        assert (await record_leavers(db, [Leaver("M1", TODAY)], actor=operator("olga"), now=behind)).struck_off == 1
        assert [
            suppression.reason
            for suppression in await active_suppressions(db, channel="person", address=str(people[0]))
        ] == ["left"]
        await come_back(db, ["M1"], actor=operator("olga"), now=behind)


async def test_a_return_does_not_retract_a_lists_claims(pool: Pool, db: Connection, tmp_path: Path) -> None:
    """Staff lets somebody be a member again: that they asked for no messages before, a list may still say."""
    _, _, people = await two_ballots(db)
    await record_leavers(db, [Leaver("M1", TODAY)], actor=operator("olga"), now=NOW)
    await come_back(db, ["M1"], actor=operator("olga"), now=NOW)
    path = tmp_path / "stopped.csv"
    path.write_text("member id,reason,since\nM1,opted out,2026-10-01\n")
    report = await import_suppressions(
        pool, path, actor=operator("olga"), region="GB", zone=ZoneInfo("Europe/London"), now=NOW
    )
    assert (report.added, report.lifted_since) == (1, 0)
    assert [
        suppression.reason for suppression in await active_suppressions(db, channel="person", address=str(people[0]))
    ] == ["opted_out"]


async def test_a_leaver_is_not_counted_among_members(db: Connection) -> None:
    await two_ballots(db)
    await db.execute("insert into attribute (name, label) values ('grade', 'Grade')")
    await db.execute("update person set language = 'cy', attributes = '{\"grade\": \"5\"}' where external_id = 'M1'")
    assert await people_by_language(db) == {"en": 2, "cy": 1}
    for wanted in (Filter(language=["cy"]), Filter(attribute={"grade": ["5"]})):
        assert not await unheld_in_audience(db, wanted)
    await record_leavers(db, [Leaver("M1", TODAY)], actor=operator("olga"), now=NOW)
    assert await people_by_language(db) == {"en": 2}
    for wanted in (Filter(language=["cy"]), Filter(attribute={"grade": ["5"]})):
        assert len(await unheld_in_audience(db, wanted)) == 1


async def test_an_opt_out_made_while_away_is_kept_on_return(db: Connection) -> None:
    _, _, people = await two_ballots(db)
    await record_leavers(db, [Leaver("M1", TODAY)], actor=operator("olga"), now=NOW)
    assert await suppress(db, channel="person", address=str(people[0]), reason="opted_out", source="preferences")
    await come_back(db, ["M1"], actor=operator("olga"), now=NOW)
    assert [
        suppression.reason for suppression in await active_suppressions(db, channel="person", address=str(people[0]))
    ] == ["opted_out"]


async def test_a_file_that_still_names_leavers_reports_them_and_leaves_them_struck_off(
    pool: Pool, db: Connection, tmp_path: Path
) -> None:
    _, going, _ = await two_ballots(db)
    await record_leavers(db, [Leaver("M1", TODAY)], actor=operator("olga"), now=NOW)
    path = tmp_path / "members.csv"
    path.write_text("member id,first name,mobile\nM1,Anna,07700 900009\nM2,Ann,07700 900002\n")
    await record_leavers(
        db, [Leaver("M2", NOW + timedelta(days=30))], actor=operator("olga"), now=NOW
    )  # a member until then
    report = await import_members(pool, path)
    assert (report.updated, report.left, report.to_json()["left"]) == (1, ["M1"], ["M1"])
    back = await find_person(db, "M1")
    assert (back.first_name, back.left_at) == ("Anna", TODAY)
    await enrol(db, going)
    assert (await figures(db, going))[0] == 2


async def test_many_leave_by_a_list(db: Connection, tmp_path: Path) -> None:
    await two_ballots(db)
    path = tmp_path / "leavers.csv"
    path.write_text("Membership number,Left\nM1,01/11/2026\nM2,\n,2026-11-02\nM9,2026-11-02\nM3,soon\n")
    leavers, problems = read_leavers(path, otherwise=TODAY, zone=ZoneInfo("Europe/London"))
    assert [(leaver.member_id, f"{leaver.at:%Y-%m-%d}") for leaver in leavers] == [
        ("M1", "2026-11-01"), ("M2", "2026-11-22"), ("M9", "2026-11-02"),
    ]  # fmt: skip
    left = await record_leavers(db, leavers, actor=operator("olga"), now=NOW)
    assert (left.struck_off, [problem.code for problem in left.problems]) == (2, ["unknown_member"])
    assert sorted((problem.line, problem.code) for problem in problems) == [(4, "no_member"), (6, "not_a_date")]
    with pytest.raises(NotFound, match="M9"):
        await come_back(db, ["M9"], actor=operator("olga"), now=NOW)
