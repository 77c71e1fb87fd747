"""Import of turnout from elsewhere: matched, decided by strength, all or nothing, and repeatable without a change."""

import csv
import random
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ballots.ballots import enrol, get_ballot
from ballots.claims import record_claim, retract_claim
from ballots.counts import find_differences, find_totals
from ballots.feed import read_changes
from ballots.imports import TurnoutImportReport, import_claims
from ballots.snapshot import write_snapshot
from core.db import Connection
from core.errors import InputError, NotFound
from core.runtime import Runtime
from core.settings import Settings
from muster.operator import operator
from tests.support.command import muster
from tests.support.electorate import NOW, add_ballot, add_person, add_unit, claim_status
from tests.support.outbox_rows import add_messages, add_step, states
from tests.support.rows import row_of
from tests.support.stumbling import refuse_rows


@pytest.fixture
async def ballot(db: Connection) -> int:
    unit = await add_unit(db, "Leeds")
    for n in range(8):
        await add_person(db, f"M{n}", unit=unit, sms=f"+44770090000{n}", email=f"m{n}@x.test")
    await add_person(db, "TWIN", unit=unit, sms="+447700900001", first_name="Bob")
    ballot = await add_ballot(db)
    await enrol(db, ballot)
    await add_person(db, "LATE", sms="+447700900099")
    return ballot


@pytest.fixture
def here(runtime: Runtime) -> Runtime:
    return replace(runtime, clock=lambda: NOW)


async def bring(
    here: Runtime, path: Path, text: str, *, source: str = "phone_bank", says: str | None = None, write: bool = True
) -> TurnoutImportReport:
    path.write_text(text, encoding="utf-8")  # noqa: ASYNC240
    return await import_claims(here, "pay-2026", path, source=source, actor=operator("ada"), says=says, write=write)


async def person(db: Connection, member_id: str) -> int:
    value: int = await db.fetchval("select person_id from person where external_id = $1", member_id)
    return value


async def status(db: Connection, ballot: int, member_id: str) -> tuple[str, str] | None:
    row = await claim_status(db, ballot, await person(db, member_id))
    return (row["kind"], row["source"]) if row else None


async def claim(db: Connection, ballot: int, member_id: str, kind: str = "voted", source: str = "link") -> int:
    return await record_claim(
        db, ballot_id=ballot, person_id=await person(db, member_id), kind=kind, source=source, recorder="x",
        confidence=0.9, at=NOW - timedelta(days=1),
    )  # fmt: skip


SHEET = """Name,Mobile,Email,Membership no,Outcome,Called at
Ann Lee,07700 900000,,,Voted,24/11/2026 18:05
,07700 900001,,,voted,
Bob Lee,07700 900001,,,Not yet,
,,m2@x.test,,No answer,
,,,M3,Maybe,
,,,M999,voted,
,,,LATE,voted,
,not a number,,,voted,
,,m4@x.test,,voted,2027-01-01
,,,M5,voted,
,07700 900005,,,not voted,
,,,M6,refused,2026-11-20
"""


