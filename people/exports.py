"""Export of everybody to a file that the import reads back as it was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import asyncpg

from core.access import Actor
from core.audit import AuditAction, record
from core.db import STATEMENT_TIMEOUT, Pool, load_queries
from core.errors import InputError
from core.files.guarded_csv import double_apostrophes
from core.files.sheets import SheetWriter, sheet_kind, sheet_or_nothing
from people.imports.columns import map_columns
from people.imports.mapping import ColumnMapping
from people.units import UNIT_KINDS

SQL: Final = load_queries(__file__)

_PAGE_SIZE: Final = 2000


async def export_people(
    pool: Pool,
    path: Path,
    *,
    reserved: Collection[str],
    actor: Actor,
    replace: bool = False,
    for_excel: bool = False,
) -> int:
    """Write everybody to a file only its owner can read: a workbook if its name ends with `.xlsx`, or CSV.

    In CSV, text that a spreadsheet would take for a formula gets an apostrophe before it; the import takes it away
    again. The file appears under its name when it is complete, or not at all.

    Args:
        pool: the database.
        path: the file to write.
        reserved: names that no attribute may have, as for the import.
        actor: the person who exports the members' details, for the audit.
        replace: whether a file that is there may be replaced.
        for_excel: whether numbers in CSV are written as `="0001006"`, so that Excel keeps them.

    Returns:
        How many people were written.

    Raises:
        Conflict: the file is there already.
        InputError: the file cannot be written.
    """
    with sheet_or_nothing(path, replace=replace, for_excel=for_excel) as sheet:
        return await _write(pool, sheet, path, actor, reserved)


async def _write(pool: Pool, sheet: SheetWriter, path: Path, actor: Actor, reserved: Collection[str]) -> int:
    people, is_workbook = 0, sheet_kind(path) == "xlsx"
    async with pool.acquire() as db, db.transaction(isolation="repeatable_read"):
        widths = await db.fetchrow(SQL["count_address_columns"], timeout=STATEMENT_TIMEOUT)
        assert widths is not None
        attributes = await db.fetch(SQL["list_attributes"])
        header, names = _header(widths["phones"], widths["emails"], attributes, reserved)
        sheet.writerow(header)
        cursor = await db.cursor(SQL["list_members"], timeout=STATEMENT_TIMEOUT)
        while page := await cursor.fetch(_PAGE_SIZE, timeout=STATEMENT_TIMEOUT):
            rows = [_row(person, widths["phones"], widths["emails"], names) for person in page]
            # a workbook's cells have no guard, but the import removes anything that looks like one
            sheet.writerows([double_apostrophes(cell) for cell in row] if is_workbook else row for row in rows)
            people += len(page)
        await record(db, actor, AuditAction.PEOPLE_EXPORTED, path.name, {"people": people})
    return people


def _header(
    phones: int, emails: int, attributes: Sequence[asyncpg.Record], reserved: Collection[str]
) -> tuple[list[str], list[str]]:
    """Return the column names, and the attributes the last of them hold.

    An attribute's column has its label if the import would read that as this attribute again, or else
    `attributes.<name>`, which it always reads so.
    """
    header = ["member_id", "first_name", "last_name", *_numbered("mobile", phones), *_numbered("email", emails)]
    header += [*UNIT_KINDS, "language", "time_zone"]
    for row in attributes:
        label, certain = row["label"], f"attributes.{row['name']}"
        header.append(label if _is_read_as(header, label, certain, reserved) else certain)
    return header, [row["name"] for row in attributes]


def _numbered(name: str, count: int) -> list[str]:
    return [name if number == 1 else f"{name}_{number}" for number in range(1, max(count, 1) + 1)]


def _is_read_as(header: list[str], label: str, meaning: str, reserved: Collection[str]) -> bool:
    try:
        columns = map_columns([*header, label], ColumnMapping(), reserved=reserved)
    except InputError:  # two labels are the same
        return False
    return columns.meanings().get(label) == meaning


def _row(person: asyncpg.Record, phones: int, emails: int, names: list[str]) -> list[str]:
    units, attributes = person["units"], person["attributes"]
    return [
        person["external_id"], person["first_name"], person["last_name"],
        *_padded(person["phones"], max(phones, 1)), *_padded(person["emails"], max(emails, 1)),
        *(units.get(kind, "") for kind in UNIT_KINDS), person["language"], person["time_zone"],
        *(attributes.get(name, "") for name in names),
    ]  # fmt: skip


def _padded(values: Sequence[str], width: int) -> list[str]:
    return [*values, *[""] * (width - len(values))]
