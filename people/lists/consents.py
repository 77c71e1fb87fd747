"""Consent lists: import of what members agreed to on paper or elsewhere, and export of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, cast
from zoneinfo import ZoneInfo

from core.access import Actor
from core.audit import AuditAction, record
from core.db import STATEMENT_TIMEOUT, Connection, Pool, load_queries
from core.db.dry_runs import all_or_nothing
from core.errors import InputError
from core.files.header_keys import header_key
from core.files.row_problems import Problem
from core.files.sheets import sheet_or_nothing
from messaging.consent import Consent, ConsentAction, record_consents
from messaging.states import ChannelName
from people.lists.lists import BadRow, OpenList, open_list, read_past_date

SQL: Final = load_queries(__file__)

FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "member_id": ("membership number", "member number", "external id", "member ref"),
    "channel": ("medium", "by"),
    "purpose": ("for",),
    "consent": ("agreed", "opt in", "answer", "yes no", "permission", "marketing"),
    "source": ("origin", "form", "where"),
    "wording": ("words", "text", "statement", "question"),
    "at": ("date", "time", "when", "since", "consented at", "agreed on"),
}

_CHANNELS: Final[Mapping[str, tuple[ChannelName, ...]]] = {
    **dict.fromkeys(("", "both", "all", "any"), ("sms", "email")),
    **dict.fromkeys(("sms", "text", "texts", "mobile"), ("sms",)),
    **dict.fromkeys(("email", "emails", "mail"), ("email",)),
}
_ANSWERS: Final[Mapping[str, ConsentAction]] = {
    **dict.fromkeys(("", "yes", "y", "true", "1", "given", "give", "agreed", "optedin", "ie", "ydw"), "give"),
    **dict.fromkeys(("no", "n", "false", "0", "withdrawn", "withdraw", "refused", "optedout", "na"), "withdraw"),
}
_CHUNK_SIZE: Final = 5000


@dataclass(frozen=True, slots=True)
class ConsentDefaults:
    """Defaults for rows that do not say it themselves.

    Attributes:
        source: where they agreed.
        wording: the words they agreed to.
        at: when; aware.
    """

    source: str = ""
    wording: str = ""
    at: datetime | None = None


@dataclass(slots=True)
class ConsentReport:
    """Result of importing a consent list.

    Attributes:
        file: its name.
        kind: the kind of file.
        rows: under the header.
        rejected: rows left out; each has a problem.
        given, withdrawn: consents and withdrawals that were added to the ledger; a row about both channels is two.
        known: consents that were in the ledger already.
        notices: sentences about the file for people.
        written: whether anything was kept.
    """

    file: str
    kind: str = ""
    rows: int = 0
    rejected: int = 0
    given: int = 0
    withdrawn: int = 0
    known: int = 0
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    written: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self) | {"problems": [problem.to_json() for problem in self.problems]}


async def import_consents(
    pool: Pool, path: Path, otherwise: ConsentDefaults, *, actor: Actor, zone: ZoneInfo, now: datetime,
    dry_run: bool = False, header_row: int | None = None, encoding: str | None = None,
) -> ConsentReport:  # fmt: skip
    """Record what a list says members have agreed to; all of it or, on an error, nothing.

    Args:
        pool: the database.
        path: a CSV, XLSX, ODS or XLS file.
        otherwise: defaults if a row does not say.
        actor: the person who imports the list.
        zone: of dates that name none.
        now: the time.
        dry_run: only report what would happen.
        header_row: the line or row that names the columns, if a person says so.
        encoding: of a CSV file, if a person says so.

    Raises:
        InputError: the file cannot be read, has no column of membership numbers, or the date for all is in the future.
    """
    if otherwise.at is not None and otherwise.at > now:
        raise InputError(
            "A consent cannot be dated in the future.", remedy="Give the day on which they consented with --at."
        )
    report = ConsentReport(path.name)
    with open_list(path, FIELDS, needs=["member_id"], header_row=header_row, encoding=encoding) as table:
        async with all_or_nothing(pool, keep=not dry_run) as db:
            await _import(db, table, report, otherwise, actor, zone, now)
            detail = {name: getattr(report, name) for name in ("rows", "rejected", "given", "withdrawn", "known")}
            await record(db, actor, AuditAction.CONSENTS_IMPORTED, path.name, detail)
    report.written = not dry_run
    return report


async def _import(
    db: Connection,
    table: OpenList,
    report: ConsentReport,
    otherwise: ConsentDefaults,
    actor: Actor,
    zone: ZoneInfo,
    now: datetime,
) -> None:
    rows: list[tuple[int, dict[str, str]]] = []
    for row in table:
        rows.append(row)
        if len(rows) >= _CHUNK_SIZE:
            await _take(db, rows, table, report, otherwise, actor, zone, now)
            rows = []
    await _take(db, rows, table, report, otherwise, actor, zone, now)
    report.kind, report.rows, report.rejected = table.kind, table.rows, table.problems.rejected
    report.notices = list(table.notices)
    report.problems = sorted(table.problems.kept, key=lambda problem: problem.line)


async def _take(
    db: Connection, rows: Sequence[tuple[int, dict[str, str]]], table: OpenList, report: ConsentReport,
    otherwise: ConsentDefaults, actor: Actor, zone: ZoneInfo, now: datetime,
) -> None:  # fmt: skip
    members = await db.fetch(SQL["find_members"], [row["member_id"] for _, row in rows], timeout=STATEMENT_TIMEOUT)
    ids = {member["external_id"]: member["person_id"] for member in members}
    consents: list[Consent] = []
    for line, row in rows:
        try:
            consents += _read(row, ids, otherwise, actor, zone, now)
        except BadRow as bad:
            table.reject(line, bad, row)
    for action in ("give", "withdraw"):
        some = [consent for consent in consents if consent.action == action]
        new_count = await record_consents(db, some)
        report.known += len(some) - new_count
        if action == "give":
            report.given += new_count
        else:
            report.withdrawn += new_count


def _read(
    row: Mapping[str, str],
    ids: Mapping[str, int],
    otherwise: ConsentDefaults,
    actor: Actor,
    zone: ZoneInfo,
    now: datetime,
) -> list[Consent]:
    """Read the consents in one row, by channel.

    Raises:
        BadRow: the row cannot be understood, or lacks a part that every consent needs.
    """
    if not row["member_id"]:
        raise BadRow("no_member", "There is no number or reference of a person.", "member_id")
    if (person_id := ids.get(row["member_id"])) is None:
        raise BadRow("unknown_member", "Nobody has that number.", "member_id")
    channels, action = _CHANNELS.get(header_key(row["channel"])), _ANSWERS.get(header_key(row["consent"]))
    purpose = row["purpose"].lower() or "marketing"
    if channels is None:
        raise BadRow("unknown_channel", f"“{row['channel']}” is not a channel: sms, email or both.", "channel")
    if action is None:
        raise BadRow("unknown_answer", f"“{row['consent']}” is neither yes nor no.", "consent")
    if purpose not in {"service", "marketing"}:
        raise BadRow("unknown_purpose", f"“{row['purpose']}” is not a purpose: service or marketing.", "purpose")
    if purpose == "service" and action == "withdraw":
        message = "Service messages need nobody's consent. To stop them: muster suppression import."
        raise BadRow("objection", message, "purpose")
    source = row["source"] or otherwise.source
    if not source:
        raise BadRow("no_source", "It does not say where they agreed; --source says it for all.", "source")
    at = read_past_date(row["at"], zone, now=now, column="at") if row["at"] else otherwise.at
    if at is None:
        raise BadRow("no_date", "It does not say when they agreed; --at says it for all.", "at")
    wording = row["wording"] or otherwise.wording
    return [
        Consent(
            person_id,
            channel,
            cast("Literal['service', 'marketing']", purpose),
            action,
            source,
            wording,
            at,
            actor.name,
        )
        for channel in channels
    ]


async def export_consents(pool: Pool, path: Path, *, actor: Actor, replace: bool = False) -> int:
    """Write the whole ledger to a CSV file only its owner can read, which an import reads back.

    Args:
        pool: the database.
        path: the file to write.
        actor: the person who exports it, for the audit.
        replace: whether a file that is there may be replaced.

    Returns:
        How many rows were written.

    Raises:
        Conflict, InputError: it is there already, or cannot be written.
    """
    count = 0
    with sheet_or_nothing(path, replace=replace) as sheet:
        sheet.writerow(["member_id", "channel", "purpose", "consent", "source", "wording", "at", "recorded_by"])
        async with pool.acquire() as db, db.transaction(isolation="repeatable_read"):
            cursor = await db.cursor(SQL["list_ledger"], timeout=STATEMENT_TIMEOUT)
            while page := await cursor.fetch(_CHUNK_SIZE, timeout=STATEMENT_TIMEOUT):
                sheet.writerows(
                    [
                        row["external_id"], row["channel"], row["purpose"],
                        "yes" if row["action"] == "give" else "no", row["source"], row["wording"],
                        row["at"].isoformat(), row["recorder"],
                    ]
                    for row in page
                )  # fmt: skip
                count += len(page)
            await record(db, actor, AuditAction.CONSENTS_EXPORTED, path.name, {"rows": count})
    return count


def consent_in_words(consent: Consent, zone: ZoneInfo) -> str:
    """Describe a consent or withdrawal for staff: `agreed to marketing by email on 2026-05-03 (joining form): “…”`."""
    did = "agreed to" if consent.action == "give" else "said no to"
    how = "text" if consent.channel == "sms" else "email"
    wording = f": “{consent.wording}”" if consent.wording else ""
    return f"{did} {consent.purpose} by {how} on {consent.at.astimezone(zone):%Y-%m-%d} ({consent.source}){wording}"
