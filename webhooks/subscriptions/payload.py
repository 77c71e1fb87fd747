"""Webhook request: the event's body, and the headers of Standard Webhooks, signed with every valid secret."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import SecretStr
from standardwebhooks import Webhook

from core.db import Connection, load_queries
from webhooks.subscriptions.event_types import PRIVATE, webhook_id, write

SQL: Final = load_queries(__file__)

_LOOKS_UP: Final = {
    "message.": "list_message_addresses",
    "opt_out.": "list_suppressed_addresses",
    "suppression.": "list_suppressed_addresses",
    "reply.": "list_replies",
    "answer.": "list_comments",
}
"""The query for an event's addresses and texts, by the prefix of its type."""


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """Event of the event log.

    Attributes:
        seq: its number.
        type: its type.
        at: when it happened.
        data: its payload, ids only.
        ref: id by which addresses and texts are looked up.
    """

    seq: int
    type: str
    at: datetime
    data: Mapping[str, Any]
    ref: int | None


async def bodies(db: Connection, events: Sequence[WebhookEvent], include: Collection[str]) -> list[bytes]:
    """Build the request body of each event.

    Args:
        db: a connection.
        events: the events.
        include: what a subscription receives beside ids: `addresses`, `texts`.
    """
    private = await _private(db, events, include) if include else {}
    return [
        write(
            event.type,
            event_id=webhook_id(event.seq),
            cursor=event.seq,
            at=event.at,
            data={**event.data, **private.get(event.seq, {})},
        )
        for event in events
    ]


def sign_payload(secrets: Sequence[SecretStr], event_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Build the headers of a request.

    Args:
        secrets: the valid secrets; each signs.
        event_id: the same in every try.
        at: now; receivers refuse requests older than five minutes.
        body: the body.
    """
    text = body.decode()
    signatures = [Webhook(secret.get_secret_value()).sign(event_id, at, text) for secret in secrets]
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


async def _private(
    db: Connection, events: Sequence[WebhookEvent], include: Collection[str]
) -> dict[int, dict[str, Any]]:
    """Return the addresses and texts to include, by event number."""
    by_ref: dict[int, dict[str, Any]] = {}
    for prefix, query in _LOOKS_UP.items():
        ours = [event for event in events if event.type.startswith(prefix)]
        refs = [event.ref for event in ours]
        rows = {row["ref"]: dict(row) for row in (await db.fetch(SQL[query], refs) if refs else ())}
        for event in ours:
            row = rows.get(event.ref, {})
            by_ref[event.seq] = {name: row[name] for name, leave in PRIVATE.items() if leave in include and name in row}
    return by_ref
