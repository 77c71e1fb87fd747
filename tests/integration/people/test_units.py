"""Units are made as files name them: one tree, however often and in whatever case a unit is named."""

from pathlib import Path
from typing import Any

import pytest

from core.db import Connection, Pool
from people.imports.report import ImportReport
from people.units import count_by_unit, find_or_create_units, unit_names
from tests.support.member_files import import_members


async def load(pool: Pool, tmp_path: Path, text: str, **options: Any) -> ImportReport:
    path = tmp_path / "members.csv"
    path.write_text(text, encoding="utf-8")
    return await import_members(pool, path, **options)


async def units_of(pool: Pool, external_id: str) -> dict[str, str]:
    async with pool.acquire() as db:
        unit_id = await db.fetchval("select unit_id from person where external_id = $1", external_id)
        return await unit_names(db, unit_id)


async def tree(db: Connection) -> list[tuple[str, ...]]:
    rows = await db.fetch(
        "select array(select name from unit as above where above.unit_id = any(unit.lineage)"
        " order by cardinality(above.lineage)) as names from unit order by 1"
    )
    return [tuple(row["names"]) for row in rows]


async def test_a_path_is_made_once_whatever_its_case_and_spacing(db: Connection) -> None:
    first = await find_or_create_units(
        db, [("Wales", "Cardiff", "Tŷ Glas"), ("WALES", "cardiff", ""), ("Wales", "Barry", "")]
    )
    again = await find_or_create_units(db, [("wales", "CARDIFF", "tŷ  glas"), ("Wales", "", "")])
    assert await tree(db) == [
        ("Wales",), ("Wales", "Barry"), ("Wales", "Cardiff"), ("Wales", "Cardiff", "Tŷ Glas"),
    ]  # fmt: skip
    assert again["wales", "CARDIFF", "tŷ  glas"] == first["Wales", "Cardiff", "Tŷ Glas"]
    assert await unit_names(db, first["Wales", "Cardiff", "Tŷ Glas"]) == {
        "region": "Wales", "branch": "Cardiff", "workplace": "Tŷ Glas",
    }  # fmt: skip


async def test_a_name_in_capitals_is_the_same_with_letters_beyond_a_to_z(db: Connection) -> None:
    first = await find_or_create_units(db, [("Tŷ Siân", "Łódź", "Østfold")])
    again = await find_or_create_units(db, [("TŶ SIÂN", "ŁÓDŹ", "ØSTFOLD")])
    assert again["TŶ SIÂN", "ŁÓDŹ", "ØSTFOLD"] == first["Tŷ Siân", "Łódź", "Østfold"]
    assert await db.fetchval("select show_trgm('Siân') && show_trgm('siâ')"), "â is a letter in a search"


async def test_lineages_lead_from_the_root_to_the_unit_itself(db: Connection) -> None:
    unit_id = (await find_or_create_units(db, [("Wales", "Cardiff", "Tŷ Glas")]))["Wales", "Cardiff", "Tŷ Glas"]
    rows = await db.fetch("select unit_id, parent_id, lineage from unit order by unit_id")
    assert [row["lineage"] for row in rows] == [[row["unit_id"] for row in rows[: n + 1]] for n in range(3)]
    assert rows[-1]["unit_id"] == unit_id
    assert [row["parent_id"] for row in rows] == [None, rows[0]["unit_id"], rows[1]["unit_id"]]


async def test_levels_left_empty_are_skipped_and_nothing_is_no_unit(db: Connection) -> None:
    placed = await find_or_create_units(db, [("Wales", "", "Depot"), ("", "", "")])
    assert await tree(db) == [("Wales",), ("Wales", "Depot")]
    assert placed["", "", ""] is None


async def test_workplaces_of_one_name_in_two_branches_are_two_units(db: Connection) -> None:
    placed = await find_or_create_units(db, [("", "Cardiff", "Main Office"), ("", "Barry", "Main Office")])
    assert len(set(placed.values())) == 2


