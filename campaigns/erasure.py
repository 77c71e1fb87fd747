"""Erasure of a person: names, addresses, texts and raw mails are removed; events stay, under an anonymous number.

`find_traces` finds what is kept about somebody, `erase_traces` removes it in the caller's transaction; the whole
procedure, with the inbound log, is `muster.erasure`. Locks are taken in the same order everywhere. First comes the lock
that keeps launches and the inbound log out; the erasure waits for it while it holds no other. Then all others follow,
without waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ballots.leavers import leave_ballots, lock_ballots_left
from core.access import Actor
from core.alerts import empty_alerts
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.errors import AddressError, Conflict, NotFound
from core.typed_address import read_address
from messaging.consent import delete_consents
from messaging.outbox.erasure import (
    Written,
    delete_places,
    empty_messages,
    hold_messages,
    keep_places,
    written_to,
    written_to_address,
)
from messaging.reasons import Reason
from messaging.suppression import delete_suppressions, suppress
from messaging.suppression_digests import DigestKeys, KeptSuppression, keep_digests
from messaging.suppression_sources import OWN_SOURCES
from people.people_lock import lock_people, try_import_lock
from people.search import Holder, find_holders

SQL: Final = load_queries(__file__)

LOCK_TIMEOUT: Final = "100ms"
"""Longest wait for a lock while others are held."""
_TURN: Final = "2s"
"""Longest wait for launches and the inbound log, while no lock is held; others queued behind us wait as long."""

AddressOnChannel = tuple[str, str]
"""A channel and an address."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Traces of a person: everything kept about them.

    Attributes:
        person_id: the member; None for somebody known by an address alone.
        external_id: their membership number; empty without a member.
        name: their name; may be empty.
        listed: their addresses by member files, or the address that was named for the erasure.
        own: their addresses that nobody else has: listed ones, and ones that messages to them went to. Addresses they
            only wrote from are left out, because they may belong to somebody who answers for many.
        shared: addresses that others have too, whose suppressions stay.
        written: messages to them.
        reply_ids: their replies.
        inbound_ids: the inbound log rows of those.
        likes: patterns for LIKE that find their own addresses in a squeezed text.
    """

    person_id: int | None
    external_id: str
    name: str
    listed: frozenset[AddressOnChannel]
    own: tuple[AddressOnChannel, ...]
    shared: tuple[AddressOnChannel, ...]
    written: Written
    reply_ids: tuple[int, ...]
    inbound_ids: tuple[int, ...]
    likes: tuple[str, ...]

    @property
    def addresses(self) -> list[str]:
        """Return their own addresses, without the channel."""
        return [address for _, address in self.own]


async def find_traces(db: Connection, who: str, *, region: str) -> Traces:
    """Find everything that is kept about somebody.

    Args:
        db: a connection.
        who: a membership number; or, for somebody in no member file, a number or mailbox.
        region: country assumed for phone numbers without a `+`.

    Raises:
        NotFound: nothing is kept about them.
        Conflict: it is an address, and a member has it.
    """
    person = await db.fetchrow(SQL["find_person"], who)
    if person is not None:
        return await traces_of(db, person["person_id"], person["external_id"], person["name"])
    try:
        channel, address = read_address(who, region)
    except AddressError:
        raise NotFound(
            f"Nobody has the number {who}.", remedy="Look the person up with: muster people find TEXT"
        ) from None
    _refuse_holders(address, await find_holders(db, [(channel, address)]))
    return await _traces_at(db, channel, address)


async def traces_of(db: Connection, person_id: int, external_id: str, name: str = "") -> Traces:
    """Find everything that is kept about a member."""
    addresses = await db.fetch(SQL["list_addresses"], person_id)
    own = tuple((row["channel"], row["address"]) for row in addresses if not row["shared"])
    written = await written_to(db, person_id, own)
    shared = tuple((row["channel"], row["address"]) for row in addresses if row["shared"])
    listed = frozenset((row["channel"], row["address"]) for row in addresses if row["listed"])
    replies = await db.fetch(
        SQL["list_replies"], person_id, written.ids, [place[0] for place in own], [place[1] for place in own]
    )
    return Traces(
        person_id, external_id, name, listed, own, shared, written,
        tuple(row["reply_id"] for row in replies), tuple(row["inbound_id"] for row in replies),
        tuple(await db.fetchval(SQL["list_patterns"], [address for _, address in own])),
    )  # fmt: skip


async def read_again(db: Connection, traces: Traces) -> Traces:
    """Find the traces again, once the locks are held and nobody can add to them."""
    if traces.person_id is None:
        return await _traces_at(db, *traces.own[0], known=traces.written)
    return await traces_of(db, traces.person_id, traces.external_id, traces.name)


async def begin_erasure(db: Connection, traces: Traces) -> None:
    """Take every lock an erasure needs, all but the first without waiting, and tell the database whom to erase.

    Args:
        db: in the caller's transaction, which has done nothing yet.
        traces: of the person to erase.

    Raises:
        asyncpg.LockNotAvailableError: another transaction holds one of them; try again in a moment.
        NotFound: somebody else has erased them.
        Conflict: a member file is being imported, or has just given the address to a member.
    """
    await db.fetchval(SQL["set_lock_timeout"], _TURN)
    await lock_people(db)
    await db.fetchval(SQL["set_lock_timeout"], LOCK_TIMEOUT)
    await db.fetchval(SQL["set_own_sources"], ",".join(sorted(OWN_SOURCES)))
    if not await try_import_lock(db):
        raise Conflict("A member file is being imported just now.", remedy="Erase when it has ended.")
    if traces.person_id is None:
        _refuse_holders(traces.own[0][1], await find_holders(db, traces.own))
        await db.execute(SQL["begin_address_erasure"], *traces.own[0], list(traces.written.archived))
    else:
        if await db.fetchrow(SQL["find_person"], traces.external_id) is None:
            raise NotFound(
                f"{traces.external_id} has just been erased by somebody else.", remedy="There is nothing left to do."
            )
        await db.execute(SQL["begin_erasure"], traces.person_id)
        await lock_ballots_left(db, traces.person_id)  # before any message, in the same order as everywhere
    await hold_messages(db, traces.written.messages)


async def erase_traces(
    db: Connection, keys: DigestKeys, traces: Traces, *, may_return: bool, now: datetime
) -> tuple[str, int]:
    """Remove everything that identifies a person; their opt-outs are kept as digests.

    Args:
        db: in the caller's transaction, which `begin_erasure` began.
        keys: for the digests.
        traces: what to remove.
        may_return: if a member file names them again they may be written to, except if they had opted out.
        now: the time.

    Returns:
        Their new membership number, empty if they are no member; and how many queued messages were withdrawn.
    """
    channels, addresses = _columns(traces.own)
    if traces.person_id is not None:
        await leave_ballots(db, traces.person_id, now)  # later nothing would find the leaving date to come
    await keep_digests(db, keys, await _kept(db, traces, may_return=may_return, now=now))
    await delete_suppressions(db, channels, addresses)
    await delete_places(db, traces.own)
    await keep_places(db, traces.written, traces.shared)
    withdrawn = await empty_messages(db, traces.written, traces.addresses)
    await db.execute(SQL["empty_replies"], list(traces.reply_ids), now)
    await db.execute(SQL["redact_replies"], addresses, list(traces.likes))
    if traces.person_id is not None:
        # this also stops messages already claimed, at their last eligibility check
        await suppress(db, channel="person", address=str(traces.person_id), reason=Reason.ERASED, source="staff")
        await delete_consents(db, traces.person_id)
    new: str = await db.fetchval(SQL["finish_erasure"]) or ""
    if traces.person_id is not None:
        for row in await db.fetch(SQL["list_naming_campaigns"], traces.external_id):
            rewritten = [renamed(row[name], traces.external_id, new) for name in ("audience", "spec")]
            await db.execute(SQL["rename_in_campaign"], row["campaign_id"], *rewritten)
    await empty_alerts(db, addresses, traces.likes)
    return new, withdrawn


async def note_erasure(
    db: Connection, traces: Traces, *, actor: Actor, detail: Mapping[str, Any], now: datetime
) -> None:
    """Record in the audit that somebody was erased, and by whom."""
    subject = "an address" if traces.person_id is None else f"person {traces.person_id}"
    await record(db, actor, AuditAction.PEOPLE_ERASED, subject, detail, at=now)


async def _kept(db: Connection, traces: Traces, *, may_return: bool, now: datetime) -> list[KeptSuppression]:
    """List the suppressions to keep as digests, including, unless they may return, one that says they were erased."""
    channels, addresses = _columns(traces.own)
    kept = [KeptSuppression(**row) for row in await db.fetch(SQL["list_suppressions"], channels, addresses)]
    if traces.person_id is not None:
        rows = await db.fetch(SQL["list_suppressions"], ["person"], [str(traces.person_id)])
        kept += [
            KeptSuppression("person", traces.external_id, row["purpose"], row["reason"], row["since"])
            for row in rows
            if row["reason"] != Reason.LEFT
        ]
    if not may_return:
        stopped = {(suppression.channel, suppression.address) for suppression in kept if suppression.purpose == "all"}
        theirs = [suppression for suppression in traces.own if suppression in traces.listed]
        if traces.person_id is not None:
            theirs.append(("person", traces.external_id))
        kept += [
            KeptSuppression(*suppression, "all", Reason.ERASED, now)
            for suppression in theirs
            if suppression not in stopped
        ]
    return kept


def renamed(value: Any, old: str, new: str) -> Any:
    """Replace a member's number in a campaign's file or audience, if it names members.

    Args:
        value: the file or audience as stored.
        old: the number to replace.
        new: its replacement.
    """
    if isinstance(value, list):
        return [renamed(inner_value, old, new) for inner_value in value]
    if not isinstance(value, dict):
        return value
    return {
        key: [new if inner_value == old else inner_value for inner_value in inner]
        if key == "members" and isinstance(inner, list)
        else renamed(inner, old, new)
        for key, inner in value.items()
    }


async def _traces_at(db: Connection, channel: str, address: str, known: Written | None = None) -> Traces:
    written = await written_to_address(db, channel, address, known)
    replies = await db.fetch(SQL["list_replies"], None, written.ids, [channel], [address])
    suppressions = await db.fetch(SQL["list_suppressions"], [channel], [address])
    if not (written.ids or replies or suppressions or await db.fetchval(SQL["is_address_known"], channel, address)):
        raise NotFound(
            f"Nobody has the number {address}, and nothing was ever sent to or heard from that address."
            if address.isalnum()
            else f"No member has {address}, and nothing was ever sent there or heard from it.",
            remedy="Look the person up with: muster people find TEXT",
        )
    return Traces(
        None, "", "", frozenset({(channel, address)}), ((channel, address),), (), written,
        tuple(row["reply_id"] for row in replies), tuple(row["inbound_id"] for row in replies),
        tuple(await db.fetchval(SQL["list_patterns"], [address])),
    )  # fmt: skip


def _refuse_holders(address: str, holders: Sequence[Holder]) -> None:
    if holders:
        numbers = sorted({holder.external_id for holder in holders})
        raise Conflict(
            f"{address} belongs to {'the member' if len(numbers) == 1 else 'members'} {', '.join(numbers)}.",
            remedy=f"Erase {'them' if len(numbers) == 1 else 'each'} by their number: "
            f"muster people erase {' '.join(numbers)}",
        )


def _columns(addresses: Sequence[AddressOnChannel]) -> tuple[list[str], list[str]]:
    return [address[0] for address in addresses], [address[1] for address in addresses]
