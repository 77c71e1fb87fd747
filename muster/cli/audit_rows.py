"""Rows of the audit for people: with the mailboxes of accounts and the names of units beside their numbers."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

from core.access import ActorKind
from core.control_characters import without_controls
from core.db import Connection
from core.errors import NotFound
from staff.browsers import network_in_words

if TYPE_CHECKING:
    import asyncpg

_NUMBERED: Final = re.compile(r"(?P<kind>staff|invitation) (?P<number>\d{1,18})")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{6})?)?\+\d\d:\d\d")
"""Time as Muster writes one into the particulars."""
_FIRST: Final = ("role", "unit", "from", "until")
"""Particulars that are shown before others."""
_INDENT: Final = "      "


@dataclass(frozen=True, slots=True)
class AuditNames:
    """Names of what the audit holds as numbers.

    Attributes:
        accounts: mailboxes of accounts.
        invitations: mailboxes of people who were invited.
        units: paths of units.
    """

    accounts: Mapping[int, str]
    invitations: Mapping[int, str]
    units: Mapping[int, str]

    def of_subject(self, subject: str) -> str | None:
        """Return the mailbox of a subject such as `staff 4`; None if it is not known, or no account."""
        match = _NUMBERED.fullmatch(subject)
        if match is None:
            return None
        known = self.accounts if match["kind"] == "staff" else self.invitations
        return known.get(int(match["number"]))


async def subjects_of(db: Connection, typed: str) -> list[str]:
    """Return the subjects that somebody means: for a mailbox, the account and its invitations.

    Args:
        db: a connection.
        typed: as it was typed.

    Raises:
        NotFound: no account and no invitation has the mailbox.
    """
    from staff.accounts import find_staff
    from staff.invitations import list_mailboxes

    if "@" not in typed or " " in typed.strip():
        return [typed]
    staff = await find_staff(db, typed)
    subjects = [f"invitation {number}" for number in await list_mailboxes(db, email=typed)]
    subjects += [f"staff {staff['staff_id']}"] if staff is not None else []
    if not subjects:
        raise NotFound(f"Nobody on the staff has the address {typed}, and nobody there is invited.")
    return subjects


async def find_names(db: Connection, rows: Sequence[asyncpg.Record]) -> AuditNames:
    """Find the names of the accounts, invitations and units that rows hold as numbers."""
    from people.unit_names import paths_by_id
    from staff.accounts import list_staff
    from staff.invitations import list_mailboxes

    numbers: dict[str, set[int]] = {"staff": set(), "invitation": set()}
    for row in rows:
        if (match := _NUMBERED.fullmatch(row["subject"])) is not None:
            numbers[match["kind"]].add(int(match["number"]))
    staff = await list_staff(db) if numbers["staff"] else []
    unit_ids = {row["detail"]["unit"] for row in rows if isinstance((row["detail"] or {}).get("unit"), int)}
    return AuditNames(
        {row["staff_id"]: row["email"] for row in staff},
        await list_mailboxes(db, invitation_ids=sorted(numbers["invitation"])) if numbers["invitation"] else {},
        await paths_by_id(db, unit_ids),
    )


def lines_of(row: asyncpg.Record, names: AuditNames, zone: tzinfo) -> list[str]:
    """Put a row in lines; nothing of it is cut, and long lines are wrapped on a terminal only.

    Args:
        row: of `core.audit.list_audit`.
        names: of what it holds as numbers.
        zone: the time zone of its times.
    """
    name = names.of_subject(row["subject"])
    subject = f"{row['subject']} ({name})" if name else row["subject"]
    came_from = row["came_from"]
    if row["actor_kind"] in {ActorKind.STAFF, ActorKind.KEY}:
        came_from = network_in_words(came_from)
    who = row["actor"] or f"{row['actor_kind']} {row['actor_id']}"
    parts = [f"by {who}{f', from {came_from}' if came_from else ''}"]
    parts += ["particulars erased"] if row["erased"] else _particulars(row["detail"] or {}, names, zone)
    at = f"{row['at'].astimezone(zone):%Y-%m-%d %H:%M:%S}"
    first = without_controls(f"{row['audit_id']:>5} {at}  {row['action']}  {subject}")
    rest = without_controls(" · ".join(parts))
    if not sys.stdout.isatty():
        return [first, _INDENT + rest]
    width = shutil.get_terminal_size().columns
    return [first, *textwrap.wrap(rest, width, initial_indent=_INDENT, subsequent_indent=_INDENT)]


def to_json(row: asyncpg.Record, names: AuditNames) -> dict[str, Any]:
    """Return every column of a row, with the mailbox of its subject and the path of its unit, where they are known."""
    unit = (row["detail"] or {}).get("unit")
    return {
        **row, "at": row["at"].isoformat(), "subject_name": names.of_subject(row["subject"]),
        "unit_name": names.units.get(unit) if isinstance(unit, int) else None,
    }  # fmt: skip


def _particulars(detail: Mapping[str, Any], names: AuditNames, zone: tzinfo) -> list[str]:
    parts = []
    for key in sorted(detail, key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST)):
        value = detail[key]
        words = names.units.get(value) if key == "unit" and isinstance(value, int) else None
        shown = f"{words} ({value})" if words else _in_words(value, zone)
        if key == "unit" and value is None:
            shown = "the whole organisation"
        if shown:
            parts.append(f"{key.replace('_', ' ')}: {shown}")
    return parts


def _in_words(value: object, zone: tzinfo) -> str:
    """Put a particular in words; nothing for none."""
    match value:
        case None:
            words = ""
        case bool():
            words = "yes" if value else "no"
        case str() if _MOMENT.fullmatch(value):
            words = f"{datetime.fromisoformat(value).astimezone(zone):%Y-%m-%d %H:%M:%S}"
        case list():
            words = ", ".join(_in_words(item, zone) for item in value)
        case {"kind": str(), "name": str(name)}:
            words = name
        case Mapping():
            words = ", ".join(f"{key} {_in_words(item, zone)}" for key, item in value.items())
        case _:
            words = str(value)
    return words
