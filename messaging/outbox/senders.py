"""Pause a sender whose messages are refused because of the sender, and resume it when staff have fixed the cause.

Bad addresses of single recipients never pause anything. Refusals of the sender, the account or the content do, once
there are `MIN_REFUSALS` of them and they are `MIN_REFUSED_SHARE` of recent tries. Then the rest of the campaign waits.
Refusals in the SMTP session and refusals that come back later as bounces count alike. Many messages of unknown outcome
raise an alert, and the workers slow down by themselves (`unknown_rate`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import structlog

from core.access import Actor
from core.alerts import raise_alert, resolve_alert
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.errors import NotFound
from core.plurals import plural, verb
from messaging.reasons import MENDABLE, OUR_FAULT, Reason, sentence

SQL: Final = load_queries(__file__)

MIN_REFUSALS: Final = 10
"""Refusals of recent tries below which a sender is not paused, whatever their share."""
MIN_REFUSED_SHARE: Final = 0.05
"""Share of recent tries that must be refused before a sender is paused, 0.05 for 5%."""
RECENT_SECONDS: Final = 900.0
"""Seconds that count as recent …"""
MAX_RECENT_TRIES: Final = 500
"""… or tries, whichever is shorter: a fast sender is judged by its last seconds."""
UNKNOWN_FOR_ALERT: Final = 20
"""Messages of unknown outcome at one time that raise an alert: more than a slow moment leaves."""

_REMEDIES: Final = {
    Reason.SENDER_REFUSED: "Check with the provider that this sender is registered and may write there",
    Reason.ACCOUNT_REFUSED: "Check the account, its credentials and its balance with the provider",
    Reason.CONTENT_REFUSED: "Read the message as the provider's rules do, and change the template",
    Reason.FILTERED: "Ask the provider why networks filter it: registration, links and wording are the usual causes",
}

log = structlog.get_logger(__name__)


async def use_sender(db: Connection, channel: str, address: str, *, name: str = "", pace: float | None = None) -> int:
    """Find the sender of a number or mailbox, or add it.

    Args:
        db: a connection.
        channel: `sms` or `email`.
        address: normalised.
        name: display name that recipients see; empty keeps the present one.
        pace: its rate limit in segments or mails a second, for every campaign that uses it; None keeps the present one.

    Returns:
        Its id.
    """
    sender_id: int = await db.fetchval(SQL["use_sender"], channel, address, name, pace)
    return sender_id


async def find_sender(db: Connection, channel: str, addresses: Sequence[str]) -> int:
    """Find the first sender among some numbers or mailboxes; if none is known, add the first.

    Returns:
        Its id.
    """
    sender_id: int | None = await db.fetchval(SQL["find_sender"], channel, list(addresses))
    return sender_id if sender_id is not None else await use_sender(db, channel, addresses[0])


async def pause_if_refused(db: Connection, sender_ids: Collection[int]) -> list[int]:
    """Pause the senders, of the given ones, that had too many messages refused because of the sender.

    Args:
        db: in the transaction that recorded the refusals, or after it.
        sender_ids: the senders that had refusals.

    Returns:
        The ids of the senders that were paused now.
    """
    paused: list[int] = []
    limits = (MIN_REFUSALS, MIN_REFUSED_SHARE, RECENT_SECONDS, MAX_RECENT_TRIES)
    for row in await db.fetch(SQL["list_refused"], list(sender_ids), [*OUR_FAULT], *limits):
        reason = Reason(row["reasons"][0])
        were = verb(row["refused"], "was", "were")
        why = f"{row['refused']} of the last {plural(row['tried'], 'message')} {were} refused. {sentence(reason)}"
        if await db.fetchval(SQL["pause_sender"], row["sender_id"], why) is None:
            continue
        paused.append(row["sender_id"])
        log.error("a sender was paused", sender_id=row["sender_id"], refused=row["refused"], reason=reason.value)
        await raise_alert(
            db,
            key=f"sender:{row['sender_id']}",
            severity="error",
            title=f"Sending from {row['address']} stopped: {why}",
            remedy=f"{_REMEDIES[reason]}; then: muster messages resume {row['address']}",
            detail={"refused": row["refused"], "tried": row["tried"], "reasons": row["reasons"]},
        )
    return paused


async def alert_unknown_outcomes(db: Connection) -> list[int]:
    """Raise an alert for each sender with too many messages of unknown outcome, and resolve it when they are settled.

    Returns:
        The ids of the senders that have too many now.
    """
    many: list[int] = []
    for row in await db.fetch(SQL["list_unknown"], UNKNOWN_FOR_ALERT):
        key = f"unknown:{row['sender_id']}"
        if not row["many"]:
            await resolve_alert(db, key)
            continue
        many.append(row["sender_id"])
        if row["alerted"]:
            continue
        await raise_alert(
            db,
            key=key,
            severity="warning",
            title=f"It is not known whether {plural(row['unknown'], 'message')} from {row['address']}"
            f" {verb(row['unknown'], 'was', 'were')} sent.",
            remedy="The provider accepts messages and does not answer: look at its status page. Workers slow down by"
            " themselves, and each message is settled as soon as the provider can be asked.",
            detail={"unknown": row["unknown"]},
        )
    return many


async def resume_sender(db: Connection, sender_id: int, *, actor: Actor, now: datetime) -> int:
    """Resume a sender, and queue again the messages that were refused because of it.

    Args:
        db: in the caller's transaction.
        sender_id: the sender.
        actor: who resumes it, for the audit.
        now: earliest time of the next try.

    Returns:
        How many messages were put back into the queue.
    """
    resumed = await db.fetchrow(SQL["resume_sender"], sender_id, [*MENDABLE], now)
    assert resumed is not None
    again: int = resumed["messages"]
    await resolve_alert(db, f"sender:{sender_id}")
    await record(db, actor, AuditAction.SENDER_RESUMED, f"sender {resumed['address']}", {"messages": again})
    log.info("a sender was resumed", sender_id=sender_id, messages=again)
    return again


async def resume_by_address(db: Connection, address: str, *, actor: Actor, now: datetime) -> int:
    """Resume a sender, found by its number or mailbox; see `resume_sender`.

    Returns:
        How many messages that had been refused are queued again.

    Raises:
        NotFound: there is no such sender; the error names the paused ones.
    """
    sender = await db.fetchrow(SQL["find_by_address"], address)
    if sender is None:
        stopped = [row["address"] for row in await db.fetch(SQL["list_paused"])]
        remedy = f"These are stopped: {', '.join(stopped)}" if stopped else "No sender is stopped."
        raise NotFound(f"No messages are sent from {address}.", remedy=remedy)
    return await resume_sender(db, sender["sender_id"], actor=actor, now=now)
