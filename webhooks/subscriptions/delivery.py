"""Delivery of webhooks: sends to each subscription in order, one request at a time; to different ones in parallel.

A worker takes a subscription by a lease in the database, which lasts far longer than a request and is renewed with each
delivered event. So only one worker at a time delivers to a receiver, and a receiver that is slow, hangs or is down does
not delay the others. A worker that is killed loses its leases when they end; the event it was sending is sent again
under the same `webhook-id`, by which receivers recognise a repetition.

An event that the receiver does not accept with a 2xx is retried, with growing pauses, for three days; later events wait
for it. Then the subscription is paused and staff are alerted. A 410 ends it for good.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import structlog
from pydantic import SecretStr

from core.alerts import Severity, raise_alert, resolve_alert
from core.db import AWAY, Connection, load_queries
from core.errors import MusterError, Unavailable
from core.http.outbound_http import REQUEST_TIMEOUT, OutboundHttp, OutboundReply
from core.outages import POSTGRES
from core.runtime import Runtime
from core.settings import Settings
from core.sign_in_links import mask_credentials
from webhooks.subscriptions.event_log import newest_position
from webhooks.subscriptions.event_types import EVENTS, GROUPS, expand, webhook_id
from webhooks.subscriptions.payload import WebhookEvent, bodies, sign_payload
from webhooks.subscriptions.subscriptions import alert_key
from webhooks.subscriptions.webhook_secrets import decrypt

SQL: Final = load_queries(__file__)

LEASE_SECONDS: Final = 3 * REQUEST_TIMEOUT
"""Seconds for which one worker holds a subscription; it renews that as long as it delivers to it."""
BATCH_SIZE: Final = 100
"""Events that are read at once."""
MAX_PARALLEL_SUBSCRIPTIONS: Final = 50
"""Subscriptions a worker delivers to in parallel."""
FIRST_PAUSE: Final = 5.0
"""Seconds before an event is sent a second time; each further pause is twice as long."""
MAX_PAUSE: Final = 900.0
"""Most seconds between two tries."""
MAX_RETRY_AFTER: Final = 3600.0
"""Most seconds that a receiver's Retry-After is followed."""
WARNS_AFTER: Final = timedelta(hours=1)
"""Time of failures after which an alert is raised."""
GIVES_UP_AFTER: Final = timedelta(days=3)
"""Time of failures after which the subscription is paused."""
HTTP_GONE: Final = 410
"""Status by which a receiver ends its subscription."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """Delivery state of a subscription.

    Attributes:
        subscription_id: its id.
        name: its name in commands.
        url: where events go.
        types: the types it receives.
        include: fields it receives beside ids, as far as the settings allow it.
        cursor: every event up to here has been dealt with.
        attempts: failed tries of the next event.
        failing_since: when the first of these failed.
        secrets: the secrets that sign.
    """

    subscription_id: int
    name: str
    url: str
    types: list[str]
    include: frozenset[str]
    cursor: int
    attempts: int
    failing_since: datetime | None
    secrets: tuple[SecretStr, ...]


@dataclass(slots=True)
class WebhookDelivery:
    """Delivers events that are due.

    Args:
        runtime: the runtime.
        outbound_http: sends the requests.
        lease: seconds a subscription is held; longer than a request may take.
    """

    runtime: Runtime
    outbound_http: OutboundHttp
    lease: float = LEASE_SECONDS
    _going: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _stopping: bool = False

    async def start(self) -> None:
        """Start delivering to every subscription that is due; return at once, without waiting for receivers."""
        rows = await self.runtime.pool.fetch(SQL["list_due"], self.runtime.clock())
        for row in rows:
            subscription_id = row["subscription_id"]
            if (
                subscription_id not in self._going
                and len(self._going) < MAX_PARALLEL_SUBSCRIPTIONS
                and not self._stopping
            ):
                task = asyncio.create_task(self._run(subscription_id), name=f"webhook {subscription_id}")
                self._going[subscription_id] = task
                task.add_done_callback(self._done)

    async def idle(self) -> None:
        """Wait until no delivery is running."""
        while self._going:
            await asyncio.wait(self._going.values())

    async def stop(self, stop_timeout: float) -> None:
        """Start no new requests, and wait for those in flight.

        Args:
            stop_timeout: seconds; requests that take longer are cancelled, and sent again by another worker.
        """
        self._stopping = True
        if not self._going:
            return
        tasks = list(self._going.values())
        _, late = await asyncio.wait(tasks, timeout=stop_timeout)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._going = {
            subscription_id: running for subscription_id, running in self._going.items() if running is not task
        }

    async def _run(self, subscription_id: int) -> None:
        try:
            await self._deliver_all(subscription_id, uuid4())
        except AWAY as error:
            self.runtime.outages.note_outage(POSTGRES, error)
        except asyncpg.PostgresError as error:
            log.warning("webhooks cannot be delivered just now", subscription=subscription_id, error=repr(error))
        except Exception:
            log.exception("a webhook delivery failed with an unexpected error", subscription=subscription_id)

    async def _deliver_all(self, subscription_id: int, token: UUID) -> None:
        try:
            while not self._stopping and await self._deliver(subscription_id, token):
                pass
        except Unavailable:  # not the subscription's fault
            raise
        except MusterError as error:
            await self._give_up(subscription_id, token, error)
        else:
            await self.runtime.pool.execute(SQL["release_lease"], subscription_id, token)

    async def _give_up(self, subscription_id: int, token: UUID, error: MusterError) -> None:
        """Pause a subscription that cannot be delivered to at all, until a person has looked at it."""
        async with self.runtime.pool.acquire() as db, db.transaction():
            name = await db.fetchval(SQL["pause_subscription"], subscription_id, token, error.message)
            if name is not None:
                title = f"The webhook {name} was paused: {error.message}"
                await raise_alert(
                    db, key=alert_key(subscription_id), severity="error", title=title, remedy=error.remedy
                )

    async def _deliver(self, subscription_id: int, token: UUID) -> bool:
        """Take the lease and deliver a batch; return whether there may be more."""
        ours_until = time.monotonic() + self.lease
        async with self.runtime.pool.acquire() as db:
            row = await db.fetchrow(SQL["take_lease"], subscription_id, token, self.lease)
            if row is None:
                return False
            delivery = delivery_state_of(row, self.runtime.settings, self.runtime.clock())
            upto = await newest_position(db)
            events = [
                WebhookEvent(**event_row)
                for event_row in await db.fetch(SQL["list_events"], delivery.cursor, upto, delivery.types, BATCH_SIZE)
            ]
            texts = await bodies(db, events, delivery.include)
        for event, body in zip(events, texts, strict=True):
            if self._stopping or time.monotonic() + self.outbound_http.request_timeout > ours_until:
                return True
            ours_until = time.monotonic() + self.lease
            if not await self._send(delivery, token, event, body):
                return False
            delivery = _fresh(delivery, event.seq)
        if len(events) < BATCH_SIZE:
            await self.runtime.pool.execute(SQL["advance_cursor"], subscription_id, token, upto)
        return len(events) == BATCH_SIZE

    async def _send(self, delivery: DeliveryState, token: UUID, event: WebhookEvent, body: bytes) -> bool:
        """Send one event; return whether the next one may go."""
        at = self.runtime.clock()
        event_id, attempt = webhook_id(event.seq), delivery.attempts + 1
        reply = await self.outbound_http.send(
            "POST", delivery.url, body, sign_payload(delivery.secrets, event_id, at, body)
        )
        answer = mask_credentials(reply.text)
        tried = (
            delivery.subscription_id,
            token,
            event.seq,
            event_id,
            event.type,
            attempt,
            at,
            reply.took,
            reply.status,
        )
        async with self.runtime.pool.acquire() as db, db.transaction():
            if reply.problem is None:
                if delivery.attempts:
                    await resolve_alert(db, alert_key(delivery.subscription_id))
                return await db.fetchval(SQL["record_delivered"], *tried, answer, self.lease) is not None
            state, why = _judge(delivery, reply, at)
            again = at + timedelta(seconds=_pause(attempt, reply.wait))
            ours = await db.fetchval(SQL["record_failed"], *tried, reply.problem, answer, again, state, why)
            if ours is not None:
                await _tell_staff(db, delivery, state, reply.problem, at)
            return False


def delivery_state_of(row: asyncpg.Record, settings: Settings, now: datetime) -> DeliveryState:
    """Build the delivery state from a database row, with the secrets that are valid at that time.

    Raises:
        SettingsError: its secret was encrypted with a key we do not have.
    """
    encrypted = [row["secret"]]
    if row["old_until"] is not None and row["old_until"] > now:
        encrypted.append(row["old_secret"])
    types = expand(pattern for pattern in row["events"] if pattern == "*" or pattern in EVENTS or pattern in GROUPS)
    return DeliveryState(
        row["subscription_id"], row["name"], row["url"], types,
        frozenset(row["include"]) & frozenset(settings.webhook_include), row["cursor"], row["attempts"],
        row["failing_since"], tuple(decrypt(settings.secret_key, secret) for secret in encrypted),
    )  # fmt: skip


def _fresh(delivery: DeliveryState, seq: int) -> DeliveryState:
    return replace(delivery, cursor=seq, attempts=0, failing_since=None)


def _judge(delivery: DeliveryState, reply: OutboundReply, at: datetime) -> tuple[str, str | None]:
    """Return the subscription's state after a failed try, and the reason if it is not active."""
    if reply.status == HTTP_GONE:
        return "gone", "Its receiver answered 410: it is gone for good."
    if delivery.failing_since is not None and at - delivery.failing_since >= GIVES_UP_AFTER:
        return "paused", f"It has not taken an event for {GIVES_UP_AFTER.days} days. {reply.problem}"
    return "active", None


