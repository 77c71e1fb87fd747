"""`muster run`: start servers, sandbox, web server and worker on one machine, and keep them up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import orjson
import structlog

from core.clock import system_clock
from core.db import connect
from core.db.migrate import migrate, pending
from core.errors import Conflict, MusterError, Unavailable
from core.settings import Settings, check_for_production
from messaging.channels import has_sms
from messaging.settings import load_settings
from muster.embedded.client import Servers, connect_to_servers
from muster.embedded.running import Running, SandboxPlace, only_run
from muster.embedded.secret import kept_secret
from muster.logs import configure_logs
from muster.operator import operator
from muster.outside_database import migrate_outside
from muster.supervisor import Child
from muster.web import address, stop_signal
from people.people import has_people
from sandbox.demo.home import demo_home
from staff.roles import ADMINISTRATOR
from staff.sign_in import make_sign_in_link

WEB_PORT: Final = 8000
"""Port of the web application if none is set; the next ones are tried if it is taken."""
SANDBOX_PORT: Final = 8025
"""Port of the sandbox's pages and its simulated providers."""
SANDBOX_SMTP_PORT: Final = 2525
"""Port of the sandbox's mail server."""
SANDBOX_SMS_FROM: Final = "+447700900000"
"""Number that Ofcom reserves for drama."""
_SANDBOX_TRIES: Final = 3
"""Most attempts to start the sandbox, where another program takes its port between the check and the start."""
STAFF: Final = "staff@localhost"
"""Account for trying Muster out; it is never counted as an administrator (staff/grants.sql)."""
PORTS_TRIED: Final = 100
"""Ports that are tried, one after the other."""
START_TIMEOUT: Final = 60.0
"""Seconds a process has to start."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SandboxPorts:
    """Ports from which on the sandbox looks for a free one: for its pages and API, and for its mail server."""

    page: int = SANDBOX_PORT
    mail: int = SANDBOX_SMTP_PORT


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of everything that was started.

    Attributes:
        web: the web server, from this machine.
        public: the same, as members' browsers reach it.
        console: a one-time sign-in link, on embedded servers whose messages go to the sandbox.
        sandbox: the page with every message, or None when texts and emails really go out.
        home: MUSTER_HOME, or None on configured servers.
        moved: servers that listen on another port than usual, a line each.
        demo: the folder in which `muster demo` left its union, as long as there are no other members.
    """

    web: str
    public: str
    console: str | None
    sandbox: str | None
    home: Path | None
    moved: tuple[str, ...] = ()
    demo: Path | None = None


@asynccontextmanager
async def everything(members: str = "none", sandbox: SandboxPorts | None = None) -> AsyncIterator[Addresses]:
    """Start everything and keep it up while this is open; then stop it, last started first, the servers last.

    Args:
        members: simulated members in the sandbox: `none` or `lively`.
        sandbox: its ports; default the usual ones.

    Yields:
        The addresses.

    Raises:
        Conflict: a `muster run` is already up on this MUSTER_HOME, or MUSTER_LISTEN is taken.
        SettingsError, Unavailable: a part cannot start; the others are stopped again.
    """
    settings = load_settings()
    configure_logs(settings.log_format)
    check_for_production(settings)
    if settings.has_email:
        # imported late, because providers' SDKs take a second; checked here, because a worker that ends is just
        # restarted
        from messaging.channels import check_channels

        check_channels(settings)
    async with AsyncExitStack() as stack:
        yield await Startup(settings, members, sandbox or SandboxPorts(), stack).everything()


