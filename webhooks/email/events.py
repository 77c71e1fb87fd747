"""What providers of email tell us became of an email: their many words for it as few of ours, and what follows.

A provider's file makes an `EmailEvent` of each; everything after that is the same for all of them, and for bounces that
come as mail.
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
from messaging.outbox.bounces import note_soft_bounce, settle_soft_bounces
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.reports.diagnostics import Judged
from messaging.states import Reason, State

T = TypeVar("T", bound=datetime | None)
Kind = Literal["taken", "deferred", "delivered", "bounced", "refused", "complained", "unsubscribed", "noted"]
"""What became of an email; `refused`: the provider never tried; `noted`: worth keeping, and changes nothing."""

_STATES: Final[Mapping[Kind, State]] = MappingProxyType(
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
_SEALED: Final = re.compile(
    r"(?<![0-9a-z])([0-9a-hjkmnp-tv-z]{1,13}-[0-9a-hjkmnp-tv-z]{8})(?![0-9a-z-])", re.IGNORECASE
)
_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class EmailEvent:
    """One thing that became of one email.

    Attributes:
        kind: what.
        at: when the provider says it happened; aware.
        code: an enhanced status code, or the provider's own word.
        words: what the receiving server, or the provider, said.
        reason: why, in our words. Reasons that speak of the address suppress it.
        soft: it may pass: enough of them, over days, suppress.
    """

    kind: Kind
    at: datetime
    code: str = ""
    words: str = ""
    reason: Reason | None = None
    soft: bool = False


@dataclass(frozen=True, slots=True)
class ReportedEvent:
    """An event, and the message it is about; None where it is about none of ours.

    Attributes:
        told_at: when we were told; aware.
    """

    message_id: int | None
    event: EmailEvent
    told_at: datetime


def bounced(judged: Judged, at: datetime, *, word: str, words: str) -> EmailEvent:
    """An email that came back.

    Args:
        judged: what its code means.
        at: when.
        word: the provider's, where there is no code.
        words: what the server said.
    """
    return EmailEvent("bounced", at, judged.code or word, words, judged.reason, judged.soft)


async def apply_events(db: Connection, source: str, told: Sequence[ReportedEvent]) -> None:
    """Move messages, suppress addresses and keep the history of soft bounces, as events say.

    Args:
        db: in the caller's transaction.
        source: who says so.
        told: in the order they came.
    """
    applied = await apply_receipts(db, [_receipt(source, one) for one in told])
    delivered: list[int] = []
    for one, done in zip(told, applied, strict=True):
        if done.message_id is None:
            continue
        if one.event.kind == "delivered":
            delivered.append(done.message_id)
        elif one.event.soft:
            code = one.event.code[:_LONGEST]
            await note_soft_bounce(db, done.message_id, code=code, at=one.event.at, source=source)
    if delivered:
        await settle_soft_bounces(db, delivered, told[-1].told_at)


def _receipt(source: str, told: ReportedEvent) -> Receipt:
    event = told.event
    detail = {"event": event.kind} | ({"words": event.words[:_LONGEST]} if event.words else {})
    return Receipt(
        message_id=told.message_id,
        provider_id=None,
        state=_STATES[event.kind],
        source=source,
        code=event.code[:_LONGEST] or None,
        # a clock that is ahead of ours must not put events into the future
        at=min(event.at, told.told_at),
        detail=detail,
        reason=event.reason,
    )


def find_message(keyring: Keyring, *said: object) -> int | None:
    """The message whose sealed id stands in one of these: our own argument, an envelope sender, a Message-ID.

    Args:
        keyring: knows our seals from forged ones.
        said: texts, surest first; anything else is passed over.
    """
    for text in said:
        if not isinstance(text, str):
            continue
        for found in _SEALED.finditer(text[:_LONGEST]):
            message_id = keyring.unseal(found[1], "bounce")
            if message_id is not None:
                return message_id
    return None


def read_time(said: object, otherwise: T) -> datetime | T:
    """A time as providers write it: seconds since 1970, or ISO 8601.

    Args:
        said: a number, or text.
        otherwise: where it is neither.
    """
    try:
        if isinstance(said, int | float | str) and re.fullmatch(r"\d{9,11}(\.\d*)?", str(said)):
            return datetime.fromtimestamp(float(said), UTC)
        at = datetime.fromisoformat(_FRACTION.sub(r"\1", str(said)))
    except (ValueError, OverflowError):
        return otherwise
    return at if at.tzinfo else at.replace(tzinfo=UTC)
