"""The demo's stage: embedded servers, a sandbox full of members, a web server and a worker; nothing from outside."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from messaging.db.migrate import migrate
from messaging.errors import Conflict, Unavailable
from messaging.runtime import Runtime, open_runtime
from messaging.settings import Settings
from muster.local.attach import attach
from muster.local.erase import erase
from muster.local.secret import kept_secret
from muster.local.supervised import VARIABLE
from muster.sandbox.profile import Profile
from muster.sandbox.sandbox import Sandbox, SandboxConfig, open_sandbox
from muster.sandbox.twilio import TwilioConfig
from muster.worker import ArqWake

PATIENCE: Final = 60.0
"""Seconds the web server has to come up."""

_MARK: Final = ".muster-demo"


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything the story is played on.

    Attributes:
        runtime: Muster itself.
        sandbox: the outside, with its own record of what happened.
        home: where the demo keeps its data, erased at the start of the next one.
        processes: the web server and the worker.
    """

    runtime: Runtime
    sandbox: Sandbox
    home: Path
    processes: tuple[asyncio.subprocess.Process, ...]

    def check(self) -> None:
        """Raise when the web server or the worker has died.

        Raises:
            Unavailable: with the file that says why.
        """
        for process, name in zip(self.processes, ("serve", "worker"), strict=True):
            if process.returncode is not None:
                raise Unavailable(
                    f"The demo's {name} process stopped ({process.returncode}).", remedy=f"See {self.home / name}.log."
                )


def new_home(home: Path) -> Path:
    """An empty folder for the demo inside MUSTER_HOME; whatever the last demo left there is erased.

    Raises:
        Conflict: there is such a folder, and no demo made it, or a demo is going on in it.
    """
    demo = home.resolve() / "demo"
    if demo.exists():
        if not (demo / _MARK).exists():
            raise Conflict(f"{demo} was not made by a demo.", remedy="Move it away, or set MUSTER_HOME.")
        erase(demo)
    demo.mkdir(parents=True, exist_ok=True)
    (demo / _MARK).touch()
    return demo


@asynccontextmanager
async def open_stage(home: Path, profile: Profile) -> AsyncIterator[Stage]:
    """Set everything up, and take it down again.

    Args:
        home: an empty folder.
        profile: how the sandbox's members behave.

    Raises:
        Unavailable: a server does not start.
    """
    async with AsyncExitStack() as stack:
        servers = await asyncio.to_thread(attach, home)
        stack.callback(servers.close)
        await migrate(servers.database_url)
        listen = f"127.0.0.1:{_free_port()}"
        twilio = TwilioConfig(inbound_url=f"http://{listen}/webhooks/twilio/inbound", seed=profile.seed)
        sandbox = await stack.enter_async_context(open_sandbox(SandboxConfig(twilio=twilio, members=profile)))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")},
            **sandbox.environment,
            "MUSTER_HOME": str(home),
            "MUSTER_LISTEN": listen,
            "MUSTER_PUBLIC_URL": f"http://{listen}",
            "MUSTER_SMS_FROM": "+447480000001",
            "MUSTER_EMAIL_FROM": "The Union <ballot@union.example.org>",
            "MUSTER_ORGANISATION": "The Union",
            "MUSTER_CONTACT": "0800 001066",
            VARIABLE: str(os.getpid()),
        }
        settings = _settings(environment, servers.database_url, servers.redis_url)
        processes = tuple(
            [await stack.enter_async_context(_process(name, home, environment)) for name in ("serve", "worker")]
        )
        wake = await stack.enter_async_context(ArqWake(servers.redis_url))
        runtime = await stack.enter_async_context(open_runtime(settings, wake=wake))
        stage = Stage(runtime, sandbox, home, processes)
        await _wait_for_web(stage)
        yield stage


def _settings(environment: dict[str, str], database_url: str, redis_url: str) -> Settings:
    """The settings of this process; nothing of the user's own configuration reaches the demo."""
    ours = {
        name.removeprefix("MUSTER_").lower(): value
        for name, value in environment.items()
        if name.startswith("MUSTER_") and name != VARIABLE
    }
    home = Path(environment["MUSTER_HOME"])
    complete = {**ours, "database_url": database_url, "redis_url": redis_url, "secret_key": (kept_secret(home),)}
    return Settings.model_validate(complete)


@asynccontextmanager
async def _process(name: str, home: Path, environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """`muster NAME` in a process of its own, stopped in order at the end; its log is in the demo's folder."""
    with (home / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "muster", name, env=environment, cwd=home, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _wait_for_web(stage: Stage) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                stage.check()
                try:
                    async with stage.runtime.http.get(f"{stage.runtime.settings.public_url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise Unavailable("The demo's web server did not come up.", remedy=f"See {stage.home / 'serve.log'}.") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
