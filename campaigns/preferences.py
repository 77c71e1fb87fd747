"""Preferences: what a person gets at each of their contact points, and changes they make to that.

Each address has one of three choices: everything, service messages only, or nothing. Nothing and service are
suppressions, so they apply to everybody who shares the address; everything is that person's consent to marketing as
well. Asking for less is always granted. More is refused where a provider, a mail server or another person blocks it:
then the address is blocked, until that cause is removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast

import asyncpg

from core.access import member
from core.address_masks import mask, mask_apart
from core.audit import AuditAction, record
from core.db import Connection, Pool, load_queries
from messaging import suppression
from messaging.consent import Consent, record_consents
from messaging.reasons import Reason
from messaging.states import ChannelName

SQL: Final = load_queries(__file__)

Choice = Literal["nothing", "service", "everything"]
CHOICES: Final[tuple[Choice, ...]] = ("nothing", "service", "everything")
"""Choices at a contact point, from least to most."""
Obstacle = Literal["start", "bounced", "complained", "shared", "moved", "other"]
"""Reasons why an address can get no more, in order: a text of STOP, which only START lifts; mail that bounced, or a
number that does not exist; a spam complaint; an opt-out by somebody else who shares it; the address is no longer the
person's, so a stranger may read it; any other reason, which staff can look up."""

SOURCE: Final = "preferences"
_RETURNED: Final = frozenset({Reason.HARD_BOUNCED, Reason.SOFT_BOUNCED, Reason.INVALID_NUMBER})


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """Contact point of a person: one address, with what goes there and may go there, for their preferences page.

    Attributes:
        address_id: its id; 0 if it is the address of the message but no longer the person's.
        channel: `sms` or `email`.
        address: normalised.
        masked: the address masked: it can be recognised and told apart from their others, but not used.
        choice: the messages that go there now.
        shared: whether somebody else has it too.
        obstacle: why it can get no more than that; None if it can.
        start_to: the number to send START to, where `obstacle` is `start` and the number is known.
    """

    address_id: int
    channel: ChannelName
    address: str
    masked: str
    choice: Choice
    shared: bool
    obstacle: Obstacle | None = None
    start_to: str | None = None


@dataclass(frozen=True, slots=True)
class PreferenceChange:
    """Change of a contact point from its present choice to another."""

    contact_point: ContactPoint
    to: Choice

    @property
    def more(self) -> bool:
        """Tell whether the new choice is more than the present one."""
        return CHOICES.index(self.to) > CHOICES.index(self.contact_point.choice)


async def contact_points_of(db: Connection | Pool, message_id: int) -> list[ContactPoint]:
    """List the contact points of a message's recipient, with what goes there.

    Where the message's address is no longer the recipient's, a stranger may read it: then only that address is listed.

    Args:
        db: a connection.
        message_id: the message.
    """
    rows = await db.fetch(SQL["list_contact_points"], message_id, list(suppression.BY_TEXT))
    masked = mask_apart([row["address"] for row in rows])
    return [_contact_point(row, masked[row["address"]]) for row in rows]


def preference_changes(contact_points: Sequence[ContactPoint], wanted: Mapping[int, str]) -> list[PreferenceChange]:
    """List the changes from the present choices to the wanted ones; changes that are not allowed are left out.

    Args:
        contact_points: the contact points as they are.
        wanted: choices by address id; a missing or invalid one leaves that address as it is.
    """
    possible = [
        PreferenceChange(contact_point, cast("Choice", wanted[contact_point.address_id]))
        for contact_point in contact_points
        if wanted.get(contact_point.address_id, contact_point.choice) in CHOICES
        and wanted.get(contact_point.address_id, contact_point.choice) != contact_point.choice
    ]
    return [change for change in possible if not (change.more and change.contact_point.obstacle)]


async def change_preferences(
    db: Connection, *, message_id: int, changes: Sequence[PreferenceChange], wording: str, at: datetime
) -> None:
    """Apply the changes a person made on their preferences page, and record them.

    Args:
        db: in the caller's transaction.
        message_id: the message whose link they followed.
        changes: as returned by `preference_changes` in the same transaction.
        wording: the exact text they agreed to where they chose everything.
        at: the time.
    """
    person_id: int = await db.fetchval(SQL["find_person"], message_id)
    contact_points = await contact_points_of(db, message_id)
    targets = {contact_point.address_id: contact_point.choice for contact_point in contact_points} | {
        change.contact_point.address_id: change.to for change in changes
    }
    if any(change.more for change in changes) and await suppression.active_suppressions(
        db, channel="person", address=str(person_id)
    ):
        await _free_person(db, person_id, contact_points, targets, message_id)
    for change in changes:
        await _apply(db, change, message_id)
    if set(targets.values()) == {"nothing"} and any(contact_point.address_id for contact_point in contact_points):
        await _suppress(db, "person", str(person_id), "all", message_id)  # later addresses get nothing, either
    await record_consents(db, _consents(person_id, contact_points, targets, wording, at, message_id))
    detail = [
        {
            "channel": change.contact_point.channel,
            "address": mask(change.contact_point.address),
            "from": change.contact_point.choice,
            "to": change.to,
        }
        for change in changes
    ]
    await record(
        db, member(person_id), AuditAction.PREFERENCES_CHANGED, f"person {person_id}",
        {"message_id": message_id, "changes": detail},
    )  # fmt: skip


