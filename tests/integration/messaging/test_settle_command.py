"""`muster messages settle`: for one, for some and for all, after their list has been shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.db import Connection
from core.errors import InputError
from core.keyring import Keyring
from core.settings import Settings
from messaging.outbox.manual_review import alert_held, read_names
from tests.support.command import muster
from tests.support.outbox_rows import Step, add_messages, add_step, events, states


async def held(db: Connection, count: int = 4, **columns: Any) -> tuple[Step, list[int]]:
    """Emails of unknown outcome that wait for a person."""
    step = await add_step(db, **columns)
    ids = await add_messages(db, step, "email", [f"m{n}.{step.step_id}@x.test" for n in range(count)])
    await db.execute(
        "update message set state = 'ambiguous', reason = 'held', wire_at = '2026-11-20 09:00Z'::timestamptz"
        " + make_interval(mins => (message_id - $2)::int) where message_id = any ($1)",
        ids, ids[0],
    )  # fmt: skip
    await alert_held(db)
    return step, ids


async def alert(db: Connection) -> str | None:
    title: str | None = await db.fetchval("select title from alert where key = 'held' and resolved_at is null")
    return title


async def test_deciding_some_messages_leaves_the_rest_in_the_alert(
    settings: Settings, db: Connection, tmp_path: Path
) -> None:
    step, ids = await held(db)
    assert await alert(db) == "4 messages may or may not have been sent, and wait for a decision."
    keyring = Keyring(settings.secret_key)

    shown = muster(settings, "messages", "settle", "--as", "sent", f"#{ids[0]}")
    assert shown.returncode == 0, shown.stderr
    assert f"m0.{step.step_id}@x.test" in shown.stdout
    assert f"m1.{step.step_id}@x.test" not in shown.stdout
    assert shown.stdout.endswith("1 message taken for sent.\n")
    assert await states(db, step) == {"accepted": 1, "ambiguous": 3}
    assert await alert(db) == "3 messages may or may not have been sent, and wait for a decision."

    log = tmp_path / "from the relay.txt"
    log.write_text(
        f"<{keyring.sign_id(ids[1], 'bounce')}@bounces.union.test>\n\nM2.{step.step_id}@x.test\n".lower()
        + f"{ids[0]}\nnobody@x.test\n"
    )
    some = muster(settings, "messages", "settle", "--as", "unsent", "--file", str(log), "--actor", "ann")
    assert some.returncode == 0, some.stderr
    assert f"Not held, so left unchanged: #{ids[0]}, nobody@x.test" in some.stdout
    assert some.stdout.endswith("2 messages to be sent again.\n")
    assert await states(db, step) == {"accepted": 1, "queued": 2, "ambiguous": 1}
    detail = await db.fetchval("select detail from message_event where message_id = $1 and source = 'staff'", ids[2])
    assert detail == {"by": "ann"}

    rest = muster(settings, "messages", "settle", "--as", "sent", "--yes")
    assert rest.stdout.endswith("1 message taken for sent.\n")
    assert await alert(db) is None
    assert (await events(db, ids[3]))[-1] == ("accepted", "staff", None)
    assert "No message is held." in muster(settings, "messages", "settle", "--as", "sent").stdout


async def test_messages_are_chosen_by_step_channel_and_time(settings: Settings, db: Connection) -> None:
    first, _ = await held(db, 3)
    second, _ = await held(db, 3, position=2)
    by_time = muster(
        settings, "messages", "settle", "--as", "sent", "--step", "2", "--after", "2026-11-20T09:01",
        "--before", "2026-11-20T09:02",
    )  # fmt: skip
    assert by_time.stdout.endswith("1 message taken for sent.\n"), by_time.stderr
    assert (await states(db, first), await states(db, second)) == ({"ambiguous": 3}, {"accepted": 1, "ambiguous": 2})
    assert "No message is held." in muster(settings, "messages", "settle", "--as", "sent", "--channel", "sms").stdout
    assert muster(settings, "messages", "settle", "--as", "sent", "--step", "1").stdout.endswith(
        "3 messages taken for sent.\n"
    )
    nobody = muster(settings, "messages", "settle", "--as", "sent", "--campaign", "none")
    assert (nobody.returncode, "There is no campaign none." in nobody.stderr) == (1, True)


async def test_many_messages_are_summed_by_step(settings: Settings, db: Connection) -> None:
    _, ids = await held(db, 30)
    shown = muster(settings, "messages", "settle", "--as", "sent").stdout
    assert f"#{ids[0]} … #{ids[-1]}" in shown
    assert shown.endswith("30 messages taken for sent.\n")


async def test_a_message_that_is_not_held_cannot_be_decided(settings: Settings, db: Connection) -> None:
    step = await add_step(db)
    (only,) = await add_messages(db, step, "email", ["a@x.test"])
    await db.execute("update message set state = 'delivered'")
    shown = muster(settings, "messages", "settle", "--as", "unsent", str(only), "--yes")
    assert (shown.returncode, "None of these messages is held." in shown.stderr) == (1, True)
    assert await states(db, step) == {"delivered": 1}


def test_a_wrong_name_is_reported_with_its_line(settings: Settings) -> None:
    keyring = Keyring(settings.secret_key)
    signed = keyring.sign_id(77, "bounce")
    named = read_names(
        enumerate(["17", " #18 ", "", f"b+{signed}@b.test", f"<{signed}@b.test>", "#7700900123"]), keyring, region="GB"
    )
    assert (named.ids, named.addresses) == ([17, 18, 77, 77, 7700900123], [])
    with pytest.raises(InputError) as wrong:
        read_names(
            [(0, "delivered"), (2, "99999999999999999999"), (3, "a@b"), (4, f"#{'9' * 5000}")], keyring, region="GB"
        )
    assert wrong.value.problems == (
        "“delivered” names no message",
        "line 2: “99999999999999999999” names no message",
        "line 3: “a@b” names no message",
        f"line 4: “#{'9' * 59}” names no message",
    )


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("07700900123", "+447700900123"),
        ("07700 900 123", "+447700900123"),
        ("7700900123", "+447700900123"),
        ("447700900123", "+447700900123"),
        ("00447700900123", "+447700900123"),
        ("+44 7700 900123", "+447700900123"),
        ("+44 (0)7700-900123", "+447700900123"),
        ("<Sian@Example.ORG>", "sian@example.org"),
    ],
)
def test_addresses_are_accepted_in_any_notation(typed: str, kept: str) -> None:
    keyring = Keyring([SecretStr("a secret for tests only and long enough")])
    named = read_names([(0, typed)], keyring, region="GB")
    assert (named.ids, named.addresses) == ([], [kept])
