"""Suppression lists: imported with every error reported, exported, and read back as they were."""

from __future__ import annotations

import csv
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.db import Connection, Pool
from core.errors import AddressError, Conflict, InputError
from core.settings import Settings
from messaging.suppression import lift, suppress
from muster.operator import operator
from people.lists.suppression_lookup import find_suppression
from people.lists.suppressions import SuppressionReport, export_suppressions, import_suppressions
from tests.support.command import run_commands
from tests.support.electorate import add_person
from tests.support.outbox_rows import NOON, add_messages, add_step, events, states
from tests.support.rows import row_of

ANN, BOB = "+447400123456", "+447400123457"
LONDON = ZoneInfo("Europe/London")


async def take_in(pool: Pool, folder: Path, text: str, **more: Any) -> SuppressionReport:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    options: dict[str, Any] = {"actor": operator("ada"), "region": "GB", "zone": LONDON, "now": NOON} | more
    return await import_suppressions(pool, path, **options)


async def suppressions(db: Connection) -> list[tuple[str, ...]]:
    rows = await db.fetch(
        "select s.channel, s.address, s.purpose, s.reason, e.source from suppression s"
        " join suppression_event e using (event_id) order by 1, 2, 3"
    )
    return [tuple(row) for row in rows]


async def test_a_list_names_numbers_mailboxes_and_members(pool: Pool, db: Connection, tmp_path: Path) -> None:
    ann = await add_person(db, "1001", sms=ANN)
    text = (
        "Address;Reason;Source;Purpose;Date\n07400 123456;unsubscribed;agency;;03/05/2026\n"
        "Gone@X.example;bounced;old system;;2026-05-03T10:00:00+01:00\nnews@x.example;;;marketing;\n"
    )
    report = await take_in(pool, tmp_path, text)
    assert (report.rows, report.entries, report.added, report.matched, report.unmatched) == (3, 3, 3, 1, 2)
    assert await suppressions(db) == [
        ("email", "gone@x.example", "all", "hard_bounced", "old system"),
        ("email", "news@x.example", "marketing", "opted_out", "list list.csv"),
        ("sms", ANN, "all", "opted_out", "agency"),
    ]
    since = await db.fetchval("select since from suppression where channel = 'sms'")
    assert since.astimezone(LONDON).isoformat() == "2026-05-03T00:00:00+01:00"
    report = await take_in(pool, tmp_path, "member_id,reason\n1001,deceased\n")
    assert report.matched == 1
    assert ("person", str(ann), "all", "deceased", "list list.csv") in await suppressions(db)
    audit = await row_of(db, "select actor, action, subject from audit_shown order by audit_id limit 1")
    assert tuple(audit) == ("ada", "suppressions.imported", "list.csv")


async def test_queued_messages_to_suppressed_people_are_withdrawn(pool: Pool, db: Connection, tmp_path: Path) -> None:
    bob = await add_person(db, "7", sms=BOB)
    step, later_one = await add_step(db), await add_step(db, campaign_id=2)
    (only,) = await add_messages(db, step, "sms", [ANN], first_person=99)
    await add_messages(db, later_one, "sms", [BOB], first_person=bob)
    report = await take_in(pool, tmp_path, f"phone,member_id\n{ANN},\n,7\n")
    assert report.withdrawn == 2
    assert await states(db, step) == await states(db, later_one) == {"suppressed": 1}
    assert (await events(db, only))[-1] == ("suppressed", "list", "opted_out")


async def test_a_repeated_list_changes_nothing_and_keeps_the_first_reason(
    pool: Pool, db: Connection, tmp_path: Path
) -> None:
    await suppress(db, channel="sms", address=ANN, reason="wrong_number", source="staff")
    text = f"phone\n{ANN}\n{BOB}\n{BOB}\n"
    first, again = await take_in(pool, tmp_path, text), await take_in(pool, tmp_path, text)
    assert (first.added, first.known) == (1, 2)
    assert (again.added, again.known) == (0, 3)
    assert ("sms", ANN, "all", "wrong_number", "staff") in await suppressions(db)


async def test_a_consent_given_after_the_list_was_made_is_kept(pool: Pool, db: Connection, tmp_path: Path) -> None:
    await suppress(db, channel="sms", address=ANN, reason="opted_out", source="sms_reply")
    await lift(db, channel="sms", address=ANN, reason="opted_in", source="sms_reply")
    report = await take_in(pool, tmp_path, f"phone,date\n{ANN},2020-01-01\n")
    assert (report.added, report.lifted_since) == (0, 1)
    assert await suppressions(db) == []


async def test_a_dry_run_reports_the_same_and_changes_nothing(pool: Pool, db: Connection, tmp_path: Path) -> None:
    report = await take_in(pool, tmp_path, f"phone\n{ANN}\n", dry_run=True)
    assert (report.added, report.written) == (1, False)
    assert await suppressions(db) == []
    assert await db.fetchval("select count(*) from suppression_event") == 0
    assert await db.fetchval("select count(*) from audit_shown") == 0


