"""Import of member files: everything good in them, once, in one transaction; the rest is reported by line."""

import asyncio
from pathlib import Path

import openpyxl
import pytest

from core.db import Pool, open_pool
from core.errors import InputError
from muster.operator import operator
from people.imports.mapping import ColumnMapping
from tests.support.member_files import addresses, counts, everything, import_members, load, person, write

HEADER = "member id,first name,surname,mobile,email,region,branch,workplace,language,time zone,pay band\n"


async def test_a_person_is_made_of_every_column(pool: Pool, tmp_path: Path) -> None:
    report = await load(
        pool,
        tmp_path,
        HEADER + "007,Siân,Ŵyn,07700 900001,Sian@Example.org,Wales,Cardiff,Tŷ Glas,Welsh,Europe/Paris,AO\n",
        actor=operator("amy"),
    )
    assert counts(report) == (1, 0, 0, 0)
    assert report.problems == []
    row = await person(pool, "007")
    assert (row["first_name"], row["last_name"], row["language"], row["time_zone"], row["attributes"]) == (
        "Siân", "Ŵyn", "cy", "Europe/Paris", {"pay_band": "AO"},
    )  # fmt: skip
    assert await addresses(pool, "007") == [("sms", "+447700900001"), ("email", "sian@example.org")]
    assert await pool.fetchval("select label from attribute where name = 'pay_band'") == "pay band"
    trace = await pool.fetchrow("select * from member_import where import_id = $1", report.import_id)
    assert trace is not None
    assert (trace["file_name"], trace["actor"], trace["created"], len(trace["sha256"])) == ("members.csv", "amy", 1, 64)
    audit = await pool.fetchrow("select * from audit_shown")
    assert audit is not None
    assert (audit["actor"], audit["action"], audit["subject"]) == ("amy", "people.imported", "members.csv")
    assert await pool.fetchval("select count(*) from staged_person") == 0


async def test_importing_again_changes_nothing(pool: Pool, tmp_path: Path) -> None:
    text = HEADER + "1,Amy,Jones,07700900001,a@example.org,Wales,Cardiff,,,,AO\n2,Bob,,,,,,,,,\n"
    await load(pool, tmp_path, text)
    before = (await everything(pool))[:4]
    assert counts(await load(pool, tmp_path, text)) == (0, 0, 2, 0)
    assert (await everything(pool))[:4] == before


async def test_only_the_files_columns_are_replaced(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path, HEADER + "1,Amy,Jones,07700900001,a@example.org,Wales,Cardiff,,Welsh,,AO\n")
    unit = (await person(pool, "1"))["unit_id"]
    report = await load(
        pool, tmp_path, "member id,surname,email,second email,shoe size\n1,Smith,b@example.org,c@example.org,7\n"
    )
    assert counts(report) == (0, 1, 0, 0)
    row = await person(pool, "1")
    assert (row["first_name"], row["last_name"], row["language"], row["unit_id"]) == (
        "Amy",
        "Smith",
        "cy",
        unit,
    )
    assert row["attributes"] == {"pay_band": "AO", "shoe_size": "7"}
    assert await addresses(pool, "1") == [
        ("sms", "+447700900001"), ("email", "b@example.org"), ("email", "c@example.org"),
    ]  # fmt: skip


async def test_emptied_cells_delete_known_values(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path, HEADER + "1,Amy,Jones,07700900001,a@example.org,Wales,Cardiff,,Welsh,,AO\n")
    assert counts(await load(pool, tmp_path, HEADER + "1,Amy,,,,,,,,,\n")) == (0, 1, 0, 0)
    row = await person(pool, "1")
    assert (row["last_name"], row["unit_id"], row["language"], row["attributes"]) == ("", None, "en", {})
    assert await addresses(pool, "1") == []