async def test_each_row_is_recorded_or_reported_with_a_reason(
    here: Runtime, db: Connection, ballot: int, tmp_path: Path
) -> None:
    here = replace(here, clock=lambda: NOW + timedelta(days=4))
    report = await bring(here, tmp_path / "bank.csv", SHEET)
    assert (report.recorded, report.by_kind) == (3, {"voted": 1, "not_voted": 1, "refused": 1})
    assert (report.known, report.silent, report.written) == (0, 1, True)
    assert [(problem.line, problem.code) for problem in report.problems] == [
        (3, "several"), (6, "unknown_answer"), (7, "unmatched"), (8, "no_elector"), (9, "nobody"),
        (10, "in_the_future"), (11, "two_answers"), (12, "two_answers"),
    ]  # fmt: skip
    assert {kind: report.count(kind) for kind in ("ambiguous", "unmatched", "unreadable")} == {
        "ambiguous": 3, "unmatched": 2, "unreadable": 3,
    }  # fmt: skip
    assert len(report.sheet.cells) == report.recorded + report.known + report.silent + len(report.problems)
    assert await status(db, ballot, "M0") == ("voted", "phone_bank")
    assert await status(db, ballot, "TWIN") == ("not_voted", "phone_bank"), "the name says which of the two"
    row = await row_of(db, "select at, recorder from claim where person_id = $1", await person(db, "M0"))
    assert (row["at"].isoformat(), row["recorder"]) == ("2026-11-24T18:05:00+00:00", "ada")
    assert await find_differences(db, ballot) == []
    assert len(await read_changes(db, ballot, 0)) == 3


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("24/11/2026", "2026-11-24T12:00:00+00:00"),
        ("24 Nov 2026", "2026-11-24T12:00:00+00:00"),
        ("2026-11-24 00:00", "2026-11-24T12:00:00+00:00"),
        ("24 November 2026 at 6.05pm", "2026-11-24T18:05:00+00:00"),
        ("2026-11-24T18:05:00+02:00", "2026-11-24T16:05:00+00:00"),
    ],
)
async def test_times_are_read_as_in_member_files_and_a_day_is_its_noon(
    here: Runtime, db: Connection, ballot: int, tmp_path: Path, written: str, at: str
) -> None:
    here = replace(here, clock=lambda: NOW + timedelta(days=4))
    report = await bring(here, tmp_path / "bank.csv", f"member_id,voted,at\nM0,yes,{written}\n")
    assert report.problems == []
    row = await row_of(db, "select at from claim where ballot_id = $1", ballot)
    assert row["at"].isoformat() == at


async def test_a_dry_run_reports_the_same_and_changes_nothing(
    here: Runtime, db: Connection, ballot: int, tmp_path: Path
) -> None:
    dry = await bring(here, tmp_path / "bank.csv", SHEET, write=False)
    assert await db.fetchval("select count(*) from claim") == 0
    assert await db.fetchval("select count(*) from audit_shown") == 0
    wet = await bring(here, tmp_path / "bank.csv", SHEET)
    assert replace(wet, written=False, moved=0) == dry


async def test_the_same_file_again_changes_nothing(here: Runtime, db: Connection, ballot: int, tmp_path: Path) -> None:
    first = await bring(here, tmp_path / "bank.csv", "member_id,voted\nM0,yes\nM0,yes\nM1,no\n")
    again = await bring(here, tmp_path / "bank.csv", "member_id,voted\nM0,yes\nM0,yes\nM1,no\n")
    assert (first.recorded, first.known) == (2, 1)
    assert (again.recorded, again.known) == (0, 3)
    assert await db.fetchval("select count(*) from claim") == 2


async def test_strength_decides_between_the_file_and_earlier_claims(
    here: Runtime, db: Connection, ballot: int, tmp_path: Path
) -> None:
    for member in ("M0", "M1", "M2"):
        await claim(db, ballot, member)
    await claim(db, ballot, "M3", "not_voted", "sms_reply")
    text = "member_id,answer\nM0,not voted\nM1,voted\nM3,voted\nM4,voted\n"
    weak = await bring(here, tmp_path / "bank.csv", text)
    assert [(row.member_id, row.says, row.status, row.prevails) for row in weak.contradictions] == [
        ("M0", "not_voted", "voted", False), ("M3", "voted", "not_voted", True),
    ]  # fmt: skip
    assert (weak.known, weak.moved) == (1, 2)
    assert await status(db, ballot, "M0") == ("voted", "link")
    assert await status(db, ballot, "M3") == ("voted", "phone_bank")

    strong = await bring(here, tmp_path / "list.csv", text, source="scrutineer")
    assert await status(db, ballot, "M0") == ("not_voted", "scrutineer")
    assert (strong.recorded, strong.known, strong.moved) == (4, 0, 1)
    assert await find_differences(db, ballot) == []
    assert (await find_totals(db, ballot))["voted"] == 4


async def test_members_who_voted_by_a_list_get_no_more_messages(
    here: Runtime, db: Connection, ballot: int, tmp_path: Path
) -> None:
    goal = await db.fetchval("select goal_id from ballot where ballot_id = $1", ballot)
    step = await add_step(db)
    await db.execute("update step set goal_id = $1", goal)
    await add_messages(db, step, "email", ["m0@x.test", "m1@x.test"], first_person=await person(db, "M0"))
    await claim(db, ballot, "M2")
    report = await bring(here, tmp_path / "list.csv", "member_id\nM0\n", source="scrutineer", says="voted")
    assert report.recorded == 1
    assert await states(db, step) == {"cancelled": 1, "queued": 1}
    await bring(here, tmp_path / "list.csv", "member_id\nM2\n", source="scrutineer", says="not_voted")
    met = [row["person_id"] for row in await db.fetch("select person_id from goal_met")]
    assert met == [await person(db, "M0")]


