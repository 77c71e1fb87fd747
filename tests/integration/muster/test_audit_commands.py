"""`muster audit`, as people type it: what was done, that nobody changed it, and a head to keep."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from core.audit import AuditAction, record, seal
from core.db import Connection
from core.settings import Settings
from muster.operator import operator
from staff.invitations import accept_invitation, invite
from staff.sessions import Device
from tests.support.command import run_commands
from tests.support.electorate import add_unit
from tests.support.staff_accounts import add_account


@pytest.fixture
async def recorded(db: Connection) -> None:
    for number, who in enumerate(("olga", "ada", "olga")):
        await record(db, operator(who), AuditAction.CAMPAIGN_LAUNCHED, f"campaign {number}", {"step": number})
    await record(db, operator("ada"), AuditAction.PERSON_SEEN, "person 17\x1b[31m")
    await seal(db)


@pytest.mark.usefixtures("recorded")
def test_who_did_what_is_found_by_name_action_and_subject(settings: Settings) -> None:
    everything, olgas, kind, one, page = run_commands(
        settings, "audit list", "audit list --by olga --json", "audit list --action campaign --json",
        "audit list --on 'campaign 1' --json", "audit list --limit 1 --before 2 --json",
    )  # fmt: skip
    assert everything.out.index("person 17") < everything.out.index("campaign 0"), "the newest first"
    assert "\x1b" not in everything.out
    assert [row["subject"] for row in olgas.json()] == ["campaign 2", "campaign 0"]
    assert [row["action"] for row in kind.json()] == ["campaign.launched"] * 3
    assert [(row["actor"], row["detail"]) for row in one.json()] == [("ada", {"step": 1})]
    assert [row["audit_id"] for row in page.json()] == [1]


@pytest.mark.usefixtures("recorded")
def test_what_cannot_be_meant_is_refused_in_words(settings: Settings, tmp_path: Path) -> None:
    no_head = tmp_path / "head.json"
    no_head.write_text("[]")
    action, head, as_member, as_muster, actions = run_commands(
        settings, "audit list --action xyz", f"audit verify --head {no_head}", "people find ann --actor member",
        "people find ann --actor Muster", "audit actions",
    )  # fmt: skip
    assert (action.code, "muster audit actions" in action.err) == (1, True)
    assert (head.code, "holds no head" in head.err) == (1, True)
    for done in (as_member, as_muster):
        assert done.code != 0
        assert "is no name of an operator" in done.err
    assert actions.out.split() == list(AuditAction)


async def test_accounts_and_units_are_named_and_found_by_mailbox(settings: Settings, db: Connection) -> None:
    leeds = await add_unit(db, "Leeds", parent=await add_unit(db, "North", "region"))
    now, ends = datetime(2026, 11, 22, 12, tzinfo=UTC), datetime(2027, 6, 30, 22, 59, 59, tzinfo=UTC)
    path = await invite(db, "ada@union.test", "Ada", "rep", by=operator("olga"), now=now, unit_id=leeds, ends_at=ends)
    await accept_invitation(db, path.rpartition("/")[2], now=now, device=Device("Firefox", "inside"))
    await add_account(db, "bob@union.test", "viewer", now=now)
    found, all_rows, as_json, nobody, by_nobody, on_nothing, misspelt = run_commands(
        settings, "audit list --on Ada@union.test", "audit list", "audit list --on ada@union.test --json",
        "audit list --on eve@union.test", "audit list --by Nobody", "audit list --on 'campaign x'",
        "audit list --action grants", columns=80,
    )  # fmt: skip
    given = " by muster · role: rep · unit: North / Leeds (2) · from: 2026-11-22 12:00:00 · until: 2027-06-30 23:59:59"
    assert f"  grant.given  staff 1 (ada@union.test)\n     {given} · invitation: 1 · invited by: olga\n" in found.out
    assert "invitation.made  invitation 1 (ada@union.test)\n" in found.out
    assert "by ada@union.test, from unknown network\n" in found.out
    assert "bob@union.test" not in found.out
    assert "bob@union.test" in all_rows.out
    names = {(row["subject"], row["subject_name"], row["unit_name"]) for row in as_json.json()}
    assert ("staff 1", "ada@union.test", "North / Leeds") in names
    for done, words in (
        (nobody, "Nobody on the staff has the address eve@union.test"), (by_nobody, "nothing by “Nobody”"),
        (on_nothing, "nothing on “campaign x”"), (misspelt, "Did you mean grant?"),
    ):  # fmt: skip
        assert (done.code, words in done.err) == (1, True), done.err


@pytest.mark.usefixtures("recorded")
def test_no_width_cuts_anything(settings: Settings) -> None:
    narrow, wide = (run_commands(settings, "audit list", columns=columns)[0].out for columns in (40, 200))
    assert narrow == wide
    assert "campaign.launched  campaign 2\n      by olga, from" in narrow


@pytest.mark.usefixtures("recorded")
async def test_a_head_that_was_kept_shows_later_what_the_owner_changed(
    settings: Settings, superuser: Connection, tmp_path: Path
) -> None:
    kept = tmp_path / "head.json"
    written, again, fits = run_commands(
        settings, f"audit head --out {kept}", f"audit head --out {kept}", f"audit verify --head {kept}"
    )
    assert (written.code, orjson.loads(kept.read_bytes())["rows"]) == (0, 4)
    assert (again.code, "exists" in again.err) == (1, True), "no head that was kept is lost"
    assert (fits.code, "Everything fits." in fits.out) == (0, True)
    await superuser.execute("set session_replication_role = replica; update audit set actor = 'ada' where audit_id = 1")
    [changed] = run_commands(settings, f"audit verify --head {kept}")
    assert changed.code == 1
    assert "does not fit" in changed.err
