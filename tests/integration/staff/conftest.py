"""`muster user`, as an operator types it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from muster.embedded.valkey import Valkey
from tests.support.command import run_command

Muster = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def user(database_url: str, valkey: Valkey, tmp_path: Path) -> Muster:
    rest = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    settings = {
        "MUSTER_DATABASE_URL": database_url,
        "MUSTER_REDIS_URL": valkey.url,
        "MUSTER_SECRET_KEY": "a quiet river of nine green otters at dawn",
        "MUSTER_PUBLIC_URL": "https://vote.example.org",
        "MUSTER_ORGANISATION": "The Union",
        "MUSTER_EMAIL_FROM": "The Union <ballot@union.test>",
    }

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return run_command(["user", *words], rest | settings | more, cwd=tmp_path)

    return run
