"""Files as offices have them: titles, totals, errors and formulas; nothing that a file does not say is changed."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.db import Connection, Pool
from muster.operator import operator
from people.imports.report import ImportReport
from people.lists.consents import ConsentDefaults, import_consents
from people.lists.suppressions import import_suppressions
from tests.support.electorate import add_person
from tests.support.member_files import addresses, counts, import_members, load, person
from tests.support.office_files import rows_xml, write_xlsx
from tests.support.outbox_rows import NOON

LONDON = ZoneInfo("Europe/London")
HEADER = ["member id", "first name", "mobile", "email", "branch", "grade"]
AMY = ["1", "Amy", "07700900123", "amy@example.org", "Leeds", "AO"]
ERROR = '< t="e"><f>VLOOKUP(A2,Other!A:B,2,0)</f><v>#N/A</v>'
NO_RESULT = "<><f>A2</f><v></v>"


async def load_sheet(pool: Pool, tmp_path: Path, *rows: list[str], **options: Any) -> ImportReport:
    path = write_xlsx(tmp_path / "members.xlsx", rows_xml(rows))
    return await import_members(pool, path, **options)


def told(report: Any) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.column, problem.code) for problem in report.problems]


@pytest.mark.parametrize(("cell", "code"), [(ERROR, "error_cell"), (NO_RESULT, "no_result")])
async def test_unreadable_cells_keep_known_values(pool: Pool, tmp_path: Path, cell: str, code: str) -> None:
    await load_sheet(pool, tmp_path, HEADER, AMY)
    before, reached = await person(pool, "1"), await addresses(pool, "1")
    report = await load_sheet(pool, tmp_path, HEADER, ["1", *[cell] * 5])
    assert counts(report) == (0, 0, 1, 0)
    assert told(report) == [(2, label, code) for label in ("first name", "branch", "grade", "mobile", "email")]
    assert {problem.member_id for problem in report.problems} == {"1"}
    assert await person(pool, "1") == before
    assert await addresses(pool, "1") == reached


async def test_an_empty_cell_still_empties_and_an_error_beside_it_does_not(pool: Pool, tmp_path: Path) -> None:
    await load_sheet(pool, tmp_path, [*HEADER, "area"], [*AMY, "1"])
    await load_sheet(pool, tmp_path, [*HEADER, "area"], ["1", "", ERROR, "", "", "", ERROR])
    row = await person(pool, "1")
    assert (row["first_name"], row["attributes"], row["unit_id"]) == ("", {"area": "1"}, None)
    assert await addresses(pool, "1") == [("sms", "+447700900123")]


async def test_an_address_beside_an_unreadable_one_is_added(pool: Pool, tmp_path: Path) -> None:
    header = ["member id", "mobile", "mobile 2"]
    await load_sheet(pool, tmp_path, header, ["1", "07700900123", ""])
    report = await load_sheet(pool, tmp_path, header, ["1", ERROR, "07700900124"], ["2", ERROR, "07700900125"])
    assert counts(report) == (1, 1, 0, 0)
    assert set(await addresses(pool, "1")) == {("sms", "+447700900123"), ("sms", "+447700900124")}
    assert await addresses(pool, "2") == [("sms", "+447700900125")]


async def test_strict_refuses_a_file_with_such_a_cell(pool: Pool, tmp_path: Path) -> None:
    report = await load_sheet(pool, tmp_path, HEADER, ["1", "Amy", NO_RESULT], strict=True)
    assert not report.written
    assert await pool.fetchval("select count(*) from person") == 0


@pytest.mark.parametrize("cell", [ERROR, NO_RESULT, "<><v>1234567890123456</v>"])
async def test_a_row_without_a_readable_membership_number_is_refused(pool: Pool, tmp_path: Path, cell: str) -> None:
    report = await load_sheet(pool, tmp_path, HEADER, [cell, "Amy"], ["2", "Bob"])
    assert counts(report) == (1, 0, 0, 1)


@pytest.mark.parametrize("word", ["#N/A", "#REF!", "#BEZUG!", "#NV", "#VALEUR!", "########", "Err:502", " #N/A "])
async def test_an_errors_name_as_text_is_no_name(pool: Pool, tmp_path: Path, word: str) -> None:
    report = await load(pool, tmp_path, f"member id,first name,mobile\n1,{word},07700900123\n2,Nulla,07700900124\n")
    assert told(report) == [(2, "first name", "error_cell")]
    assert [(await person(pool, who))["first_name"] for who in "12"] == ["", "Nulla"]


@pytest.mark.parametrize(
    "footer",
    ["Total,,3", "Total: 3,,", "TOTAL MEMBERS,3,", ",Total,3", "Grand total,,1485", "Sub-total,2,", "End of report,,",
     "Page 1 of 3,,", '"1,485 records",,', "Printed 3 May 2026,,", "Applied filters: Status is Live,,"],
)  # fmt: skip
async def test_a_total_or_a_note_below_is_no_member(pool: Pool, tmp_path: Path, footer: str) -> None:
    report = await load(pool, tmp_path, f"member id,first name,mobile\nM1,Amy,07700900123\n{footer}\n")
    assert told(report) == [(3, "member id", "not_a_member")]
    assert [row["external_id"] for row in await pool.fetch("select external_id from person")] == ["M1"]


@pytest.mark.parametrize("row", ["TOTAL7,Amy,", "M2,Total,07700900124", "AB 12 C,,", "1001,,", "Totaliser,Jo,"])
async def test_a_member_is_not_taken_for_a_total(pool: Pool, tmp_path: Path, row: str) -> None:
    report = await load(pool, tmp_path, f"member id,first name,mobile\nM1,Amy,07700900123\n{row}\n")
    assert report.created == 2


async def test_titles_above_and_headings_again_below_are_no_members(pool: Pool, tmp_path: Path) -> None:
    header = "Mem No,Forename,Mobile\n"
    text = (
        f"NUPW Membership System - Live Members,,\n\n{header}M1,Amy,07700900123\n{header}M2,Bob,07700900124\nTotal,2,\n"
    )
    report = await load(pool, tmp_path, text)
    assert counts(report) == (2, 0, 0, 2)
    assert [code for _, _, code in told(report)] == ["headings_again", "not_a_member"]
    assert report.notices == [
        "The headings were found in row 3; 1 row above was left out. (--header-row names another.)"
    ]


async def test_a_spreadsheets_guard_is_taken_off_every_cell(pool: Pool, tmp_path: Path) -> None:
    cells = ("0001006", "Amy", "07700900123", "a@example.org", "Leeds")
    text = "member id,first name,mobile,email,branch\n" + ",".join(f'"=""{cell}"""' for cell in cells)
    report = await load(pool, tmp_path, text)
    assert not report.problems
    assert (await person(pool, "0001006"))["first_name"] == "Amy"
    assert await addresses(pool, "0001006") == [("sms", "+447700900123"), ("email", "a@example.org")]
    assert await pool.fetchval("select name from unit") == "Leeds"


