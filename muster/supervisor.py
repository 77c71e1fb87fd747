"""Supervisor of child processes: start them, restart those that end, stop them all in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from muster.supervised import VARIABLE

STOP_TIMEOUT: Final = 40.0
"""Seconds a process gets to stop in order before it is killed; longer than a worker gives its jobs."""
MAX_PAUSE: Final = 30.0
"""Most seconds before a process that ended is started again."""
STEADY_AFTER: Final = 60.0
"""Seconds after which a process counts as started well, and its count of ends in a row begins again."""

log = structlog.get_logger(__name__)


OWNERS_ADDRESSES: Final = ("MUSTER_OWNER_DATABASE_URL", "MUSTER_ADMIN_DATABASE_URL")
"""Variables that only `muster migrate` uses; processes that stay up must not have their passwords."""


def _without_owners(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in OWNERS_ADDRESSES}


@dataclass(slots=True)
class Child:
    """Child process that is to stay up: `muster <words>`.

    Attributes:
        words: the command and its options.
        environment: variables on top of ours.
        process: the current process.
        ends: how often it ended in a row without having been steady.
    """

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    ends: int = 0
    keeping: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Return its name in logs."""
        return self.words[0]

    async def start(self, *, output: int | None = None) -> asyncio.subprocess.Process:
        """Start it once.

        Args:
            output: where its stdout goes, as `subprocess` takes it; default ours.
        """
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "muster", *self.words,
            env={**_without_owners(os.environ), **self.environment, VARIABLE: str(os.getpid())},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            start_new_session=True,  # Ctrl-C reaches only this process, which stops it in its turn
        )  # fmt: skip
        return self.process

    def keep_up(self) -> None:
        """Restart it whenever it ends from now on, with growing pauses if it keeps ending."""
        self.keeping = asyncio.create_task(self._keep_up(), name=f"keep up {self.name}")

    async def _keep_up(self) -> None:
        assert self.process is not None
        while True:
            began = time.monotonic()
            status = await self.process.wait()
            self.ends = 1 if time.monotonic() - began > STEADY_AFTER else self.ends + 1
            pause = min(2.0 ** (self.ends - 1), MAX_PAUSE)
            log.warning("a process ended and is started again", process=self.name, status=status, pause=pause)
            await asyncio.sleep(pause)
            await self._start_again()

    async def _start_again(self) -> None:
        """Restart it, trying for as long as the machine lacks memory, processes or files for it."""
        while True:
            try:
                await self.start(output=asyncio.subprocess.DEVNULL)
            except OSError as error:
                log.error(  # noqa: TRY400  # the message is enough
                    "a process cannot be started; trying again", process=self.name, error=str(error),
                    pause=MAX_PAUSE,
                )  # fmt: skip
                await asyncio.sleep(MAX_PAUSE)
            else:
                return

    async def stop(self) -> None:
        """Stop it in order; kill it when it takes too long."""
        if self.keeping is not None:
            self.keeping.cancel()
            await asyncio.gather(self.keeping, return_exceptions=True)
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT)
        except TimeoutError:
            log.warning("a process did not stop in time and is killed", process=self.name)
            self.process.kill()
            await self.process.wait()
