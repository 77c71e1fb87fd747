"""An event on the wire: its body, and the headers of Standard Webhooks, signed with every secret that holds."""

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
    "message.": "addresses_of_messages",
    "opt_out.": "addresses_of_suppressions",
    "suppression.": "addresses_of_suppressions",
    "reply.": "replies",
}
"""Where the numbers and words of an event are, by what its type begins with."""


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One event of the stream.

    Attributes:
        seq: its place.
        type: what it is.
        at: when it happened.
        data: what it says, ids only.
        ref: where numbers and words are looked up.
    """

    seq: int
    type: str
    at: datetime
    data: Mapping[str, Any]
    ref: int | None


async def bodies(db: Connection, events: Sequence[WebhookEvent], include: Collection[str]) -> list[bytes]:
    """What is sent for each event.

    Args:
        db: a connection.
        events: what to tell.
        include: what a subscription is told beside ids: `addresses`, `texts`.
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


def sign(secrets: Sequence[SecretStr], event_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a request.

    Args:
        secrets: those that hold; each signs.
        event_id: the same in every try.
        at: now; receivers refuse what is older than five minutes.
        body: what is sent.
    """
    text = body.decode()
    signatures = [Webhook(one.get_secret_value()).sign(event_id, at, text) for one in secrets]
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


async def _private(
    db: Connection, events: Sequence[WebhookEvent], include: Collection[str]
) -> dict[int, dict[str, Any]]:
    """By place, the numbers and words that may be told."""
    found: dict[int, dict[str, Any]] = {}
    for prefix, query in _LOOKS_UP.items():
        ours = [event for event in events if event.type.startswith(prefix)]
        refs = [event.ref for event in ours]
        rows = {row["ref"]: dict(row) for row in (await db.fetch(SQL[query], refs) if refs else ())}
        for event in ours:
            row = rows.get(event.ref, {})
            found[event.seq] = {name: row[name] for name, leave in PRIVATE.items() if leave in include and name in row}
    return found
