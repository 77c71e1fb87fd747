"""Dates in member files: a cell that cannot be read as one is named, and its row imported all the same."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from campaigns.person_dates import date_attributes
from core.db import Connection, Pool
from core.settings import Settings
from muster.operator import operator
from people.imports.report import ImportReport
from tests.support.appointments import add_visit
from tests.support.command import muster
from tests.support.electorate import campaign_spec
from tests.support.member_files import import_members


async def load(pool: Pool, folder: Path, text: str, **options: Any) -> ImportReport:
    path = folder / "people.csv"
    path.write_text(text, encoding="utf-8")
    return await import_members(pool, path, **{"reserved": (), "actor": operator("amy")} | options)


def named(report: ImportReport) -> list[tuple[str, int, str, str, str]]:
    return [
        (problem.code, problem.line, problem.member_id, problem.column, problem.value) for problem in report.problems
    ]


def test_the_command_says_which_date_of_whom_cannot_be_read(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(
        "reference,mobile,appointment at\n"
        "P1,07700900001,25/11/2026 14:30\nP2,07700900002,next Tuesday\nP3,07700900003,\n"
    )
    words = ["people", "import", "people.csv", "--problems", "bad.csv"]
    done = muster(settings, *words, cwd=tmp_path)
    assert (done.returncode, "created 3" in done.stdout) == (0, True), done.stderr
    assert "line 3, P2, appointment at: “next Tuesday” cannot be read as a date (write 31/12/2026 14:30)" in done.stdout
    with (tmp_path / "bad.csv").open(encoding="utf-8-sig", newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["line"], row["member_id"], row["column"], row["value"], row["code"]) == (
        "3", "P2", "appointment at", "next Tuesday", "unreadable_date",
    )  # fmt: skip
    shown = muster(settings, "people", "show", "P2", cwd=tmp_path)
    assert "next Tuesday" in shown.stdout, "it stays as it is written"


async def test_a_column_that_mostly_holds_dates_is_one_and_a_column_of_notes_is_none(
    pool: Pool, tmp_path: Path
) -> None:
    rows = "".join(f"P{n},{n % 28 + 1}/11/2026,since 2026\n" for n in range(1, 5))
    report = await load(pool, tmp_path, f"reference,visit,note\n{rows}P5,12/31/2026,25/11/2026\nP6,31/12/26,\nP7,,\n")
    assert named(report) == [
        ("unreadable_date", 6, "P5", "visit", "12/31/2026"), ("unreadable_date", 7, "P6", "visit", "31/12/26"),
    ]  # fmt: skip
    assert (report.created, report.rejected) == (7, 0)
    prose = "".join(f"P{n},word\n" for n in range(30)) + "".join(f"P{n},25/11/2026\n" for n in range(30, 99))
    assert named(await load(pool, tmp_path, f"reference,remark\n{prose}")) == []


async def test_the_date_of_a_campaign_is_one_whatever_it_holds(pool: Pool, db: Connection, tmp_path: Path) -> None:
    assert await date_attributes(db) == set()
    await add_visit(db)
    step = {"template": "feedback-request", "channels": ["sms"], "when": {"after": "1 day", "of": "seen"}}
    spec = campaign_spec(about={"question": "visit"}, steps=[step])
    await db.execute(
        "insert into campaign (name, title, subject_kind, subject_id, audience, spec, created_by)"
        " select 'c', 'c', 'question', question_id, '{}', $1, 'amy' from question",
        spec.model_dump(mode="json"),
    )
    known = await date_attributes(db)
    assert known == {"seen"}
    report = await load(pool, tmp_path, "reference,seen\nP1,soon\n", dates=known)
    assert named(report) == [("unreadable_date", 2, "P1", "seen", "soon")]


async def test_a_second_row_with_another_date_is_not_taken_and_says_which_was(pool: Pool, tmp_path: Path) -> None:
    report = await load(
        pool, tmp_path, "reference,appointment at\nP1,25/11/2026 14:30\nP1,02/12/2026 10:00\nP2,x\nP2,25/11/2026\n"
    )
    second, other = (problem for problem in report.problems if problem.code == "duplicate")
    assert (second.line, second.member_id) == (3, "P1")
    assert second.message == (
        "Line 2 has another appointment_at for the same number or reference, 25/11/2026 14:30, which was taken;"
        " 02/12/2026 10:00 was not. A second appointment needs a column of its own (docs/dates.md)."
    )
    assert other.message == "Line 4 has the same number or reference with other details; that one was taken."
    assert await pool.fetchval("select attributes ->> 'appointment_at' from person where external_id = 'P1'") == (
        "25/11/2026 14:30"
    )
