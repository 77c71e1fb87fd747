"""Effect of a reading on messages: an opt-out or a wrong number stops those to the address that the reply is about."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from core.db import Connection
from messaging import suppression
from messaging.states import Reason

STOPPING: Final[Mapping[str, Reason]] = MappingProxyType(
    {"opt_out": Reason.OPTED_OUT, "wrong_number": Reason.WRONG_NUMBER}
)
"""Readings that stop messages to an address, and the reason of that."""


def address_about(channel: str, address: str, written_to: str | None) -> str:
    """Return the address that a reply is about: for an email the one that we wrote to, whatever its From line says.

    Args:
        channel: the reply's.
        address: the address that it came from.
        written_to: where the message went that it answers; None where that is not known or not proven.
    """
    return written_to if channel == "email" and written_to is not None else address


async def stop_messages(
    db: Connection, reading: str, *, channel: suppression.Medium, address: str, source: str, message_id: int | None
) -> None:
    """Stop messages to an address where a reading asks for that, whoever has it; any other reading stops nothing.

    Args:
        db: in the caller's transaction.
        reading: of the reply.
        channel: of the address.
        address: normalised.
        source: who decided: `sms_reply`, `email_reply`, `staff`.
        message_id: the message that the reply answers; None where that is not known.
    """
    if (reason := STOPPING.get(reading)) is not None:
        await suppression.suppress(
            db, channel=channel, address=address, reason=reason, source=source, message_id=message_id
        )
