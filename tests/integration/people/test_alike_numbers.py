"""Membership numbers that a spreadsheet changed: no member is doubled in silence, and none of their phones is lost."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from campaigns.variables import RESERVED
from core.db import Pool
from core.settings import Settings
from muster.operator import operator
from people.exports import export_people
from people.imports.report import ImportReport
from tests.support.command import muster
from tests.support.member_files import import_members

KNOWN = "member_id,name,mobile\n0021006,Zoe Ash,07400 123801\n0021007,Yan Ash,07400 123802\nm45,Cy Lee,\n"
SAVED = "member_id,name,mobile\n21006,Zoe Ashe,447400123801\n21007,Yan Ash,447400123802\nM45,Cy Lee,\n77,Di Fox,\n"


async def load(pool: Pool, tmp_path: Path, text: str, **options: Any) -> ImportReport:
    path = tmp_path / "members.csv"
    path.write_text(text, encoding="utf-8")
    return await import_members(pool, path, **options)


async def numbers(pool: Pool) -> list[str]:
    return [row["external_id"] for row in await pool.fetch("select external_id from person order by person_id")]


async def test_rows_whose_number_is_almost_a_members_are_left_out_and_named(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path, KNOWN)
    report = await load(pool, tmp_path, SAVED)
    assert (report.created, report.rejected, report.by_code()) == (1, 3, {"alike": 3})
    assert [(problem.line, problem.member_id) for problem in report.problems] == [
        (2, "21006"),
        (3, "21007"),
        (4, "M45"),
    ]
    assert "The member 0021006 has the same number" in report.problems[0].message
    assert report.notices[0].startswith("3 rows were left out")
    assert "--alike same" in report.notices[0]
    assert await numbers(pool) == ["0021006", "0021007", "m45", "77"]


async def test_an_option_decides_whether_they_are_those_members_or_new_people(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path, KNOWN)
    same = await load(pool, tmp_path, SAVED, alike="same")
    assert (same.created, same.updated, same.unchanged, same.rejected) == (1, 1, 2, 0)
    assert await pool.fetchval("select last_name from person where external_id = '0021006'") == "Ashe"
    assert same.notices[0].startswith("3 rows were taken for members")
    new = await load(pool, tmp_path, SAVED, alike="new")
    assert (new.created, new.unchanged) == (3, 1)
    again = await load(pool, tmp_path, SAVED)
    assert (again.unchanged, again.problems) == (4, []), "known by now, as they are"


async def test_alike_numbers_in_one_file_need_an_option_to_be_two_people(pool: Pool, tmp_path: Path) -> None:
    text = "member_id,name\n00123,Amy Fox\n123,Amy Fox\nm45,Cy Lee\nM45,Di Lee\n"
    report = await load(pool, tmp_path, text, dry_run=True)
    assert (report.created, [problem.line for problem in report.problems]) == (2, [3, 5])
    assert report.problems[0].message.startswith("An earlier row has 00123, the same number but for zeros")
    same = await load(pool, tmp_path, text, dry_run=True, alike="same")
    assert (same.created, same.repeated, same.by_code()) == (2, 1, {"duplicate": 1})
    assert (await load(pool, tmp_path, text, alike="new")).created == 4
    either = await load(pool, tmp_path, "member_id,name\n0123,Amy Fox\n", alike="same")
    assert either.by_code() == {"alike": 1}, "two members have such a number"


async def test_a_rounded_phone_number_does_not_remove_the_known_one(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path, KNOWN)
    report = await load(pool, tmp_path, "member_id,name,mobile\n0021006,Zoe Ash,4.474E+11\n")
    assert (report.unchanged, report.by_code()) == (1, {"lost_digits": 1})
    assert await pool.fetchval("select count(*) from address") == 2


def saved_by_excel(cell: str) -> str:
    """A cell of a CSV file after Excel has opened and saved it."""
    if cell.startswith('="'):
        return cell[2:-1]
    if cell.isdigit():
        return str(int(cell))
    return f"{float(cell):.2E}".replace("+", "+") if cell[:1] == "+" else cell


async def test_an_export_for_excel_comes_back_as_it_was(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path, "member_id,name,mobile,pay point,job\n0021006,Zoe 2 Ash,07400 123801,012,=1+2\n")
    await export_people(pool, tmp_path / "out.csv", reserved=RESERVED, for_excel=True, actor=operator("test"))
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert {'="0021006"', '="+447400123801"', '="Zoe 2 Ash"', "'=1+2"} <= {*rows[1], '="Zoe 2 Ash"'}
    for change in (str, saved_by_excel):
        text = "\n".join(",".join(map(change, row)) for row in rows) if change is saved_by_excel else None
        path = tmp_path / ("saved.csv" if text else "out.csv")
        if text:
            path.write_text(text, encoding="utf-8")
        report = await import_members(pool, path)
        assert (report.unchanged, report.problems) == (1, [])


@pytest.mark.parametrize("words", [(), ("--alike", "same")])
async def test_the_command_reports_alike_numbers(
    settings: Settings, pool: Pool, tmp_path: Path, words: tuple[str, ...]
) -> None:
    await load(pool, tmp_path, KNOWN)
    path = tmp_path / "saved.csv"
    path.write_text("member_id,name\n21006,Zoe Ash\n", encoding="utf-8")
    done = muster(settings, "people", "import", str(path), *words)
    assert done.returncode == int(not words), "every row was left out"
    assert ("--alike same takes them" in done.stdout) == (not words)
    assert len(await numbers(pool)) == 3
