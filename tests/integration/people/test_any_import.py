"""Imports of whole unions, of any file twice, and of files that cannot be used."""

import csv
import io
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.db import Connection, Pool
from core.errors import InputError
from sandbox.demo.union import write_union
from tests.support.effort import effort_of_async
from tests.support.member_files import everything, import_members, load


async def test_a_made_up_union_comes_out_as_it_was_planted(pool: Pool, tmp_path: Path) -> None:
    union = write_union(tmp_path / "union.csv", members=3000, branches=40)
    report = await import_members(pool, union.path)
    assert (report.rows, report.created, report.repeated, report.rejected, report.unreachable) == (
        union.rows, union.people, union.repeated, union.rejected, union.unreachable,
    )  # fmt: skip
    assert report.by_code() == union.problems
    assert min(union.repeated, union.rejected, union.unreachable, union.shared_phone, union.bouncing, union.magic) > 0
    assert await pool.fetchval("select count(*) from unit where kind = 'branch'") == union.units
    for channel, people in (("sms", union.with_mobile), ("email", union.with_email)):
        reached = await pool.fetchval("select count(distinct person_id) from address where channel = $1", channel)
        assert reached == people
    shared = await pool.fetchval(
        "select sum(n) from (select count(*) as n from address where channel = 'sms' group by address) t where n > 1"
    )
    assert shared == union.shared_phone


async def test_importing_120_000_rows_is_quick(pool: Pool, tmp_path: Path) -> None:
    union = write_union(tmp_path / "union.csv", members=119_000)

    async def read() -> None:
        report = await import_members(pool, union.path)
        assert report.created == 119_000

    assert await effort_of_async(read) < 1500  # 350 on a machine that does nothing else


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(" ,;\"'\n\r\t=+-@"), max_size=8)


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 9).map(str), CELLS, CELLS, CELLS | st.sampled_from(["07700900001", "+447700900002"]),
                  CELLS | st.sampled_from(["a@example.org", "B@EXAMPLE.org"]), CELLS, CELLS, CELLS),
        min_size=1, max_size=8,
    )
)  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_importing_any_file_twice_changes_nothing(
    pool: Pool, tmp_path: Path, rows: list[tuple[str, ...]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["member id", "first name", "surname", "mobile", "email", "branch", "workplace", "note"])
    writer.writerows(rows)
    path = tmp_path / "any.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    first = await import_members(pool, path)
    before = (await everything(pool))[:4]
    again = await import_members(pool, path)
    assert (again.created, again.updated) == (0, 0)
    assert again.unchanged == first.created + first.updated + first.unchanged
    assert first.rows == again.rows == again.unchanged + again.repeated + again.rejected
    assert (await everything(pool))[:4] == before


async def test_bad_cells_refuse_no_file_however_many_there_are(
    pool: Pool, db: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.files.row_problems.MAX_KEPT", 3)
    lines = [f"{number},m{number}@example.org,020 7946 0000" for number in range(8)]
    report = await load(pool, tmp_path, "\n".join(["member_id,email,phone", *lines, ",x@example.org,"]))
    assert (report.created, report.rejected, report.written) == (8, 1, True)
    assert [problem.line for problem in report.problems] == [2, 3, 4, 10]
    assert report.by_code() == {"landline": 8, "no_external_id": 1}
    assert report.to_json()["problems_not_listed"] == 5
    detail = await db.fetchval("select detail from audit_shown where action = 'people.imported'")
    assert detail["problems"] == {"landline": 8, "no_external_id": 1}


async def test_too_many_rows_that_cannot_be_used_refuse_the_file(
    pool: Pool, db: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.files.row_problems.MAX_REJECTED", 3)
    with pytest.raises(InputError, match="More than 3 rows of this file cannot be used; the first is in line 3"):
        await load(pool, tmp_path, "member_id,email\n1,a@example.org\n" + ",b@example.org\n" * 4)
    assert await db.fetchval("select count(*) from person") == 0


async def test_a_workbook_whose_members_are_in_another_sheet_names_both(pool: Pool, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    cover = book.active
    assert cover is not None
    cover.title = "Cover"
    cover.append(["Membership at 1 November"])
    book.create_sheet("Members").append(["Member ID", "First name"])
    book.create_sheet("Old").sheet_state = "hidden"
    path = tmp_path / "members.xlsx"
    book.save(path)
    with pytest.raises(InputError, match="No column holds the number or reference") as refused:
        await import_members(pool, path)
    assert "The sheet “Cover” was read, the first that people see; not read: “Members”." in str(refused.value)
