"""Every named query is prepared against a migrated database: a typo in SQL fails here, not at the 40,000th message."""

from pathlib import Path

import pytest

from core.db import Connection, load_queries
from core.db.logins import Login, address_as
from core.db.migrate import migrate, pending
from core.settings import ROOT
from tools.module_list import PACKAGES

FILES = sorted(
    path for package in PACKAGES for path in (ROOT / package).rglob("*.sql") if "migrations" not in path.parts
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
async def test_every_query_can_be_prepared(db: Connection, path: Path) -> None:
    for name, sql in load_queries(str(path.with_suffix(".py"))).items():
        statement = await db.prepare(sql)
        assert statement.get_query() == sql, name


async def test_migrating_again_does_nothing(database_url: str) -> None:
    assert await pending(database_url) == []
    assert await migrate(address_as(database_url, Login.OWNER)) == []
