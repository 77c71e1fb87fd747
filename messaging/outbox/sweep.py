"""What nobody else will do: take over from workers that are gone, settle what is ambiguous, withdraw what is too late.

Any number of workers may sweep at once; each part is one set-based statement that skips what another is at. Run it
every second: with nothing to do it costs a few index probes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from messaging.alerts import raise_alert
from messaging.channels.base import Channel, Route, Router, Text
from messaging.db import Connection, exclusive, load_queries
from messaging.errors import MusterError, Unavailable
from messaging.outbox.claim import Claimed
from messaging.outbox.compose import Composers
from messaging.outbox.senders import tell_of_doubts
from messaging.outbox.steps import finish_drained
from messaging.runtime import Runtime

SQL: Final = load_queries(__file__)

AT_ONCE: Final = 5_000
WITHDRAWN_AT_ONCE: Final = 20_000
ASKED_AT_ONCE: Final = 20
"""Texts looked up at the provider in one sweep: one request each."""
SETTLE: Final = 15.0
"""Seconds an outcome stays unknown before it is settled: a late answer or receipt may settle it better, and a
provider's list needs a moment to show what it took."""
PATIENCE: Final = 600.0
"""Seconds that a provider which cannot say whether it has a text gets to send its receipt; then a person decides."""
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


async def sweep(
    runtime: Runtime,
    channels: Mapping[str, Channel] | None = None,
    *,
    settle: float = SETTLE,
    patience: float = PATIENCE,
) -> Swept:
    """Do one sweep.

    Args:
        runtime: what it works on.
        channels: by name; those that keep a list are asked about texts of unknown outcome. None leaves them waiting.
        settle: seconds an outcome stays unknown before it is settled.
        patience: seconds a text waits for its receipt where its provider cannot be asked.
    """
    now = runtime.clock()
    resend = runtime.settings.email_unanswered == "retry"
    async with runtime.pool.acquire() as db:
        lost = await db.fetchrow(SQL["free_lost"], AT_ONCE)
        emails = await db.fetchrow(SQL["settle_emails"], AT_ONCE, settle, resend, EMAIL_TRIES, now)
        assert lost is not None
        assert emails is not None
        await db.execute(SQL["forget_couriers"])
        await tell_of_doubts(db)
        texts = channels.get("sms") if channels else None
        asked = await _reconcile(runtime, db, texts, settle, patience) if texts else Counter[str]()
        held = emails["held"] + asked["held"]
        if held:
            await _alert_held(db, held)
        swept = Swept(
            returned=lost["returned"],
            ambiguous=lost["ambiguous"],
            again=emails["again"] + asked["again"],
            found=asked["found"],
            held=held,
            withdrawn=await db.fetchval(SQL["withdraw_overdue"], now, WITHDRAWN_AT_ONCE),
            finished=len(await finish_drained(db)),
        )
    if swept != Swept():
        log.info("swept", returned=swept.returned, ambiguous=swept.ambiguous, again=swept.again, found=swept.found)
    if swept.returned or swept.again:
        await runtime.wake("deliver")
    return swept


async def _reconcile(
    runtime: Runtime, db: Connection, channel: Channel, settle: float, patience: float
) -> Counter[str]:
    """Ask the providers about texts of unknown outcome; how many were `found`, go `again` or are `held`."""
    doubtful = await db.fetch(SQL["doubtful_texts"], ASKED_AT_ONCE, settle)
    if not doubtful:
        return Counter()
    assert runtime.settings.database_url is not None
    # one worker at a time; and no transaction is open while the provider is asked
    async with exclusive(runtime.settings.database_url, "reconcile") as alone:
        return await _ask_about(runtime, alone, channel, doubtful, patience) if alone is not None else Counter()


async def _ask_about(
    runtime: Runtime, db: Connection, channel: Channel, doubtful: Sequence[asyncpg.Record], patience: float
) -> Counter[str]:
    came_of_it = Counter[str]()
    composers = Composers(runtime.settings, runtime.keyring)
    away: set[str | None] = set()
    for row in doubtful:
        if row["provider"] in away:
            continue
        try:
            came_of_it[await _ask(runtime, db, channel, composers, row, patience)] += 1
        except Unavailable as error:
            log.warning("unknown outcomes wait for the provider", provider=row["provider"], error=str(error))
            away.add(row["provider"])
        except MusterError as error:
            log.warning("a text cannot be looked up", message_id=row["message_id"], error=str(error))
    return came_of_it


async def _ask(
    runtime: Runtime, db: Connection, channel: Channel, composers: Composers, row: asyncpg.Record, patience: float
) -> str:
    """Look for one text in the list of the provider that may have it: `found`, `again`, `held`, or `waits`."""
    message = Claimed(row["message_id"], row["attempt"], row["address"], row["variables"], row["sender_id"], 0)
    composer = await composers.get(db, row["step_id"], "sms")
    parcel = composer.compose(message, runtime.clock()).parcel
    assert isinstance(parcel, Text)
    parcel.route = Route(row["provider"], row["sent_from"]) if row["provider"] else None
    # a provider that is no longer set up cannot be asked, and no other one can speak for it
    known = isinstance(channel, Router) or row["provider"] in {None, channel.provider}
    traces = await channel.trace(parcel, row["wire_at"] or row["changed_at"]) if known else None
    if traces is None:  # nobody can say: never sent again on a guess
        held = await db.fetchval(SQL["not_said"], message.message_id, message.attempt, patience)
        return "held" if held else "waits"
    taken = await db.fetch(SQL["known_elsewhere"], [one.provider_id for one in traces])
    others = {other["provider_id"] for other in taken}
    trace = next((one for one in traces if one.provider_id not in others), None)
    if trace is None:
        await db.execute(SQL["not_found"], message.message_id, message.attempt, runtime.clock())
        return "again"
    await db.execute(SQL["found"], message.message_id, message.attempt, trace.provider_id, trace.segments)
    return "found"


async def _alert_held(db: Connection, held: int) -> None:
    await raise_alert(
        db,
        key="held",
        severity="warning",
        title=f"{held} messages may or may not have been sent, and wait for a decision.",
        remedy="See them: muster messages list --state ambiguous; then: muster messages settle --as sent (or unsent)",
    )
