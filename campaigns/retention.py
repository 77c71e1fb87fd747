"""Retention of messages: they move to the archive after their campaign, and the archive is deleted by years.

A campaign's messages may be archived when it and its steps are over, and its subject closed so long ago that people's
links no longer work. If the subject never closes, the end of the campaign counts instead. Results (claims, turnout,
replies, opt-outs) and the numbers of reports stay.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import structlog

from campaigns.subjects.kinds import subject_of
from campaigns.subjects.subject import Subject
from core.access import SYSTEM, Actor
from core.audit import AuditAction, record
from core.db import Connection, exclusive, load_queries
from core.errors import Conflict, InputError, NotFound
from core.member_link_lifetime import ARCHIVE_DELAY
from messaging.outbox.archive import (
    CHUNK_SIZE,
    ArchiveCounts,
    PageViewArchive,
    archive_chunk,
    archive_transactional,
    check_year,
    ready_year,
    short_timeouts,
)
from messaging.outbox.erasure import delete_old_places

SQL: Final = load_queries(__file__)

CHUNK_TIMEOUT: Final = 30.0
"""Seconds to wait for a worker that is moving a chunk."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DueCampaign:
    """Campaign whose messages may be archived.

    Attributes:
        campaign_id: its id.
        name: what commands call it.
        subject: what it asked about.
        over_at: when that closed, or, if it never closes, when the campaign ended; aware.
    """

    campaign_id: int
    name: str
    subject: Subject
    over_at: datetime


@dataclass(frozen=True, slots=True)
class ArchiveYear:
    """Contents of the archive for one year.

    Attributes:
        year: the year.
        campaigns: messages by campaign.
        not_archived: messages of that year that have not been archived.
    """

    year: int
    campaigns: dict[str, int]
    not_archived: int

    @property
    def messages(self) -> int:
        """Return the number of archived messages of all campaigns."""
        return sum(self.campaigns.values())


@asynccontextmanager
async def retention_lock(url: str, *, chunk_timeout: float = CHUNK_TIMEOUT) -> AsyncIterator[Connection | None]:
    """Hold the lock, across all hosts, under which messages are archived or deleted.

    Args:
        url: the database.
        chunk_timeout: seconds to wait for another holder, who releases it after each chunk.

    Yields:
        A dedicated connection; None if the lock was not free in time.
    """
    deadline = time.monotonic() + chunk_timeout
    async with AsyncExitStack() as stack:
        while True:
            db = await stack.enter_async_context(exclusive(url, "retention"))
            if db is not None or time.monotonic() >= deadline:
                break
            await stack.aclose()
            await asyncio.sleep(0.2)
        yield db


async def due_campaigns(db: Connection, before: datetime, *, name: str | None = None) -> list[DueCampaign]:
    """List the campaigns with messages to archive, in the order in which they ended.

    Args:
        db: a connection.
        before: the time before which they were over.
        name: only this one.
    """
    return [
        DueCampaign(**{**row, "subject": subject_of(row["subject"])})
        for row in await db.fetch(SQL["list_due"], before, name)
    ]


async def waiting_messages(db: Connection, due: DueCampaign) -> int:
    """Count the messages of a campaign that would be archived."""
    waiting: int = await db.fetchval(SQL["count_waiting"], due.campaign_id)
    return waiting


def last_close(now: datetime, days: int, before: datetime | None = None) -> datetime:
    """Return the moment before which a campaign must have ended for its messages to be archived.

    Args:
        now: the time.
        days: how many days ago, by the settings.
        before: a moment to use instead; aware.

    Raises:
        InputError: the moment is too late: people's links still work.
    """
    wanted = now - timedelta(days=days) if before is None else before
    if wanted > now - ARCHIVE_DELAY:
        raise InputError(
            f"Campaigns that were over less than {ARCHIVE_DELAY.days} days ago stay: people's links still work.",
            remedy=f"The latest possible date today is {now - ARCHIVE_DELAY:%Y-%m-%d}.",
        )
    return wanted


async def check_due(db: Connection, name: str, before: datetime) -> None:
    """Check that a campaign may be archived.

    Raises:
        Conflict: it is not over, or ended too recently.
        NotFound: there is no such campaign.
    """
    row = await db.fetchrow(SQL["find_state"], name)
    if row is None:
        raise NotFound(f"There is no campaign {name}.", remedy="See them all: muster campaign list")
    if row["state"] not in {"finished", "cancelled"}:
        raise Conflict(
            f"The campaign {name} is not over: it is {row['state']}.",
            remedy=f"It has to finish, or be cancelled: muster campaign cancel {name}",
        )
    if row["over_at"] >= before:
        subject = subject_of(row["subject"])
        when = (
            f"The {subject.kind} {subject.name} of {name} closes on"
            if subject.is_named_in_files and subject.closes_at
            else f"{name} was over on"
        )
        raise Conflict(
            f"{when} {row['over_at']:%Y-%m-%d}: not long enough ago.",
            remedy=f"It has to be over before {before:%Y-%m-%d} to be archived; --before takes another date.",
        )


