"""Host of a demo: the program that runs it provides the servers, folder and wake-ups."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from core.runtime import Wake


class HostServers(Protocol):
    """Servers of a demo, PostgreSQL and Valkey, up until they are closed."""

    @property
    def database_url(self) -> str:
        """URL of PostgreSQL, for work."""

    @property
    def owner_url(self) -> str:
        """URL of PostgreSQL, for migrations."""

    @property
    def redis_url(self) -> str:
        """URL of Valkey."""

    def close_and_wait(self) -> None:
        """Disconnect; they stop if no other process uses them."""


class Host(Protocol):
    """Program that runs a demo.

    Attributes:
        supervisor: the environment variable with the process id of the supervisor.
    """

    supervisor: str

    def open_home(self, home: Path) -> None:
        """Make a MUSTER_HOME that no other user can read."""

    def erase(self, home: Path) -> None:
        """Erase a MUSTER_HOME whose servers are not in use."""

    def secret(self, home: Path) -> SecretStr:
        """Return the secret key of a MUSTER_HOME, made the first time."""

    def servers(self, home: Path) -> HostServers:
        """Start the servers of a MUSTER_HOME."""

    def wake(self, redis_url: str) -> AbstractAsyncContextManager[Wake]:
        """Open the connection that wakes the workers."""
