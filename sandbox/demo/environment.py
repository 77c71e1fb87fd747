"""Environment of the demo: embedded servers, a sandbox with members, a web server, a worker; nothing from outside."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from core.db.migrate import migrate
from core.errors import Unavailable
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from sandbox.demo.host import Host, HostServers
from sandbox.profile import Profile
from sandbox.sandbox import Sandbox, SandboxConfig, open_sandbox
from sandbox.twilio import TwilioConfig

START_TIMEOUT: Final = 60.0
"""Seconds a process has to start, and to stop in order."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """Organisation that asks.

    Attributes:
        name: as people read it.
        mailbox: the mailbox its emails come from.
    """

    name: str
    mailbox: str


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything the demo runs on.

    Attributes:
        runtime: Muster's runtime.
        sandbox: the sandbox, with its own record of what happened.
        home: the folder of the demo's data, erased at the start of the next one.
        variables: environment variables of the processes.
        processes: the web server and the worker, by their command.
    """

    runtime: Runtime
    sandbox: Sandbox
    home: Path
    variables: Mapping[str, str]
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, name: str) -> asyncio.subprocess.Process:
        """Start `muster serve` or `muster worker` in a process of its own; its log is in the demo's folder."""
        with (self.home / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "muster", name,
                env=self.variables, cwd=self.home, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.processes[name] = process
        return process

    async def command(self, *words: str) -> str:
        """Run a `muster` command as staff do; return its output.

        Raises:
            Unavailable: it failed; the message is the command's.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "muster", *words,
            env=self.variables, cwd=self.home, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
        if process.returncode != 0:
            raise Unavailable(f"muster {' '.join(words)} failed: {errors.decode(errors='replace').strip()}")
        return output.decode()

    async def stop(self) -> None:
        """Stop the processes in order."""
        for process in reversed(self.processes.values()):
            if process.returncode is None:
                process.terminate()
        for process in self.processes.values():
            try:
                await asyncio.wait_for(process.wait(), START_TIMEOUT)
            except TimeoutError:
                process.kill()
                await process.wait()

    def check(self) -> None:
        """Check that the processes are up.

        Raises:
            Unavailable: one has stopped; the message names its log.
        """
        for name, process in self.processes.items():
            if process.returncode is not None:
                raise Unavailable(
                    f"The demo's {name} process stopped ({process.returncode}).", remedy=f"See {self.home / name}.log."
                )

    async def until_ready(self) -> None:
        """Wait until the web server can do its work.

        Raises:
            Unavailable: the process stopped, or took too long.
        """
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not await self._is_ready():
                    self.check()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            log = self.home / "serve.log"
            raise Unavailable("The demo's web server did not come up.", remedy=f"See {log}.") from None

    async def _is_ready(self) -> bool:
        try:
            async with self.runtime.http.get(f"{self.runtime.settings.public_url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False


@asynccontextmanager
async def open_environment(
    home: Path, profile: Profile, host: Host, organisation: Organisation
) -> AsyncIterator[Environment]:
    """Start everything, and stop it again.

    Args:
        home: an empty folder.
        profile: how the sandbox's members behave.
        host: the demo's host.
        organisation: whose messages these are.

    Raises:
        Unavailable: a server did not start.
    """
    async with AsyncExitStack() as stack:
        servers = await asyncio.to_thread(host.servers, home)
        stack.push_async_callback(asyncio.to_thread, servers.close_and_wait)
        await migrate(servers.owner_url)
        listen = f"127.0.0.1:{_free_port()}"
        twilio = TwilioConfig(inbound_url=f"http://{listen}/webhooks/twilio/inbound", seed=profile.seed)
        sandbox = await stack.enter_async_context(open_sandbox(SandboxConfig(twilio=twilio, members=profile)))
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")},
            **sandbox.environment,
            "MUSTER_HOME": str(home),
            "MUSTER_LISTEN": listen,
            "MUSTER_PUBLIC_URL": f"http://{listen}",
            "MUSTER_SMS_FROM": "+447480000001",
            "MUSTER_EMAIL_FROM": f"{organisation.name} <{organisation.mailbox}>",
            "MUSTER_ORGANISATION": organisation.name,
            "MUSTER_CONTACT": "0800 001066",
            host.supervisor: str(os.getpid()),
        }
        settings = _settings(variables, servers, host)
        wake = await stack.enter_async_context(host.wake(servers.redis_url))
        runtime = await stack.enter_async_context(open_runtime(settings, wake=wake))
        environment = Environment(runtime, sandbox, home, variables)
        stack.push_async_callback(environment.stop)
        for name in ("serve", "worker"):
            await environment.start(name)
        await environment.until_ready()
        yield environment


def _settings(variables: Mapping[str, str], servers: HostServers, host: Host) -> Settings:
    """Make the settings of this process, without anything of the user's own configuration."""
    ours = {
        name.removeprefix("MUSTER_").lower(): value
        for name, value in variables.items()
        if name.startswith("MUSTER_") and name != host.supervisor
    }
    home = Path(variables["MUSTER_HOME"])
    urls = {"database_url": servers.database_url, "redis_url": servers.redis_url}
    return Settings.model_validate({**ours, **urls, "secret_key": (host.secret(home),)})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