async def archive_next(
    db: Connection,
    due: DueCampaign,
    page_views: PageViewArchive,
    *,
    actor: Actor,
    now: datetime,
    limit: int = CHUNK_SIZE,
) -> ArchiveCounts:
    """Archive the next messages of a campaign, in one transaction.

    Args:
        db: a connection from `retention_lock`, without a transaction.
        due: the campaign.
        page_views: the page views of its messages.
        actor: who does it, for the audit.
        now: the time.
        limit: most messages.

    Returns:
        The messages moved; none if none are left, or another transaction has locked the rest.

    Raises:
        Conflict: the archive is being read, and a year has to be added to it.
    """
    await due.subject.finish(db, now)
    for step in await db.fetch(SQL["list_steps"], due.campaign_id):
        await ready_year(db, step["step_id"])
        async with db.transaction():
            moved = await archive_chunk(db, step["step_id"], page_views, limit=limit)
            if moved.messages and not await db.fetch(SQL["list_steps"], due.campaign_id):
                detail = {due.subject.kind: due.subject.name}
                await record(db, actor, AuditAction.CAMPAIGN_ARCHIVED, f"campaign {due.name}", detail)
                log.info("a campaign was archived", campaign=due.name)
        if moved.messages:
            return moved
    return ArchiveCounts()


async def archive_due(
    db: Connection, before: datetime, page_views: PageViewArchive, *, now: datetime, limit: int = CHUNK_SIZE
) -> bool:
    """Archive one chunk of what is due, if anything is; workers call this from time to time.

    Transactional messages are due when they were queued as long ago.

    Args:
        db: as for `archive_next`.
        before: the time before which campaigns must have ended.
        page_views: the page views of messages.
        now: the time.
        limit: most messages of a campaign.

    Returns:
        Whether anything was moved, so that there may be more.
    """
    for due in await due_campaigns(db, before):
        if (await archive_next(db, due, page_views, actor=SYSTEM, now=now, limit=limit)).messages:
            return True
    return (await archive_transactional(db, before)).messages > 0


async def delete_unreachable_places(db: Connection, now: datetime) -> None:
    """Delete kept addresses of messages to erased people once the links in them have stopped working."""
    working = await db.fetch(SQL["list_with_working_links"], now - ARCHIVE_DELAY)
    await delete_old_places(db, [row["campaign_id"] for row in working])


async def archive_campaign(
    db: Connection,
    due: DueCampaign,
    page_views: PageViewArchive,
    *,
    actor: Actor,
    now: datetime,
    limit: int = CHUNK_SIZE,
    tell: Callable[[ArchiveCounts], None] = lambda _moved: None,
) -> ArchiveCounts:
    """Archive all messages of a campaign that can be archived now.

    Args:
        db: as for `archive_next`.
        due: the campaign.
        page_views: the page views of its messages.
        actor: who does it, for the audit.
        now: the time.
        limit: most messages in one transaction.
        tell: called after each transaction with what has been moved so far.

    Returns:
        What was moved in total.
    """
    total = ArchiveCounts()
    while (moved := await archive_next(db, due, page_views, actor=actor, now=now, limit=limit)).messages:
        total += moved
        tell(total)
    return total


async def summarise_year(db: Connection, year: int) -> ArchiveYear:
    """Return the contents of the archive for one year.

    Raises:
        NotFound: it has no messages of that year; the error names the years it has.
    """
    await check_year(db, year)
    rows = await db.fetch(SQL["count_year"], year)
    return ArchiveYear(
        year, {row["name"]: row["messages"] for row in rows}, await db.fetchval(SQL["count_unarchived"], year)
    )


async def delete_year(db: Connection, year: int, actor: Actor) -> None:
    """Delete a year's messages and their history, and record that in the audit log; the steps' totals stay.

    Args:
        db: in the caller's short transaction, begun with `short_timeouts`.
        year: the year.
        actor: who deletes it.

    Raises:
        NotFound: the archive does not have it.
        Conflict: the links of some of the messages still work, or worked until lately.
    """
    await check_year(db, year)
    try:
        await db.execute(SQL["delete_year"], year, actor.to_json())
    except asyncpg.RaiseError as error:
        raise Conflict(_sentence(error.message), remedy=_sentence(error.hint)) from error


def _sentence(words: str | None) -> str:
    return f"{words[0].upper()}{words[1:]}." if words else ""


async def delete_year_at_once(db: Connection, year: ArchiveYear, *, actor: Actor) -> None:
    """Delete a year's archived messages and their history for good, however many, at once.

    Args:
        db: a connection from `retention_lock`, without a transaction.
        year: the year and its contents, as `summarise_year` returned them.
        actor: who does it, for the audit.

    Raises:
        NotFound: the archive no longer has that year.
        Conflict: the archive is being read.
    """
    async with short_timeouts(db):
        await delete_year(db, year.year, actor)
    log.info("a year of the archive was deleted", year=year.year, messages=year.messages)
