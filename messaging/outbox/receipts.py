"""Apply receipts to messages by rank, so that late, repeated and shuffled receipts do no harm.

A receipt for an archived message is added to its history; apart from that, it can only suppress the address. A receipt
may come before the request that sent the message has returned: then the signed id in its callback names the message,
and the provider's id is recorded here.

A message that was not delivered for a temporary reason is tried again, as often as the provider's code table says and
within its deadline. The provider's id of the ended try is kept: if that try is delivered after all, its receipt
withdraws the next try, unless that is on the wire. No other receipt for an ended try changes the message's state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import asyncpg

from core.db import Connection, atomic, load_queries
from messaging.erased_address import is_erased
from messaging.outbox.archive import LateReceipt, find_archived, tell_archived
from messaging.outbox.erasure import empty_again
from messaging.outbox.retries import again_after
from messaging.outbox.senders import pause_if_refused
from messaging.reasons import OUR_FAULT, SUPPRESSES, Reason
from messaging.states import State, apply_receipt
from messaging.suppression import suppress

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Receipt for one message, from a provider or a bounce.

    Attributes:
        message_id: our id, if the callback carries it.
        provider_id: the provider's id.
        state: reported state, one of `states.RECEIPTS`; any other is recorded and changes nothing.
        source: where it comes from: `twilio`, `bounce` …
        code: the provider's own code.
        at: when it happened, according to the provider; aware.
        detail: the rest of the report.
        reason: our reason for the code, if it is a failure. Reasons in `SUPPRESSES` suppress the address.
        again: how often a message that was not delivered for this code may be tried again.
    """

    message_id: int | None
    provider_id: str | None
    state: State
    source: str
    code: str | None
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)
    reason: Reason | None = None
    again: int = 0


@dataclass(frozen=True, slots=True)
class ReceiptResult:
    """Result of applying a receipt.

    Attributes:
        message_id: the message; None if no such message is known (yet).
        moved: whether it changed the message's state.
        state: the message's state now; None if no such message is known.
    """

    message_id: int | None
    moved: bool
    state: State | None = None


@dataclass(slots=True)
class _Message:
    """Message while receipts are applied to it.

    Attributes:
        row: its row, locked.
        state: its state after the receipts applied so far.
        earlier: the provider's ids of tries before the current one.
        retried: how often receipts have queued it again.
        provider_id: the provider's id of the current try, if known.
        reason: reason of its state.
        moved: whether a receipt has changed its state.
        ended: tries that these receipts ended: the provider's id and code of each.
        not_before: earliest time of the next try, if there is one.
    """

    row: asyncpg.Record
    state: State
    earlier: set[str]
    retried: int
    provider_id: str | None
    reason: Reason | None = None
    moved: bool = False
    ended: list[tuple[str | None, str | None]] = field(default_factory=list)
    not_before: datetime | None = None

    @property
    def on_the_wire(self) -> bool:
        """Tell whether the current try may have left."""
        return self.state is not State.QUEUED and (self.state is not State.SENDING or self.row["wire_at"] is not None)

    @property
    def archived(self) -> bool:
        """Tell whether it is in the archive, where its state never changes."""
        return "year" in self.row


_Event = tuple[int, datetime, State | None, str, str | None, dict[str, Any]]


async def apply_receipts(db: Connection, receipts: Sequence[Receipt]) -> list[ReceiptResult]:
    """Apply receipts in the order given, in one transaction.

    Args:
        db: a connection; inside the caller's transaction, if there is one.
        receipts: any number, about any messages.

    Returns:
        The result of each, in the same order.
    """
    if not receipts:
        return []
    async with atomic(db):
        known = await _find(db, receipts)
        applied: list[ReceiptResult] = []
        events: list[_Event] = []
        late: list[LateReceipt] = []
        for receipt in receipts:
            message = known.get(receipt.message_id or receipt.provider_id)
            if message is None:
                applied.append(ReceiptResult(None, moved=False))
                continue
            new_events = _apply(message, receipt)
            moved = new_events[-1][2] is not None
            applied.append(ReceiptResult(message.row["message_id"], moved, message.state))
            if message.archived:
                late += [(*event[:2], *event[3:], message.row["year"]) for event in new_events]
            else:
                events += new_events
        await _write(db, [message for message in _distinct(known) if message.moved], events)
        await tell_archived(db, late)
        await _act_on_reasons(db, receipts, known)
        if erased := [
            message.row["message_id"]
            for message in _distinct(known)
            if is_erased(message.row["message_id"], message.row["address"])
        ]:
            await empty_again(db, erased)  # the receipt counts, but its words and ids are not kept
    return applied


