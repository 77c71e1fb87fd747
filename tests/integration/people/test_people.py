"""Members are found, counted, and written to a file that reads back as it was; also from the command line."""

import csv
from pathlib import Path
from typing import Any

import orjson
import pytest

from campaigns.variables import RESERVED
from core.db import Connection, Pool
from core.errors import Conflict, InputError, NotFound
from core.settings import Settings
from muster.operator import operator
from people.exports import export_people
from people.imports.mapping import ColumnMapping
from people.people import count_people, find_person
from sandbox.demo.union import write_union
from tests.support.command import muster, run_commands
from tests.support.member_files import import_members

MEMBERS = (
    "member id,first name,surname,mobile,email,email 2,region,branch,workplace,language,Pay band,Grade\n"
    "007,Siân,Ŵyn,07700 900001,sian@example.org,home@example.org,Wales,Cardiff,Tŷ Glas,cy,AO,\n"
    "008,\"=HYPERLINK(1)\",O'Brien,,,,,,,,,'-1\n"
    "-9,-,@x,,=a@example.org,,,,,,+,''=\n"
)


async def load(pool: Pool, tmp_path: Path, text: str = MEMBERS, **options: Any) -> None:
    path = tmp_path / "members.csv"
    path.write_text(text, encoding="utf-8")
    await import_members(pool, path, **options)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def snapshot(db: Connection) -> list[Any]:
    """Who the people are, without what differs between two databases."""
    ids = [row["external_id"] for row in await db.fetch("select external_id from person order by external_id")]
    people = [(await find_person(db, external_id)).to_json() for external_id in ids]
    return [{key: value for key, value in person.items() if not key.endswith("_at")} for person in people]


async def test_a_member_is_found_with_everything_known(pool: Pool, db: Connection, tmp_path: Path) -> None:
    await load(pool, tmp_path)
    await db.execute(
        "with e as (insert into suppression_event (channel, address, purpose, action, reason, source)"
        " values ('email', 'home@example.org', 'all', 'suppress', 'hard_bounced', 'test') returning event_id)"
        " insert into suppression (channel, address, purpose, reason, event_id)"
        " select 'email', 'home@example.org', 'all', 'hard_bounced', event_id from e"
    )
    person = await find_person(db, "007")
    assert (person.first_name, person.last_name, person.language) == ("Siân", "Ŵyn", "cy")
    assert person.units == {"region": "Wales", "branch": "Cardiff", "workplace": "Tŷ Glas"}
    assert person.attributes == {"pay_band": "AO"}
    assert [(a.channel, a.address, a.suppressed) for a in person.addresses] == [
        ("sms", "+447700900001", None),
        ("email", "sian@example.org", None),
        ("email", "home@example.org", "hard_bounced"),
    ]


async def test_an_unknown_number_gets_near_misses(pool: Pool, db: Connection, tmp_path: Path) -> None:
    await load(pool, tmp_path)
    with pytest.raises(NotFound, match="Did you mean 007"):
        await find_person(db, "7")
    with pytest.raises(NotFound, match="Nobody has the number 999"):
        await find_person(db, "999")


async def test_everybody_is_counted_by_how_they_can_be_reached(pool: Pool, db: Connection, tmp_path: Path) -> None:
    await load(pool, tmp_path)
    counted = await count_people(db)
    assert (counted.people, counted.sms, counted.email, counted.unreachable) == (3, 1, 2, 1)


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
async def test_an_export_imported_again_changes_nothing(pool: Pool, db: Connection, tmp_path: Path, name: str) -> None:
    await load(pool, tmp_path)
    before = await snapshot(db)
    assert await export_people(pool, tmp_path / name, reserved=RESERVED, actor=operator("amy")) == 3
    report = await import_members(pool, tmp_path / name)
    assert (report.created, report.updated, report.unchanged, report.problems) == (0, 0, 3, [])
    assert await snapshot(db) == before
    assert await db.fetchval("select actor || ' ' || action from audit where action = 'people.exported'") == (
        "amy people.exported"
    )


async def test_an_export_makes_the_same_people_in_an_empty_database(
    pool: Pool, db: Connection, owner: Connection, tmp_path: Path
) -> None:
    union = write_union(tmp_path / "union.csv", members=500, branches=20)
    await import_members(pool, union.path)
    before = await snapshot(db)
    await export_people(pool, tmp_path / "out.csv", reserved=RESERVED, actor=operator("test"))
    await owner.execute("truncate person, unit, attribute restart identity cascade")
    report = await import_members(pool, tmp_path / "out.csv")
    assert (report.created, report.problems) == (500, [])
    assert await snapshot(db) == before


async def test_attributes_with_misleading_labels_come_back_as_themselves(
    pool: Pool, db: Connection, tmp_path: Path
) -> None:
    mapping = ColumnMapping(attributes={"band": "Grade / band", "old_phone": "Phone"})
    await load(pool, tmp_path, "id,Grade / band,Phone,№ 4\n1,AO,x,y\n", mapping=mapping)
    before = await snapshot(db)
    await export_people(pool, tmp_path / "out.csv", reserved=RESERVED, actor=operator("test"))
    assert (await import_members(pool, tmp_path / "out.csv")).unchanged == 1
    assert await snapshot(db) == before
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file))
    assert {"attributes.band", "attributes.old_phone"} <= set(header)


