"""Keep suppressions of erased people as keyed digests, looked up when an address is imported, never at claim time.

A digest is HMAC-SHA256 of the address under a key derived from `MUSTER_SECRET_KEY`: phone numbers are few enough to try
them all against a plain hash. It is kept with the fingerprint of its secret. While a secret is being rotated, the
former secret stays in the list, and digests made with it are found. They cannot be made again, as the addresses are
gone. So a former secret has to stay in the list while its digests are kept, and an import refuses to run without it.
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
from core.keyring import key_fingerprint
from messaging.reasons import Reason

SQL: Final = load_queries(__file__)

SOURCE: Final = "before erasure"
"""Source of a suppression of somebody who was erased and has come back."""

ImportedEntry = tuple[str, str]
"""Channel and address of an imported entry; or `person` and a membership number."""


@dataclass(frozen=True, slots=True)
class KeptSuppression:
    """Suppression to be kept as a digest.

    Attributes:
        channel: `sms`, `email`, or `person` for a membership number.
        address: normalised, or the membership number.
        purpose: `all` or `marketing`.
        reason: why, a value of `Reason`.
        since: since when; aware.
    """

    channel: str
    address: str
    purpose: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class FoundDigest:
    """Suppression found for an imported entry.

    Attributes:
        channel: of the entry.
        address: of the entry.
        digest: the digest it is kept under.
        purpose: `all` or `marketing`.
        reason: why, a value of `Reason`.
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
    """Keys of digests: new digests are made with the first, lookups try all.

    Args:
        secrets: `MUSTER_SECRET_KEY`, newest first.
    """

    __slots__ = ("_keys",)

    def __init__(self, secrets: Sequence[SecretStr]) -> None:
        words = [secret.get_secret_value().encode() for secret in secrets]
        self._keys = {
            key_fingerprint(word): hmac.digest(word, b"digests of erased addresses", "sha256") for word in words
        }

    def current(self, channel: str, address: str) -> tuple[bytes, str]:
        """Return the digest of an address by the newest key, and the fingerprint of its secret.

        Raises:
            SettingsError: no secret is set.
        """
        for name, key in self._keys.items():
            return _digest(key, channel, address), name
        raise SettingsError(
            "MUSTER_SECRET_KEY is not set.", remedy="The digests of erased people's suppressions are made with it."
        )

    def every(self, channel: str, address: str) -> list[bytes]:
        """Return the digests of an address by all keys."""
        return [_digest(key, channel, address) for key in self._keys.values()]

    def names(self) -> list[str]:
        """Return the fingerprints of the secrets."""
        return list(self._keys)


NO_KEYS: Final = DigestKeys(())
"""Keys for an installation where nobody was ever erased."""


async def keep_digests(db: Connection, keys: DigestKeys, suppressions: Collection[KeptSuppression]) -> None:
    """Keep suppressions as digests; a digest that exists already keeps its reason, unless that is only `erased`.

    Args:
        db: in the caller's transaction.
        keys: the keys to make digests with.
        suppressions: the suppressions.
    """
    made = [keys.current(suppression.channel, suppression.address) for suppression in suppressions]
    await db.execute(
        SQL["keep_digests"],
        [digest for digest, _ in made],
        [name for _, name in made],
        [suppression.channel for suppression in suppressions],
        [suppression.purpose for suppression in suppressions],
        [suppression.reason for suppression in suppressions],
        [suppression.since for suppression in suppressions],
    )


async def keep_new_suppressions(
    db: Connection, keys: DigestKeys, suppressions: Sequence[KeptSuppression]
) -> tuple[set[str], list[KeptSuppression]]:
    """Keep new suppressions of erased people; they replace the reason `erased`, and stay when that would be lifted.

    Args:
        db: in the caller's transaction.
        keys: the keys to look them up with.
        suppressions: suppressions of anybody; those of people who were not erased are ignored, and digests with another
            reason than `erased` stay.

    Returns:
        The addresses and membership numbers of erased people among them, and the suppressions that are new.
    """
    kept = await find_digests(db, keys, {(suppression.channel, suppression.address) for suppression in suppressions})
    erased = {(entry.channel, entry.address) for entry in kept}
    in_force = {(entry.channel, entry.address, entry.purpose) for entry in kept if entry.reason != Reason.ERASED}
    fresh: dict[tuple[str, str, str], KeptSuppression] = {}
    for suppression in suppressions:
        place = (suppression.channel, suppression.address)
        for_all = {(*place, "all"), (*place, suppression.purpose)}
        if place in erased and suppression.reason != Reason.ERASED and not for_all & (in_force | fresh.keys()):
            fresh[*place, suppression.purpose] = suppression
    # if made with a former secret, the weaker suppression would stand beside the new one
    weaker = [
        entry
        for entry in kept
        if entry.reason == Reason.ERASED
        and (entry.channel, entry.address, entry.purpose) in fresh
        and entry.digest != keys.current(entry.channel, entry.address)[0]
    ]
    await delete_digests(db, weaker)
    await keep_digests(db, keys, list(fresh.values()))
    return {address for _, address in erased}, list(fresh.values())


async def has_digests(db: Connection, keys: DigestKeys) -> bool:
    """Tell whether any digests are kept, so that imported entries have to be looked up.

    Raises:
        SettingsError: a digest's secret is not in the list any more, so that it would not be found.
    """
    if missing := await db.fetchval(SQL["count_unreadable"], keys.names()):
        raise SettingsError(
            f"{missing} opt-outs of people who were erased are kept under a MUSTER_SECRET_KEY that is not in the list.",
            remedy="Add the former key to the end of the list again: without it they would get messages.",
        )
    return bool(await db.fetchval(SQL["has_digests"]))


async def find_digests(db: Connection, keys: DigestKeys, entries: Collection[ImportedEntry]) -> list[FoundDigest]:
    """Find the suppressions kept as digests for imported entries.

    Args:
        db: a connection.
        keys: the keys to look them up with.
        entries: any number of entries; a whole member file costs about a second.
    """
    kept: dict[bytes, list[Mapping[str, object]]] = {}
    for row in await db.fetch(SQL["list_digests"]):
        kept.setdefault(row["digest"], []).append(dict(row))
    if not kept:
        return []
    return [
        FoundDigest(channel=channel, address=address, **row)  # type: ignore[arg-type]  # a row has what it lacks
        for channel, address in entries
        for digest in keys.every(channel, address)
        for row in kept.get(digest, ())
    ]


async def delete_digests(db: Connection, digests: Collection[FoundDigest]) -> None:
    """Delete digests whose suppressions were stored in clear again, or lifted.

    Args:
        db: in the transaction that does that.
        digests: the digests.
    """
    await db.execute(SQL["delete_digests"], [entry.digest for entry in digests], [entry.purpose for entry in digests])


def _digest(key: bytes, channel: str, address: str) -> bytes:
    return hmac.digest(key, f"{channel}:{address}".encode(), hashlib.sha256)
