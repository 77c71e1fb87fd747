"""Extension of a subject: a later close, with the deadlines and words of coming steps that are derived from it.

Links and pages need no change, because they read the close each time. Messages of steps that have started keep the
close that they name: some have been sent, and replies are read by the words that were sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaigns.subjects.kinds import find_subject
from campaigns.subjects.subject import Subject
from core.access import Actor
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.settings import Settings
from messaging.content.templates import Template
from messaging.outbox.steps import extend_deadlines, renew_constants

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class ExtensionResult:
    """Result of extending a subject.

    Attributes:
        subject: as it is now.
        closed: its former close; aware.
        deadlines: steps whose deadline it was, and moves with it.
        renewed: steps to come, which name the new close.
        started: steps under way, whose messages name the former close if they name it.
    """

    subject: Subject
    closed: datetime
    deadlines: int
    renewed: int
    started: int


async def extend_subject(
    db: Connection, settings: Settings, kind: str, name: str, closes: datetime, *, actor: Actor, now: datetime
) -> ExtensionResult:
    """Let a subject close later.

    Args:
        db: a connection; a transaction is opened if there is none.
        settings: has the organisation, for the words of steps to come.
        kind: the kind of subject: `question` …
        name: its name.
        closes: its new close; aware.
        actor: who extends it, for the audit.
        now: the time.

    Raises:
        NotFound: no such subject.
        Conflict: it is closed, would close earlier than it does, or is of a kind whose close cannot change.
    """
    async with db.transaction():
        before = await find_subject(db, kind, name)
        closed = await before.extend(db, closes, now)
        subject = await find_subject(db, kind, name)
        campaigns = [row["campaign_id"] for row in await db.fetch(SQL["list_campaigns"], kind, subject.subject_id)]
        deadlines = await extend_deadlines(db, campaigns, closed, closes)
        renewed = started = 0
        for step in await db.fetch(SQL["list_open_steps"], campaigns):
            constants = subject.constants(settings, Template.from_json(step["content"]).languages)
            if await renew_constants(db, step["step_id"], constants):
                renewed += 1
            else:
                started += 1
        detail = {"from": closed.isoformat(), "to": closes.isoformat()}
        await record(db, actor, AuditAction.SUBJECT_EXTENDED, f"{kind} {name}", detail, at=now)
    return ExtensionResult(subject, closed, deadlines, renewed, started)