async def test_another_order_of_preference_is_a_change(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path, "id,email,email 2\n1,a@example.org,b@example.org\n")
    assert counts(await load(pool, tmp_path, "id,email,email 2\n1,b@example.org,a@example.org\n")) == (0, 1, 0, 0)
    assert await addresses(pool, "1") == [("email", "b@example.org"), ("email", "a@example.org")]


async def test_a_bad_cell_never_blocks_the_person(pool: Pool, tmp_path: Path) -> None:
    report = await load(
        pool,
        tmp_path,
        "id,mobile,second mobile,email,language,time zone\n"
        "1,02079460991,07700900001,amy@,Klingon?,Mars/North\n"
        "2,ask her,,to follow,,\n",
    )
    assert counts(report) == (2, 0, 0, 0)
    assert [(problem.line, problem.column, problem.code) for problem in report.problems] == [
        (2, "language", "unknown_language"),
        (2, "time zone", "unknown_time_zone"),
        (2, "mobile", "landline"),
        (2, "email", "bad_domain"),
        (3, "mobile", "not_a_number"),
        (3, "email", "not_an_email"),
    ]
    assert await addresses(pool, "1") == [("sms", "+447700900001")]
    assert await addresses(pool, "2") == []
    assert report.unreachable == 1


async def test_words_for_nothing_are_no_names_units_and_attributes(pool: Pool, tmp_path: Path) -> None:
    report = await load(
        pool,
        tmp_path,
        "id,first name,last name,region,branch,language,grade\n"
        "1,NULL,Jones,Wales,None,NULL,-\n2,nan,(null),-,--,n/a,NIL\n3,Jo,Null,None,Null,,None\nNULL,Ann,Lee,,,,\n-,Bob,Lee,,,,\n",
    )
    assert counts(report) == (3, 0, 0, 2)
    names = await pool.fetch("select first_name, last_name, attributes from person order by external_id")
    assert [tuple(row) for row in names] == [("", "Jones", {}), ("", "", {}), ("Jo", "Null", {})]
    assert [row["name"] for row in await pool.fetch("select name from unit")] == ["Wales"]
    assert {problem.code for problem in report.problems} == {"no_external_id"}
    assert [notice for notice in report.notices if "“branch”" in notice] == [
        "Read as empty cells in the column “branch”: “None” 1 ×, “--” 1 ×, “Null” 1 ×."
    ]
    assert len([notice for notice in report.notices if "Read as empty" in notice]) == 6


async def test_words_for_nothing_are_no_addresses(pool: Pool, tmp_path: Path) -> None:
    report = await load(pool, tmp_path, "id,mobile,email\n1,NULL,n/a\n2,-,bob@example.org\n3,none,None\n")
    assert (counts(report), report.problems) == ((3, 0, 0, 0), [])
    assert report.unreachable == 2
    assert [notice for notice in report.notices if "Read as empty" in notice] == [
        "Read as empty cells in the column “mobile”: “NULL” 1 ×, “-” 1 ×, “none” 1 ×.",
        "Read as empty cells in the column “email”: “n/a” 1 ×, “None” 1 ×.",
    ]


async def test_a_column_that_may_be_meant_for_something_is_named_and_no_attribute_once_it_is_mapped(
    pool: Pool, tmp_path: Path
) -> None:
    text = "id,Spoken languge,Workplce\n1,Welsh,Depot\n2,,Depot\n"
    report = await load(pool, tmp_path, text)
    [notice] = [notice for notice in report.notices if "is kept as the attribute" in notice]
    assert "“Workplce” is kept as the attribute workplce. If it is the members' workplace" in notice
    assert (await person(pool, "1"))["attributes"] == {"workplce": "Depot", "spoken_languge": "Welsh"}
    mapped = ColumnMapping(fields={"language": ("spoken languge",), "workplace": ("Workplce",)})
    report = await load(pool, tmp_path, text, mapping=mapped)
    assert ((await person(pool, "1"))["language"], (await person(pool, "1"))["attributes"]) == ("cy", {})
    assert any("before they were mapped are taken off: 2 people" in notice for notice in report.notices)


