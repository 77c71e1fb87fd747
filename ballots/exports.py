"""Scheduled exports: each ballot's snapshot, written at set times of day to a folder or sent to an address.

The database records which exports have been made, so an export that came due while every worker was down is made once a
worker is up again, and by one worker only. An export that a killed worker had begun is made again under the same name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from ballots.ballots import Ballot, get_ballot
from ballots.snapshot import MEDIA, Snapshot, write_snapshot
from core.access import SYSTEM
from core.alerts import raise_alert, resolve_alert
from core.db import Connection, exclusive, load_queries
from core.errors import MusterError, Unavailable
from core.files.atomic_files import complete_or_not_at_all
from core.http.outbound_http import OutboundHttp
from core.runtime import Runtime

SQL: Final = load_queries(__file__)

UPLOAD_TIMEOUT: Final = 300.0
"""Seconds within which an address has to accept a file."""
ALERT: Final = "turnout-export"

log = structlog.get_logger(__name__)


def last_slot(now: datetime, times: Sequence[time], zone: ZoneInfo) -> datetime:
    """Return the latest of some times of day that has passed, in UTC.

    A time that the clock skips counts an hour later.
    """
    here = now.astimezone(zone).date()
    slots = [
        datetime.combine(here - timedelta(days=days), moment, tzinfo=zone).astimezone(UTC)
        for days in (0, 1)
        for moment in times
    ]
    return max(slot for slot in slots if slot <= now)


def export_name(ballot: str, slot: datetime, kind: str) -> str:
    """Name an export file by the time it was due: `pay-2026-20261125T0700Z.csv`."""
    return f"{ballot}-{slot:%Y%m%dT%H%MZ}.{kind}"


async def export_due(runtime: Runtime, outbound_http: OutboundHttp) -> int:
    """Make the exports that are due; return how many were made.

    Args:
        runtime: its settings name the destination, times and format; without a destination nothing is due.
        outbound_http: sends the file if the destination is an address.
    """
    settings, now = runtime.settings, runtime.clock()
    if settings.turnout_export_to is None or not settings.turnout_export_at:
        return 0
    assert settings.database_url is not None
    slot, made = last_slot(now, settings.turnout_export_at, ZoneInfo(settings.time_zone)), 0
    for row in await runtime.pool.fetch(SQL["find_due_exports"], slot, now):
        async with exclusive(settings.database_url, f"turnout export {row['ballot_id']}") as db:
            if db is not None and await db.fetchval(SQL["is_still_due"], row["ballot_id"], slot, now):
                made += await _export(runtime, outbound_http, db, await get_ballot(db, row["name"]), slot)
    return made


async def _export(
    runtime: Runtime, outbound_http: OutboundHttp, db: Connection, ballot: Ballot, slot: datetime
) -> bool:
    name = export_name(ballot.name, slot, runtime.settings.turnout_export_format)
    try:
        place, taken = await _deliver(runtime, outbound_http, ballot, name)
    except (MusterError, OSError) as error:
        await _postpone(runtime, db, ballot, slot, error)
        return False
    async with db.transaction():
        await db.execute(SQL["record_export"], ballot.ballot_id, slot, place, taken.members, runtime.clock())
        await resolve_alert(db, f"{ALERT}:{ballot.name}")
    log.info("turnout was exported", ballot=ballot.name, place=place, members=taken.members)
    return True


async def _deliver(runtime: Runtime, outbound_http: OutboundHttp, ballot: Ballot, name: str) -> tuple[str, Snapshot]:
    settings = runtime.settings
    assert settings.turnout_export_to is not None
    place = f"{settings.turnout_export_to}/{name}"
    if "://" not in settings.turnout_export_to:
        with complete_or_not_at_all(Path(place), replace=True, mode=0o640) as file:
            return place, await write_snapshot(runtime.pool, ballot, file, settings.turnout_export_format, actor=SYSTEM)
    with tempfile.NamedTemporaryFile() as file:
        taken = await write_snapshot(
            runtime.pool, ballot, Path(file.name), settings.turnout_export_format, actor=SYSTEM
        )
        headers = {"Content-Type": MEDIA[settings.turnout_export_format], "Muster-Cursor": str(taken.cursor)}
        if settings.turnout_export_token is not None:
            headers["Authorization"] = f"Bearer {settings.turnout_export_token.get_secret_value()}"
        reply = await outbound_http.send("PUT", place, file.file, headers, request_timeout=UPLOAD_TIMEOUT)
        if reply.problem is not None:
            raise Unavailable(f"{place} did not accept the file. {reply.problem}", remedy=reply.text[:200].strip())
        return place, taken


async def _postpone(runtime: Runtime, db: Connection, ballot: Ballot, slot: datetime, error: Exception) -> None:
    words = error.message if isinstance(error, MusterError) else f"It cannot be written: {error}."
    log.warning("turnout could not be exported", ballot=ballot.name, error=words)
    async with db.transaction():
        tries = await db.fetchval(SQL["record_failure"], ballot.ballot_id, slot, words, runtime.clock())
        await raise_alert(
            db, key=f"{ALERT}:{ballot.name}", severity="warning",
            title=f"The turnout of {ballot.name} could not be exported.",
            remedy=f"{words} It is tried again until the next one is due; check MUSTER_TURNOUT_EXPORT_TO.",
            detail={"due": slot.isoformat(), "tries": tries},
        )  # fmt: skip