class Startup:
    """One start of everything.

    Args:
        settings: as the operator gave them.
        members: simulated members in the sandbox.
        stack: stops what was started.
    """

    def __init__(self, settings: Settings, members: str, sandbox_ports: SandboxPorts, stack: AsyncExitStack) -> None:
        self.settings = settings
        self._members = members
        self._sandbox_ports = sandbox_ports
        self._stack = stack
        self._environment: dict[str, str] = {}
        self._moved: list[str] = []
        self._servers: Servers | None = None
        self._running: Running | None = None

    async def everything(self) -> Addresses:
        """Start everything; return where it is reached."""
        database_url = await self._open_servers()
        web, public = self._choose_address()
        sandbox = None if has_sms(self.settings) or self.settings.has_email else await self._start_sandbox(public)
        if self._running is not None:
            self._running.serves_at(public, urlsplit(web).port or WEB_PORT, sandbox)
        server = await self._start("serve")
        await _until_ready(f"{web}/readyz", server)
        server.keep_up()
        (await self._start("worker")).keep_up()
        if self.settings.mailroom_lmtp or self.settings.mailroom_smtp:
            (await self._start("mailroom")).keep_up()
        home = None if self._servers is None else self.settings.home.resolve()
        # anybody who reads this output could sign in, so it is printed only where somebody tries Muster out on their
        # own machine
        tried_out = home is not None and sandbox is not None
        console = await _sign_in_link(database_url, public) if tried_out else None
        demo = None if home is None or await _has_members(database_url) else demo_home(home)
        page = None if sandbox is None else sandbox.page
        return Addresses(web, public, console, page, home, tuple(self._moved), demo)

    async def _open_servers(self) -> str:
        """Open the configured servers, or embedded ones, with the newest schema."""
        url = self.settings.database_url
        if url is None:
            home = self.settings.home.resolve()
            self._running = self._stack.enter_context(only_run(home))
            self._servers = await asyncio.to_thread(connect_to_servers, home)
            self._stack.push_async_callback(self._close_servers)
            staying = asyncio.create_task(self._stay_attached(home))
            self._stack.callback(staying.cancel)
            self._environment["MUSTER_HOME"] = str(home)
            kept_secret(home)
            if await pending(self._servers.owner_url):
                await migrate(self._servers.owner_url)
            return self._servers.database_url
        if await pending(url):
            await migrate_outside(self.settings)
        return url

    async def _stay_attached(self, home: Path) -> None:
        """Start the embedded servers again whenever they stop; web server and worker reconnect by themselves."""
        loop = asyncio.get_running_loop()
        while self._servers is not None:
            with contextlib.suppress(OSError):  # a broken connection means the same as a closed one
                self._servers.line.setblocking(False)
                await loop.sock_recv(self._servers.line, 1)
            log.warning("the embedded servers stopped; starting them again")
            self._servers.close()
            self._servers = await _attach_again(home)

    async def _close_servers(self) -> None:
        if self._servers is not None:
            await asyncio.to_thread(self._servers.close_and_wait)

    def _choose_address(self) -> tuple[str, str]:
        """Choose the web server's address: MUSTER_LISTEN, or the usual port, or the next free one."""
        host, port = address(self.settings.listen)
        if "listen" in self.settings.model_fields_set and port != 0:
            if not _is_free(host, port):
                raise Conflict(
                    f"Port {port} on {host} is taken by another program.",
                    remedy="Stop that one, or set MUSTER_LISTEN to another port.",
                )
        else:
            last = self._running and self._running.last_port()
            port = self._next_free(
                host,
                last or port or WEB_PORT,
                "the web server",
                sent_links=last is not None and "public_url" not in self.settings.model_fields_set,
            )
        near = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
        web = f"http://{near}:{port}"
        public = self.settings.public_url if "public_url" in self.settings.model_fields_set else web
        self._environment |= {
            "MUSTER_LISTEN": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "MUSTER_PUBLIC_URL": public,
        }
        return web, public

    async def _start_sandbox(self, public: str) -> SandboxPlace:
        """Start the sandbox for texts and emails, if no provider is configured."""
        ports = self._sandbox_ports
        for tries_left in reversed(range(_SANDBOX_TRIES)):
            ports = SandboxPorts(
                self._next_free("127.0.0.1", ports.page, "the sandbox"),
                self._next_free("127.0.0.1", ports.mail, "its mail server"),
            )
            child, line = await self._try_sandbox(ports, public)
            if line:
                break
            # another program may have taken the port a moment before
            if not tries_left or all(_is_free("127.0.0.1", port) for port in (ports.page, ports.mail)):
                raise Unavailable("The sandbox did not start.", remedy="Its output is above.")
        places = orjson.loads(line)
        child.keep_up()
        self._environment |= places["environment"]
        if self.settings.sms_from is None:
            self._environment["MUSTER_SMS_FROM"] = SANDBOX_SMS_FROM
        return SandboxPlace(places["twilio"], places["environment"]["MUSTER_SMTP_URL"])

    async def _try_sandbox(self, ports: SandboxPorts, public: str) -> tuple[Child, bytes]:
        """Start a sandbox; also return the line that says where it is, empty if it ended instead."""
        places = [f"127.0.0.1:{ports.page}", f"127.0.0.1:{ports.mail}"]
        words = ["sandbox", "--json", "--members", self._members, "--twilio", places[0], "--smtp", places[1]]
        child = Child([*words, "--inbound-url", f"{public}/webhooks/twilio/inbound"], self._environment)
        self._stack.push_async_callback(child.stop)
        process = await child.start(output=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        return child, await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT)

    async def _start(self, *words: str) -> Child:
        child = Child(words, self._environment)
        self._stack.push_async_callback(child.stop)
        await child.start()
        return child

    def _next_free(self, host: str, port: int, name: str, *, sent_links: bool = False) -> int:
        for candidate in range(port, port + PORTS_TRIED):
            if _is_free(host, candidate):
                if candidate != port:
                    dead = f" Links in messages sent before lead to {port} and do not work." if sent_links else ""
                    self._moved.append(f"Port {port} is taken, so {name} is on {candidate}.{dead}")
                return candidate
        raise Conflict(f"No port from {port} to {port + PORTS_TRIED - 1} is free.", remedy="Set MUSTER_LISTEN.")


