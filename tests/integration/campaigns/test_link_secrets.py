"""Emails whose links a removed secret has ended are counted: all their links, and later those to unsubscribe."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from pydantic import SecretStr

from campaigns.link_secrets import UnreadableEmails, count_unreadable_emails
from core.db import Connection
from core.keyring import Keyring, digest
from core.member_link_lifetime import LINK_LIFETIME
from core.runtime import Runtime
from core.settings import Settings
from tests.support.command import muster
from tests.support.inbound_rows import PHONE, Campaign, make_campaign

NOW = datetime.now(UTC)
NEW = "k3Jq9vX0fT2uLrD7mCeWsHnPz8bGa5tY"
"""The secret that takes the place of the tests'."""


@pytest.fixture
async def campaign(runtime: Runtime, db: Connection) -> Campaign:
    """Three emails, one of which has not left, and a text."""
    campaign = await make_campaign(replace(runtime, clock=lambda: NOW), db, now=NOW)
    await campaign.ask(email="ann@member.test")
    await campaign.ask(email="bob@member.test")
    await campaign.ask(email="cyd@member.test", sent=False)
    await campaign.ask(sms=PHONE)
    return campaign


async def test_nothing_is_lost_while_every_secret_is_in_the_list(campaign: Campaign, db: Connection) -> None:
    ring = Keyring([SecretStr(NEW), *campaign.runtime.settings.secret_key])
    assert await count_unreadable_emails(db, list(ring), NOW) == []


async def test_emails_that_left_are_counted_by_campaign_also_when_only_unsubscribing_would_work(
    campaign: Campaign, db: Connection
) -> None:
    removed = list(Keyring([SecretStr(NEW)]))
    assert await count_unreadable_emails(db, removed, NOW) == [UnreadableEmails("pay", 2, 0)]
    late = NOW + LINK_LIFETIME + timedelta(days=11)
    assert await count_unreadable_emails(db, removed, late) == [UnreadableEmails("pay", 0, 2)]


async def test_emails_in_the_archive_are_counted(campaign: Campaign, db: Connection, owner: Connection) -> None:
    removed, late = list(Keyring([SecretStr(NEW)])), NOW + LINK_LIFETIME + timedelta(days=11)
    await owner.execute("select make_archive_year($1)", NOW.year)
    await owner.execute(
        "insert into message_archive"
        " (message_id, step_id, created_at, sent_at, changed_at, state, year, attempt, channel)"
        " select message_id + 1000, step_id, now(), sent_at, now(), 'accepted', $1, 1, channel"
        " from message where channel = 'email' and sent_at is not null limit 1",
        NOW.year,
    )
    assert await count_unreadable_emails(db, removed, late) == [UnreadableEmails("pay", 0, 3)]


async def test_emails_of_the_version_before_are_found_by_their_rows(campaign: Campaign, db: Connection) -> None:
    removed = list(Keyring([SecretStr(NEW)]))
    message_id = await db.fetchval(
        "select message_id from message where channel = 'email' and sent_at is not null limit 1"
    )
    token = campaign.runtime.keyring.token(message_id, "confirm")
    await db.execute(
        "insert into link (digest, message_id, action) values ($1, $2, 'confirm')", digest(token), message_id
    )
    assert await count_unreadable_emails(db, removed, NOW) == [UnreadableEmails("pay", 1, 0)]
    await db.execute("update link set revoked_at = now()")
    assert await count_unreadable_emails(db, removed, NOW) == [UnreadableEmails("pay", 2, 0)]


async def test_the_command_says_how_many_and_what_to_do(campaign: Campaign, settings: Settings) -> None:
    good = muster(settings, "check", "links", status=0)
    assert good.stdout.startswith("The links of all emails can be read")
    removed = {"MUSTER_SECRET_KEY": NEW}
    bad = muster(settings, "check", "links", status=1, more=removed)
    assert "The links of up to 2 emails lead nowhere" in bad.stdout
    assert "  pay: 2 emails\n" in bad.stdout
    assert "Put the former secret back at the end of the list" in bad.stdout
    told = muster(settings, "check", "links", "--json", status=1, more=removed)
    assert orjson.loads(told.stdout) == {
        "emails": 2, "only_unsubscribe": 0, "campaigns": [{"campaign": "pay", "emails": 2, "only_unsubscribe": 0}],
    }  # fmt: skip
    former = f"{NEW},{settings.secret_key[0].get_secret_value()}"
    assert muster(settings, "check", "links", status=0, more={"MUSTER_SECRET_KEY": former}).stdout == good.stdout
    assert "takes no file" in muster(settings, "check", "links", "-", status=2).stderr
    assert "Missing argument 'FILE|-'" in muster(settings, "check", "sms", status=2).stderr
