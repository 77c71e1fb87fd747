"""Audit: who did what, when, from where and by which permission; append-only, and sealed.

A row says who did what. The subject and the particulars are in a table of their own, `audit_detail`, because they may
be personal. The row has a salted digest of them: an erasure can delete them with the salt, and the seal of the row
still holds. A job of the workers seals what was recorded into a chain of digests. Somebody who keeps its head elsewhere
(`muster audit head`) can prove later that nothing before it was changed, not even by the owner of the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import asyncpg

from core.access import Actor, Permission
from core.db import Connection, load_queries
from core.db.high_water_mark import find_high_water_mark
from core.plurals import plural

SQL: Final = load_queries(__file__)

BATCH_SIZE: Final = 20_000
"""Most rows under one seal: so many are read into memory to check it."""


class AuditAction(StrEnum):
    """Action that the audit records: the thing it was done to, and what was done."""

    ANSWERS_EXPORTED = "answers.exported"
    BALLOT_CREATED = "ballot.created"
    CAMPAIGN_ARCHIVED = "campaign.archived"
    CAMPAIGN_CANCELLED = "campaign.cancelled"
    CAMPAIGN_CREATED = "campaign.created"
    CAMPAIGN_FINISHED = "campaign.finished"
    CAMPAIGN_LAUNCHED = "campaign.launched"
    CAMPAIGN_PAUSED = "campaign.paused"
    CAMPAIGN_REOPENED = "campaign.reopened"
    CAMPAIGN_RESUMED = "campaign.resumed"
    CONSENTS_EXPORTED = "consents.exported"
    CONSENTS_IMPORTED = "consents.imported"
    GRANT_GIVEN = "grant.given"
    GRANT_REVOKED = "grant.revoked"
    INVITATION_ACCEPTED = "invitation.accepted"
    INVITATION_MADE = "invitation.made"
    INVITATION_RESENT = "invitation.resent"
    INVITATION_WITHDRAWN = "invitation.withdrawn"
    KEY_MADE = "key.made"
    KEY_REVOKED = "key.revoked"
    LEDGERS_EMPTIED = "ledgers.emptied"
    MESSAGES_ARCHIVED = "messages.archived"
    MESSAGES_DELETED = "messages.deleted"
    MESSAGES_RESUMED = "messages.resumed"
    MESSAGES_SETTLED = "messages.settled"
    PEOPLE_ERASED = "people.erased"
    PEOPLE_EXPORTED = "people.exported"
    PEOPLE_IMPORTED = "people.imported"
    PEOPLE_LEAVE_UNDONE = "people.leave_undone"
    PEOPLE_LEFT = "people.left"
    PEOPLE_SEARCHED = "people.searched"
    PEOPLE_SEEN = "people.seen"
    PERSON_READMITTED = "person.readmitted"
    PERSON_SEEN = "person.seen"
    PREFERENCES_CHANGED = "preferences.changed"
    QUESTION_CREATED = "question.created"
    REPLIES_SEEN = "replies.seen"
    REPLY_ANSWERED = "reply.answered"
    REPLY_CLOSED = "reply.closed"
    REPLY_CORRECTED = "reply.corrected"
    REPLY_MAIL_EXPORTED = "reply.mail_exported"
    REPLY_OPT_OUT_UNDONE = "reply.opt_out_undone"
    REPLY_RECLASSIFIED = "reply.reclassified"
    REPLY_SEEN = "reply.seen"
    SENDER_RESUMED = "sender.resumed"
    STAFF_ADDED = "staff.added"
    STAFF_DISABLED = "staff.disabled"
    STAFF_ENABLED = "staff.enabled"
    STAFF_LINK_MADE = "staff.link_made"
    STAFF_LINK_REVOKED = "staff.link_revoked"
    STAFF_PASSKEY_ADDED = "staff.passkey_added"
    STAFF_PASSKEY_COPIED = "staff.passkey_copied"
    STAFF_PASSKEY_REMOVED = "staff.passkey_removed"
    STAFF_PHONE_REMOVED = "staff.phone_removed"
    STAFF_PHONE_SET = "staff.phone_set"
    STAFF_PHONE_VERIFIED = "staff.phone_verified"
    STAFF_RECOVERY_CODES_MADE = "staff.recovery_codes_made"
    STAFF_RECOVERY_CODE_USED = "staff.recovery_code_used"
    STAFF_SECOND_FACTORS_RESET = "staff.second_factors_reset"
    STAFF_SECOND_FACTOR_FAILED = "staff.second_factor_failed"
    STAFF_SECOND_FACTOR_PROVEN = "staff.second_factor_proven"
    STAFF_SESSIONS_ENDED = "staff.sessions_ended"
    STAFF_SIGNED_IN = "staff.signed_in"
    STAFF_SIGNED_OUT = "staff.signed_out"
    STAFF_TOTP_ADDED = "staff.totp_added"
    STAFF_TOTP_REMOVED = "staff.totp_removed"
    STEP_LAUNCHED = "step.launched"
    SUBJECT_EXTENDED = "subject.extended"
    SUPPRESSIONS_EXPORTED = "suppressions.exported"
    SUPPRESSIONS_IMPORTED = "suppressions.imported"
    TEST_SENT = "test.sent"
    TURNOUT_EXPORTED = "turnout.exported"
    TURNOUT_IMPORTED = "turnout.imported"
    WEBHOOK_ADDED = "webhook.added"
    WEBHOOK_PAUSED = "webhook.paused"
    WEBHOOK_REMOVED = "webhook.removed"
    WEBHOOK_REPLAYED = "webhook.replayed"
    WEBHOOK_RESUMED = "webhook.resumed"
    WEBHOOK_ROTATED = "webhook.rotated"


@dataclass(frozen=True, slots=True)
class Head:
    """Newest seal. A copy kept elsewhere proves later that nothing it covers was changed.

    Attributes:
        seal_id: its number in the chain.
        last_audit_id: the last row it covers.
        rows: rows under it and all before.
        sealed_at: when it was made; aware.
        digest: SHA-256 in hexadecimal, over the seal before and the rows since.
    """

    seal_id: int
    last_audit_id: int
    rows: int
    sealed_at: datetime
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the time as ISO 8601."""
        return {
            "seal": self.seal_id, "last_row": self.last_audit_id, "rows": self.rows,
            "sealed_at": self.sealed_at.isoformat(), "digest": self.digest,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verification:
    """Outcome of checking the audit.

    Attributes:
        seals: how many were checked.
        rows: rows under them.
        unsealed: rows that came since.
        erased: rows whose particulars an erasure took out.
        problems: what does not fit, in sentences; empty if everything does.
    """

    seals: int
    rows: int
    unsealed: int
    erased: int
    problems: tuple[str, ...]


async def record(
    db: Connection,
    actor: Actor,
    action: AuditAction,
    subject: str,
    detail: Mapping[str, Any] | None = None,
    *,
    permission: Permission | None = None,
    at: datetime | None = None,
) -> None:
    """Record in the audit what somebody did.

    Args:
        db: in the transaction that does it, so that both are committed or neither.
        actor: who.
        action: what.
        subject: the thing it was done to, such as `campaign pay-2026` or `person 17`: a person by number, not by name.
        detail: particulars, before and after.
        permission: the permission that allowed it, if one was asked.
        at: when, aware; default: the transaction's time.
    """
    await db.execute(SQL["record"], actor.to_json(), action, subject, dict(detail or {}), at, permission)


async def seal(db: Connection, *, writers_timeout: float = 1.0) -> int:
    """Seal the rows recorded since the last seal; return how many.

    Args:
        db: outside any transaction.
        writers_timeout: seconds to wait for transactions that are recording something at that moment; after that the
            next run seals their rows.
    """
    marks = await find_high_water_mark(db, {"audit": "audit_id"}, writers_timeout=writers_timeout)
    if marks is None:
        return 0
    sealed = 0
    while batch := await db.fetchval(SQL["seal"], marks["audit"], BATCH_SIZE):
        sealed += batch
    return sealed


async def head(db: Connection) -> Head | None:
    """Return the newest seal; None before the first."""
    row = await db.fetchrow(SQL["find_head"])
    return None if row is None else Head(**row)


async def verify(db: Connection, *, kept: Mapping[str, Any] | None = None) -> Verification:
    """Check every seal, and every row's digest of its particulars.

    Args:
        db: a connection.
        kept: a head that was kept outside (`Head.to_json`), which the chain must still have.
    """
    async with db.transaction(isolation="repeatable_read", readonly=True):
        seals = [row async for row in db.cursor(SQL["check_seals"])]
        counts = await db.fetchrow(SQL["check_details"])
    assert counts is not None  # an aggregate is one row
    problems = [_problem(row) for row in seals if not row["holds"]]
    if counts["changed"]:
        changed = plural(counts["changed"], "row")
        problems.append(f"The particulars of {changed} were changed; the first is row {counts['first']}.")
    if kept is not None and not _has(seals, kept):
        problems.append(f"The chain has no seal {kept.get('seal')} with the digest that was kept.")
    return Verification(
        len(seals), sum(row["counted"] for row in seals), counts["unsealed"], counts["erased"], tuple(problems)
    )


async def list_audit(
    db: Connection,
    *,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[asyncpg.Record]:
    """List rows of the audit, newest first.

    Args:
        db: a connection.
        actor: name of who did it.
        action: one of `AuditAction`, or its part before the dot.
        subject: as it was recorded.
        since: the earliest time, aware.
        until: the time before which it was.
        before: only rows with a smaller number: the next page.
        limit: the most rows.

    Returns:
        Each with audit_id, at, actor_kind, actor_id, actor, came_from, permission, action, subject, detail and erased:
        whether an erasure took something out.
    """
    return await db.fetch(SQL["list_audit"], actor, action, subject, since, until, before, limit)


def _problem(row: asyncpg.Record) -> str:
    where = f"Seal {row['seal_id']} (rows {row['first_audit_id']} to {row['last_audit_id']})"
    if row["counted"] != row["rows"]:
        return f"{where} covered {row['rows']} rows, and there are {row['counted']}."
    return f"{where} does not fit: a row, or the seal before it, was changed."


def _has(seals: list[asyncpg.Record], kept: Mapping[str, Any]) -> bool:
    return any(row["seal_id"] == kept.get("seal") and row["digest"] == kept.get("digest") for row in seals)