async def _attach_again(home: Path) -> Servers:
    """Connect to the embedded servers, trying again for as long as they do not start."""
    while True:
        try:
            return await asyncio.to_thread(connect_to_servers, home)
        except (MusterError, OSError) as error:
            log.error("the embedded servers do not start; trying again", error=str(error))  # noqa: TRY400
            await asyncio.sleep(5)


async def run(members: str, sandbox: SandboxPorts, announce: Callable[[Addresses], None]) -> None:
    """Start everything, announce the addresses, and stay up until SIGTERM or SIGINT.

    Args:
        members: simulated members in the sandbox: `none` or `lively`.
        sandbox: its ports.
        announce: called with the addresses once everything is up.

    Raises:
        Conflict, SettingsError, Unavailable: see `everything`.
    """
    stopped = asyncio.create_task(stop_signal().wait())
    up = asyncio.create_task(_stay_up(members, sandbox, announce))
    await asyncio.wait({stopped, up}, return_when=asyncio.FIRST_COMPLETED)
    up.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await up
    stopped.cancel()


async def _stay_up(members: str, sandbox: SandboxPorts, announce: Callable[[Addresses], None]) -> None:
    async with everything(members, sandbox) as addresses:
        announce(addresses)
        await asyncio.Event().wait()


def _is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE  # for any other error the web server has the better message
        return True


async def _until_ready(url: str, server: Child) -> None:
    """Wait until the web server can do its work.

    Raises:
        Unavailable: the process ended, or took too long.
    """
    assert server.process is not None
    async with aiohttp.ClientSession() as http:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_TIMEOUT):
                while server.process.returncode is None:
                    with contextlib.suppress(aiohttp.ClientError):
                        async with http.get(url) as answer:
                            if answer.status == 200:
                                return
                    await asyncio.sleep(0.05)
    raise Unavailable("The web server did not start.", remedy="Its output is above.")


async def _sign_in_link(database_url: str, public: str) -> str | None:
    """Make a one-time sign-in link for the user of this machine, which counts as a second factor, too.

    Args:
        database_url: where.
        public: what to put before the path.

    Returns:
        The link; None if that user was disabled on purpose.
    """
    db = await connect(database_url)
    try:
        path = await make_sign_in_link(
            db,
            email=STAFF,
            name="Staff",
            now=system_clock(),
            by=operator("muster run"),
            create_as=ADMINISTRATOR,
            is_proof=True,
        )
    except Conflict:
        return None
    finally:
        await db.close()
    return public + path


async def _has_members(database_url: str) -> bool:
    db = await connect(database_url)
    try:
        return await has_people(db)
    finally:
        await db.close()
