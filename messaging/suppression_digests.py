"""Suppressions of people who were erased: keyed digests, looked up when an address comes in, never when one is claimed.

A digest is HMAC-SHA256 of the address under a key derived from `MUSTER_SECRET_KEY`: phone numbers are few enough to try
them all against a bare digest. It is kept with the fingerprint of its secret. While a secret is being rotated the
former one stays in the list, and digests made with it are found; nobody can make them anew, for the addresses are gone.
So a former secret stays in the list for as long as digests of it are kept, and an import refuses to run without it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import SecretStr

from core.db import Connection, load_queries
from core.errors import SettingsError
from core.keyring import fingerprint
from messaging.states import Reason

SQL: Final = load_queries(__file__)

SOURCE: Final = "before erasure"
"""Where a suppression comes from that stood against somebody who was erased and has come back."""

Arrival = tuple[str, str]
"""A channel and an address that come in; `person` and a membership number."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A suppression that is to be kept as a digest.

    Attributes:
        channel: `sms`, `email`, or `person` for a membership number.
        address: normalised, or the membership number.
        purpose: `all` or `marketing`.
        reason: why, a word of `Reason`.
        since: since when; aware.
    """

    channel: str
    address: str
    purpose: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class FoundDigest:
    """A suppression that stands against something that came in.

    Attributes:
        channel: of what came in.
        address: of what came in.
        digest: under which it is kept.
        purpose: `all` or `marketing`.
        reason: why, a word of `Reason`.
        since: since when; aware.
        made_at: when its person was erased; aware.
    """

    channel: str
    address: str
    digest: bytes
    purpose: str
    reason: str
    since: datetime
    made_at: datetime


class DigestKeys:
    """The keys that digests are made with: the first makes, all are looked under.

    Args:
        secrets: `MUSTER_SECRET_KEY`, newest first.
    """

    __slots__ = ("_keys",)

    def __init__(self, secrets: Sequence[SecretStr]) -> None:
        words = [secret.get_secret_value().encode() for secret in secrets]
        self._keys = {fingerprint(word): hmac.digest(word, b"digests of erased addresses", "sha256") for word in words}

    def current(self, channel: str, address: str) -> tuple[bytes, str]:
        """The digest an address is kept under from now on, and the fingerprint of its secret.

        Raises:
            SettingsError: no secret is set.
        """
        for name, key in self._keys.items():
            return _digest(key, channel, address), name
        raise SettingsError("MUSTER_SECRET_KEY is not set.", remedy="What stands against people is kept under it.")

    def every(self, channel: str, address: str) -> list[bytes]:
        """The digests an address may be kept under."""
        return [_digest(key, channel, address) for key in self._keys.values()]

    def names(self) -> list[str]:
        """The fingerprints of the secrets."""
        return list(self._keys)


NO_KEYS: Final = DigestKeys(())
"""For where nobody was ever erased."""


async def keep_digests(db: Connection, keys: DigestKeys, suppressions: Collection[Kept]) -> None:
    """Keep suppressions as digests; what is kept already stays, unless it says only that somebody was erased.

    Args:
        db: in the caller's transaction.
        keys: to make them with.
        suppressions: what stands.
    """
    made = [keys.current(one.channel, one.address) for one in suppressions]
    await db.execute(
        SQL["keep"],
        [digest for digest, _ in made],
        [name for _, name in made],
        [one.channel for one in suppressions],
        [one.purpose for one in suppressions],
        [one.reason for one in suppressions],
        [one.since for one in suppressions],
    )


async def keep_wishes(db: Connection, keys: DigestKeys, wishes: Sequence[Kept]) -> tuple[set[str], list[Kept]]:
    """Keep what is said of people who were erased; it outweighs that they were, and stays when that is taken back.

    Args:
        db: in the caller's transaction.
        keys: to look them up with.
        wishes: what is said of anybody; what is kept for an address already stays.

    Returns:
        The addresses and membership numbers that are kept, and what had not been kept of them yet.
    """
    found = await find_digests(db, keys, {(one.channel, one.address) for one in wishes})
    erased = {(one.channel, one.address) for one in found}
    stands = {(one.channel, one.address, one.purpose) for one in found if one.reason != Reason.ERASED}
    news: dict[tuple[str, str, str], Kept] = {}
    for one in wishes:
        place = (one.channel, one.address)
        for_all = {(*place, "all"), (*place, one.purpose)}
        if place in erased and one.reason != Reason.ERASED and not for_all & (stands | news.keys()):
            news[*place, one.purpose] = one
    # made with a former secret, the weaker one would stand beside the new one
    weaker = [
        one
        for one in found
        if one.reason == Reason.ERASED
        and (one.channel, one.address, one.purpose) in news
        and one.digest != keys.current(one.channel, one.address)[0]
    ]
    await drop_digests(db, weaker)
    await keep_digests(db, keys, list(news.values()))
    return {address for _, address in erased}, list(news.values())


async def has_digests(db: Connection, keys: DigestKeys) -> bool:
    """Whether anything is kept, so that what comes in has to be looked up.

    Raises:
        SettingsError: something is kept under a secret that is in the list no more, and would not be found.
    """
    if missing := await db.fetchval(SQL["count_unreadable"], keys.names()):
        raise SettingsError(
            f"{missing} opt-outs of people who were erased are kept under a MUSTER_SECRET_KEY that is not in the list.",
            remedy="Add the former key to the end of the list again: without it they would be written to.",
        )
    return bool(await db.fetchval(SQL["any"]))


async def find_digests(db: Connection, keys: DigestKeys, arrivals: Collection[Arrival]) -> list[FoundDigest]:
    """What is kept against what comes in.

    Args:
        db: a connection.
        keys: to look it up with.
        arrivals: any number; the whole of a member file costs about a second.
    """
    kept: dict[bytes, list[Mapping[str, object]]] = {}
    for row in await db.fetch(SQL["all"]):
        kept.setdefault(row["digest"], []).append(dict(row))
    if not kept:
        return []
    return [
        FoundDigest(channel=channel, address=address, **row)  # type: ignore[arg-type]  # a row has what it lacks
        for channel, address in arrivals
        for digest in keys.every(channel, address)
        for row in kept.get(digest, ())
    ]


async def drop_digests(db: Connection, found: Collection[FoundDigest]) -> None:
    """Forget digests: what they stood for stands in clear again, or was lifted.

    Args:
        db: in the transaction that sees to that.
        found: which.
    """
    await db.execute(SQL["drop"], [one.digest for one in found], [one.purpose for one in found])


def _digest(key: bytes, channel: str, address: str) -> bytes:
    return hmac.digest(key, f"{channel}:{address}".encode(), hashlib.sha256)
