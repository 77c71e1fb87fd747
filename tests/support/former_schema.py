"""Databases as version 0.1.0 left them."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

from core.db import migrate as migrations
from core.db.migrate import migration_files


async def migrate_as_before(url: str, folder: Path) -> None:
    """Bring a database to the schema of 0.1.0.

    Args:
        url: the address for the login that owned the tables then.
        folder: where to put that version's migrations.
    """
    old = folder / "migrations of 0.1.0"
    old.mkdir()
    for path in migration_files():
        if path.name < "2026113":
            (old / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    with patch.object(migrations, "FOLDERS", (old,)):
        await migrations.migrate(url)
