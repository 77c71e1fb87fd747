"""Member files that are imported, and who is there afterwards."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from campaigns.variables import RESERVED
from core.db import Pool
from muster.operator import operator
from people.imports.imports import ImportOptions, import_people
from people.imports.report import ImportReport


def write(tmp_path: Path, text: str, name: str = "members.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


async def import_members(pool: Pool, path: Path, **given: Any) -> ImportReport:
    """Import a file; what is given is an option of the import, or another argument of it."""
    names = {field.name for field in fields(ImportOptions)}
    options = {"reserved": RESERVED} | {name: value for name, value in given.items() if name in names}
    others = {"actor": operator("test")} | {name: value for name, value in given.items() if name not in names}
    return await import_people(pool, path, ImportOptions(**options), **others)


async def load(pool: Pool, tmp_path: Path, text: str, **given: Any) -> ImportReport:
    return await import_members(pool, write(tmp_path, text), **given)


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.created, report.updated, report.unchanged, report.rejected


async def addresses(pool: Pool, external_id: str) -> list[tuple[str, str]]:
    rows = await pool.fetch(
        "select channel, address from address join person using (person_id) where external_id = $1"
        " order by channel desc, rank",
        external_id,
    )
    return [(row["channel"], row["address"]) for row in rows]


async def person(pool: Pool, external_id: str) -> dict[str, Any]:
    row = await pool.fetchrow("select * from person where external_id = $1", external_id)
    assert row is not None
    return dict(row)


async def everything(pool: Pool) -> list[Any]:
    """All that an import could have left behind."""
    return [
        [dict(row) for row in await pool.fetch(f"select * from {table}")]
        for table in (
            "person",
            "address",
            "unit",
            "attribute",
            "member_import",
            "audit",
            "staged_person",
            "staged_unit",
        )
    ]
