"""The host of a demo: Muster's own embedded servers, home and wake-ups, for the demo that stands outside of it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from pydantic import SecretStr

from core.runtime import Wake
from muster import supervised
from muster.embedded import erase, home, secret
from muster.embedded.client import attach
from muster.worker import ArqWake
from sandbox.demo.host import HostServers


class DemoHost:
    """Plays the demo on embedded servers."""

    supervisor = supervised.VARIABLE

    def open_home(self, folder: Path) -> None:
        """Make a MUSTER_HOME that nobody else reads."""
        home.open_home(folder)

    def erase(self, folder: Path) -> None:
        """Erase a MUSTER_HOME on which nothing runs."""
        erase.erase(folder)

    def secret(self, folder: Path) -> SecretStr:
        """Keep a secret key in a MUSTER_HOME, and return it."""
        return secret.kept_secret(folder)

    def servers(self, folder: Path) -> HostServers:
        """Start the servers of a MUSTER_HOME."""
        return attach(folder)

    def wake(self, redis_url: str) -> AbstractAsyncContextManager[Wake]:
        """Open the way to wake the workers."""
        return ArqWake(redis_url)
