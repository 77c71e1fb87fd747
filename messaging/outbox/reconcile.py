"""Reconcile the outbox: take over from lost workers, settle ambiguous messages, withdraw overdue ones.

Any number of workers may do this at once; each part is one set-based statement that skips rows another has locked. Run
it every second: with nothing to do it costs a few index probes.

Only a worker with an unbroken heartbeat of at least one lease acts on the age of heartbeats and unknown outcomes: after
an outage all workers get time to send a heartbeat and to record the outcomes of their last messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import asyncpg
import structlog

from core.alerts import raise_alert, resolve_alert
from core.db import Connection, exclusive, load_queries
from core.errors import MusterError, Unavailable, error_in_words
from core.runtime import Runtime
from messaging.channels.channel import Channel, OutboundText, Route, Router
from messaging.outbox.claim import find_claimed
from messaging.outbox.compose import Composers
from messaging.outbox.concealment import empty_secrets
from messaging.outbox.heartbeat import LEASE_LASTS
from messaging.outbox.manual_review import alert_held
from messaging.outbox.senders import alert_unknown_outcomes
from messaging.outbox.steps import finish_drained

SQL: Final = load_queries(__file__)

MAX_SETTLED: Final = 5_000
"""Messages settled in one statement."""
MAX_WITHDRAWN: Final = 20_000
"""Messages withdrawn in one statement."""
MAX_TRACED_TEXTS: Final = 20
"""Texts looked up at the provider in one run: one request each."""
SETTLE_AFTER: Final = 15.0
"""Seconds an outcome stays unknown before it is settled: a late answer or receipt may settle it better, and a
provider's list needs a moment to show a new message."""
RECEIPT_TIMEOUT: Final = 600.0
"""Seconds to wait for a receipt if the provider cannot say whether it has a text; then it is held for review."""
EMAIL_TRIES: Final = 5
"""Tries without an answer after which an email is held for review."""
MAX_NAMED_WORKERS: Final = 5
"""Number of lost workers that an alert names."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReconcileCounts:
    """Counts of one run of `reconcile`.

    Attributes:
        returned: messages of lost workers that never left: queued again.
        ambiguous: messages of lost workers that may have left.
        again: ambiguous messages queued again, by policy or because the provider shows no trace.
        traced: ambiguous messages that the provider's list shows.
        held_for_staff: ambiguous messages that now wait for manual review.
        withdrawn: messages past their deadline, or of a cancelled campaign.
        finished: steps that have finished.
    """

    returned: int = 0
    ambiguous: int = 0
    again: int = 0
    traced: int = 0
    held_for_staff: int = 0
    withdrawn: int = 0
    finished: int = 0


async def reconcile(
    runtime: Runtime,
    channels: Mapping[str, Channel] | None = None,
    *,
    dispatcher_id: int | None,
    settle: float = SETTLE_AFTER,
    receipt_timeout: float = RECEIPT_TIMEOUT,
) -> ReconcileCounts:
    """Reconcile the outbox once.

    Args:
        runtime: has the database, clock and settings.
        channels: by name; providers with a list are asked about texts of unknown outcome. None leaves these waiting.
        dispatcher_id: id of this worker's heartbeat row; None if it has none: then it takes nothing over and
            settles nothing.
        settle: seconds an outcome stays unknown before it is settled.
        receipt_timeout: seconds a text waits for its receipt if its provider cannot be asked.

    Returns:
        The counts of what was done.
    """
    now = runtime.clock()
    async with runtime.pool.acquire() as db:
        lost = await db.fetchrow(SQL["free_lost"], MAX_SETTLED, dispatcher_id, LEASE_LASTS)
        assert lost is not None
        settled = Counter[str]()
        if await db.fetchval(SQL["is_steady"], dispatcher_id, LEASE_LASTS):
            settled = await _settle_emails(runtime, db, settle)
            if channels and "sms" in channels:
                settled += await _settle_texts(runtime, db, channels["sms"], settle, receipt_timeout)
        await db.execute(SQL["delete_dispatchers"])
        await alert_unknown_outcomes(db)
        await alert_held(db)
        await _alert_lost_workers(db)
        reconciled = ReconcileCounts(
            returned=lost["returned"],
            ambiguous=lost["ambiguous"],
            again=settled["again"],
            traced=settled["found"],
            held_for_staff=settled["held"],
            withdrawn=await db.fetchval(SQL["withdraw_overdue"], now, MAX_WITHDRAWN),
            finished=len(await finish_drained(db, now)),
        )
        await empty_secrets(db)
    if reconciled != ReconcileCounts():
        log.info("reconciled", **{name: count for name, count in asdict(reconciled).items() if count})
    if reconciled.returned or reconciled.again:
        await runtime.wake("deliver")
    return reconciled


async def _settle_emails(runtime: Runtime, db: Connection, settle: float) -> Counter[str]:
    """Settle emails of unknown outcome, by policy; return how many are sent `again` or are `held`."""
    resend = runtime.settings.email_unanswered == "retry"
    row = await db.fetchrow(SQL["settle_emails"], MAX_SETTLED, settle, resend, EMAIL_TRIES, runtime.clock())
    assert row is not None
    return Counter(again=row["again"], held=row["held_for_staff"])


async def _settle_texts(
    runtime: Runtime, db: Connection, channel: Channel, settle: float, receipt_timeout: float
) -> Counter[str]:
    """Ask the providers about texts of unknown outcome; return how many were `found`, go `again` or are `held`."""
    unknown = await db.fetch(SQL["list_unknown_texts"], MAX_TRACED_TEXTS, settle)
    if not unknown:
        return Counter()
    assert runtime.settings.database_url is not None
    # one worker at a time; no transaction is open during requests to the provider
    async with exclusive(runtime.settings.database_url, "reconcile") as alone:
        return await _ask_about(runtime, alone, channel, unknown, receipt_timeout) if alone is not None else Counter()


async def _ask_about(
    runtime: Runtime, db: Connection, channel: Channel, unknown: Sequence[asyncpg.Record], receipt_timeout: float
) -> Counter[str]:
    counts = Counter[str]()
    composers = Composers(runtime.settings, runtime.keyring)
    away: set[str | None] = set()
    for row in unknown:
        if row["provider"] in away:
            continue
        try:
            counts[await _ask(runtime, db, channel, composers, row, receipt_timeout)] += 1
        except Unavailable as error:
            log.warning(
                "unknown outcomes cannot be looked up at the provider yet", provider=row["provider"], error=str(error)
            )
            away.add(row["provider"])
        except MusterError as error:
            log.warning("a text cannot be looked up", message_id=row["message_id"], error=str(error))
    return counts


async def _ask(
    runtime: Runtime,
    db: Connection,
    channel: Channel,
    composers: Composers,
    row: asyncpg.Record,
    receipt_timeout: float,
) -> str:
    """Look for one text in the list of the provider that may have it.

    Returns:
        `found`, `again`, `held` or `waits`; `settled` if it was settled otherwise meanwhile.
    """
    message = await find_claimed(db, row)
    composer = await composers.get(db, row["step_id"], "sms", row["sender_id"])
    try:
        outbound = composer.compose(message, runtime.clock()).outbound
    except Exception as error:  # noqa: BLE001  # whatever it is, a person has to settle this one
        log.warning(
            "a text cannot be composed to look for it", message_id=message.message_id, error=error_in_words(error)
        )
        outbound = None
    traces = None
    # a provider that is no longer set up cannot be asked, and no other provider knows
    if outbound is not None and (isinstance(channel, Router) or row["provider"] in {None, channel.provider}):
        assert isinstance(outbound, OutboundText)
        outbound.route = Route(row["provider"], row["sent_from"]) if row["provider"] else None
        traces = await channel.trace(outbound, row["wire_at"] or row["changed_at"])
    if traces is None:  # unknown: never sent again on a guess
        is_held = await db.fetchval(SQL["hold_for_staff"], message.message_id, message.attempt, receipt_timeout)
        return "held" if is_held else "waits"
    taken = await db.fetch(SQL["find_known_elsewhere"], [trace.provider_id for trace in traces])
    others = {other["provider_id"] for other in taken}
    trace = next((trace for trace in traces if trace.provider_id not in others), None)
    if trace is None:
        again = await db.fetchval(SQL["queue_again"], message.message_id, message.attempt, runtime.clock())
        return "again" if again else "settled"
    is_recorded = await db.fetchval(
        SQL["record_trace"], message.message_id, message.attempt, trace.provider_id, trace.segments
    )
    return "found" if is_recorded else "settled"


async def _alert_lost_workers(db: Connection) -> None:
    """Raise an alert for workers that were declared gone and have not come back; resolve it an hour after the last."""
    row = await db.fetchrow(SQL["list_lost_workers"])
    assert row is not None
    names, alerted = row["names"], row["alerted"]
    if names == (alerted or []):
        return
    if not names:
        await resolve_alert(db, "workers")
        return
    workers = "A worker" if len(names) == 1 else f"{len(names)} workers"
    log.warning("a worker is gone", workers=names)
    await raise_alert(
        db,
        key="workers",
        severity="warning",
        title=f"{workers} stopped without finishing: {', '.join(names[:MAX_NAMED_WORKERS])}"
        f"{', …' * (len(names) > MAX_NAMED_WORKERS)}.",
        remedy="Other workers send their messages. Check that as many run as you intend; the log of each, and the"
        " system's, say why it stopped. This closes by itself after an hour.",
        detail={"workers": names},
    )
