"""`muster question`, as people type it."""

from __future__ import annotations

import csv
from pathlib import Path

import openpyxl
import pytest

from core.db import Connection
from core.settings import Settings
from services.questions.phrases import fold_phrase
from services.questions.questions import get_question
from services.questions.responses import record_response
from tests.support.command import run_commands
from tests.support.electorate import add_person, add_unit

ROOT = Path(__file__).parents[3]
FILE = ROOT / "sandbox" / "demo" / "visit-2026.toml"


async def _answers(db: Connection) -> None:
    question = await get_question(db, "visit-2026")
    north = await add_unit(db, "North", "region")
    leeds, york = await add_unit(db, "Leeds", parent=north), await add_unit(db, "York", parent=north)
    for number, unit, answer, comment in (
        ("R1", leeds, "good", "nice staff"), ("R2", leeds, "poor", "=waited two hours"), ("R3", york, "good", ""),
    ):  # fmt: skip
        await record_response(
            db, question_id=question.question_id, person_id=await add_person(db, number, unit=unit), answer=answer,
            comment=comment, source="sms_reply", recorder="member",
        )  # fmt: skip


async def test_a_question_is_made_shown_and_listed(settings: Settings, db: Connection) -> None:
    made, again = run_commands(settings, f"question create {FILE}", f"question create {FILE}")
    assert (made.code, made.err) == (0, "")
    assert "How did we do when you visited us?" in made.out
    assert (again.code, again.out) == (1, "")
    assert "There is already a question visit-2026." in again.err
    await _answers(db)

    shown, as_json, listed, unknown = run_commands(
        settings, "question show visit-2026 --by branch", "question show visit-2026 --by region --json",
        "question list", "question show visit",
    )  # fmt: skip
    assert ["1", "Good", "2", "67%"] in [line.split() for line in shown.out.splitlines()]
    assert "North / Leeds" in shown.out
    assert "Welsh (cy)" in shown.out
    found = as_json.json()
    assert [(answer["name"], answer["people"], answer["low"]) for answer in found["answers"]] == [
        ("good", 2, False), ("fair", 0, False), ("poor", 1, True),
    ]  # fmt: skip
    assert [(unit["path"], unit["answers"]) for unit in found["units"]] == [
        ("North", {"good": 2, "fair": 0, "poor": 1})
    ]
    assert "visit-2026" in listed.out
    assert "Did you mean visit-2026?" in unknown.err


async def test_answers_are_listed_with_their_words_and_written_for_a_spreadsheet(
    settings: Settings, db: Connection, tmp_path: Path
) -> None:
    run_commands(settings, f"question create {FILE}")
    await _answers(db)
    path = tmp_path / "answers.csv"
    everybody, leeds, poor, wrong, written, twice = run_commands(
        settings, "question answers visit-2026 --json", "question answers visit-2026 --unit Leeds --comments --json",
        "question answers visit-2026 --answer poor", "question answers visit-2026 --answer voted",
        f"question answers visit-2026 --comments --csv {path} --actor olga",
        f"question answers visit-2026 --csv {path}",
    )  # fmt: skip
    assert [(row["member_id"], row["answer"]) for row in everybody.json()] == [
        ("R1", "good"), ("R2", "poor"), ("R3", "good"),
    ]  # fmt: skip
    assert [(row["member_id"], row["comments"]) for row in leeds.json()] == [
        ("R1", ["nice staff"]), ("R2", ["=waited two hours"]),
    ]  # fmt: skip
    assert "waited two hours" in poor.out
    assert "R1" not in poor.out
    assert (wrong.code, "it has good, fair, poor" in wrong.err) == (2, True)
    assert "2 people written" in written.out
    assert "exists already" in twice.err
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert [(row["member_id"], row["label"], row["comment"]) for row in rows] == [
        ("R1", "Good", "nice staff"), ("R2", "Poor", "'=waited two hours"),
    ]  # fmt: skip
    assert await db.fetchval("select actor from audit_shown where action = 'answers.exported'") == "olga"


async def test_answers_are_written_as_a_workbook_too(settings: Settings, db: Connection, tmp_path: Path) -> None:
    run_commands(settings, f"question create {FILE}")
    await _answers(db)
    path, twin = tmp_path / "answers.xlsx", tmp_path / "answers.csv"
    written, twice, both, _ = run_commands(
        settings, f"question answers visit-2026 --xlsx {path} --json", f"question answers visit-2026 --xlsx {path}",
        f"question answers visit-2026 --xlsx {path} --csv {twin}", f"question answers visit-2026 --csv {twin}",
    )  # fmt: skip
    assert written.json() == {"file": str(path), "people": 3}
    assert (twice.code, "exists already" in twice.err) == (1, True)
    assert (both.code, "either --csv or --xlsx" in both.err) == (2, True)
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    rows = [[cell or "" for cell in row] for row in sheet.iter_rows(values_only=True)]
    in_csv = list(csv.reader(twin.read_text(encoding="utf-8-sig").splitlines()))
    assert rows == [[cell.removeprefix("'") for cell in row] for row in in_csv]
    assert rows[2][4] == "=waited two hours"


async def test_questions_are_none_at_first(settings: Settings) -> None:
    (listed,) = run_commands(settings, "question list")
    assert "There is no question yet" in listed.out


@pytest.mark.parametrize("label", [
    "No more", "Remove me", "opt out", "Stopp", "Stopio", "S T O P", "S.T.O.P",
    "wrong number", "Start again", "Ring me", "two", "dau", "Number 2",
])  # fmt: skip
async def test_no_answer_has_words_that_mean_anything_else(settings: Settings, tmp_path: Path, label: str) -> None:
    file = tmp_path / "visit.toml"
    file.write_text(
        '[question]\nname = "visit"\ntitle = "Visits"\nasks = "How did we do?"\ncloses = "2027-06-01"\n'
        f'[[question.answers]]\nname = "good"\nlabel = "{label}"\ndigit = 1\n'
        '[[question.answers]]\nname = "poor"\nlabel = "Poor"\ndigit = 2\n',
        encoding="utf-8",
    )
    made, shown = run_commands(settings, f"question create {file}", "question show visit")
    assert (made.code, made.out) == (1, "")
    assert f"“{fold_phrase(label)}” (good) is read as" in made.err
    assert "There is no question visit" in shown.err