async def test_a_retracted_vote_can_be_imported_again(
    here: Runtime, db: Connection, ballot: int, tmp_path: Path
) -> None:
    await bring(here, tmp_path / "bank.csv", "member_id,voted\nM0,yes\n")
    claim_id = await db.fetchval("select claim_id from claim")
    await retract_claim(db, claim_id, recorder="ada", source="phone_bank")
    assert (await bring(here, tmp_path / "bank.csv", "member_id,voted\nM0,yes\n")).recorded == 1


async def test_a_failed_import_leaves_nothing(
    here: Runtime, db: Connection, owner: Connection, ballot: int, tmp_path: Path
) -> None:
    await refuse_rows(owner, "count_change")
    with pytest.raises(asyncpg.RaiseError, match="stumbled"):
        await bring(here, tmp_path / "bank.csv", "member_id,voted\nM0,yes\nM1,yes\n")
    for table in ("claim", "feed_backlog", "claim_status", "goal_met"):
        assert await db.fetchval(f"select count(*) from {table}") == 0, table


UNREADABLE = {
    "is empty": "",
    "says which member a row is about": "who,answer\nAnn,voted\n",
    "holds the members' answers": "member_id\nM1\n",
    "no rows": "member_id,answer\n",
    "Two columns": "email,Email,answer\n",
    "not a text file": "\0\1\2",
}


async def test_unreadable_files_are_refused(here: Runtime, ballot: int, tmp_path: Path) -> None:
    for words, text in UNREADABLE.items():
        with pytest.raises(InputError, match=words):
            await bring(here, tmp_path / "bank.csv", text)