@pytest.mark.parametrize("label", ["Pref. language", "Language preference", "preferred LANG"])
async def test_languages_are_known_by_more_names(pool: Pool, tmp_path: Path, label: str) -> None:
    await load(pool, tmp_path, f"id,{label}\n1,Welsh\n")
    assert (await person(pool, "1"))["language"] == "cy"


async def test_a_column_of_nothing_but_midnights_in_utc_holds_days(pool: Pool, tmp_path: Path) -> None:
    report = await load(
        pool, tmp_path,
        "member id,visit,seen,born\n1,2026-07-01T00:00:00Z,2026-07-01T00:00:00Z,2026-07-01 00:00:00+00\n"
        "2,,2026-07-01T09:30:00Z,\n3,2026-07-02T00:00:00.000+00:00,2026-07-03T00:00:00Z,2026-07-04 00:00:00+00:00\n",
    )  # fmt: skip
    assert [(await person(pool, number))["attributes"] for number in "123"] == [
        {"visit": "2026-07-01", "seen": "2026-07-01T00:00:00Z", "born": "2026-07-01"},
        {"seen": "2026-07-01T09:30:00Z"},
        {"visit": "2026-07-02", "seen": "2026-07-03T00:00:00Z", "born": "2026-07-04"},
    ]
    said = [notice for notice in report.notices if "midnights" in notice]
    assert [notice.partition(" ")[0] for notice in said] == ["visit", "born"]


async def test_full_names_of_placeholders_are_empty(pool: Pool, tmp_path: Path) -> None:
    report = await load(pool, tmp_path, 'id,name\n1,NULL NULL\n2,n/a\n3,"NULL, Amy"\n4,Christopher Null\n')
    names = await pool.fetch("select first_name, last_name from person order by external_id")
    assert [tuple(row) for row in names] == [("", ""), ("", ""), ("Amy", ""), ("Christopher", "Null")]
    assert "“NULL” 3 ×" in report.notices[-1] or "“NULL” 3 ×" in report.notices[0]


async def test_every_bad_row_is_reported_and_the_good_ones_imported(pool: Pool, tmp_path: Path) -> None:
    report = await load(
        pool,
        tmp_path,
        "id,name,email\n"
        "1,Amy Jones,a@example.org\n"
        ",Nobody,n@example.org\n"
        "2,Jones, Bob,b@example.org\n"
        "3,short\n"
        '4,"Big" Jim,j@example.org\n'
        "1.2E+15,Rounded,\n"
        "1,Amy Jones,a@example.org\n"
        '5,"two\nlines",\n'
        "1,Amy Smith,a@example.org\n"
        "6.0,Float,\n",
    )
    assert counts(report) == (3, 0, 0, 6)
    assert (report.rows, report.repeated) == (10, 1)
    assert [(problem.line, problem.column, problem.code) for problem in report.problems] == [
        (3, "id", "no_external_id"),
        (4, "", "too_many_cells"),
        (5, "", "too_few_cells"),
        (6, "", "broken_row"),
        (7, "id", "lost_digits"),
        (11, "id", "duplicate"),
    ]
    assert "Line 2 has the same number or reference" in report.problems[-1].message
    ids = [row["external_id"] for row in await pool.fetch("select external_id from person order by person_id")]
    assert ids == ["1", "5", "6"]


async def test_strict_imports_nothing_if_anything_is_wrong(pool: Pool, tmp_path: Path) -> None:
    before = await everything(pool)
    report = await load(pool, tmp_path, "id,email\n1,a@example.org\n2,nonsense\n", strict=True)
    assert not report.written
    assert [problem.code for problem in report.problems] == ["not_an_email"]
    assert await everything(pool) == before
    assert (await load(pool, tmp_path, "id,email\n1,a@example.org\n", strict=True)).written


