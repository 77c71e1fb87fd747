"""What the outside says became of a message: applied by rank, so that late, repeated and shuffled receipts do no harm.

One that comes when its message has been archived is noted there; only what it says of the address still counts.

A receipt may come before the request that sent the message has returned: then its callback's seal gives the message's
id, and the provider's id is learnt here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import asyncpg

from messaging.db import Connection, atomic, load_queries
from messaging.outbox.archive import LateReceipt, find_archived, tell_archived
from messaging.outbox.senders import pause_if_refused
from messaging.outbox.states import OUR_FAULT, SUPPRESSES, Reason, State, settle
from messaging.suppression import suppress

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """One thing a provider said about one message.

    Attributes:
        message_id: ours, where the callback carries it.
        provider_id: theirs.
        state: what it says, one of `states.RECEIPTS`; anything else is recorded and moves nothing.
        source: who says so: `twilio`, `bounce` …
        code: the provider's own code.
        at: when they say it happened; aware.
        detail: what else they said.
        reason: the code in our words, where it is a failure. Reasons that speak of the address suppress it.
    """

    message_id: int | None
    provider_id: str | None
    state: State
    source: str
    code: str | None
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a receipt.

    Attributes:
        message_id: the message; None where there is none like that (yet).
        moved: whether it changed the message's state.
        state: where the message stands now.
    """

    message_id: int | None
    moved: bool
    state: State | None = None


@dataclass(slots=True)
class _Message:
    row: asyncpg.Record
    state: State
    reason: Reason | None = None
    provider_id: str | None = None
    moved: bool = False

    @property
    def archived(self) -> bool:
        """Whether its campaign is long over: nothing moves it any more."""
        return "year" in self.row


async def apply_receipts(db: Connection, receipts: Sequence[Receipt]) -> list[Applied]:
    """Apply receipts in the order given, in one transaction.

    Args:
        db: a connection; inside the caller's transaction, if there is one.
        receipts: any number, about any messages.

    Returns:
        What came of each, in the same order.
    """
    if not receipts:
        return []
    async with atomic(db):
        known = await _find(db, receipts)
        applied: list[Applied] = []
        events: list[tuple[int, datetime, State | None, str, str | None, dict[str, Any] | None]] = []
        late: list[LateReceipt] = []
        for receipt in receipts:
            message = known.get(receipt.message_id or receipt.provider_id)
            if message is None:
                applied.append(Applied(None, moved=False))
                continue
            moved = _apply(message, receipt)
            message_id = message.row["message_id"]
            applied.append(Applied(message_id, moved, message.state))
            state = receipt.state if moved else None
            detail = dict(receipt.detail) | ({} if moved else {"said": receipt.state.value})
            if message.archived:
                late.append((message_id, receipt.at, receipt.source, receipt.code, detail, message.row["year"]))
                continue
            events.append((message_id, receipt.at, state, receipt.source, receipt.code, detail))
        await _write(db, [message for message in _distinct(known) if message.moved], events)
        await tell_archived(db, late)
        await _act_on_reasons(db, receipts, known)
    return applied


async def _find(db: Connection, receipts: Sequence[Receipt]) -> dict[int | str | None, _Message]:
    """The messages spoken of, by our id and by the provider's."""
    rows = await db.fetch(
        SQL["receipted"],
        [one.message_id for one in receipts if one.message_id is not None],
        [one.provider_id for one in receipts if one.message_id is None and one.provider_id],
    )
    known: dict[int | str | None, _Message] = {}
    for row in rows:
        known[row["message_id"]] = message = _Message(row, State(row["state"]))
        if row["provider_id"]:
            known[row["provider_id"]] = message
    elsewhere = {one.message_id for one in receipts if one.message_id is not None} - known.keys()
    if elsewhere:
        old = await find_archived(db, elsewhere)
        known |= {message_id: _Message(row, State(row["state"])) for message_id, row in old.items()}
    return known


def _distinct(known: Mapping[int | str | None, _Message]) -> list[_Message]:
    return [message for key, message in known.items() if isinstance(key, int)]


def _apply(message: _Message, receipt: Receipt) -> bool:
    state = settle(message.state, receipt.state)
    if state is message.state or message.archived:
        return False
    message.state, message.reason, message.moved = state, receipt.reason, True
    message.provider_id = receipt.provider_id or message.provider_id
    return True


async def _write(db: Connection, moved: Sequence[_Message], events: Sequence[tuple[Any, ...]]) -> None:
    if moved:
        await db.execute(
            SQL["move"],
            [one.row["message_id"] for one in moved],
            [one.state.value for one in moved],
            [one.reason for one in moved],
            [one.provider_id for one in moved],
        )
    if events:
        await db.execute(SQL["tell"], *map(list, zip(*events, strict=True)))


async def _act_on_reasons(
    db: Connection, receipts: Sequence[Receipt], known: Mapping[int | str | None, _Message]
) -> None:
    """Suppress addresses that are dead or complained, and pause a sender whose messages are being filtered."""
    refused: set[int] = set()
    for receipt in receipts:
        message = known.get(receipt.message_id or receipt.provider_id)
        if message is None or receipt.reason is None:
            continue
        row = message.row
        if receipt.reason in SUPPRESSES and row["address"] is not None:
            await suppress(
                db,
                channel=row["channel"],
                address=row["address"],
                reason=receipt.reason,
                source=receipt.source,
                message_id=row["message_id"],
            )
        if receipt.reason in OUR_FAULT and not message.archived:
            refused.add(row["step_id"])
    if refused:
        await pause_if_refused(db, refused)
