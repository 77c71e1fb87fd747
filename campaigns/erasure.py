"""Erasing somebody: names, addresses, words and raw mails go; what happened stays, under a number that leads to nobody.

`find_traces` says what there is, `erase_traces` takes it out in the caller's transaction; the whole act, with what came
in from outside, is `muster.erasure`. The order of the locks is the same everywhere: first the one that keeps launches
and the inbox away, which is waited for while nothing else is held; then everything else, without waiting.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from campaigns.people.suppressions import read_address
from messaging.addresses import mask
from messaging.db import Connection, load_queries
from messaging.errors import AddressError, Conflict, NotFound
from messaging.outbox.erasure import NEVER, Written, empty_messages, hold_messages, written_to, written_to_address
from messaging.outbox.states import Reason
from messaging.suppression import suppress
from messaging.suppression_digests import DigestKeys, Kept, keep_digests

SQL: Final = load_queries(__file__)

PATIENCE: Final = "100ms"
"""How long a lock is waited for while others are held."""
_TURN: Final = "2s"
"""How long launches and the inbox are waited for, while nothing is held; whoever comes after us waits as long."""

Address = tuple[str, str]
"""A channel and an address."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What is known of somebody.

    Attributes:
        person_id: the member; None for somebody known by an address alone.
        external_id: their membership number; empty without a member.
        name: theirs; may be empty.
        listed: addresses that member files, or whoever asks, give them.
        own: every address that leads to them and to nobody else.
        shared: addresses that others have too: what stands against those stays.
        written: messages to them.
        reply_ids: what they said.
        inbox_ids: how that came in.
    """

    person_id: int | None
    external_id: str
    name: str
    listed: frozenset[Address]
    own: tuple[Address, ...]
    shared: tuple[Address, ...]
    written: Written
    reply_ids: tuple[int, ...]
    inbox_ids: tuple[int, ...]

    @property
    def pattern(self) -> str:
        """A regular expression, of Python and PostgreSQL alike, that finds their own addresses in any text."""
        return "|".join(map(_pattern, self.addresses)) or NEVER

    @property
    def likes(self) -> list[str]:
        """Patterns for LIKE on lower case that find the same and a little more, percent-encoded or not."""
        plain = [address.removeprefix("+").lower() for address in self.addresses]
        return [f"%{_unlike(form)}%" for one in plain for form in dict.fromkeys((one, one.replace("@", "%40")))]

    @property
    def addresses(self) -> list[str]:
        """Their own addresses, without the channel."""
        return [address for _, address in self.own]


async def find_traces(db: Connection, who: str, *, region: str) -> Traces:
    """Find everything that is known of somebody.

    Args:
        db: a connection.
        who: a membership number; or, for somebody in no member file, a number or mailbox.
        region: country whose way of writing phone numbers is assumed where there is no `+`.

    Raises:
        NotFound: nothing is known of them.
        Conflict: it is an address, and a member's.
    """
    person = await db.fetchrow(SQL["person"], who)
    if person is not None:
        return await traces_of(db, person["person_id"], person["external_id"], person["name"])
    try:
        channel, address = read_address(who, region)
    except AddressError:
        raise NotFound(
            f"Nobody has the membership number {who}.", remedy="Look the person up with: muster people find TEXT"
        ) from None
    holders = await db.fetch(SQL["holders"], [channel], [address], None)
    if holders:
        numbers = list(dict.fromkeys(row["external_id"] for row in holders))
        raise Conflict(
            f"{address} belongs to {'the member' if len(numbers) == 1 else 'members'} {', '.join(numbers)}.",
            remedy=f"Erase {'them' if len(numbers) == 1 else 'each'} by membership number: "
            f"muster people erase {' '.join(numbers)}",
        )
    return await _traces_at(db, channel, address)


async def traces_of(db: Connection, person_id: int, external_id: str, name: str = "") -> Traces:
    """Everything that is known of a member."""
    written = await written_to(db, person_id)
    listed = frozenset((row["channel"], row["address"]) for row in await db.fetch(SQL["addresses"], person_id))
    replies = await db.fetch(SQL["replies"], person_id, written.ids, [], [])
    replied = {(row["channel"], row["address"]) for row in replies if row["channel"] != "link"}
    every = _living({*listed, *written.addresses, *replied})
    others = await db.fetch(SQL["holders"], [one[0] for one in every], [one[1] for one in every], person_id)
    shared = {(row["channel"], row["address"]) for row in others}
    own = tuple(one for one in every if one not in shared)
    replies = await db.fetch(SQL["replies"], person_id, written.ids, [one[0] for one in own], [one[1] for one in own])
    return Traces(
        person_id, external_id, name, listed, own, tuple(sorted(shared)), written,
        tuple(row["reply_id"] for row in replies), tuple(row["inbox_id"] for row in replies),
    )  # fmt: skip


async def look_again(db: Connection, traces: Traces) -> Traces:
    """What there is by now, once nobody can add to it.

    Raises:
        NotFound: somebody else has erased them.
    """
    if traces.person_id is None:
        return await _traces_at(db, *traces.own[0], known=traces.written)
    if await db.fetchrow(SQL["person"], traces.external_id) is None:
        raise NotFound(f"{traces.external_id} has just been erased by somebody else.")
    return await traces_of(db, traces.person_id, traces.external_id, traces.name)


async def erased_since(db: Connection, since: datetime) -> list[int]:
    """Who was erased after a moment."""
    return [row["person_id"] for row in await db.fetch(SQL["erased_since"], since)]


async def _traces_at(db: Connection, channel: str, address: str, known: Written | None = None) -> Traces:
    written = await written_to_address(db, channel, address, known)
    replies = await db.fetch(SQL["replies"], None, written.ids, [channel], [address])
    stands = await db.fetch(SQL["stands"], [channel], [address])
    if not (written.ids or replies or stands or await db.fetchval(SQL["was_said"], channel, address)):
        raise NotFound(
            f"Nobody has the membership number {address}, and nothing was ever sent to or heard from that address."
            if address.isalnum()
            else f"No member has {address}, and nothing was ever sent there or heard from it.",
            remedy="Look the person up with: muster people find TEXT",
        )
    return Traces(
        None, "", "", frozenset({(channel, address)}), ((channel, address),), (), written,
        tuple(row["reply_id"] for row in replies), tuple(row["inbox_id"] for row in replies),
    )  # fmt: skip


async def hold_everything(db: Connection, traces: Traces) -> None:
    """Take every lock an erasure needs; all but the first without waiting.

    Args:
        db: in the caller's transaction, which has done nothing yet.
        traces: whose.

    Raises:
        asyncpg.LockNotAvailableError: somebody is in the way; begin again in a moment.
        Conflict: a member file is being imported.
    """
    await db.fetchval(SQL["wait_little"], _TURN)
    await db.execute(SQL["people_go"])
    await db.fetchval(SQL["wait_little"], PATIENCE)
    if not await db.fetchval(SQL["no_import"]):
        raise Conflict("A member file is being imported just now.", remedy="Erase when it has ended.")
    if traces.person_id is not None:
        await db.fetch(SQL["hold_person"], traces.person_id)
    await hold_messages(db, traces.written)


async def erase_traces(
    db: Connection, keys: DigestKeys, traces: Traces, *, may_return: bool, now: datetime
) -> tuple[str, int]:
    """Take out everything that says who somebody is; their opt-outs are kept as digests.

    Args:
        db: in the caller's transaction, which holds everything.
        keys: to make digests with.
        traces: what there is.
        may_return: if a member file brings them again they may be written to, but where they had opted out.
        now: the time.

    Returns:
        What their membership number is from now on, and how many queued messages were withdrawn.
    """
    new = f"erased-{secrets.token_hex(8)}"
    channels, addresses = _columns(traces.own)
    await keep_digests(db, keys, await _kept(db, traces, may_return=may_return, now=now))
    await db.execute(SQL["drop_suppressions"], channels, addresses)
    withdrawn = await empty_messages(db, traces.written, traces.addresses)
    await db.execute(SQL["empty_replies"], list(traces.reply_ids), now)
    if traces.person_id is not None:
        # what is claimed just now is stopped by this, at the gate's last look
        await suppress(db, channel="person", address=str(traces.person_id), reason=Reason.ERASED, source="staff")
        await db.execute(SQL["drop_addresses"], traces.person_id)
        await db.execute(SQL["drop_consents"], traces.person_id)
        await db.execute(SQL["empty_person"], traces.person_id, new, now)
        for row in await db.fetch(SQL["naming_campaigns"], traces.external_id):
            told = [renamed(row[name], traces.external_id, new) for name in ("audience", "spec")]
            await db.execute(SQL["rename_in_campaign"], row["campaign_id"], *told)
    await db.execute(SQL["empty_alerts"], traces.pattern)
    await _empty_ledgers(db, traces)
    return new, withdrawn


async def _empty_ledgers(db: Connection, traces: Traces) -> None:
    channels, addresses = _columns(traces.own)
    names = [*([traces.external_id] if traces.external_id else ()), *_masked(traces.own)]
    await db.execute(
        SQL["empty_ledgers"], traces.person_id, channels, addresses, traces.written.ids, names, traces.pattern
    )


async def note_erasure(db: Connection, traces: Traces, *, actor: str, detail: Mapping[str, Any], now: datetime) -> None:
    """Write down that somebody was erased, and by whom."""
    subject = "an address" if traces.person_id is None else f"person {traces.person_id}"
    await db.execute(SQL["audit"], actor, subject, dict(detail), now)


async def _kept(db: Connection, traces: Traces, *, may_return: bool, now: datetime) -> list[Kept]:
    """What stands against them, and unless they may return: that they were erased."""
    channels, addresses = _columns(traces.own)
    kept = [Kept(**row) for row in await db.fetch(SQL["stands"], channels, addresses)]
    if traces.person_id is not None:
        rows = await db.fetch(SQL["stands"], ["person"], [str(traces.person_id)])
        kept += [
            Kept("person", traces.external_id, row["purpose"], row["reason"], row["since"])
            for row in rows
            if row["reason"] != Reason.LEFT
        ]
    if not may_return:
        stopped = {(one.channel, one.address) for one in kept if one.purpose == "all"}
        theirs = [one for one in traces.own if one in traces.listed]
        if traces.person_id is not None:
            theirs.append(("person", traces.external_id))
        kept += [Kept(*one, "all", Reason.ERASED, now) for one in theirs if one not in stopped]
    return kept


def renamed(value: Any, old: str, new: str) -> Any:
    """A campaign's file or audience with a member's number replaced where it names members.

    Args:
        value: as it is kept.
        old: the number that goes.
        new: what stands in its place.
    """
    if isinstance(value, list):
        return [renamed(one, old, new) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: [new if one == old else one for one in inner]
        if key == "members" and isinstance(inner, list)
        else renamed(inner, old, new)
        for key, inner in value.items()
    }


def _living(addresses: Iterable[Address]) -> list[Address]:
    """Without what stands where an address was erased before."""
    return sorted(one for one in addresses if not one[1].startswith("erased-"))


def _columns(addresses: Sequence[Address]) -> tuple[list[str], list[str]]:
    return [one[0] for one in addresses], [one[1] for one in addresses]


def _masked(addresses: Collection[Address]) -> list[str]:
    """How the audit names addresses."""
    return [f"{channel} {mask(address)}" for channel, address in addresses]


def _pattern(address: str) -> str:
    """An address as a whole: not the end of a longer number, nor a part of another mailbox."""
    if "@" in address:
        return rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)"
    return rf"\+?(?<!\d){re.escape(address.removeprefix('+'))}(?!\d)"


def _unlike(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)