async def test_a_dry_run_reports_the_same_and_changes_nothing(pool: Pool, tmp_path: Path) -> None:
    text = "id,email,branch,grade\n1,a@example.org,Cardiff,x\n,b@example.org,,\n"
    before = await everything(pool)
    rehearsal = await load(pool, tmp_path, text, dry_run=True)
    assert await everything(pool) == before
    performance = await load(pool, tmp_path, text)
    assert counts(rehearsal) == counts(performance) == (1, 0, 0, 1)
    assert (rehearsal.written, performance.written) == (False, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("id,email\n", "no rows under it"),
        ("id,email\n,\n\n", "no rows under it"),
        ("name,email\nAmy,a@example.org\n", "No column holds the number or reference"),
        ("id,email,Email\n1,,\n", "Two columns are called"),
        ("\x00\x01\x02", "not a text file"),
    ],
)
async def test_a_file_that_cannot_be_used_changes_nothing(pool: Pool, tmp_path: Path, text: str, words: str) -> None:
    before = await everything(pool)
    with pytest.raises(InputError, match=words):
        await load(pool, tmp_path, text)
    assert await everything(pool) == before


async def test_a_mapping_file_and_another_country(pool: Pool, tmp_path: Path) -> None:
    report = await load(
        pool, tmp_path, "Nummer;Handy\n1;087 123 4567\n",
        mapping=ColumnMapping(fields={"external_id": ("Nummer",), "phone": ("Handy",)}),
        region="IE", time_zone="Europe/Dublin",
    )  # fmt: skip
    assert counts(report) == (1, 0, 0, 0)
    assert await addresses(pool, "1") == [("sms", "+353871234567")]
    assert (await person(pool, "1"))["time_zone"] == "Europe/Dublin"


async def test_spreadsheets_are_imported_too(pool: Pool, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["Member ID", "Mobile", "Email"], [1001, 7700900123, None], [1002, "landline", "b@example.org"]):
        sheet.append(row)
    book.save(tmp_path / "members.xlsx")
    report = await import_members(pool, tmp_path / "members.xlsx")
    assert counts(report) == (2, 0, 0, 0)
    assert [(problem.line, problem.code) for problem in report.problems] == [(3, "not_a_number")]
    assert await addresses(pool, "1001") == [("sms", "+447700900123")]


async def test_the_same_file_imported_twice_at_once(pool: Pool, tmp_path: Path) -> None:
    path = write(tmp_path, "id,email,branch\n" + "".join(f"{n},m{n}@example.org,B{n % 7}\n" for n in range(3000)))
    reports = await asyncio.gather(*(import_members(pool, path) for _ in range(3)))
    assert sorted(report.created for report in reports) == [0, 0, 3000]
    assert sorted(report.unchanged for report in reports) == [0, 3000, 3000]
    assert await pool.fetchval("select count(*) from person") == 3000
    assert await pool.fetchval("select count(*) from address") == 3000
    assert await pool.fetchval("select count(*) from unit") == 7


async def test_an_import_that_is_killed_leaves_nothing(database_url: str, pool: Pool, tmp_path: Path) -> None:
    path = write(tmp_path, "id,email\n" + "".join(f"{n},m{n}@example.org\n" for n in range(30_000)))
    before = await everything(pool)

    def stop(rows: int, _total: int | None) -> None:
        if rows >= 10_000:
            raise KeyboardInterrupt

    other = await open_pool(database_url, size=1)
    with pytest.raises(KeyboardInterrupt):
        await import_members(other, path, progress=stop)
    await other.close()
    assert await everything(pool) == before
    assert counts(await import_members(pool, path)) == (30_000, 0, 0, 0)


async def test_progress_is_reported(pool: Pool, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    await load(pool, tmp_path, "id\n" + "\n".join(map(str, range(12_000))), progress=lambda *now: seen.append(now))
    assert [rows for rows, _ in seen] == [5000, 10_000, 12_000, 12_000]
    assert all(total is not None and rows <= total for rows, total in seen)