def _pause(attempt: int, retry_after: float | None) -> float:
    """Return the seconds until the next try: doubling, with jitter; up to an hour if the receiver asks for it."""
    pause: float = min(FIRST_PAUSE * 2 ** min(attempt - 1, 10), MAX_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311
    return max(pause, min(retry_after or 0.0, MAX_RETRY_AFTER))


async def _tell_staff(db: Connection, delivery: DeliveryState, state: str, problem: str, at: datetime) -> None:
    detail: dict[str, Any] = {"webhook": delivery.name, "problem": problem}
    if state == "gone":
        title = f"The webhook {delivery.name} was stopped: its receiver says that it is gone for good (410)."
        remedy = f"If that is a mistake, add it again; else: muster webhooks remove {delivery.name}"
    elif state == "paused":
        title = f"The webhook {delivery.name} was paused: its receiver has accepted nothing for three days."
        remedy = f"Fix the receiver, then: muster webhooks resume {delivery.name}; it goes on from where it stopped."
    elif delivery.failing_since is not None and at - delivery.failing_since >= WARNS_AFTER:
        title = f"The receiver of the webhook {delivery.name} accepts no events."
        remedy = (
            f"See its answers with: muster webhooks log {delivery.name} --failed. It is tried again for three days."
        )
    else:
        return
    severity: Severity = "warning" if state == "active" else "error"
    await raise_alert(
        db, key=alert_key(delivery.subscription_id), severity=severity, title=title, remedy=remedy, detail=detail
    )
