"""Jobs of one worker process: deliver messages, process the inbound log, and run jobs that are due by the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from ballots.counts import compact_turnout, refresh_due
from ballots.exports import export_due
from ballots.leavers import strike_off
from campaigns.date_changes import follow_dates
from campaigns.launch import launch_due_steps
from campaigns.replies.reply_inbox import follow_up_asked
from campaigns.replies.staff_replies import reopen_unanswered
from campaigns.retention import archive_due, delete_unreachable_places, last_close, retention_lock
from core.alerts import raise_alert, resolve_quiet_alert
from core.audit import seal
from core.http.outbound_http import OutboundHttp
from core.outages import REDIS
from core.runtime import Runtime
from messaging.outbox.archive import is_sending
from messaging.outbox.claim import due_transactional
from messaging.outbox.counts import compact_counts, mend_recent, mend_stuck
from messaging.outbox.dispatcher import Dispatcher
from messaging.outbox.reconcile import reconcile
from muster.erasure import erase_late
from muster.periodic import PeriodicJob
from services.questions.counts import compact_answers
from staff.retention import delete_expired
from staff.totp import renew_secrets as renew_app_secrets
from webhooks import backfill, delete_stale_rows, process_inbound
from webhooks.members.page_views import PageViews
from webhooks.subscriptions.delivery import WebhookDelivery
from webhooks.subscriptions.event_log import EventLog, delete_old_events
from webhooks.subscriptions.subscriptions import renew_secrets as renew_webhook_secrets

INBOUND_BATCH: Final = 500
"""Items of the inbound log processed in one turn of the job."""
INBOUND_PAUSE: Final = 0.1
"""Seconds in which receipts are collected: a batch costs the database little more than a single one."""
COUNT_EVERY: Final = 5.0
"""Seconds between two checks of whether counts need an update, somebody leaves, or a staff reply did not arrive."""
BACKFILL_EVERY: Final = 60.0
"""Seconds between two checks of whether to look for texts whose webhooks did not reach us."""
SEAL_EVERY: Final = 60.0
"""Seconds between two seals of the audit."""
REDIS_ALERT_EVERY: Final = 10.0
"""Seconds between two checks of whether this worker has been without Redis for that long."""
REDIS_ALERT_KEPT: Final = timedelta(minutes=1)
"""Time without another such check, of whichever worker, after which the alert closes."""
EXPORT_EVERY: Final = 20.0
"""Seconds between two checks for exports that are due."""
TIDY_AFTER: Final = 300.0
"""Seconds after a worker's start, and after sending was last in progress, before it archives and deletes old rows."""
TIDY_EVERY: Final = 3600.0
"""Seconds between two rounds if nothing is left to archive."""
RECEIPTS_COME_FOR: Final = timedelta(days=60)
"""Time for which receipts may still come for messages to a person who was erased."""
TIDY_SHARE: Final = 0.2
"""Largest share of the time that archiving may take."""

log = structlog.get_logger(__name__)