async def test_a_branch_without_its_region_is_the_one_of_that_name(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path, "id,region,branch\n1,Wales,Cardiff\n")
    report = await load(pool, tmp_path, "id,branch\n1,Cardiff\n2,cardiff\n")
    assert (report.created, report.updated, report.unchanged) == (1, 0, 1)
    assert await units_of(pool, "2") == {"region": "Wales", "branch": "Cardiff"}


async def test_a_branch_that_could_be_two_is_reported_and_the_unit_left_as_it_is(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path, "id,region,branch\n1,Wales,Newport\n2,Scotland,Newport\n")
    report = await load(pool, tmp_path, "id,branch\n1,Newport\n3,Newport\n")
    assert [(problem.line, problem.column, problem.code) for problem in report.problems] == [
        (2, "branch", "ambiguous_unit"), (3, "branch", "ambiguous_unit"),
    ]  # fmt: skip
    assert (report.created, report.unchanged) == (1, 1)
    assert await units_of(pool, "1") == {"region": "Wales", "branch": "Newport"}
    assert await units_of(pool, "3") == {}


async def test_moving_to_another_branch_is_a_change(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path, "id,region,branch\n1,Wales,Cardiff\n")
    assert (await load(pool, tmp_path, "id,region,branch\n1,Wales,Barry\n")).updated == 1
    assert await units_of(pool, "1") == {"region": "Wales", "branch": "Barry"}


async def test_rejected_rows_make_no_units(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path, "id,branch\n1,Cardiff\n1,Nowhere\n,Elsewhere\n")
    assert await pool.fetchval("select array_agg(name) from unit") == ["Cardiff"]


async def test_people_count_in_their_unit_and_those_above(pool: Pool, tmp_path: Path) -> None:
    await load(
        pool,
        tmp_path,
        "id,mobile,email,region,branch\n"
        "1,07700900001,a@example.org,Wales,Cardiff\n2,,b@example.org,Wales,Cardiff\n3,,,Wales,\n4,,,,\n",
    )
    async with pool.acquire() as db:
        regions, branches = await count_by_unit(db, "region"), await count_by_unit(db, "branch")
    assert [(u.name, u.people, u.sms, u.email, u.unreachable) for u in regions] == [
        ("Wales", 3, 1, 2, 1),
        ("", 1, 0, 0, 1),
    ]
    assert [(u.name, u.people) for u in branches] == [("Cardiff", 2), ("", 2)]


@pytest.mark.parametrize("spellings", [("swansea ", "Swansea"), ("Swansea", " swansea"), ("swansea", "SWANSEA")])
async def test_one_file_spells_a_unit_the_same_in_any_order(
    pool: Pool, db: Connection, tmp_path: Path, spellings: tuple[str, str]
) -> None:
    rows = "".join(f"{n},{name}\n" for n, name in enumerate(spellings))
    await load(pool, tmp_path, f"id,branch\n{rows}")
    assert await tree(db) == [(next(name for name in map(str.strip, spellings) if not name.islower()),)]


async def test_a_name_without_capitals_gives_way_to_a_later_one_and_the_first_with_some_stays(
    pool: Pool, db: Connection, tmp_path: Path
) -> None:
    for name in ("swansea", "Swansea", "SWANSEA", "swansea"):
        await load(pool, tmp_path, f"id,region,branch\n1,Wales,{name}\n")
    assert await tree(db) == [("Wales",), ("Wales", "Swansea")]
    report = await load(pool, tmp_path, "id,branch\n1,swansea\n", dry_run=True)
    assert report.unchanged == 1


async def test_branches_of_one_name_are_counted_with_their_region(pool: Pool, db: Connection, tmp_path: Path) -> None:
    await load(pool, tmp_path, "id,region,branch\n1,North,Leeds\n2,South,leeds\n3,South,Hove\n4,,\n")
    counted = await count_by_unit(db, "branch")
    assert sorted((unit.name, unit.people) for unit in counted) == [
        ("", 1),
        ("Hove", 1),
        ("North / Leeds", 1),
        ("South / leeds", 1),
    ]
