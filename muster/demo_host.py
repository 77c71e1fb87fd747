"""Demo host: Muster's embedded servers, home folder and wake-ups for the demo, which does not import this package."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from pydantic import SecretStr

from core.runtime import Wake
from muster import supervised
from muster.embedded import home, removal, secret
from muster.embedded.client import connect_to_servers
from muster.worker import ArqWake
from sandbox.demo.host import HostServers


class DemoHost:
    """Runs the demo on embedded servers."""

    supervisor = supervised.VARIABLE

    def open_home(self, folder: Path) -> None:
        """Make a MUSTER_HOME that no other user can read."""
        home.open_home(folder)

    def erase(self, folder: Path) -> None:
        """Erase a MUSTER_HOME whose servers are not in use."""
        removal.erase(folder)

    def secret(self, folder: Path) -> SecretStr:
        """Return the secret key of a MUSTER_HOME, made the first time."""
        return secret.kept_secret(folder)

    def servers(self, folder: Path) -> HostServers:
        """Start the servers of a MUSTER_HOME."""
        return connect_to_servers(folder)

    def wake(self, redis_url: str) -> AbstractAsyncContextManager[Wake]:
        """Open the connection that wakes the workers."""
        return ArqWake(redis_url)
