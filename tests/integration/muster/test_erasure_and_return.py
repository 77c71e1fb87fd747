"""Erased people who come back with a member file or a list."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from campaigns.replies.opt_outs import last_opt_ins
from core.db import Connection, Pool
from core.errors import SettingsError
from core.runtime import Runtime
from messaging.suppression import active_suppressions
from messaging.suppression_digests import DigestKeys
from muster import erasure
from muster.operator import operator
from people.imports.report import ImportReport
from people.lists.suppression_lookup import find_suppression
from people.lists.suppressions import SuppressionReport, import_suppressions
from people.people import find_person
from people.returning import lift_erased
from tests.support.known_person import NUMBER, PHONE, WORK, fill
from tests.support.member_files import import_members
from tests.support.traces import found_in

FILE = (
    "member id,first name,surname,mobile,email\n"
    f"{NUMBER},Zebedee,Quackenbush,07700 900471,{WORK}\nN0,Ann,Lee,07700 900100,\n"
)


async def load(pool: Pool, folder: Path, keys: DigestKeys) -> ImportReport:
    path = folder / "members.csv"
    path.write_text(FILE, encoding="utf-8")
    return await import_members(pool, path, keys=keys, opt_ins=last_opt_ins)


async def test_an_erased_member_who_returns_is_new_and_gets_no_messages(
    runtime: Runtime, db: Connection, tmp_path: Path
) -> None:
    person, _ = await fill(db)
    await erasure.erase(runtime, await erasure.look_for(runtime, NUMBER), actor=operator("olga"))
    keys = DigestKeys(runtime.settings.secret_key)
    report = await load(runtime.pool, tmp_path, keys)
    assert (report.created, report.restored, list(report.returned)) == (1, 3, [NUMBER])
    back = await find_person(db, NUMBER)
    assert back.person_id != person
    suppression = [
        (suppression.reason, suppression.purpose)
        for channel, address in (("person", str(back.person_id)), ("email", WORK), ("sms", PHONE))
        for suppression in await active_suppressions(db, channel=channel, address=address)  # type: ignore[arg-type]
    ]
    assert suppression == [("erased", "all"), ("by_staff", "marketing"), ("opted_out", "all"), ("erased", "all")]
    again = await load(runtime.pool, tmp_path, keys)
    assert (again.unchanged, again.restored) == (2, 0)

    assert await lift_erased(db, NUMBER, region="GB", keys=keys, actor=operator("olga"))
    left = await active_suppressions(db, channel="email", address=WORK)
    assert [suppression.reason for suppression in left] == ["opted_out"], (
        "what they opted out of is theirs to take back"
    )
    assert not await active_suppressions(db, channel="sms", address=PHONE)
    assert not await lift_erased(db, NUMBER, region="GB", keys=keys, actor=operator("olga"))


async def test_an_erased_member_allowed_back_gets_messages_except_after_an_opt_out(
    runtime: Runtime, db: Connection, tmp_path: Path
) -> None:
    await fill(db)
    traces = await erasure.look_for(runtime, NUMBER)
    await erasure.erase(runtime, traces, actor=operator("olga"), may_return=True)
    await load(runtime.pool, tmp_path, DigestKeys(runtime.settings.secret_key))
    assert not await active_suppressions(db, channel="sms", address=PHONE)
    assert [suppression.reason for suppression in await active_suppressions(db, channel="email", address=WORK)] == [
        "opted_out"
    ]


async def test_an_erased_member_who_consented_since_gets_messages_there(
    runtime: Runtime, db: Connection, tmp_path: Path
) -> None:
    await fill(db)
    await erasure.erase(runtime, await erasure.look_for(runtime, NUMBER), actor=operator("olga"))
    for n, (channel, address, reading) in enumerate((("sms", PHONE, "opt_in"), ("email", WORK, "unclear"))):
        await db.execute(
            "insert into reply (inbound_id, channel, address, sender, text, reading, rule, rule_version, received_at)"
            " values ($1, $2, $3, 'us', 'START', $4, 'r', '1', now() + interval '1 hour')",
            900 + n, channel, address, reading,
        )  # fmt: skip
    await load(runtime.pool, tmp_path, DigestKeys(runtime.settings.secret_key))
    assert not await active_suppressions(db, channel="sms", address=PHONE)
    assert [suppression.reason for suppression in await active_suppressions(db, channel="email", address=WORK)] == [
        "opted_out"
    ]


async def test_a_secret_that_is_rotated_out_of_the_list_stops_imports_and_one_that_is_kept_is_found(
    runtime: Runtime, db: Connection, tmp_path: Path
) -> None:
    await fill(db)
    await erasure.erase(runtime, await erasure.look_for(runtime, NUMBER), actor=operator("olga"))
    new = SecretStr("another secret for tests only")
    with pytest.raises(SettingsError, match="MUSTER_SECRET_KEY that is not in the list"):
        await load(runtime.pool, tmp_path, DigestKeys([new]))
    report = await load(runtime.pool, tmp_path, DigestKeys([new, *runtime.settings.secret_key]))
    assert report.restored == 3


async def listed(runtime: Runtime, path: Path, keys: DigestKeys) -> SuppressionReport:
    return await import_suppressions(
        runtime.pool, path, actor=operator("ann"), region="GB", zone=ZoneInfo("UTC"), now=datetime.now(UTC), keys=keys
    )


async def test_a_list_does_not_bring_an_erased_address_back(runtime: Runtime, db: Connection, tmp_path: Path) -> None:
    await fill(db)
    await erasure.erase(runtime, await erasure.look_for(runtime, NUMBER), actor=operator("olga"))
    path, keys = tmp_path / "list.csv", DigestKeys(runtime.settings.secret_key)
    path.write_text(f"address\n{PHONE}\n+447700900999\n")
    report = await listed(runtime, path, keys)
    assert (report.added, report.known) == (2, 0), "that they opted out is more than that they were erased"
    assert await found_in(db, (PHONE,)) == set()
    known = await find_suppression(db, PHONE, region="GB", keys=keys)
    assert [suppression.reason for suppression in known.active_suppressions] == ["opted_out"]
    assert (await listed(runtime, path, keys)).known == 2
    await load(runtime.pool, tmp_path, keys)
    assert await lift_erased(db, NUMBER, region="GB", keys=keys, actor=operator("olga"))
    assert [suppression.reason for suppression in await active_suppressions(db, channel="sms", address=PHONE)] == [
        "opted_out"
    ]
