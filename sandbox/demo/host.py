"""The host of a demo: the servers, folder and wake-ups that the program which plays it provides."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from core.runtime import Wake


class HostServers(Protocol):
    """PostgreSQL and Valkey, up until they are closed."""

    @property
    def database_url(self) -> str:
        """PostgreSQL, for work."""

    @property
    def owner_url(self) -> str:
        """PostgreSQL, for migrations."""

    @property
    def redis_url(self) -> str:
        """Valkey."""

    def close_and_wait(self) -> None:
        """Leave them; they stop where nobody else uses them."""


class Host(Protocol):
    """The program that plays a demo.

    Attributes:
        supervisor: the environment variable that tells a process whom it ends with.
    """

    supervisor: str

    def open_home(self, home: Path) -> None:
        """Make a MUSTER_HOME that nobody else reads."""

    def erase(self, home: Path) -> None:
        """Erase a MUSTER_HOME on which nothing runs."""

    def secret(self, home: Path) -> SecretStr:
        """Keep a secret key in a MUSTER_HOME, and return it."""

    def servers(self, home: Path) -> HostServers:
        """Start the servers of a MUSTER_HOME."""

    def wake(self, redis_url: str) -> AbstractAsyncContextManager[Wake]:
        """Open the way to wake the workers."""
