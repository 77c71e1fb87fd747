"""Webhook subscriptions: add, rotate, pause, resume, replay and remove them, each with a line in the audit log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr

from core.access import Actor
from core.alerts import resolve_alert
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.errors import Conflict, InputError, NotFound
from core.http.outbound_http import check_url, is_open_to_read
from core.runtime import Runtime
from core.settings import Settings
from core.spec_errors import names_instead
from webhooks.subscriptions import event_log
from webhooks.subscriptions.event_types import EVENTS, expand
from webhooks.subscriptions.webhook_secrets import encrypt, make_secret, renew

SQL: Final = load_queries(__file__)

SECRET_OVERLAP: Final = timedelta(hours=24)
"""Time after a rotation during which the former secret signs as well, by default."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_TYPES: Final = [name for name in EVENTS if name != "webhook.test"]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Webhook subscription.

    Attributes:
        subscription_id: its id.
        name: its name in commands.
        url: where events go.
        events: event types, or groups of them.
        include: fields it receives beside ids.
        state: active; paused: waits for a person; gone: the receiver answered 410 (Gone).
        paused_reason: why it is not active.
        cursor: every event up to here has been dealt with.
        attempts: failed tries of the event after it.
        failing_since: when the first of these failed.
        next_try_at: no try before then.
        old_until: until then the former secret signs as well.
        created_at: when it was added; aware, like every time here.
        created_by: its maker.
        delivered_at: when the receiver last accepted an event.
        waiting: events that it is behind, at most 1,000.
    """

    subscription_id: int
    name: str
    url: str
    events: list[str]
    include: list[str]
    state: str
    paused_reason: str | None
    cursor: int
    attempts: int
    failing_since: datetime | None
    next_try_at: datetime
    old_until: datetime | None
    created_at: datetime
    created_by: str
    delivered_at: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """Attempt to deliver an event.

    Attributes:
        delivery_id: its row.
        at: when it began.
        seq: the event's number; None for a test.
        webhook_id: the `webhook-id` that the receiver sees.
        type: of the event.
        reason: stream, resend or test.
        attempt: which try, from 1.
        took: seconds.
        status: HTTP; None if there was no answer.
        problem: why it failed; None if it was delivered.
        answer: the beginning of the receiver's answer.
    """

    delivery_id: int
    at: datetime
    seq: int | None
    webhook_id: str
    type: str
    reason: str
    attempt: int
    took: float
    status: int | None
    problem: str | None
    answer: str


async def add_subscription(
    runtime: Runtime, *, name: str, url: str, events: Sequence[str], include: Sequence[str] = (), actor: Actor
) -> tuple[Subscription, SecretStr]:
    """Add a subscription; it receives events from this moment on.

    Args:
        runtime: the runtime.
        name: its name: lowercase letters, digits and dashes.
        url: where events go; `http://` reaches only what MUSTER_OUTGOING_ALLOW names.
        events: event types or groups of them.
        include: `addresses`, `texts`, if MUSTER_WEBHOOK_INCLUDE allows them.
        actor: its maker, for the audit log.

    Returns:
        The subscription, and its secret, which is never shown again.

    Raises:
        InputError: one of the values is invalid.
        Conflict: the name is taken.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} cannot be a name: use up to 63 lowercase letters, digits and dashes.")
    check_url(url)
    _check_scheme(runtime.settings, url)
    types = expand(events)
    _check_include(runtime.settings, include)
    secret, now = make_secret(), runtime.clock()
    async with event_log.open_for_new_subscription(runtime, types) as (db, cursor):
        added = await db.fetchval(
            SQL["insert_subscription"], name, url, list(dict.fromkeys(events)), sorted(set(include)),
            encrypt(runtime.settings.secret_key, secret), cursor, actor.name, now,
        )  # fmt: skip
        if added is None:
            raise Conflict(f"There is already a webhook {name}.", remedy=f"See: muster webhooks show {name}")
        await record(
            db,
            actor,
            AuditAction.WEBHOOK_ADDED,
            f"webhook {name}",
            {"url": url, "events": list(events), "include": list(include)},
        )
        return await get_subscription(db, name), secret


async def get_subscription(db: Connection, name: str) -> Subscription:
    """Return a subscription by its name.

    Raises:
        NotFound: there is none of that name.
    """
    row = await db.fetchrow(SQL["list_subscriptions"], name, _TYPES)
    if row is None:
        raise await _nobody(db, name)
    return Subscription(**row)


async def list_subscriptions(db: Connection) -> list[Subscription]:
    """List all subscriptions, by name."""
    return [Subscription(**row) for row in await db.fetch(SQL["list_subscriptions"], None, _TYPES)]


async def rotate(runtime: Runtime, name: str, *, overlap: timedelta = SECRET_OVERLAP, actor: Actor) -> SecretStr:
    """Give a subscription a new secret; for a while the former one signs as well.

    Returns:
        The new secret, which is never shown again.

    Raises:
        NotFound: there is none of that name.
    """
    secret, now = make_secret(), runtime.clock()
    async with runtime.pool.acquire() as db, db.transaction():
        encrypted = encrypt(runtime.settings.secret_key, secret)
        if await db.fetchval(SQL["rotate_secret"], name, encrypted, now + overlap, now) is None:
            raise await _nobody(db, name)
        await record(
            db,
            actor,
            AuditAction.WEBHOOK_ROTATED,
            f"webhook {name}",
            {"overlap_hours": overlap / timedelta(hours=1)},
        )
    return secret


