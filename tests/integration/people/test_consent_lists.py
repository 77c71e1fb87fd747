"""Lists of consents, and the commands about consents and suppressions as people type them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from core.db import Connection, Pool
from core.errors import InputError
from core.settings import Settings
from muster.operator import operator
from people.lists.consents import FIELDS, ConsentDefaults, ConsentReport, export_consents, import_consents
from people.lists.lists import open_list
from tests.support.command import muster
from tests.support.electorate import add_person
from tests.support.outbox_rows import NOON
from tests.support.rows import row_of

LONDON = ZoneInfo("Europe/London")
ROOT = Path(__file__).parents[3]
FORM = ConsentDefaults("joining form 2024", "Tell me of campaigns.", NOON - timedelta(days=500))
HEAD = "member_id,consent,channel,purpose,at\n"


async def take_in(pool: Pool, folder: Path, text: str, otherwise: ConsentDefaults = FORM, **more: Any) -> ConsentReport:
    path = folder / "consents.csv"
    path.write_text(text, encoding="utf-8")
    options: dict[str, Any] = {"actor": operator("ada"), "zone": LONDON, "now": NOON} | more
    return await import_consents(pool, path, otherwise, **options)


async def present_consents(db: Connection) -> list[tuple[str, str, bool]]:
    rows = await db.fetch(
        "select p.external_id, c.channel, c.given from consent c join person p using (person_id) order by 1, 2"
    )
    return [tuple(row) for row in rows]


async def test_a_list_holds_purpose_place_wording_and_time_of_each_consent(
    pool: Pool, db: Connection, tmp_path: Path
) -> None:
    for number in ("1", "2"):
        await add_person(db, number)
    report = await take_in(pool, tmp_path, f"{HEAD}1,Yes,email,,03/05/2026\n2,no,,,\n2,yes,sms,,2020-01-01\n")
    assert (report.rows, report.given, report.withdrawn, report.known) == (3, 2, 2, 0)
    assert await present_consents(db) == [("1", "email", True), ("2", "email", False), ("2", "sms", False)], (
        "the latest counts"
    )
    row = await row_of(db, "select source, wording, recorder from consent_event order by event_id limit 1")
    assert tuple(row) == ("joining form 2024", "Tell me of campaigns.", "ada")
    again = await take_in(pool, tmp_path, f"{HEAD}1,Yes,email,,03/05/2026\n")
    assert (again.given, again.known) == (0, 1)


async def test_a_dry_run_changes_nothing(pool: Pool, db: Connection, tmp_path: Path) -> None:
    await add_person(db, "1")
    report = await take_in(pool, tmp_path, "member_id\n1\n", dry_run=True)
    assert (report.given, report.written) == (2, False)
    assert await present_consents(db) == []


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("9,yes,,,", "unknown_member"),
        (",yes,,,", "no_member"),
        ("1,perhaps,,,", "unknown_answer"),
        ("1,yes,pigeon,,", "unknown_channel"),
        ("1,yes,,fun,", "unknown_purpose"),
        ("1,no,,service,", "objection"),
        ("1,yes,,,soon", "not_a_date"),
    ],
)
async def test_each_error_is_reported(pool: Pool, db: Connection, tmp_path: Path, row: str, code: str) -> None:
    await add_person(db, "1")
    report = await take_in(pool, tmp_path, f"{HEAD}1,yes,sms,,\n{row}\n")
    assert [(problem.line, problem.code) for problem in report.problems] == [(3, code)]
    assert report.given == 1


@pytest.mark.parametrize(
    ("otherwise", "code"), [(ConsentDefaults("form"), "no_date"), (ConsentDefaults(at=NOON), "no_source")]
)
async def test_a_consent_without_a_place_or_a_time_is_refused(
    pool: Pool, db: Connection, tmp_path: Path, otherwise: ConsentDefaults, code: str
) -> None:
    await add_person(db, "1")
    report = await take_in(pool, tmp_path, "member_id\n1\n", otherwise)
    assert [problem.code for problem in report.problems] == [code]


async def test_a_consent_of_the_future_is_refused(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="in the future"):
        await take_in(pool, tmp_path, "member_id\n1\n", ConsentDefaults("form", "", NOON + timedelta(days=1)))


async def test_an_export_reads_back_as_it_was(pool: Pool, db: Connection, tmp_path: Path) -> None:
    await add_person(db, "1")
    await take_in(pool, tmp_path, f"{HEAD}1,yes,,,\n1,no,sms,,2026-05-03\n")
    path = tmp_path / "out.csv"
    assert await export_consents(pool, path, actor=operator("ada")) == 3
    report = await import_consents(pool, path, ConsentDefaults(), actor=operator("eve"), zone=LONDON, now=NOON)
    assert (report.rejected, report.known) == (0, 3)


async def test_the_commands_import_show_and_export(settings: Settings, db: Connection, tmp_path: Path) -> None:
    await add_person(db, "M1", sms="+447400123456")
    lists = {"agreed.csv": "member_id,channel\nM1,sms\nM9,sms\n", "stops.csv": "phone,reason\n07400123456,STOP\nx,\n"}
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
    agreed, stops = (str(tmp_path / name) for name in lists)

    done = muster(settings, "consent", "import", agreed, "--source", "form", "--wording", "News?", "--at", "2026-05-03")
    assert done.returncode == 0, done.stderr
    assert "given 1 · withdrawn 0 · known already 0" in done.stdout
    assert "line 3, M9, member_id: Nobody has that number. (unknown_member)" in done.stdout
    done = muster(settings, "suppression", "import", stops, "--problems", str(tmp_path / "wrong.csv"))
    assert "added 1 (1 opted_out) · there already 0" in done.stdout
    assert (tmp_path / "wrong.csv").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "wrong.csv").read_text(encoding="utf-8-sig").splitlines()[1].startswith("3,,phone,x,")

    shown = muster(settings, "people", "show", "M1").stdout
    assert "agreed to marketing by text on 2026-05-03 (form): “News?”" in shown
    assert "(opted_out: no messages)" in shown
    as_json = orjson.loads(muster(settings, "people", "show", "M1", "--json").stdout)
    assert [consent["wording"] for consent in as_json["consents"]] == ["News?"]
    told = muster(settings, "suppression", "show", "07400123456").stdout
    assert "Nothing is sent to +447400123456. They asked not to receive these messages." in told
    assert muster(settings, "suppression", "export", str(tmp_path / "out.csv"), "--hashed").returncode == 0
    missing = muster(settings, "suppression", "import", str(tmp_path / "none.csv"))
    assert (missing.returncode, "There is no file" in missing.stderr) == (1, True)


@pytest.mark.parametrize("label", ["Membership No", "Member Ref.", "MEMBERSHIP ID", "external_id"])
def test_membership_numbers_are_known_by_every_name_a_member_file_has_for_them(tmp_path: Path, label: str) -> None:
    path = tmp_path / "consents.csv"
    path.write_text(f"Collected at the fair\n\n{label},Consent\n1001,yes\n")
    with open_list(path, FIELDS, needs=["member_id"]) as table:
        assert [row["member_id"] for _, row in table] == ["1001"]
