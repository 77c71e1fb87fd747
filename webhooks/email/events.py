"""Email events: outcomes of emails, in the same few kinds for all providers, and how they are applied.

A provider's module turns each of its events into an `EmailEvent`; everything after that is the same for all of them,
and for bounces that come as mail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal, TypeVar

from core.db import Connection
from core.keyring import Keyring
from messaging.outbox.bounces import discount_soft_bounces, note_soft_bounce
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.reasons import Reason
from messaging.reports.bounce_classification import RefusalClass
from messaging.states import State

T = TypeVar("T", bound=datetime | None)
EmailEventKind = Literal["taken", "deferred", "delivered", "bounced", "refused", "complained", "unsubscribed", "noted"]
"""Kinds of events; `refused`: the provider never tried; `noted`: kept in the history, without any effect."""

_STATES: Final[Mapping[EmailEventKind, State]] = MappingProxyType(
    {
        "taken": State.ACCEPTED,
        "deferred": State.ACCEPTED,
        "delivered": State.DELIVERED,
        "bounced": State.BOUNCED,
        "refused": State.FAILED,
        "complained": State.COMPLAINED,
        "unsubscribed": State.ACCEPTED,
        "noted": State.ACCEPTED,
    }
)
_SIGNED: Final = re.compile(
    r"(?<![0-9a-z])([0-9a-hjkmnp-tv-z]{1,13}-[0-9a-hjkmnp-tv-z]{8})(?![0-9a-z-])", re.IGNORECASE
)
_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_MAX_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class EmailEvent:
    """Event of one email.

    Attributes:
        kind: its kind.
        at: when the provider says it happened; aware.
        code: an enhanced status code, or the provider's own word.
        words: of the receiving server, or of the provider.
        reason: why, as one of our reasons. A reason that is about the address suppresses it.
        soft: a temporary failure: enough of them, over days, suppress the address.
    """

    kind: EmailEventKind
    at: datetime
    code: str = ""
    words: str = ""
    reason: Reason | None = None
    soft: bool = False


@dataclass(frozen=True, slots=True)
class ReportedEvent:
    """Event, and the message it is about; None if it is about none of ours.

    Attributes:
        reported_at: when it was reported to us; aware.
    """

    message_id: int | None
    event: EmailEvent
    reported_at: datetime


def bounced(judged: RefusalClass, at: datetime, *, word: str, words: str) -> EmailEvent:
    """Build the event of an email that bounced.

    Args:
        judged: the meaning of its code.
        at: when.
        word: the provider's word for it, if there is no code.
        words: of the server.
    """
    return EmailEvent("bounced", at, judged.code or word, words, judged.reason, judged.soft)


async def apply_events(db: Connection, source: str, events: Sequence[ReportedEvent]) -> None:
    """Apply events: move messages to their new states, suppress addresses and keep the history of soft bounces.

    Args:
        db: in the caller's transaction.
        source: the reporter.
        events: the reports, in the order they came.
    """
    applied = await apply_receipts(db, [_receipt(source, event) for event in events])
    delivered: list[int] = []
    for reported, done in zip(events, applied, strict=True):
        if done.message_id is None:
            continue
        if reported.event.kind == "delivered":
            delivered.append(done.message_id)
        elif reported.event.soft:
            code = reported.event.code[:_MAX_LENGTH]
            await note_soft_bounce(db, done.message_id, code=code, at=reported.event.at, source=source)
    if delivered:
        await discount_soft_bounces(db, delivered, events[-1].reported_at)


def _receipt(source: str, reported: ReportedEvent) -> Receipt:
    event = reported.event
    detail = {"event": event.kind} | ({"words": event.words[:_MAX_LENGTH]} if event.words else {})
    return Receipt(
        message_id=reported.message_id,
        provider_id=None,
        state=_STATES[event.kind],
        source=source,
        code=event.code[:_MAX_LENGTH] or None,
        # a provider's clock that is ahead of ours must not put events into the future
        at=min(event.at, reported.reported_at),
        detail=detail,
        reason=event.reason,
    )


def find_message(keyring: Keyring, *texts: object) -> int | None:
    """Find the message by a signed id in one of these texts: our own argument, an envelope sender, a Message-ID.

    Args:
        keyring: verifies signed ids.
        texts: the most reliable first; anything else is skipped.
    """
    for text in texts:
        if not isinstance(text, str):
            continue
        for signed in _SIGNED.finditer(text[:_MAX_LENGTH]):
            message_id = keyring.verify_id(signed[1], "bounce")
            if message_id is not None:
                return message_id
    return None


def read_time(value: object, otherwise: T) -> datetime | T:
    """Parse a time as providers write it: seconds since 1970, or ISO 8601.

    Args:
        value: a number, or text.
        otherwise: the result if it is neither.
    """
    try:
        if isinstance(value, int | float | str) and re.fullmatch(r"\d{9,11}(\.\d*)?", str(value)):
            return datetime.fromtimestamp(float(value), UTC)
        at = datetime.fromisoformat(_FRACTION.sub(r"\1", str(value)))
    except (ValueError, OverflowError):
        return otherwise
    return at if at.tzinfo else at.replace(tzinfo=UTC)