async def renew_secrets(db: Connection, *, keys: Sequence[SecretStr]) -> int:
    """Encrypt secrets of webhooks with the newest key, so that the former one can be removed; return how many were not.

    Args:
        db: a connection.
        keys: MUSTER_SECRET_KEY.
    """
    renewed = 0
    for which, secret, former in await db.fetch(SQL["list_secrets"]):
        new, new_former = renew(keys, secret), renew(keys, former)
        if new is not None or new_former is not None:
            await db.execute(SQL["renew_secrets"], which, secret, former, new, new_former)
            renewed += 1
    return renewed


async def pause(db: Connection, name: str, *, reason: str = "", actor: Actor) -> Subscription:
    """Pause a subscription; events that happen meanwhile are kept for it.

    Raises:
        NotFound: there is none of that name.
        Conflict: the subscription is not active.
    """
    async with db.transaction():
        await _change(db, "pause", name, reason or f"paused by {actor.name}")
        await record(db, actor, AuditAction.WEBHOOK_PAUSED, f"webhook {name}", {"reason": reason})
        return await get_subscription(db, name)


async def resume(db: Connection, name: str, *, now: datetime, actor: Actor) -> Subscription:
    """Resume a paused subscription from the event it stopped at.

    Raises:
        NotFound: there is none of that name.
        Conflict: the subscription is not paused, or gone for good.
    """
    async with db.transaction():
        subscription_id = await _change(db, "resume", name, now)
        await resolve_alert(db, alert_key(subscription_id))
        await record(db, actor, AuditAction.WEBHOOK_RESUMED, f"webhook {name}")
        return await get_subscription(db, name)


async def replay(
    db: Connection, name: str, *, after: int | None = None, since: datetime | None = None, now: datetime, actor: Actor
) -> Subscription:
    """Deliver every event after a position once more, in order, under its former id.

    Args:
        db: a connection.
        name: the subscription.
        after: the number of the last event not to be repeated; 0 for everything that is kept.
        since: or a moment: everything recorded from then on.
        now: the time.
        actor: the person who requests it, for the audit log.

    Raises:
        NotFound: there is none of that name.
        InputError: the position is no longer kept, or has not been reached yet.
    """
    async with db.transaction():
        oldest, head = await event_log.position_before_oldest_event(db), await event_log.newest_position(db)
        cursor = max(await event_log.last_event_before(db, since), oldest) if since is not None else after or oldest
        if not oldest <= cursor <= max(head, oldest):
            raise InputError(
                f"There is nothing to replay after {cursor}: kept are the events after {oldest} and up to {head}.",
                remedy="How long they are kept is MUSTER_KEEP_EVENTS.",
            )
        if await db.fetchval(SQL["move_cursor"], name, cursor, now) is None:
            raise await _nobody(db, name)
        await record(db, actor, AuditAction.WEBHOOK_REPLAYED, f"webhook {name}", {"after": cursor})
        subscription = await get_subscription(db, name)
        if subscription.state == "active":
            await resolve_alert(db, alert_key(subscription.subscription_id))  # retries start over
        return subscription


async def remove(db: Connection, name: str, *, actor: Actor) -> None:
    """Delete a subscription, its secret and its log.

    Raises:
        NotFound: there is none of that name.
    """
    async with db.transaction():
        removed = await db.fetchval(SQL["delete_subscription"], name)
        if removed is None:
            raise await _nobody(db, name)
        await resolve_alert(db, alert_key(removed))
        await record(db, actor, AuditAction.WEBHOOK_REMOVED, f"webhook {name}")


async def list_deliveries(
    db: Connection, name: str, *, failed: bool = False, seq: int | None = None, limit: int = 50
) -> list[DeliveryAttempt]:
    """List attempts to deliver, the latest first.

    Args:
        db: a connection.
        name: the subscription.
        failed: only failed ones.
        seq: only of this event.
        limit: most attempts.

    Raises:
        NotFound: there is none of that name.
    """
    await get_subscription(db, name)
    return [DeliveryAttempt(**row) for row in await db.fetch(SQL["list_deliveries"], name, failed, seq, limit)]


def alert_key(subscription_id: int) -> str:
    """Return the key that alerts about a subscription are grouped by."""
    return f"webhook:{subscription_id}"


async def _change(db: Connection, action: str, name: str, argument: object) -> int:
    changed = await db.fetchval(SQL[f"{action}_subscription"], name, argument)
    if changed is not None:
        return int(changed)
    subscription = await get_subscription(db, name)
    raise Conflict(
        f"The webhook {name} is {subscription.state} and cannot be {action}d.",
        remedy="Its receiver said that it is gone for good (410): remove it, and add it again."
        if subscription.state == "gone"
        else "",
    )


async def _nobody(db: Connection, name: str) -> NotFound:
    names = [row["name"] for row in await db.fetch(SQL["list_names"])]
    known = names_instead(name, names) if names else "Add one with: muster webhooks add NAME URL --event '*'"
    return NotFound(f"There is no webhook {name}.", remedy=known)


def _check_scheme(settings: Settings, url: str) -> None:
    if is_open_to_read(url) and not settings.outgoing_allow:
        raise InputError(
            "An http:// address can be read and changed on the way.",
            remedy="Use https://; or, for a receiver in your own network, name that network in MUSTER_OUTGOING_ALLOW.",
        )


def _check_include(settings: Settings, include: Sequence[str]) -> None:
    for kind in include:
        if kind not in {"addresses", "texts"}:
            raise InputError(f"{kind!r} cannot be included: there are addresses and texts.")
        if kind not in settings.webhook_include:
            raise InputError(
                f"Webhooks may not include {kind} here.",
                remedy=f"The operator of Muster can allow it: MUSTER_WEBHOOK_INCLUDE={kind}",
            )
