"""What nobody else will do: judge leases that ran out, settle what is ambiguous, withdraw what is too late.

Any number of workers may sweep at once; each part is one set-based statement that skips what another is at. Run it
every second: with nothing to do it costs a few index probes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from messaging.alerts import raise_alert
from messaging.channels.base import Channel
from messaging.db import Connection, exclusive, load_queries
from messaging.errors import MusterError, Unavailable
from messaging.outbox.claim import Claimed
from messaging.outbox.compose import Composers
from messaging.outbox.senders import tell_of_doubts
from messaging.outbox.steps import finish_drained
from messaging.runtime import Runtime

SQL: Final = load_queries(__file__)

AT_ONCE: Final = 5_000
ASKED_AT_ONCE: Final = 20
"""Texts looked up at the provider in one sweep: one request each."""
SETTLE: Final = 15.0
"""Seconds an outcome stays unknown before it is settled: a late answer or receipt may settle it better, and a
provider's list needs a moment to show what it took."""
EMAIL_TRIES: Final = 5
"""Tries without an answer after which an email waits for a person."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did.

    Attributes:
        returned: messages whose worker is gone and that never left: queued again.
        ambiguous: messages whose worker is gone and that may have left.
        again: ambiguous ones queued again, by policy or because the provider shows no trace.
        found: ambiguous ones that the provider's list shows.
        held: ambiguous ones that wait for a person.
        withdrawn: too late, or of a cancelled campaign.
        finished: steps that are done.
    """

    returned: int = 0
    ambiguous: int = 0
    again: int = 0
    found: int = 0
    held: int = 0
    withdrawn: int = 0
    finished: int = 0


async def sweep(runtime: Runtime, channels: Mapping[str, Channel] | None = None, *, settle: float = SETTLE) -> Swept:
    """Do one sweep.

    Args:
        runtime: what it works on.
        channels: by name; those that keep a list are asked about texts of unknown outcome. None leaves them waiting.
        settle: seconds an outcome stays unknown before it is settled.
    """
    now = runtime.clock()
    resend = runtime.settings.email_unanswered == "retry"
    async with runtime.pool.acquire() as db:
        leases = await db.fetchrow(SQL["free_leases"], AT_ONCE)
        emails = await db.fetchrow(SQL["settle_emails"], AT_ONCE, settle, resend, EMAIL_TRIES, now)
        assert leases is not None
        assert emails is not None
        if emails["held"]:
            await _alert_held(db, emails["held"])
        await tell_of_doubts(db)
        texts = channels.get("sms") if channels else None
        found, again = await _reconcile(runtime, db, texts, settle) if texts else (0, 0)
        swept = Swept(
            returned=leases["returned"],
            ambiguous=leases["ambiguous"],
            again=emails["again"] + again,
            found=found,
            held=emails["held"],
            withdrawn=await db.fetchval(SQL["withdraw_overdue"], now),
            finished=len(await finish_drained(db)),
        )
    if swept != Swept():
        log.info("swept", returned=swept.returned, ambiguous=swept.ambiguous, again=swept.again, found=swept.found)
    if swept.returned or swept.again:
        await runtime.wake("deliver")
    return swept


async def _reconcile(runtime: Runtime, db: Connection, channel: Channel, settle: float) -> tuple[int, int]:
    """Ask the provider about texts of unknown outcome; how many it knows, and how many it does not."""
    doubtful = await db.fetch(SQL["doubtful_texts"], ASKED_AT_ONCE, settle)
    if not doubtful:
        return 0, 0
    assert runtime.settings.database_url is not None
    # one worker at a time; and no transaction is open while the provider is asked
    async with exclusive(runtime.settings.database_url, "reconcile") as alone:
        return await _ask_about(runtime, alone, channel, doubtful) if alone is not None else (0, 0)


async def _ask_about(
    runtime: Runtime, db: Connection, channel: Channel, doubtful: Sequence[asyncpg.Record]
) -> tuple[int, int]:
    found = again = 0
    composers = Composers(runtime.settings, runtime.keyring)
    for row in doubtful:
        try:
            known = await _ask(runtime, db, channel, composers, row)
        except Unavailable as error:
            log.warning("unknown outcomes wait for the provider", error=str(error))
            break
        except MusterError as error:
            log.warning("a text cannot be looked up", message_id=row["message_id"], error=str(error))
            continue
        found += known
        again += not known
    return found, again


async def _ask(runtime: Runtime, db: Connection, channel: Channel, composers: Composers, row: asyncpg.Record) -> bool:
    """Look for one text in the provider's list by recipient, sender, words and time; whether it is there."""
    message = Claimed(row["message_id"], row["attempt"], row["address"], row["variables"], row["sender_id"])
    composer = await composers.get(db, row["step_id"], "sms")
    parcel = composer.compose(message, runtime.clock()).parcel
    traces = await channel.trace(parcel, row["wire_at"] or row["changed_at"]) or []
    taken = await db.fetch(SQL["known_elsewhere"], [one.provider_id for one in traces])
    others = {known["provider_id"] for known in taken}
    trace = next((one for one in traces if one.provider_id not in others), None)
    if trace is None:
        await db.execute(SQL["not_found"], message.message_id, message.attempt, runtime.clock())
        return False
    await db.execute(SQL["found"], message.message_id, message.attempt, trace.provider_id, trace.segments)
    return True


async def _alert_held(db: Connection, held: int) -> None:
    await raise_alert(
        db,
        key="held",
        severity="warning",
        title=f"{held} emails may or may not have been sent, and wait for a decision.",
        remedy="See them: muster messages list --state ambiguous; then: muster messages settle --as sent (or unsent)",
    )