class Jobs:
    """Jobs of one worker process. They are independent: one that fails does not delay the others."""

    def __init__(self, runtime: Runtime, dispatcher: Dispatcher, outbound_http: OutboundHttp) -> None:
        """Make the jobs; none is started.

        Args:
            runtime: has the database, settings and clock they work with.
            dispatcher: dispatcher that sends due messages.
            outbound_http: HTTP client for addresses that people have entered.
        """
        self.runtime, self.dispatcher, self.outbound_http = runtime, dispatcher, outbound_http
        self._event_log, self._webhook_delivery = EventLog(runtime), WebhookDelivery(runtime, outbound_http)
        self._jobs: list[PeriodicJob] = []
        # one for each channel: texts may take hours at their sender's rate, and emails must not wait for them
        self.deliveries = [
            self._add(f"deliver {name}", partial(self.dispatcher.run, only=name)) for name in self.dispatcher.channels
        ]
        self.inbound = self._add("inbound", self._process_inbound, pause=INBOUND_PAUSE)
        self.launch = self._add("launch", partial(launch_due_steps, runtime))
        self.reconcile = self._add("reconcile", self._reconcile)
        self._add("dates of people", partial(follow_dates, runtime))
        self._add("webhooks", self._deliver_webhooks)
        self.leavers = self._add("leavers", self._strike_off, every=COUNT_EVERY)
        self.counts = self._add("counts", self._count, every=COUNT_EVERY)
        self._add("unanswered staff replies", self._reopen_unanswered, every=COUNT_EVERY)
        self._add("exports", partial(export_due, runtime, outbound_http), every=EXPORT_EVERY)
        self._add("backfill", partial(backfill, runtime), every=BACKFILL_EVERY)
        self._add("alert about Redis", self._tell_about_redis, every=REDIS_ALERT_EVERY)
        self._add("audit seal", self._seal, every=SEAL_EVERY)
        self.tidying = self._add("tidying", self._tidy, every=TIDY_AFTER)
        self.tidying.next_at = time.monotonic() + TIDY_AFTER

    def _add(
        self, name: str, work: Callable[[], Awaitable[object]], *, every: float = 0.0, pause: float = 0.0
    ) -> PeriodicJob:
        """Add a job, which the clock starts and `finish` ends like all others; arguments as of `PeriodicJob`."""
        job = PeriodicJob(name, work, every=every, pause=pause, outages=self.runtime.outages)
        self._jobs.append(job)
        return job

    def tick(self) -> list[asyncio.Task[None]]:
        """Start every job that is due by the clock."""
        return [job.ask() for job in self._jobs if job.is_due()]

    def deliver(self) -> list[asyncio.Task[None]]:
        """Start sending due messages on every channel; if that is under way, look for urgent ones at once."""
        self.dispatcher.look_at_once()
        return [job.ask() for job in self.deliveries]

    async def finish(self, finish_timeout: float) -> None:
        """Start nothing new, finish what is in flight, hand the rest back.

        Args:
            finish_timeout: seconds; what is not finished by then is cancelled.
        """
        going = [task for job in self._jobs if (task := job.close()) is not None]
        self.dispatcher.stop()
        going.append(asyncio.create_task(self._webhook_delivery.stop(finish_timeout), name="webhooks on their way"))
        _, late = await asyncio.wait(going, timeout=finish_timeout)
        for task in late:
            log.warning("a job did not finish in time", job=task.get_name())
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)

    async def _process_inbound(self) -> bool:
        done = await process_inbound(self.runtime, INBOUND_BATCH)
        if done:
            # automatic answers to replies: the confirmation of an opt-out, a question asked back
            async with self.runtime.pool.acquire() as db:
                answers = await due_transactional(db, ("email", "sms"), self.runtime.clock())
            if answers:
                await self.runtime.wake("deliver")
        return done >= INBOUND_BATCH

    async def _deliver_webhooks(self) -> bool:
        more = await self._event_log.record_new_events()
        await self._webhook_delivery.start()
        return more

    async def _seal(self) -> None:
        async with self.runtime.pool.acquire() as db:
            await seal(db)

    async def _reconcile(self) -> None:
        await reconcile(self.runtime, self.dispatcher.channels, dispatcher_id=self.dispatcher.dispatcher_id)
        async with self.runtime.pool.acquire() as db:
            await follow_up_asked(db, self.runtime.clock())

    async def _tell_about_redis(self) -> None:
        """Raise an alert while this worker is without Redis; close it when no worker has been for a while."""
        away = self.runtime.outages.away_for(REDIS)
        async with self.runtime.pool.acquire() as db:
            if away is not None and away[0] >= REDIS_ALERT_EVERY:
                await raise_alert(
                    db, key="redis", severity="warning", title=f"A worker cannot use Redis: {away[1]}",
                    remedy="Check that it is running and that MUSTER_REDIS_URL is right, for every process. Nothing"
                    " is lost: until then work begins a second later, and each worker keeps to its share of each rate"
                    " limit.",
                )  # fmt: skip
            else:
                await resolve_quiet_alert(db, "redis", datetime.now(UTC) - REDIS_ALERT_KEPT)

    async def _strike_off(self) -> None:
        async with self.runtime.pool.acquire() as db:
            await strike_off(db, self.runtime.clock())

    async def _count(self) -> None:
        async with self.runtime.pool.acquire() as db:
            await refresh_due(db, self.runtime.clock())
            await compact_turnout(db)
            await compact_answers(db)
            await compact_counts(db)
            await mend_stuck(db)

    async def _reopen_unanswered(self) -> None:
        async with self.runtime.pool.acquire() as db:
            await reopen_unanswered(db)

    async def _tidy(self) -> None:
        """Archive one chunk of old messages; when none is left, delete rows whose retention is over."""
        began = time.monotonic()
        async with self.runtime.pool.acquire() as db:
            if await is_sending(db, self.runtime.clock()):
                return
        more = await self._tidy_alone()
        took = time.monotonic() - began
        self.tidying.next_at = began + (max(1.0, took / TIDY_SHARE) if more else TIDY_EVERY)

    async def _tidy_alone(self) -> bool:
        settings, now = self.runtime.settings, self.runtime.clock()
        assert settings.database_url is not None
        async with retention_lock(settings.database_url, chunk_timeout=0) as db:
            if db is None:
                return False
            if await archive_due(db, last_close(now, settings.archive_after), PageViews(), now=now):
                return True
            await _all_of(
                partial(mend_recent, db),
                partial(erase_late, db, now - RECEIPTS_COME_FOR),
                partial(delete_unreachable_places, db, now),
                partial(delete_stale_rows, db, now - timedelta(days=settings.keep_inbound), now=now),
                partial(delete_expired, db, now=now),
                partial(renew_app_secrets, db, keys=settings.secret_key),
                partial(renew_webhook_secrets, db, keys=settings.secret_key),
                partial(delete_old_events, db, now - timedelta(days=settings.keep_events)),
            )
            return False


async def _all_of(*works: Callable[[], Awaitable[object]]) -> None:
    """Run independent functions one after the other; all are run even if one fails, and the first error is raised."""
    failed: list[Exception] = []
    for work in works:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # any error is reported once all have been run
            failed.append(error)
    for another in failed[1:]:
        log.error("another of the clean-up tasks failed", exc_info=another)
    if failed:
        raise failed[0]