@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        ("07400 12,,,", "unassigned", "Phone"),
        (",nobody,,", "not_an_email", "E-Mail"),
        (f"{ANN},,bored,", "unknown_reason", "Reason"),
        (f"{ANN},,,yesterday", "not_a_date", "Date"),
        (f"{ANN},,,2031-01-01", "in_the_future", "Date"),
        (",,opted_out,", "nobody", ""),
        ('"x', "broken_row", ""),
        (f"{'9' * 2001},,,", "too_long", ""),
    ],
)
async def test_each_error_is_reported_with_its_line_and_other_rows_are_imported(
    pool: Pool, db: Connection, tmp_path: Path, row: str, code: str, column: str
) -> None:
    report = await take_in(pool, tmp_path, f"Phone,E-Mail,Reason,Date\n{BOB},,,\n{row}\n")
    (problem,) = report.problems
    assert (problem.line, problem.code, problem.column) == (3, code, column)
    assert (report.rejected, report.added) == (1, 1)


async def test_a_list_that_names_nobody_is_refused(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="says whom it is about") as refused:
        await take_in(pool, tmp_path, "colour\nred\n")
    assert "“colour”" in str(refused.value)


async def test_an_export_reads_back_as_it_was(pool: Pool, db: Connection, owner: Connection, tmp_path: Path) -> None:
    ann = await add_person(db, "1001", sms=ANN)
    await suppress(db, channel="person", address=str(ann), reason="deceased", source="=staff")
    await suppress(db, channel="sms", address=BOB, reason="opted_out", source="sms_reply")
    await suppress(db, channel="email", address="a@x.example", purpose="marketing", reason="opted_out", source="link")
    before = await suppressions(db)
    path = tmp_path / "out.csv"
    assert await export_suppressions(pool, path, actor=operator("ada")) == 3
    assert path.stat().st_mode & 0o777 == 0o600
    assert "'=staff" in path.read_text(encoding="utf-8-sig")
    with pytest.raises(Conflict):
        await export_suppressions(pool, path, actor=operator("ada"))
    await owner.execute("truncate suppression; alter table suppression_event disable trigger user")
    await owner.execute("delete from suppression_event")
    later = NOON + timedelta(days=3650)
    report = await import_suppressions(pool, path, actor=operator("ada"), region="GB", zone=LONDON, now=later)
    assert report.problems == []
    assert await suppressions(db) == before


async def test_fingerprints_hide_the_addresses_and_match_whom_the_receiver_knows(
    pool: Pool, db: Connection, owner: Connection, tmp_path: Path
) -> None:
    for address in (ANN, BOB):
        await suppress(db, channel="sms", address=address, reason="opted_out", source="sms_reply")
    path = tmp_path / "hashed.csv"
    await export_suppressions(pool, path, actor=operator("ada"), hashed=True)
    text = path.read_text(encoding="utf-8-sig")
    assert ANN not in text
    hashes = {row["sha256"] for row in csv.DictReader(text.splitlines())}
    assert hashes == {hashlib.sha256(address.encode()).hexdigest() for address in (ANN, BOB)}
    await owner.execute("truncate suppression")
    await add_person(db, "1", sms=ANN)
    later = NOON + timedelta(days=3650)
    report = await import_suppressions(pool, path, actor=operator("eve"), region="GB", zone=LONDON, now=later)
    assert (report.added, report.unknown_hashes) == (1, 1)
    assert [(channel, address) for channel, address, *_ in await suppressions(db)] == [("sms", ANN)]


async def test_an_address_is_looked_up_as_it_is_typed(db: Connection) -> None:
    await suppress(db, channel="sms", address=ANN, reason="opted_out", source="sms_reply")
    await lift(db, channel="sms", address=ANN, reason="opted_in", source="sms_reply")
    known = await find_suppression(db, "07400 123456", region="GB")
    assert known.address == ANN
    assert [entry.action for entry in known.history] == ["suppress", "lift"]
    assert known.active_suppressions == []
    with pytest.raises(AddressError):
        await find_suppression(db, "nobody", region="GB")


def test_a_row_that_is_left_out_though_it_names_somebody_fails_the_command(settings: Settings, tmp_path: Path) -> None:
    bored, dead = tmp_path / "bored.csv", tmp_path / "dead.csv"
    bored.write_text(f"phone,reason\n{ANN},stop\n{BOB},banana\n")
    dead.write_text(f"phone,reason\n{ANN},stop\n07400 12,stop\n")
    still, taken = run_commands(settings, f"suppression import {bored}", f"suppression import {dead}")
    assert (still.code, "1 row left out, and the people named there still get messages" in still.err) == (
        1,
        True,
    )
    assert taken.code == 0, "nobody can be written to at half a number"


async def test_suppressions_of_a_member_are_found_by_their_number(settings: Settings, db: Connection) -> None:
    person = await add_person(db, "0001024", sms=ANN, email="ann@x.test")
    await suppress(db, channel="person", address=str(person), reason="do_not_contact", source="list")
    await suppress(db, channel="sms", address=ANN, reason="opted_out", source="sms_reply")
    shown, told = run_commands(settings, "suppression show 0001024", "suppression show 0001024 --json")
    assert "Nothing is sent to 0001024" in shown.out
    assert f"Nothing is sent to {ANN}. They asked not to receive these messages." in shown.out
    assert "ann@x.test is not suppressed." in shown.out
    assert [address["address"] for address in told.json()["addresses"]] == [ANN, "ann@x.test"]
