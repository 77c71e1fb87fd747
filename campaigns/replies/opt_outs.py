"""Opt-outs: made by the links of messages, lifted by a link, a reply or staff; and the latest opt-ins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from campaigns.replies.answered_messages import CampaignMessage, find_campaign_message
from core.access import Actor, member
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.errors import NotFound
from messaging import suppression
from messaging.erased_address import is_erased
from messaging.reasons import Reason

SQL: Final = load_queries(__file__)


async def opt_out(db: Connection, *, message_id: int, everywhere: bool, source: str) -> None:
    """Stop messages to the address a message went to, also for others who share it.

    Args:
        db: in the caller's transaction.
        message_id: the message.
        everywhere: also stop messages to this person by every channel.
        source: `link`, `unsubscribe` …

    Raises:
        NotFound: no such message; or its person was erased, and the address with them.
    """
    message = await find_campaign_message(db, message_id)
    if await suppression.find_kept_address(db, message.channel, message.address, message_id) is None:
        raise NotFound(f"The address of message {message_id} is no longer kept.")
    everywhere = everywhere and not is_erased(message_id, message.address)  # sharers: the address alone
    for channel, address in _where(message, everywhere=everywhere):
        await suppression.suppress(
            db, channel=channel, address=address, reason=Reason.OPTED_OUT, source=source, message_id=message_id
        )


async def resume_by_link(db: Connection, *, message_id: int, source: str) -> None:
    """Undo an opt-out that this person made by a link.

    Addresses that are blocked for another reason stay blocked. If the message's address is no longer theirs, a stranger
    may be pressing: then only that address is resumed.

    Raises:
        NotFound: no such message.
    """
    message = await find_campaign_message(db, message_id)
    theirs = await db.fetchval(SQL["has_address"], message.person_id, message.channel, message.address)
    for channel, address in _where(message, everywhere=theirs):
        if await db.fetchval(SQL["was_stopped_by_link"], channel, address, message.person_id):
            await lift_opt_out(db, channel, address, source, member(message.person_id))


async def lift_opt_out(db: Connection, channel: suppression.Medium, address: str, source: str, actor: Actor) -> None:
    """Resume messages to an address that had opted out; an address blocked for another reason stays blocked."""
    if await is_opted_out(db, channel, address):
        lifted = await suppression.lift(db, channel=channel, address=address, reason="opted_in", source=source)
        for event_id in lifted:  # the ledger has the address, so the audit need not
            await record(db, actor, AuditAction.MESSAGES_RESUMED, f"suppression_event {event_id}", {"source": source})


async def is_opted_out(db: Connection, channel: suppression.Medium, address: str) -> bool:
    """Tell whether an address has opted out."""
    suppressions = await suppression.active_suppressions(db, channel=channel, address=address)
    return any(stop.reason == Reason.OPTED_OUT for stop in suppressions)


async def last_opt_ins(
    db: Connection, channels: Sequence[str], addresses: Sequence[str]
) -> Mapping[tuple[str, str], datetime]:
    """Return when addresses last asked for messages; addresses that never did are left out.

    Args:
        db: a connection.
        channels: the channel of each address.
        addresses: normalised.
    """
    rows = await db.fetch(SQL["list_last_opt_ins"], channels, addresses)
    return {(row["channel"], row["address"]): row["at"] for row in rows}


def _where(message: CampaignMessage, *, everywhere: bool) -> list[tuple[suppression.Medium, str]]:
    places: list[tuple[suppression.Medium, str]] = [(message.channel, message.address)]
    return [*places, ("person", str(message.person_id))] if everywhere else places
