"""Suppression lists: import of lists of people who want no messages, and export of ours.

A list names addresses, members, or only fingerprints of addresses. Addresses and members are kept even if they belong
to nobody we know, because people may be imported later. A fingerprint that matches nobody is of no use, and is left
out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import asyncpg

from core.access import Actor
from core.addresses import normalise_email, normalise_phone
from core.audit import AuditAction, record
from core.db import STATEMENT_TIMEOUT, Connection, Pool, load_queries
from core.db.dry_runs import all_or_nothing
from core.errors import AddressError
from core.files.header_keys import header_key
from core.files.row_problems import Problem
from core.files.sheets import sheet_or_nothing
from messaging.bulk_suppression import suppress_many
from messaging.reasons import Reason
from messaging.suppression_digests import NO_KEYS, DigestKeys, KeptSuppression, has_digests, keep_new_suppressions
from people.lists.lists import BadRow, OpenList, open_list, read_past_date

SQL: Final = load_queries(__file__)

FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "address": ("recipient", "contact"),
    "phone": ("mobile", "mobile phone", "telephone", "number", "msisdn"),
    "email": ("email address", "mail", "e-mail"),
    "member_id": ("membership number", "member number", "external id"),
    "sha256": ("hash", "sha 256", "hashed", "fingerprint"),
    "channel": ("medium", "type"),
    "purpose": ("scope", "list"),
    "reason": ("why", "status"),
    "source": ("origin", "from"),
    "since": ("date", "at", "time", "created at", "opted out at", "unsubscribed at", "suppressed at"),
}
NAMES: Final = ("address", "phone", "email", "member_id", "sha256")
"""Fields that identify a person; a row may have several."""
REASONS: Final = (
    Reason.OPTED_OUT, Reason.HARD_BOUNCED, Reason.SOFT_BOUNCED, Reason.COMPLAINED, Reason.INVALID_NUMBER,
    Reason.WRONG_NUMBER, Reason.MOVED, Reason.DECEASED, Reason.DO_NOT_CONTACT, Reason.BY_STAFF, Reason.ERASED,
)  # fmt: skip

_REASONS: Final[Mapping[str, str]] = {
    **{header_key(reason): str(reason) for reason in REASONS},
    **dict.fromkeys(("", "optout", "unsubscribed", "unsubscribe", "stop", "stopped"), str(Reason.OPTED_OUT)),
    **dict.fromkeys(("bounced", "bounce", "hardbounce"), str(Reason.HARD_BOUNCED)),
    **dict.fromkeys(("complaint", "spam", "abuse", "spamreport"), str(Reason.COMPLAINED)),
    **dict.fromkeys(("invalid",), str(Reason.INVALID_NUMBER)),
}
_PURPOSES: Final = {"": "all", "all": "all", "everything": "all", "service": "all", "marketing": "marketing"}
_CHANNELS: Final = {"sms": "sms", "text": "sms", "phone": "sms", "mobile": "sms", "email": "email", "mail": "email",
                    "person": "person", "member": "person", "everything": "person"}  # fmt: skip
_CHUNK_SIZE: Final = 5000
_DIGEST_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class SuppressionEntry:
    """One address of a list, or one member.

    Attributes:
        line: of the file.
        channel: `sms`, `email`, `person` (its address is a membership number), or `hash`.
        since: aware.
    """

    line: int
    channel: Literal["sms", "email", "person", "hash"]
    address: str
    purpose: str
    reason: str
    source: str
    since: datetime


@dataclass(slots=True)
class SuppressionReport:
    """Result of importing a suppression list.

    Attributes:
        file: its name.
        kind: the kind of file.
        rows: rows under the header.
        rejected: rows left out; each has a problem.
        entries: addresses and members that it names.
        added: entries that are suppressed now and were not before.
        known: entries that were suppressed already, which keep their first reason.
        lifted_since: entries whose owner has asked for messages again after the date in the list; left as they are.
        matched: entries that belong to somebody we know.
        unmatched: entries that belong to nobody we know; kept all the same.
        unknown_hashes: fingerprints of nobody we know; these cannot be kept.
        withdrawn: queued messages that were withdrawn.
        by_reason: how many were added for which reason.
        notices: sentences about the file for people.
        written: whether anything was kept.
    """

    file: str
    kind: str = ""
    rows: int = 0
    rejected: int = 0
    entries: int = 0
    added: int = 0
    known: int = 0
    lifted_since: int = 0
    matched: int = 0
    unmatched: int = 0
    unknown_hashes: int = 0
    withdrawn: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    written: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self) | {"problems": [problem.to_json() for problem in self.problems]}


async def import_suppressions(
    pool: Pool,
    path: Path,
    *,
    actor: Actor,
    region: str,
    zone: ZoneInfo,
    now: datetime,
    dry_run: bool = False,
    header_row: int | None = None,
    encoding: str | None = None,
    keys: DigestKeys = NO_KEYS,
) -> SuppressionReport:
    """Suppress everybody a list names, and withdraw messages queued for them; all of it or, on an error, nothing.

    Args:
        pool: the database.
        path: a CSV, XLSX, ODS or XLS file.
        actor: the person who imports the list, for the audit.
        region: country whose way of writing phone numbers is assumed if there is no `+`.
        zone: of dates that name none.
        now: the time.
        dry_run: only report what would happen.
        header_row: the line or row that names the columns, if a person says so.
        encoding: of a CSV file, if a person says so.
        keys: under which opt-outs of people who were erased are kept.

    Raises:
        SettingsError: some opt-outs of erased people are kept under another secret.
        InputError: the file cannot be read, or has no column that says which member a row is about.
    """
    report = SuppressionReport(path.name)
    with open_list(path, FIELDS, needs=NAMES, header_row=header_row, encoding=encoding) as table:
        async with all_or_nothing(pool, keep=not dry_run) as db:
            await _import(db, keys, table, report, region, zone, now)
            detail = {name: getattr(report, name) for name in ("rows", "rejected", "added", "known", "withdrawn")}
            await record(db, actor, AuditAction.SUPPRESSIONS_IMPORTED, path.name, detail)
    report.written = not dry_run
    return report


async def _import(
    db: Connection,
    keys: DigestKeys,
    table: OpenList,
    report: SuppressionReport,
    region: str,
    zone: ZoneInfo,
    now: datetime,
) -> None:
    entries: list[SuppressionEntry] = []
    for line, row in table:
        try:
            entries += _entries(line, row, report.file, region, zone, now)
        except BadRow as bad:
            table.reject(line, bad, row)
        if len(entries) >= _CHUNK_SIZE:
            await _take(db, keys, entries, table, report)
            entries = []
    await _take(db, keys, entries, table, report)
    report.kind, report.rows, report.rejected = table.kind, table.rows, table.problems.rejected
    report.notices = list(table.notices)
    report.problems = sorted(table.problems.kept, key=lambda problem: problem.line)


async def _take(
    db: Connection, keys: DigestKeys, entries: Sequence[SuppressionEntry], table: OpenList, report: SuppressionReport
) -> None:
    """Find the people and addresses that entries mean, suppress them, and withdraw messages queued for them."""
    columns = [[getattr(entry, name) for entry in entries] for name in SuppressionEntry.__slots__]
    rows = await db.fetch(SQL["resolve_entries"], *columns, timeout=STATEMENT_TIMEOUT)
    numbers = {entry.line: entry.address for entry in entries if entry.channel == "person"}
    erased, fresh = await _keep_erased(db, keys, rows, numbers)
    meant = []
    for row in rows:
        if row["address"] is not None or (row["given"] == "person" and numbers[row["line"]] in erased):
            meant.append(row)
        elif row["given"] == "person":
            bad = BadRow("unknown_member", "Nobody has that number.", "member_id")
            table.reject(row["line"], bad, {"member_id": numbers[row["line"]]})
        else:
            report.unknown_hashes += 1
    report.entries += len(meant)
    report.matched += sum(row["known"] for row in meant)
    report.unmatched += sum(not row["known"] for row in meant)
    done = await suppress_many(db, [row for row in meant if row["known"] or row["address"] not in {None, *erased}])
    report.added += done.added + len(fresh)
    report.lifted_since += done.lifted_since
    report.known += len(meant) - done.added - len(fresh) - done.lifted_since
    report.by_reason.update(done.by_reason)
    report.by_reason.update(suppression.reason for suppression in fresh)
    report.withdrawn += done.withdrawn


async def _keep_erased(
    db: Connection, keys: DigestKeys, rows: Sequence[asyncpg.Record], numbers: Mapping[int, str]
) -> tuple[set[str], list[KeptSuppression]]:
    """Keep digests of a list's entries about erased people, so that a list does not bring their addresses back.

    Returns:
        Their addresses and membership numbers, and the entries that had not been kept yet.
    """
    if not await has_digests(db, keys):
        return set(), []
    suppressions = [
        KeptSuppression(
            row["given"], row["address"] or numbers[row["line"]], row["purpose"], row["reason"], row["since"]
        )
        for row in rows
        if not row["known"] and row["given"] != "hash"
    ]
    return await keep_new_suppressions(db, keys, suppressions)


def _entries(
    line: int, row: Mapping[str, str], file: str, region: str, zone: ZoneInfo, now: datetime
) -> list[SuppressionEntry]:
    """Read the entries of one row.

    Raises:
        BadRow: the row names nobody, or cannot be understood.
    """
    purpose, reason = _PURPOSES.get(header_key(row["purpose"])), _REASONS.get(header_key(row["reason"]))
    if purpose is None:
        raise BadRow("unknown_purpose", f"“{row['purpose']}” is not a purpose: all, or marketing.", "purpose")
    if reason is None:
        words = ", ".join(REASONS)
        raise BadRow("unknown_reason", f"“{row['reason']}” is not a reason Muster knows: {words}.", "reason")
    since = read_past_date(row["since"], zone, now=now, column="since") if row["since"] else now
    named = [_named(name, row, region) for name in NAMES if row[name]]
    if not named:
        raise BadRow("nobody", "The row names nobody.")
    source = row["source"] or f"list {file}"
    return [SuppressionEntry(line, channel, address, purpose, reason, source, since) for channel, address in named]


def _named(name: str, row: Mapping[str, str], region: str) -> tuple[Literal["sms", "email", "person", "hash"], str]:
    text = row[name]
    channel = _CHANNELS.get(header_key(row["channel"]), "") if row["channel"] else None
    if channel == "":
        raise BadRow("unknown_channel", f"“{row['channel']}” is not a channel: sms, email or person.", "channel")
    if name == "sha256":
        if len(text) != _DIGEST_LENGTH or not set(text.lower()) <= set("0123456789abcdef"):
            raise BadRow("not_a_hash", "That is not a SHA-256 of 64 hexadecimal digits.", name)
        return "hash", text.lower()
    if name == "member_id" or (name == "address" and channel == "person"):
        return "person", text
    try:
        if name == "email" or channel == "email" or (name == "address" and "@" in text):
            return "email", normalise_email(text)
        return "sms", normalise_phone(text, region=region, mobile=False)
    except AddressError as error:
        raise BadRow(error.code, error.message, name) from None


async def export_suppressions(
    pool: Pool, path: Path, *, actor: Actor, hashed: bool = False, replace: bool = False
) -> int:
    """Write all suppressions to a CSV file only its owner can read, which an import reads back.

    Args:
        pool: the database.
        path: the file to write.
        actor: the person who exports it, for the audit.
        hashed: SHA-256 fingerprints (hex, of the normalised address in UTF-8) instead of addresses: a receiver of the
            list can tell which of their own people it names, and little more.
        replace: whether a file that is there may be replaced.

    Returns:
        How many rows were written.

    Raises:
        Conflict, InputError: it is there already, or cannot be written.
    """
    count = 0
    with sheet_or_nothing(path, replace=replace) as sheet:
        sheet.writerow(["channel", "sha256" if hashed else "address", "purpose", "reason", "source", "since"])
        async with pool.acquire() as db, db.transaction(isolation="repeatable_read"):
            cursor = await db.cursor(SQL["list_suppressions"], hashed, timeout=STATEMENT_TIMEOUT)
            while page := await cursor.fetch(_CHUNK_SIZE, timeout=STATEMENT_TIMEOUT):
                sheet.writerows(
                    [row[name] for name in ("channel", "address", "purpose", "reason", "source")]
                    + [row["since"].isoformat()]
                    for row in page
                )
                count += len(page)
            detail = {"rows": count, "hashed": hashed}
            await record(db, actor, AuditAction.SUPPRESSIONS_EXPORTED, path.name, detail)
    return count