async def _find(db: Connection, receipts: Sequence[Receipt]) -> dict[int | str | None, _Message]:
    """Find and lock the messages that receipts are about, by our id and by the provider's."""
    theirs = {receipt.provider_id for receipt in receipts if receipt.message_id is None and receipt.provider_id}
    ids = {receipt.message_id for receipt in receipts if receipt.message_id is not None}
    named: dict[str, int] = {}
    if theirs:
        named = {row["provider_id"]: row["message_id"] for row in await db.fetch(SQL["find_messages"], list(theirs))}
    locked = [row["message_id"] for row in await db.fetch(SQL["lock_receipted"], [*ids, *named.values()])]
    rows = await db.fetch(SQL["find_receipted"], locked)
    known: dict[int | str | None, _Message] = {
        row["message_id"]: _Message(row, State(row["state"]), set(), 0, row["provider_id"]) for row in rows
    }
    for row in await db.fetch(SQL["list_tries"], [*known]):
        message = known[row["message_id"]]
        message.retried += row["ended_by"] == "receipt"
        if row["provider_id"]:
            message.earlier.add(row["provider_id"])
    elsewhere = {receipt.message_id for receipt in receipts if receipt.message_id is not None} - known.keys()
    if elsewhere:
        old = await find_archived(db, elsewhere)
        known |= {message_id: _Message(row, State(row["state"]), set(), 0, None) for message_id, row in old.items()}
    return known | {provider_id: known[message_id] for provider_id, message_id in named.items() if message_id in known}


def _distinct(known: Mapping[int | str | None, _Message]) -> list[_Message]:
    return [message for key, message in known.items() if isinstance(key, int)]


def _apply(message: _Message, receipt: Receipt) -> list[_Event]:
    """Change a message's state as a receipt says; return the receipt's event, then the event of a retry, if any."""
    message_id, before = message.row["message_id"], message.state
    earlier = not message.archived and _is_of_earlier_try(message, receipt)
    state = apply_receipt(before, receipt.state, earlier=earlier)
    detail = dict(receipt.detail) | ({"earlier": True} if earlier else {})
    if receipt.reason:
        detail["reason"] = receipt.reason.value
    if state is before or message.archived:
        detail_with_state = detail | {"said": receipt.state.value}
        return [(message_id, receipt.at, None, receipt.source, receipt.code, detail_with_state)]
    message.state, message.reason, message.moved = state, receipt.reason, True
    if not earlier:
        message.provider_id = message.provider_id or receipt.provider_id
    moved: _Event = (message_id, receipt.at, state, receipt.source, receipt.code, detail)
    until = None if earlier else _next_try(message, receipt, before)
    return [moved] if until is None else [moved, _try_again(message, receipt, until)]


def _is_of_earlier_try(message: _Message, receipt: Receipt) -> bool:
    if receipt.provider_id is not None:
        return receipt.provider_id in message.earlier
    # the receipt names no try: while the next try has not left, it can only be about an earlier one
    return message.retried > 0 and not message.on_the_wire


def _next_try(message: _Message, receipt: Receipt, before: State) -> datetime | None:
    """Return when a message may be tried again; None if it may not.

    Only a try known to have been accepted can end so.
    """
    row = message.row
    ended = message.state in {State.UNDELIVERED, State.FAILED} and before in {State.ACCEPTED, State.SENT}
    same = receipt.provider_id == message.provider_id
    if not (ended and same and message.retried < receipt.again and row["alive"]):
        return None
    until = receipt.at + again_after(message.retried)
    return until if row["send_before"] is None or until < row["send_before"] else None


def _try_again(message: _Message, receipt: Receipt, until: datetime) -> _Event:
    message.ended.append((message.provider_id, receipt.code))
    if message.provider_id:
        message.earlier.add(message.provider_id)
    message.retried += 1
    message.state, message.provider_id, message.not_before = State.QUEUED, None, until
    detail = {"until": until.isoformat(), "retry": message.retried, "of": receipt.again}
    detail |= {"reason": receipt.reason.value} if receipt.reason else {}
    return (message.row["message_id"], receipt.at, State.QUEUED, "retry", Reason.TRIED_AGAIN, detail)


async def _write(db: Connection, moved: Sequence[_Message], events: Sequence[_Event]) -> None:
    retried = [message for message in moved if message.ended]
    if retried:
        await db.execute(SQL["record_first_tries"], [message.row["message_id"] for message in retried])
    if moved:
        await db.execute(
            SQL["move_states"],
            [message.row["message_id"] for message in moved],
            [message.state.value for message in moved],
            [message.reason for message in moved],
            [message.provider_id for message in moved],
            [len(message.ended) for message in moved],
            [message.not_before for message in moved],
            [message.row["attempt"] for message in moved],
        )
    if events:
        await db.execute(SQL["record_receipts"], *map(list, zip(*events, strict=True)))
    if retried:
        ended = [
            (message.row["message_id"], message.row["attempt"] + n, provider_id, code)
            for message in retried
            for n, (provider_id, code) in enumerate(message.ended)
        ]
        await db.execute(SQL["end_tries"], *map(list, zip(*ended, strict=True)))
        await db.execute(SQL["reopen_steps"], list({message.row["step_id"] for message in retried} - {None}))


async def _act_on_reasons(
    db: Connection, receipts: Sequence[Receipt], known: Mapping[int | str | None, _Message]
) -> None:
    """Suppress addresses that are dead or complained, and pause senders whose messages are refused or filtered."""
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
            refused.add(row["sender_id"])
    if refused:
        await pause_if_refused(db, refused)