async def test_unknown_ballots_and_sources_are_refused(here: Runtime, ballot: int, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("member_id,voted\nM0,yes\n")
    with pytest.raises(NotFound):
        await import_claims(here, "nowhere", tmp_path / "x.csv", source="import", actor=operator("ada"), write=False)
    with pytest.raises(InputError, match="cannot be link"):
        await import_claims(here, "pay-2026", tmp_path / "x.csv", source="link", actor=operator("ada"), write=False)


async def test_counts_are_the_same_after_export_and_import(
    here: Runtime, db: Connection, owner: Connection, ballot: int, tmp_path: Path
) -> None:
    chance = random.Random(26)
    kinds = ["voted", "will_vote", "not_voted", "no_ballot_paper", "replacement_requested", "refused"]
    for n in range(40):
        done = await claim(db, ballot, f"M{chance.randrange(7)}", chance.choice(kinds), chance.choice(["link", "rep"]))
        if n % 5 == 0:
            await retract_claim(db, done, recorder="x", source="rep")
    await write_snapshot(
        here.pool, await get_ballot(db, "pay-2026"), tmp_path / "out.csv", "csv", actor=operator("ada")
    )
    before, members = await find_totals(db, ballot), len(await db.fetch("select from claim_status"))

    await owner.execute("truncate claim, feed_backlog, turnout_change, claim_status, goal_met, count_change cascade")
    await db.execute("delete from elector; delete from person where external_id = 'LATE'")
    await enrol(db, ballot)  # as if this were elsewhere: the same members, and nothing said
    there = await import_claims(
        here, "pay-2026", tmp_path / "out.csv", source="import", actor=operator("ada"), write=True
    )
    assert (there.recorded, there.problems) == (members, [])
    after = await find_totals(db, ballot)
    assert {kind: after[kind] for kind in ["electorate", *kinds]} == {
        kind: before[kind] for kind in ["electorate", *kinds]
    }
    assert await find_differences(db, ballot) == []


async def test_the_command_writes_rejected_rows_to_a_file(
    settings: Settings, db: Connection, ballot: int, tmp_path: Path
) -> None:
    now = "update ballot set opens_at = now() - interval '9 days', closes_at = now() + interval '9 days'"
    await db.execute(now)
    (tmp_path / "bank.csv").write_text("member_id;answer;note\nM0;voted;=1+1\nM99;voted;\nM1;Perhaps;\n")
    dry = muster(settings, "turnout", "import", "pay-2026", "bank.csv", "--source", "phone_bank", cwd=tmp_path)
    assert (dry.returncode, "This was a dry run" in dry.stderr) == (0, True), dry.stderr
    assert "line 3: No member has this membership number" in dry.stdout

    mended = tmp_path / "bank-errors.csv"
    rows = list(csv.reader(mended.read_text(encoding="utf-8-sig").splitlines()))
    assert rows[0] == ["member_id", "answer", "note", "problem_line", "problem"]
    assert [row[0] for row in rows[1:]] == ["M99", "M1"]
    mended.write_text(mended.read_text(encoding="utf-8-sig").replace("M99", "M2").replace("Perhaps", "will vote"))
    done = muster(
        settings,
        "turnout",
        "import",
        "pay-2026",
        mended.name,
        "--source",
        "phone_bank",
        "--apply",
        "--json",
        cwd=tmp_path,
    )
    body = orjson.loads(done.stdout)
    assert (body["recorded"], body["problems"], body["written"]) == (2, [], True)

    out = muster(settings, "turnout", "export", "pay-2026", "--json", cwd=tmp_path)
    assert orjson.loads(out.stdout) == {"file": "pay-2026.csv", "members": 9, "cursor": 2}
    again = muster(settings, "turnout", "export", "pay-2026", cwd=tmp_path)
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    shown = muster(settings, "turnout", "pay-2026", "--json", cwd=tmp_path)
    assert orjson.loads(shown.stdout)["score"]["confirmed"] == 1
    both = muster(
        settings,
        "turnout",
        "import",
        "pay-2026",
        "bank.csv",
        "--source",
        "import",
        "--apply",
        "--dry-run",
        cwd=tmp_path,
    )
    assert both.returncode == 2


CELLS = st.one_of(
    st.sampled_from(
        ["M0", "M1", "voted", "not voted", "07700 900001", "m2@x.test", "2026-11-21", "0.5", "yes", '"', "'"]
    ),
    st.text(max_size=12),
)


@settings(max_examples=70, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.lists(
        st.sampled_from(["member_id", "mobile", "email", "answer", "at", "confidence", "name", "x"]),
        min_size=1,
        max_size=6,
    ),
    rows=st.lists(st.lists(CELLS, max_size=7), max_size=8),
    raw=st.binary(max_size=60),
    joint=st.sampled_from([",", ";", "\t"]),
    write=st.booleans(),
)
async def test_any_row_is_recorded_or_refused_with_a_reason(
    here: Runtime, db: Connection, ballot: int, tmp_path: Path, header: list[str], rows: list[list[str]], raw: bytes,
    joint: str, write: bool,
) -> None:  # fmt: skip
    path = tmp_path / "any.csv"
    lines = [joint.join(row) for row in [header, *rows]]
    path.write_bytes("\n".join(lines).encode("utf-8", "replace") + raw)
    before = await db.fetchval("select count(*) from claim")
    report = None
    with suppress(InputError):
        report = await import_claims(here, "pay-2026", path, source="import", actor=operator("ada"), write=write)
    recorded = report.recorded if report and write else 0
    assert await db.fetchval("select count(*) from claim") == before + recorded
    assert await find_differences(db, ballot) == []
    if report:
        assert len(report.sheet.cells) == report.recorded + report.known + report.silent + len(report.problems)


async def test_titles_totals_and_cells_that_say_nothing_record_nothing(
    here: Runtime, db: Connection, ballot: int, tmp_path: Path
) -> None:
    text = "Phone bank 24 November\n\nmember id,answer,note\nM1,#N/A,x\nM2,voted,#REF!\nM3,voted,\nTotal,3,\n"
    report = await bring(here, tmp_path / "calls.csv", text)
    assert [(problem.line, problem.code) for problem in report.problems] == [(4, "error_cell"), (7, "not_a_member")]
    assert report.recorded == 2
    assert await status(db, ballot, "M1") is None
    assert "row 3" in report.sheet.notices[0]
