"""Sign-in links that come back from outside, as in a reply that quotes one: masked and revoked.

A link that was revoked or used already is masked, too: nobody who reads replies should have to ask whether it works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import structlog

from core.access import SYSTEM
from core.alerts import raise_alert
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.sign_in_links import document_might_hold, mask_credentials, mask_document, mask_raw, might_hold

SQL: Final = load_queries(__file__)
T = TypeVar("T")

_RECENT_TIME: Final = timedelta(days=2)
"""Time after its end for which a link is recognised: what was quoted once is often quoted again."""

log = structlog.get_logger(__name__)


async def without_links(db: Connection, words: str, *, now: datetime) -> str:
    """Return text from outside with its sign-in links masked; from now on such a link no longer works.

    Args:
        db: in the caller's transaction, if any.
        words: as they came.
        now: the time, aware.
    """
    if not might_hold(words):
        return words
    return await _masked(db, now, lambda known, recognised: mask_credentials(words, known, recognised))


async def document_without_links(db: Connection, document: Any, *, now: datetime) -> Any:
    """Do the same for every text of a JSON document."""
    if not document_might_hold(document):
        return document
    return await _masked(db, now, lambda known, recognised: mask_document(document, known, recognised))


async def raw_without_links(db: Connection, raw: bytes, *, now: datetime) -> bytes:
    """Do the same for a mail, or a body that cannot be read."""
    known = await _recent_pieces(db, now)
    recognised = set[bytes]()
    masked = await asyncio.to_thread(mask_raw, raw, known.keys(), recognised)  # a large attachment takes a second
    await _revoke(db, {known[piece] for piece in recognised}, now)
    return masked


async def _masked(db: Connection, now: datetime, mask: Callable[[Any, set[bytes]], T]) -> T:
    known, recognised = await _recent_pieces(db, now), set[bytes]()
    masked = mask(known.keys(), recognised)
    await _revoke(db, {known[piece] for piece in recognised}, now)
    return masked


async def _recent_pieces(db: Connection, now: datetime) -> dict[bytes, bytes]:
    """Return, for each piece of a link that can be used or ended lately, the link that it belongs to."""
    rows = await db.fetch(SQL["list_recent_links"], now - _RECENT_TIME)
    return {piece: row["digest"] for row in rows for piece in row["pieces"]}


async def _revoke(db: Connection, digests: set[bytes], now: datetime) -> None:
    for row in await db.fetch(SQL["revoke_invitations"], sorted(digests), now) if digests else ():
        subject = f"invitation {row['invitation_id']}"
        log.warning("the link of an invitation came back from outside and was revoked", invitation=subject)
        await record(db, SYSTEM, AuditAction.STAFF_LINK_REVOKED, subject, {"why": "it came back from outside"}, at=now)
        await raise_alert(
            db,
            key=f"invitation:{row['invitation_id']}",
            severity="warning",
            title=f"The invitation of {row['email']} came back from outside, and its link no longer works.",
            remedy="Somebody quoted it, or a mailbox sent it back: others may have read it. Send another one with:"
            f" muster user invite {row['email']} --again",
        )
    for row in await db.fetch(SQL["revoke_links"], sorted(digests), now) if digests else ():
        log.warning("a sign-in link came back from outside and was revoked", staff_id=row["staff_id"])
        await record(
            db, SYSTEM, AuditAction.STAFF_LINK_REVOKED, f"staff {row['staff_id']}",
            {"why": "it came back from outside"}, at=now,
        )  # fmt: skip
        await raise_alert(
            db,
            key=f"sign-in:{row['staff_id']}",
            severity="warning",
            title=f"A sign-in link for {row['email']} came back from outside, and no longer works.",
            remedy="Somebody quoted it, or a mailbox sent it back: others may have read it. Make another one with:"
            f" muster user link {row['email']}",
        )
