"""A sender that is refused for what it is stops by itself, and starts again when a person has mended it.

Single recipients that are bad never pause anything. Refusals of the sender, the account or the content do, once there
are `THRESHOLD` of them and they are `SHARE` of what was tried lately: the rest of the campaign waits instead. It is the
same whether a relay refuses in the dialogue, or takes a mail and another server's refusal comes back.
Many messages of unknown outcome raise an alert, and the workers go slower by themselves (`doubts`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

import structlog

from core.alerts import raise_alert, resolve_alert
from core.db import Connection, load_queries
from core.plurals import plural, verb
from messaging.states import MENDABLE, OUR_FAULT, Reason, sentence

SQL: Final = load_queries(__file__)

THRESHOLD: Final = 10
SHARE: Final = 0.05
WINDOW: Final = 900.0
"""Seconds that are lately …"""
TRIES: Final = 500
"""… and tries, whichever is shorter: a sender that goes fast is judged by its last seconds."""
UNKNOWN: Final = 20
"""Messages without an answer at one time that are worth an alert: more than a slow moment leaves."""

_REMEDIES: Final = {
    Reason.SENDER_REFUSED: "Check with the provider that this sender is registered and may write there",
    Reason.ACCOUNT_REFUSED: "Check the account, its credentials and its balance with the provider",
    Reason.CONTENT_REFUSED: "Read the message as the provider's rules do, and change the template",
    Reason.FILTERED: "Ask the provider why networks filter it: registration, links and wording are the usual causes",
}

log = structlog.get_logger(__name__)


async def use_sender(db: Connection, channel: str, address: str, *, name: str = "", pace: float | None = None) -> int:
    """Find a number's or mailbox's sender, or make it.

    Args:
        db: a connection.
        channel: `sms` or `email`.
        address: normalised.
        name: what recipients see beside it; empty leaves what there is.
        pace: most segments or mails a second, for everybody who uses it; None leaves what there is.

    Returns:
        Its id.
    """
    sender_id: int = await db.fetchval(SQL["use_sender"], channel, address, name, pace)
    return sender_id


async def pause_if_refused(db: Connection, step_ids: Collection[int]) -> list[int]:
    """Pause the senders of some steps where too many messages were refused for the sender's own sake.

    Args:
        db: in the transaction that recorded the refusals, or after it.
        step_ids: the steps that had some.

    Returns:
        The senders that were paused now.
    """
    paused: list[int] = []
    limits = (THRESHOLD, SHARE, WINDOW, TRIES)
    for row in await db.fetch(SQL["refused_senders"], list(step_ids), [*OUR_FAULT], *limits):
        reason = Reason(row["reasons"][0])
        were = verb(row["refused"], "was", "were")
        why = f"{row['refused']} of the last {plural(row['tried'], 'message')} {were} refused. {sentence(reason)}"
        if await db.fetchval(SQL["pause"], row["sender_id"], why) is None:
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


async def tell_of_doubts(db: Connection) -> list[int]:
    """Alert to senders of whose messages too many are of unknown outcome, and resolve that where it has passed.

    Returns:
        The senders there are too many of now.
    """
    many: list[int] = []
    for row in await db.fetch(SQL["doubtful_senders"], UNKNOWN):
        key = f"unknown:{row['sender_id']}"
        if not row["many"]:
            await resolve_alert(db, key)
            continue
        many.append(row["sender_id"])
        if row["told"]:
            continue
        await raise_alert(
            db,
            key=key,
            severity="warning",
            title=f"Nobody can say of {plural(row['unknown'], 'message')} from {row['address']} whether"
            f" {verb(row['unknown'], 'it', 'they')} left.",
            remedy="The provider takes messages and does not answer: look at its status page. Workers go slower by"
            " themselves, and each message is settled as soon as the provider can be asked.",
            detail={"unknown": row["unknown"]},
        )
    return many


async def resume_sender(db: Connection, sender_id: int, *, now: datetime) -> int:
    """Let a sender send again, and try again what was refused for its sake.

    Args:
        db: in the caller's transaction.
        sender_id: the sender.
        now: from when on.

    Returns:
        How many messages were put back into the queue.
    """
    again: int = await db.fetchval(SQL["resume"], sender_id, [*MENDABLE], now)
    await resolve_alert(db, f"sender:{sender_id}")
    log.info("a sender was resumed", sender_id=sender_id, messages=again)
    return again