async def test_no_cell_of_an_export_is_a_formula(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path)
    await export_people(pool, tmp_path / "out.csv", reserved=RESERVED, actor=operator("test"))
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "-")) or (cell[:1] == "+" and cell[1:2] != "4")]


async def test_an_export_is_private_complete_or_not_there(pool: Pool, tmp_path: Path) -> None:
    await load(pool, tmp_path)
    target = tmp_path / "out.csv"
    await export_people(pool, target, reserved=RESERVED, actor=operator("test"))
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict, match="exists already"):
        await export_people(pool, target, reserved=RESERVED, actor=operator("test"))
    await export_people(pool, target, reserved=RESERVED, replace=True, actor=operator("test"))
    with pytest.raises(InputError, match="cannot be written"):
        await export_people(pool, tmp_path / "nowhere" / "out.csv", reserved=RESERVED, actor=operator("test"))
    assert names_in(tmp_path) == ["members.csv", "out.csv"]


def test_the_commands_import_show_and_export(settings: Settings, tmp_path: Path) -> None:
    members, out, problems = tmp_path / "members.csv", tmp_path / "out.csv", tmp_path / "problems.csv"
    members.write_text(f"{MEMBERS},nobody,,,,,,,,,,\n", encoding="utf-8")

    strict = muster(settings, "people", "import", str(members), "--strict")
    assert strict.returncode == 1
    assert "Nothing was imported" in strict.stderr
    dry = muster(settings, "people", "import", str(members), "--dry-run", "--json")
    assert (dry.returncode, orjson.loads(dry.stdout)["written"]) == (0, False)
    done = muster(settings, "people", "import", str(members), "--json", "--actor", "amy", "--problems", str(problems))
    summary = orjson.loads(done.stdout)
    assert (done.returncode, summary["created"], summary["rejected"]) == (0, 3, 1)
    assert summary["problems"][0]["code"] == "no_external_id"
    assert "no_external_id" in problems.read_text(encoding="utf-8-sig")
    assert problems.stat().st_mode & 0o777 == 0o600, "it holds what members' cells hold"
    words = muster(settings, "people", "import", str(members)).stdout
    assert "created 0 · updated 0 · unchanged 3 · rejected 1" in words
    assert "line 5, member id: There is no number or reference of a person." in words

    assert orjson.loads(muster(settings, "people", "show", "007", "--json").stdout)["last_name"] == "Ŵyn"
    assert "+447700900001" in muster(settings, "people", "show", "007").stdout
    assert muster(settings, "people", "show", "nobody").returncode == 1
    counted = orjson.loads(muster(settings, "people", "count", "--by", "branch", "--json").stdout)
    assert (counted["people"], counted["units"][0]["name"]) == (3, "Cardiff")
    assert "Cardiff" in muster(settings, "people", "count", "--by", "branch").stdout
    assert muster(settings, "people", "export", str(out)).returncode == 0
    assert muster(settings, "people", "export", str(out)).returncode == 1
    assert muster(settings, "people", "import", str(tmp_path / "none.csv")).stderr.startswith("Error: There is no file")
    nothing_good = tmp_path / "bad.csv"
    nothing_good.write_text("id\n1E+12\n")
    assert muster(settings, "people", "import", str(nothing_good)).returncode == 1
    assert muster(settings, "people", "import").returncode == 2


def test_the_commands_describe_a_file_and_a_member(settings: Settings, tmp_path: Path) -> None:
    members, problems = tmp_path / "members.csv", tmp_path / "problems.csv"
    members.write_text("member id,Pay band 2026,NI number,mobile\n1,AO,QQ1,07700900123\n2,EO,QQ2,020 7946 0991\n")
    done, shown, ignored = run_commands(
        settings, f"people import {members} --ignore 'ni NUMBER' --problems {problems}", "people show 1",
        f"people import {members} --ignore nonesuch",
    )  # fmt: skip
    assert (done.code, "1 problem is in" in done.err, str(problems) in done.err) == (0, True, True)
    assert "  pay_band_2026  AO\n" in shown.out
    assert "  sms            +447700900123\n" in shown.out
    assert "QQ1" not in shown.out
    assert (ignored.code, "nonesuch" in ignored.err) == (1, True)


def test_problems_are_written_with_what_the_cell_holds_and_whose_it_is(settings: Settings, tmp_path: Path) -> None:
    members, problems = tmp_path / "members.csv", tmp_path / "problems.csv"
    members.write_text("Some notes\nid,=mobile\n=1+1,020 7946 0991\n", encoding="utf-8")
    map_file = tmp_path / "map.toml"
    map_file.write_text('[columns]\nphone = "=mobile"\n')
    options = ("--problems", str(problems), "--map", str(map_file), "--header-row", "2")
    done = muster(settings, "people", "import", str(members), *options)
    assert done.returncode == 0, done.stderr
    assert problems.read_text(encoding="utf-8-sig").splitlines() == [
        "line,member_id,column,value,code,problem",
        "3,'=1+1,'=mobile,020 7946 0991,landline,That is a landline; texts need a mobile number.",
    ]
    refused = muster(settings, "people", "import", str(members), "--problems", "/dev/null").stderr
    assert "/dev/null is no file" in refused
