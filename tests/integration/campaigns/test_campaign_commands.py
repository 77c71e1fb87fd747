"""`muster ballot`, `muster campaign` and `muster turnout`, as people type them."""

import csv
import re
from pathlib import Path

import openpyxl
import pytest

from core.settings import Settings
from tests.support.command import run_commands

ROOT = Path(__file__).parents[3]
SPEC = ROOT / "sandbox" / "demo" / "pay-2026.toml"
MEMBERS = """member id,first name,branch,region,mobile,email
1,Ann,Leeds,North,07700900001,ann@example.org
2,Bob,Leeds,North,07700900001,
3,Cat,York,North,,cat@example.org
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """The demo's file, with a ballot that is open for a long time."""
    text = SPEC.read_text(encoding="utf-8").replace('closes       = "2026', 'closes       = "2099')
    path = tmp_path / "pay.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def members(tmp_path: Path) -> Path:
    path = tmp_path / "members.csv"
    path.write_text(MEMBERS, encoding="utf-8")
    return path


def test_commands_lead_from_a_file_to_a_launched_campaign(settings: Settings, members: Path, spec: Path) -> None:
    campaign = "campaign {} pay-2026-reminders {}".format

    imported, made, ballot, again, asked, launched, twice = run_commands(
        settings,
        f"people import {members}",
        f"campaign create {spec}",
        "ballot show pay-2026 --json",
        f"ballot create {spec}",
        campaign("launch", ""),
        campaign("launch", "--yes"),
        campaign("launch", "--yes"),
    )

    assert (imported.code, made.code, made.err) == (0, 0, "")
    assert ballot.json()["electorate"] == 3
    assert (again.code, again.out) == (1, "")
    assert "already a ballot pay-2026" in again.err
    assert asked.code == 1
    assert "Add --yes" in asked.err
    assert launched.code == 0, launched.err
    for words in (
        "2  get it by email",
        "1  get nothing: There is no usable address",
        "1  get nothing: Somebody else at the same number",  # in the plan of step 2
        "Step 1 is launched: 2 by email; nothing for 1.",
    ):
        assert words in launched.out
    assert (twice.code, "launched already" in twice.err) == (1, True)

    paused, told, shown, resumed, step, unsure, cancelled, listed, watched = run_commands(
        settings,
        campaign("pause", "--reason 'a look'"),
        campaign("status", "--json"),
        campaign("status", ""),
        campaign("resume", ""),
        campaign("launch", "--step 2 --yes --json"),
        campaign("cancel", ""),
        campaign("cancel", "--yes"),
        "campaign list --json",
        campaign("status", "--watch --json"),
    )

    assert (paused.code, resumed.code, unsure.code, cancelled.code) == (0, 0, 1, 0)
    assert (told.json()["campaign"]["state"], told.json()["campaign"]["paused_reason"]) == ("paused", "a look")
    assert told.json()["steps"][0]["counts"] == {"queued": 2, "skipped": 1}
    assert "1 paused" in shown.out
    assert step.json()["launched"][0]["by_channel"] == {"sms": 1}
    assert listed.json()[0]["state"] == "cancelled"
    assert watched.json()["campaign"]["state"] == "cancelled", "over: one look is all"


def test_turnout_is_listed_by_unit_and_region(settings: Settings, members: Path, spec: Path) -> None:
    imported, made, by_unit, as_csv, by_region, nowhere, as_workbook, export = run_commands(
        settings,
        f"people import {members}",
        f"campaign create {spec}",
        "turnout pay-2026 --by unit --json",
        "turnout pay-2026 --csv",
        "turnout pay-2026 --by region",
        "turnout pay-2026 --by depot",
        f"turnout pay-2026 --xlsx {spec.with_suffix('.xlsx')}",
        f"turnout export pay-2026 --format xlsx --output {spec.with_name('members.xlsx')}",
    )

    assert (imported.code, made.code) == (0, 0)
    output = by_unit.json()
    assert (output["score"]["electorate"], output["score"]["reachable"], output["score"]["target"]) == (3, 3, 2)
    assert [unit["path"] for unit in output["units"]] == ["North", "North / Leeds", "North / York"]
    rows = list(csv.DictReader(as_csv.out.splitlines()))
    assert [(row["name"], row["electorate"], row["voted"]) for row in rows] == [("Leeds", "2", "0"), ("York", "1", "0")]
    assert "still needed" in by_region.out
    assert (nowhere.code, "There are branch and region." in nowhere.err) == (1, True)
    assert (as_workbook.code, export.code) == (0, 0), as_workbook.err + export.err
    units, statuses = (
        openpyxl.load_workbook(spec.with_name(name)).active for name in (f"{spec.stem}.xlsx", "members.xlsx")
    )
    assert units is not None
    assert statuses is not None
    assert list(units.values)[1:] == [
        tuple(float(cell) if cell.replace(".", "").isdigit() else cell for cell in row.values()) for row in rows
    ], "the same, and numbers are numbers"
    assert [row[0] for row in statuses.values] == ["member_id", "1", "2", "3"]


def test_turnout_in_the_terminal_keeps_to_the_rules_of_the_console(
    settings: Settings, members: Path, spec: Path, tmp_path: Path
) -> None:
    external = next(row["member id"] for row in csv.DictReader(MEMBERS.splitlines()) if row["branch"] == "York")
    voters = tmp_path / "voters.csv"
    voters.write_text(f"member_id,answer\n{external},voted\n", encoding="utf-8")
    *_, by_branch = run_commands(
        settings,
        f"people import {members}",
        f"campaign create {spec}",
        f"turnout import pay-2026 {voters} --source import --apply",
        "turnout pay-2026 --by branch",
    )
    assert "33.3% say that they have voted" in by_branch.out
    assert re.search(r"estimate +0\.9", by_branch.out)
    assert re.search(r"York +1 +1 +0 +1 +100\.0% +█{10} +reached", by_branch.out)
    assert re.search(r"Leeds +2 +2 +0 +0 +0\.0% +·{10} +2", by_branch.out)


def test_an_impossible_request_is_refused_in_one_line(settings: Settings, tmp_path: Path, spec: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[ballot]\nname = "x"\ntitle = "X"\nopens = 2026-12-01\ncloses = 2026-11-01\n', encoding="utf-8")
    expected = {
        f"ballot create {wrong}": "ballot.closes: the ballot closes before it opens",
        f"ballot create {tmp_path}/none.toml": "There is no file",
        f"campaign create {wrong}": "has no [campaign]",
        f"campaign create {spec}": "The audience of pay-2026-reminders is empty.",
        "campaign status none": "There is no campaign none.",
        "campaign launch none --yes": "There is no campaign none.",
        "turnout none": "There is no ballot none.",
    }
    for words, done in zip(expected, run_commands(settings, *expected), strict=True):
        assert (done.code, done.out) == (1, ""), words
        assert expected[words] in done.err
    [both] = run_commands(settings, "turnout x --csv --json")
    assert both.code == 2
