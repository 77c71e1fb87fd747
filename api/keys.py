"""API keys of other systems: shown once, stored as a digest, limited to scopes and ballots, revoked at once.

A key looks like `mk_k3x7q2ab_` and 32 characters more. The middle part finds the row and is no secret; the rest is 160
bits, so a plain digest of it is safe to store, and is compared in constant time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ballots.ballots import get_ballot
from core.access import Actor, ActorKind
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.errors import Conflict, InputError, NotFound

SQL: Final = load_queries(__file__)

READ_TURNOUT: Final = "turnout:read"
SCOPES: Final = (READ_TURNOUT,)
"""Scopes a key can have."""

_KEY: Final = re.compile(r"mk_(?P<handle>[a-z2-7]{8})_(?P<secret>[a-z2-7]{32})")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NOBODY: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Key:
    """API key that authenticated a request.

    Attributes:
        key_id: its number.
        name: its name in commands.
        scopes: its permitted uses.
        ballots: which ballots it may read; None: all of them.
    """

    key_id: int
    name: str
    scopes: frozenset[str]
    ballots: frozenset[str] | None

    def actor(self, came_from: str) -> Actor:
        """Return who uses it, for the audit."""
        return Actor(ActorKind.KEY, self.name, self.key_id, came_from)

    def may(self, scope: str, ballot: str) -> bool:
        """Tell whether the key has a scope, and has it for a ballot."""
        return scope in self.scopes and (self.ballots is None or ballot in self.ballots)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """API key as lists show it: everything but the secret."""

    key_id: int
    name: str
    handle: str
    scopes: list[str]
    ballots: list[str] | None
    created_at: datetime
    created_by: str
    used_at: datetime | None
    revoked_at: datetime | None


async def make_key(
    db: Connection,
    name: str,
    *,
    scopes: Sequence[str] = SCOPES,
    ballots: Sequence[str] = (),
    actor: Actor,
    now: datetime,
) -> str:
    """Make a key.

    Args:
        db: a connection.
        name: its name: lowercase letters, digits and dashes.
        scopes: its permitted uses, of `SCOPES`.
        ballots: which ballots it may read; none named: all of them.
        actor: its maker, for the audit.
        now: the time.

    Returns:
        The key, which cannot be shown again.

    Raises:
        InputError: the name or a scope cannot be right.
        NotFound: there is no such ballot.
        Conflict: there is, or was, a key of that name.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} cannot be a name: use up to 63 lowercase letters, digits and dashes.")
    if unknown := set(scopes) - set(SCOPES):
        raise InputError(f"A key cannot have the scope {', '.join(sorted(unknown))}; there is {', '.join(SCOPES)}.")
    handle, secret = _random(5), _random(20)
    async with db.transaction():
        for ballot in ballots:
            await get_ballot(db, ballot)
        added = await db.fetchval(
            SQL["insert_key"], name, handle, _digest(secret), list(scopes), list(ballots) or None, actor.name, now
        )
        if added is None:
            raise Conflict(
                f"There is or was a key {name}.",
                remedy="Choose another name: names of revoked keys cannot be used again.",
            )
        detail = {"scopes": list(scopes), "ballots": list(ballots)}
        await record(db, actor, AuditAction.KEY_MADE, f"key {name}", detail, at=now)
    return f"mk_{handle}_{secret}"


async def list_keys(db: Connection) -> list[ListedKey]:
    """List all keys, revoked ones last."""
    return [ListedKey(**row) for row in await db.fetch(SQL["list_keys"])]


async def revoke_key(db: Connection, name: str, *, actor: Actor, now: datetime) -> None:
    """Revoke a key; open streams end within a minute.

    Raises:
        NotFound: there is no such key, or not any more.
    """
    async with db.transaction():
        if await db.fetchval(SQL["revoke_key"], name, now) is None:
            raise NotFound(f"There is no key {name} that works.", remedy="See: muster key list")
        await record(db, actor, AuditAction.KEY_REVOKED, f"key {name}", at=now)


def may_be_key(text: str) -> bool:
    """Tell whether a text has the form of a key, so that it is worth looking up."""
    return _KEY.fullmatch(text) is not None


async def admit_key(db: Connection, key: str, *, now: datetime) -> Key | None:
    """Find the API key that a text is; None if it is unknown or was revoked."""
    parts = _KEY.fullmatch(key)
    row = await db.fetchrow(SQL["find_key"], parts["handle"]) if parts else None
    # compared also if there is nothing to compare with: a guess takes as long whether or not its handle exists
    same = hmac.compare_digest(_digest(parts["secret"] if parts else ""), row["digest"] if row else _NOBODY)
    if row is None or not same:
        return None
    await db.execute(SQL["note_use"], row["key_id"], now)
    ballots = frozenset(row["ballots"]) if row["ballots"] is not None else None
    return Key(row["key_id"], row["name"], frozenset(row["scopes"]), ballots)


def _random(size: int) -> str:
    return base64.b32encode(secrets.token_bytes(size)).decode().lower()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
