"""A union in the middle of a ballot, written straight into the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.alerts import raise_alert
from core.db import Connection, load_queries
from core.keyring import digest
from core.runtime import Runtime

SQL = load_queries(__file__)

REPLIES = (
    ("Has the deadline for posting moved? I work away until Thursday", "unclear"),
    ("My ballot paper has not come, ring me on 07700 900123 after 5", "call_me"),
    ("This is Dave not Hannah, wrong person", "shared_address"),
    ("👍", "unclear"),
)


@dataclass(frozen=True, slots=True)
class Union:
    """What was written."""

    ballot_id: int
    campaign_id: int
    step_ids: tuple[int, int]


async def write_union(db: Connection, now: datetime, *, branches: int = 40, members: int = 1_200) -> Union:
    """A ballot half-way, a campaign whose second step is going out, replies nobody has read, and two alerts."""
    await db.execute(SQL["branches"], branches)
    await db.execute(SQL["lineages"])
    await db.execute(SQL["people"], members)
    ballot_id = await db.fetchval(SQL["ballot"], now)
    await db.execute(SQL["electors"], ballot_id)
    await db.execute(SQL["claims"], ballot_id, now)
    await db.execute(SQL["tallies"], ballot_id)
    started = (now - timedelta(days=9)).replace(hour=9, minute=0)
    campaign_id = await db.fetchval(
        SQL["campaign"], "pay-nudge", "Have you posted your ballot?", ballot_id, "running", started
    )
    mail = await db.fetchval(
        SQL["step"], campaign_id, 1, "ballot-open", ["email"], "finished", started, started + timedelta(hours=1), None
    )
    text = await db.fetchval(
        SQL["step"],
        campaign_id,
        2,
        "have-you-voted",
        ["sms", "email"],
        "running",
        now - timedelta(minutes=2),
        None,
        timedelta(days=9),
    )
    await db.execute(SQL["step"], campaign_id, 3, "last-posting-day", ["sms"], "planned", None, None, timedelta(days=5))
    await db.execute(SQL["messages"], mail, campaign_id, "email", 100)
    await db.execute(SQL["messages"], text, campaign_id, "sms", 61)
    draft = await db.fetchval(SQL["campaign"], "reps-call", "Reps: call your members", ballot_id, "draft", None)
    await db.execute(SQL["step"], draft, 1, "reps-call", ["email"], "planned", None, None, None)
    await _write_replies(db, now)
    await raise_alert(
        db,
        key="sender:1",
        severity="error",
        title="The SMS provider refuses the sender “UNION”.",
        remedy="Register the name with the provider, then run: muster campaign resume pay-nudge",
    )
    for _ in range(4):
        await raise_alert(
            db,
            key="redis",
            severity="warning",
            title="Redis did not answer for a while; sending went on at a slower, safe pace.",
            remedy="Nothing to do if it does not come back. Look at Redis’s log if it does.",
        )
    return Union(ballot_id, campaign_id, (mail, text))


async def silent_member(runtime: Runtime, step_id: int) -> tuple[str, int]:
    """The path of the link of somebody who has not answered yet, and their person_id."""
    async with runtime.pool.acquire() as db:
        row = await db.fetchrow(SQL["silent"], step_id, runtime.clock())
        assert row is not None
        token = runtime.keyring.token(row["message_id"], "confirm")
        await db.execute(SQL["link"], digest(token), row["message_id"])
    return f"/{token}", row["person_id"]


async def _write_replies(db: Connection, now: datetime) -> None:
    for number, (text, why) in enumerate(REPLIES, 1):
        await db.execute(
            SQL["reply"],
            number,
            f"+44770090012{number}",
            number if why != "shared_address" else None,
            text,
            why,
            now - timedelta(minutes=7 * number),
        )
