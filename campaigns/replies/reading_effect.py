"""Effect of a reading on messages: messages to the address that the reply is about are stopped, or resumed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from campaigns.preferences import resume_address
from campaigns.replies.opt_outs import lift_opt_out
from core.access import member
from core.db import Connection, load_queries
from messaging import suppression
from messaging.reasons import Reason
from people.search import only_holder

SQL: Final = load_queries(__file__)

STOPPING: Final[Mapping[str, Reason]] = MappingProxyType(
    {"opt_out": Reason.OPTED_OUT, "wrong_number": Reason.WRONG_NUMBER}
)
"""Readings that stop messages to an address, and the reason that is recorded."""
_DATED_LATE: Final = (*suppression.BY_TEXT, "email_reply", "staff")
"""Sources of opt-outs that are dated by when we processed them; the replies hold the time when they were sent."""

Resume = Callable[[Connection, suppression.Medium, str], Awaitable[None]]
"""Resumes messages to an address, by its channel."""


def address_about(channel: str, address: str, written_to: str | None) -> str:
    """Return the address that a reply is about: for an email the address that we wrote to, whatever its From line says.

    Args:
        channel: the reply's.
        address: the address that it came from.
        written_to: where the message went that it answers; None if that is not known or not proven.
    """
    return written_to if channel == "email" and written_to is not None else address


async def apply_to_messages(
    db: Connection,
    reading: str,
    *,
    channel: suppression.Medium,
    address: str,
    written_to: str | None,
    source: str,
    message_id: int | None,
    resume: Resume | None = None,
) -> None:
    """Stop or resume messages as a reading asks, for everybody who has the address; other readings change nothing.

    Args:
        db: in the caller's transaction.
        reading: of the reply.
        channel: the reply's.
        address: the address that it came from, normalised.
        written_to: where the message went that it answers; None if that is not known or not proven.
        source: who decided: `sms_reply`, `email_reply`, `staff`.
        message_id: the message that it answers; None if that is not known.
        resume: resumes messages to the address it came from, for a START; None if none is lifted.
    """
    about = address_about(channel, address, written_to)
    if reading == "opt_in" and resume is not None and about == address:
        await resume(db, channel, address)
    if (reason := STOPPING.get(reading)) is not None:
        await suppression.suppress(
            db, channel=channel, address=about, reason=reason, source=source, message_id=message_id
        )


async def resume_by_reply(db: Connection, channel: suppression.Medium, address: str, received_at: datetime) -> None:
    """Resume messages to the address of a START, unless they were stopped after it was sent: it may arrive late.

    Args:
        db: in the caller's transaction.
        channel: the reply's.
        address: the address it came from.
        received_at: when it came; aware.
    """
    if await db.fetchval(SQL["has_replied_stop_since"], channel, address, received_at):
        return
    if await db.fetchval(SQL["was_stopped_since"], channel, address, received_at, _DATED_LATE):
        return
    person_id = await only_holder(db, channel, address)
    await lift_opt_out(db, channel, address, f"{channel}_reply", member(person_id))
    if person_id is None:
        return
    if not await db.fetchval(SQL["was_stopped_since"], "person", str(person_id), received_at, _DATED_LATE):
        # if they stopped everything on their page, only this address resumes
        await resume_address(db, person_id, channel, address, source=f"{channel}_reply")
