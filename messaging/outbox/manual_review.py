"""Manual review: messages of unknown outcome, about which staff decide whether they were sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from core.access import Actor
from core.addresses import normalise_email, normalise_phone
from core.alerts import raise_alert, resolve_alert
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.db.numbers import read_id
from core.errors import AddressError, InputError
from core.keyring import Keyring
from core.plurals import plural

SQL: Final = load_queries(__file__)

_PHONE_DIGITS: Final = 10
"""Least digits that make a bare number a phone number: no installation has that many messages."""


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """Message of unknown outcome that is held for manual review.

    Attributes:
        campaign_id, position: its campaign, and the position of its step there; None for a transactional message.
        wire_at: when it went on the wire, as far as is known.
    """

    message_id: int
    campaign_id: int | None
    position: int | None
    channel: str
    address: str
    wire_at: datetime | None


@dataclass(frozen=True, slots=True)
class NamedMessages:
    """Messages that staff named one by one.

    Attributes:
        ids: message ids, given as numbers, or as the Message-ID or envelope sender that a relay's log shows.
        addresses: phone numbers and mailboxes of recipients.
    """

    ids: list[int] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Selection:
    """Selection of held messages; every attribute that is not None must match.

    Attributes:
        named: only these.
        position: position of the step in its campaign.
        after: on the wire at this time or later.
        before: on the wire before this time.
    """

    named: NamedMessages | None = None
    campaign_id: int | None = None
    position: int | None = None
    channel: str | None = None
    after: datetime | None = None
    before: datetime | None = None


def read_names(words: Iterable[tuple[int, str]], keyring: Keyring, *, region: str) -> NamedMessages:
    """Read names of messages: `17`, `#17`, the recipient's number or mailbox, our Message-ID or envelope sender.

    Bare digits that begin with 0, or are as many as a phone number has, are a phone number; after `#` they never are.

    Args:
        words: one name each, with the line of the file it comes from, or 0 if it was typed; empty ones are skipped.
        keyring: verifies the signed id in our Message-IDs.
        region: country whose notation of phone numbers is assumed.

    Raises:
        InputError: some names are of no such form; the problems list each, with its line.
    """
    named, problems = NamedMessages(), []
    for line, word in words:
        name = word.strip().strip("<>")
        if not name:
            continue
        try:
            if (message_id := _message_id(name, keyring)) is not None:
                named.ids.append(message_id)
            elif "@" in name:
                named.addresses.append(normalise_email(name))
            else:
                named.addresses.append(normalise_phone(name, region=region, mobile=False))
        except AddressError:
            place = f"line {line}: " if line else ""
            problems.append(f"{place}“{name[:60]}” names no message")
    if problems:
        raise InputError(
            "Some of these do not identify a message.",
            problems=problems[:20],
            remedy="Each is a message's number, the Message-ID, or the address or phone number (+44…) it is for.",
        )
    return named


def _message_id(name: str, keyring: Keyring) -> int | None:
    is_phone = name.startswith("0") or (name.isdecimal() and len(name) >= _PHONE_DIGITS)
    if (number := read_id(name)) is not None and not is_phone:
        return number
    return keyring.verify_id(name.partition("@")[0].removeprefix("b+"), "bounce")


async def list_held(db: Connection, selection: Selection) -> list[HeldMessage]:
    """Return the held messages of a selection, in the order of their ids."""
    named = selection.named
    rows = await db.fetch(
        SQL["list_held"],
        None if named is None else named.ids,
        None if named is None else named.addresses,
        selection.campaign_id,
        selection.position,
        selection.channel,
        selection.after,
        selection.before,
    )
    return [HeldMessage(**row) for row in rows]


async def settle_held(
    db: Connection, message_ids: Sequence[int] | None = None, *, again: bool, actor: Actor, now: datetime
) -> int:
    """Settle messages that are held because nobody knows whether they left.

    Args:
        db: in the caller's transaction.
        message_ids: the messages; messages that are not held any more stay as they are. None: all held messages.
        again: send them again; False to count them as sent.
        actor: the member of staff who decided.
        now: earliest time of the next try.

    Returns:
        How many were settled, not counting messages of a cancelled campaign.
    """
    settled: int = await db.fetchval(SQL["settle_messages"], again, now, actor.name, message_ids)
    if settled:
        outcome = "sent again" if again else "counted as sent"
        await record(db, actor, AuditAction.MESSAGES_SETTLED, "messages", {"messages": settled, "outcome": outcome})
    await alert_held(db)
    return settled


async def alert_held(db: Connection) -> None:
    """Raise an alert while messages are held, and resolve it when none are, however they were settled."""
    row = await db.fetchrow(SQL["count_held"])
    assert row is not None
    count, alerted = row["held_count"], row["alerted"]
    if count == (alerted or 0):
        return
    if not count:
        await resolve_alert(db, "held")
        return
    await raise_alert(
        db,
        key="held",
        severity="warning",
        title=f"{plural(count, 'message')} may or may not have been sent, and {'waits' if count == 1 else 'wait'} for a"
        " decision.",
        remedy="See them: muster messages list --reason held. Look for them in the provider's log; then, for all or for"
        " some: muster messages settle --as sent (or unsent).",
        detail={"held": count},
    )
