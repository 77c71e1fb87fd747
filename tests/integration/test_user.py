"""`muster user`: letting staff in and out again, as an operator types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.auth import link_works
from messaging.clock import system_clock
from messaging.db import Connection
from muster.local.valkey import Valkey

Muster = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def user(database_url: str, valkey: Valkey, tmp_path: Path) -> Muster:
    rest = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    settings = {
        "MUSTER_DATABASE_URL": database_url,
        "MUSTER_REDIS_URL": valkey.url,
        "MUSTER_SECRET_KEY": "long enough to be a secret",
        "MUSTER_PUBLIC_URL": "https://vote.example.org",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "muster", "user", *words],
            env=rest | settings, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


async def test_in_and_out_again(user: Muster, db: Connection) -> None:
    assert "muster user add" in user("list").stdout

    added = user("add", "Ada@Union.example.com", "--name", "Ada")
    assert added.returncode == 0, added.stderr
    where, _, token = added.stdout.strip().rpartition("/")
    assert where == "https://vote.example.org/console/sign-in"
    assert await link_works(db, token, now=system_clock())

    again = user("add", "ada@union.example.com")
    assert (again.returncode, again.stdout) == (1, "")
    assert "muster user link ada@union.example.com" in again.stderr

    assert user("disable", "ADA@union.example.com").returncode == 0
    assert not await link_works(db, token, now=system_clock())
    refused = user("link", "ada@union.example.com")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: The access of ada@union.example.com was taken away.")

    assert user("enable", "ada@union.example.com").returncode == 0
    assert user("link", "ada@union.example.com").stdout.startswith("https://vote.example.org/console/sign-in/")
    [ada] = json.loads(user("list", "--json").stdout)
    assert (ada["email"], ada["name"], ada["disabled_at"]) == ("ada@union.example.com", "Ada", None)
    actions = [
        row["action"] for row in await db.fetch("select action from audit where actor = 'cli' order by audit_id")
    ]
    assert actions == ["added", "disabled", "enabled"]


@pytest.mark.parametrize("words", [("link", "nobody@x.org"), ("disable", "nobody@x.org"), ("add", "not an address")])
def test_what_cannot_be_is_refused(user: Muster, words: tuple[str, ...]) -> None:
    refused = user(*words)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: ")