async def test_a_contact_programs_export_reaches_people(pool: Pool, tmp_path: Path) -> None:
    text = (
        "Member ID,Given Name,Family Name,E-mail 1 - Value,Phone 1 - Type,Phone 1 - Value\n"
        "1,Amy,Jones,amy@example.org,Mobile,07700900123 ::: 07700900124\n2,Bob,Lee,bob@example.org,Mobile,07700900125\n"
    )
    report = await load(pool, tmp_path, text)
    assert told(report) == []
    assert "Phone 1 - Type" not in report.columns
    assert await addresses(pool, "1") == [
        ("sms", "+447700900123"), ("sms", "+447700900124"), ("email", "amy@example.org"),
    ]  # fmt: skip
    assert await addresses(pool, "2") == [("sms", "+447700900125"), ("email", "bob@example.org")]


async def test_each_address_of_a_contact_programs_cell_is_judged_by_itself(pool: Pool, tmp_path: Path) -> None:
    report = await load(
        pool,
        tmp_path,
        "member id,E-mail 1 - Label,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value\n"
        "1,* Work,lou@example.org ::: lou2@work.example ::: ,,07700900123:::01632 960001\n"
        "2,,gone@@example.org ::: a@example.org b@example.org,,\n",
    )
    assert await addresses(pool, "1") == [
        ("sms", "+447700900123"), ("email", "lou@example.org"), ("email", "lou2@work.example"),
    ]  # fmt: skip
    assert [code for _, _, code in told(report)] == ["landline", "not_an_email", "several"]
    assert (await person(pool, "1"))["attributes"] == {}


async def test_a_cell_beside_the_headings_costs_its_row_nothing(pool: Pool, tmp_path: Path) -> None:
    stray = ["2", "Bob", "07700900124", "", "", "", "", " ", "stray"]
    report = await load_sheet(pool, tmp_path, HEADER, AMY, stray, ["", "", "", "", "", "", "note"])
    assert counts(report) == (2, 0, 0, 1)
    assert (await person(pool, "2"))["first_name"] == "Bob"
    only, *rest = report.problems
    assert (only.line, only.column, only.code, only.value, only.member_id) == (3, "", "no_heading", "stray", "2")
    assert only.message == "The cell I3 stands under no heading; it was left out."
    assert len(rest) == 1
    assert not (await load_sheet(pool, tmp_path, HEADER, [*AMY, "x"], strict=True)).written


async def test_a_file_without_addresses_says_so(pool: Pool, tmp_path: Path) -> None:
    assert "nobody new can be reached" in (await load(pool, tmp_path, "member id,grade\n1,AO\n")).notices[0]


async def test_a_suppression_list_with_a_wrong_prefix_stops_the_real_number(
    pool: Pool, db: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "stops.csv"
    path.write_text("Opt-outs 2026\n\nphone,reason\n0447410000050,opted_out\n+44 44 7410 000051,opted_out\n#N/A,\n")
    report = await import_suppressions(pool, path, actor=operator("ada"), region="GB", zone=LONDON, now=NOON)
    suppressed = await db.fetch("select address from suppression order by 1")
    assert [row["address"] for row in suppressed] == ["+447410000050", "+447410000051"]
    assert told(report) == [(6, "phone", "error_cell")]
    assert report.problems[0].value == "#N/A"
    assert "row 3" in report.notices[0]


async def test_an_unreadable_cell_gives_no_consent(pool: Pool, db: Connection, tmp_path: Path) -> None:
    await add_person(db, "1001")
    await add_person(db, "1002")
    rows = rows_xml([["member id", "consent"], ["1001", NO_RESULT], ["1002", ""]])
    otherwise = ConsentDefaults("form", "", NOON)
    path = write_xlsx(tmp_path / "consents.xlsx", rows)
    report = await import_consents(pool, path, otherwise, actor=operator("ada"), zone=LONDON, now=NOON)
    assert told(report) == [(2, "consent", "no_result")]
    assert report.problems[0].member_id == "1001"
    assert {
        row["external_id"] for row in await db.fetch("select external_id from consent join person using (person_id)")
    } == {"1002"}
