"""Erased people who come back in a member file: new people, but their suppressions apply again.

Their digests are looked up for every address and membership number that is new. Suppressions that are found are stored
in clear from then on, so that they can be lifted like anybody's; a START since the erasure has already lifted them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from core.access import Actor
from core.audit import AuditAction, record
from core.db import STATEMENT_TIMEOUT, Connection, atomic, load_queries
from core.errors import AddressError, NotFound
from core.typed_address import read_address
from messaging.bulk_suppression import suppress_many
from messaging.reasons import Reason
from messaging.suppression import Medium, lift
from messaging.suppression_digests import SOURCE, DigestKeys, delete_digests, find_digests, has_digests

SQL: Final = load_queries(__file__)

OptIns = Callable[[Connection, Sequence[str], Sequence[str]], Awaitable[Mapping[tuple[str, str], datetime]]]
"""Look-up of when addresses, given by channel, last asked for messages; replies are kept by a package above."""


@dataclass(frozen=True, slots=True)
class RestoredSuppressions:
    """Suppressions that apply again for people who were erased.

    Attributes:
        entries: how many addresses and people are suppressed again.
        members: the membership numbers of the people concerned.
    """

    entries: int = 0
    members: tuple[str, ...] = ()


async def no_opt_ins(
    _db: Connection, _channels: Sequence[str], _addresses: Sequence[str]
) -> Mapping[tuple[str, str], datetime]:
    """Return no opt-ins, so that every suppression of people who come back applies again."""
    return {}


async def restore_suppressions(db: Connection, keys: DigestKeys, opt_ins: OptIns) -> RestoredSuppressions:
    """Restore the suppressions of erased people whom a member file brings back.

    Args:
        db: in the import's transaction, after people and addresses were merged.
        keys: under which they are kept.
        opt_ins: looks up who has asked for messages since.

    Raises:
        SettingsError: a digest was made with a secret that is no longer in the list.
    """
    if not await has_digests(db, keys):
        return RestoredSuppressions()
    rows = await db.fetch(SQL["list_arrivals"], timeout=STATEMENT_TIMEOUT)
    meant = {(row["channel"], row["address"]): row["meant"] for row in rows}
    digests = await find_digests(db, keys, meant)
    spoken = await opt_ins(db, [digest.channel for digest in digests], [digest.address for digest in digests])
    entries = [
        {
            "channel": digest.channel,
            "address": meant[digest.channel, digest.address],
            "purpose": digest.purpose,
            "reason": digest.reason,
            "source": SOURCE,
            "since": digest.since,
        }
        for digest in digests
        if not (
            digest.reason in {Reason.OPTED_OUT, Reason.ERASED}
            and (opt_in := spoken.get((digest.channel, digest.address))) is not None
            and opt_in > digest.made_at
        )
    ]
    await suppress_many(db, entries)
    await delete_digests(db, digests)
    places = sorted({(entry["channel"], entry["address"]) for entry in entries})
    whose = await db.fetch(SQL["find_owners"], [channel for channel, _ in places], [address for _, address in places])
    return RestoredSuppressions(len(places), tuple(row["external_id"] for row in whose))


async def lift_erased(db: Connection, who: str, *, region: str, keys: DigestKeys, actor: Actor) -> bool:
    """Lift the suppression of somebody who was erased and has come back; their opt-outs stay.

    Args:
        db: a connection; a transaction is opened if there is none.
        who: a membership number, or a number or mailbox.
        region: country whose way of writing phone numbers is assumed if there is no `+`.
        keys: under which opt-outs of people who were erased are kept.
        actor: who does it, for the audit.

    Returns:
        Whether they were suppressed because they had been erased.

    Raises:
        NotFound: it is neither a membership number we have nor an address.
    """
    async with atomic(db):
        person = await db.fetchrow(SQL["find_member"], who)
        channel, address = ("person", str(person["person_id"])) if person else _read_address(who, region)
        targets = [(channel, address), *(tuple(address) for address in (person["addresses"] if person else ()))]
        lifted = False
        for medium, place in targets:
            lifted |= bool(
                await lift(
                    db,
                    channel=cast("Medium", medium),
                    address=place,
                    reason="returned",
                    source="staff",
                    of=Reason.ERASED,
                )
            )
        arrivals = [(channel, who if person else address), *targets[1:]]
        digests = [digest for digest in await find_digests(db, keys, arrivals) if digest.reason == Reason.ERASED]
        await delete_digests(db, digests)
        if lifted or digests:
            subject = f"person {person['person_id']}" if person else f"an address ({channel})"
            await record(db, actor, AuditAction.PERSON_READMITTED, subject)
        return lifted or bool(digests)


def _read_address(who: str, region: str) -> tuple[str, str]:
    try:
        return read_address(who, region)
    except AddressError as error:
        if "@" in who:
            raise
        raise NotFound(
            f"Nobody who has come back has the number {who}, and it is no phone number.",
            remedy="Give the mailbox or the phone number they came back with; members are found by: muster people find",
        ) from error