async def resume_address(
    db: Connection, person_id: int, channel: suppression.Medium, address: str, *, source: str
) -> None:
    """Allow messages to one address of a person who had stopped them everywhere; their others stay suppressed.

    Args:
        db: in the caller's transaction.
        person_id: the only person with that address.
        channel: of the address.
        address: normalised.
        source: the source of the opt-in.
    """
    suppressions = await suppression.active_suppressions(db, channel="person", address=str(person_id))
    if {row.reason for row in suppressions} != {Reason.OPTED_OUT}:
        return
    for other in await db.fetch(SQL["list_other_addresses"], person_id, channel, address):
        await suppression.suppress(
            db,
            channel=other["channel"],
            address=other["address"],
            reason=Reason.OPTED_OUT,
            source=other["source"],
            message_id=other["message_id"],
        )
    await suppression.lift(db, channel="person", address=str(person_id), reason="opted_in", source=source)


async def _free_person(
    db: Connection,
    person_id: int,
    contact_points: Sequence[ContactPoint],
    targets: Mapping[int, Choice],
    message_id: int,
) -> None:
    """Lift the suppression of the person, and suppress one by one the addresses that stay stopped."""
    for contact_point in contact_points:
        if targets[contact_point.address_id] == "nothing":
            await _suppress(db, contact_point.channel, contact_point.address, "all", message_id)
        elif contact_point.choice == targets[contact_point.address_id] == "service":
            await _suppress(db, contact_point.channel, contact_point.address, "marketing", message_id)
    await _lift(db, "person", str(person_id))


async def _apply(db: Connection, change: PreferenceChange, message_id: int) -> None:
    contact_point = change.contact_point
    if change.more:
        await _lift(db, contact_point.channel, contact_point.address)
    if change.to != "everything":
        await _suppress(
            db,
            contact_point.channel,
            contact_point.address,
            "all" if change.to == "nothing" else "marketing",
            message_id,
        )


def _consents(
    person_id: int,
    contact_points: Sequence[ContactPoint],
    targets: Mapping[int, Choice],
    wording: str,
    at: datetime,
    message_id: int,
) -> list[Consent]:
    """List the person's consents and withdrawals for marketing, by channel, if they changed."""
    consents = []
    theirs = [
        contact_point for contact_point in contact_points if contact_point.address_id
    ]  # the present holder of their old phone cannot consent for them
    for channel in sorted({contact_point.channel for contact_point in theirs}):
        before = any(
            contact_point.choice == "everything" for contact_point in theirs if contact_point.channel == channel
        )
        after = any(
            targets[contact_point.address_id] == "everything"
            for contact_point in theirs
            if contact_point.channel == channel
        )
        if before != after:
            action: Literal["give", "withdraw"] = "give" if after else "withdraw"
            consents.append(
                Consent(person_id, channel, "marketing", action, SOURCE, wording, at, "member", message_id=message_id)
            )
    return consents


async def _suppress(
    db: Connection, channel: suppression.Medium, address: str, purpose: suppression.SuppressedPurpose, message_id: int
) -> None:
    await suppression.suppress(
        db, channel=channel, address=address, purpose=purpose, reason=Reason.OPTED_OUT, source=SOURCE,
        message_id=message_id,
    )  # fmt: skip


async def _lift(db: Connection, channel: suppression.Medium, address: str) -> None:
    await suppression.lift(db, channel=channel, address=address, reason="opted_in", source=SOURCE)


def _contact_point(row: asyncpg.Record, masked: str) -> ContactPoint:
    stopped = row["stopped"]
    choice: Choice = "nothing" if stopped == "all" else "service" if stopped or not row["agreed"] else "everything"
    obstacle = _obstacle(row) if stopped else None
    if not row["address_id"] and not (stopped and row["own"] and row["stopped_everywhere"] is None):
        obstacle = obstacle or "moved"
    return ContactPoint(
        row["address_id"], row["channel"], row["address"], masked, choice, row["shared"], obstacle,
        row["start_to"] if obstacle == "start" else None,
    )  # fmt: skip


def _obstacle(row: asyncpg.Record) -> Obstacle | None:
    """Return why more is refused; None if this person opted out themselves, or nobody else has the address."""
    if row["stopped_everywhere"] is not None and row["stopped_everywhere"] != Reason.OPTED_OUT:
        return "other"
    match row["reason"]:
        case None:
            return None
        case Reason.OPTED_OUT:
            return "start" if row["by_text"] else "shared" if row["shared"] and not row["own"] else None
        case Reason.COMPLAINED:
            return "complained"
        case reason:
            return "bounced" if reason in _RETURNED else "other"
