"""Builders of what tests need: units, people, a ballot and its electorate, files, a runtime with providers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncpg import Record
from pydantic import SecretStr

from ballots.spec import BallotSpec
from campaigns.spec import CampaignSpec
from campaigns.subjects.kinds import subject_of
from campaigns.subjects.subject import Subject
from core.db import Connection
from core.runtime import Runtime
from messaging.goals import create_goal

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def add_unit(db: Connection, name: str, kind: str = "branch", parent: int | None = None) -> int:
    above = await db.fetchval("select lineage from unit where unit_id = $1", parent) if parent else []
    unit_id: int = await db.fetchval(
        "insert into unit (parent_id, kind, name, lineage) values ($1, $2, $3, '{}') returning unit_id",
        parent, kind, name,
    )  # fmt: skip
    await db.execute("update unit set lineage = $2 where unit_id = $1", unit_id, [*above, unit_id])
    return unit_id


async def claim_status(db: Connection, ballot: int, person: int) -> Record | None:
    """A member's status, by the claim that decides it; None while no claim about them holds."""
    return await db.fetchrow(
        "select s.kind, s.source, c.confidence, c.message_id from claim_status s join claim c using (claim_id)"
        " where s.ballot_id = $1 and s.person_id = $2",
        ballot, person,
    )  # fmt: skip


async def add_person(
    db: Connection,
    external_id: str,
    *,
    unit: int | None = None,
    sms: str | Sequence[str] = (),
    email: str | Sequence[str] = (),
    first_name: str = "Ann",
    **attributes: str,
) -> int:
    person_id: int = await db.fetchval(
        "insert into person (external_id, first_name, last_name, unit_id, attributes) values ($1, $2, 'Lee', $3, $4)"
        " returning person_id",
        external_id, first_name, unit, attributes,
    )  # fmt: skip
    for channel, given in (("sms", sms), ("email", email)):
        for rank, address in enumerate([given] if isinstance(given, str) else given):
            await db.execute(
                "insert into address (person_id, channel, address, rank) values ($1, $2, $3, $4)",
                person_id, channel, address, rank,
            )  # fmt: skip
    for name in attributes:
        await db.execute("insert into attribute (name, label) values ($1, $1) on conflict do nothing", name)
    return person_id


async def add_ballot(
    db: Connection,
    name: str = "pay-2026",
    *,
    opens: datetime = NOW - timedelta(days=10),
    closes: datetime = NOW + timedelta(days=10),
    threshold: float = 0.5,
    disaggregated: bool = False,
) -> int:
    goal_id = await create_goal(db, name)
    ballot_id: int = await db.fetchval(
        "insert into ballot (name, title, opens_at, closes_at, threshold, goal_id, disaggregated)"
        " values ($1, 'Pay 2026', $2, $3, $4, $5, $6) returning ballot_id",
        name, opens, closes, threshold, goal_id, disaggregated,
    )  # fmt: skip
    return ballot_id


async def ballot_subject(db: Connection, ballot_id: int) -> Subject:
    """A ballot as campaigns see it."""
    return subject_of(
        await db.fetchval(
            "select to_jsonb(subject) from subject where subject_kind = 'ballot' and subject_id = $1", ballot_id
        )
    )


BALLOT = {"name": "pay", "title": "Pay", "opens": "2026-11-02", "closes": "2026-12-07T12:00:00"}
STEPS: list[dict[str, Any]] = [
    {"template": "ballot-reminder", "channels": ["email", "sms"]},
    {"template": "ballot-reminder", "channels": ["sms"], "when": {"after": "3 days"}},
]


def ballot_spec(**changes: object) -> BallotSpec:
    return BallotSpec.model_validate(BALLOT | changes)


def campaign_spec(**changes: object) -> CampaignSpec:
    given: dict[str, object] = {
        "name": "nudges", "title": "Nudges", "about": {"ballot": "pay"}, "quiet_hours": "none", "steps": STEPS,
    }  # fmt: skip
    return CampaignSpec.model_validate(given | changes)


def at_noon(runtime: Runtime) -> Runtime:
    """A runtime at a fixed time, with an SMS provider and a mail relay that nothing is sent to."""
    providers = {
        "twilio_account_sid": "AC1",
        "twilio_auth_token": (SecretStr("token"),),
        "sms_from": "+447700900000",
        "smtp_url": SecretStr("smtp://127.0.0.1:1"),
    }
    return replace(runtime, clock=lambda: NOW, settings=runtime.settings.model_copy(update=providers))


@asynccontextmanager
async def connected(runtime: Runtime) -> AsyncIterator[Connection]:
    async with runtime.pool.acquire() as db:
        yield db
