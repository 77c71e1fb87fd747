"""Sandbox in one process: a simulated Twilio and Vonage account, a mail server, and recipients of the messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from core.errors import Unavailable
from core.http.web import refuse_compressed
from sandbox.access import only_for
from sandbox.control import SANDBOX, control_routes
from sandbox.mailbox import Mailbox
from sandbox.members import Members
from sandbox.postmaster import FAIR, MailConditions, Postmaster
from sandbox.profile import Profile
from sandbox.record import Record
from sandbox.scanners import Scanners
from sandbox.smtp import open_smtp
from sandbox.twilio import Twilio, TwilioConfig
from sandbox.twilio.api import TwilioApi
from sandbox.vonage import Vonage, VonageConfig
from sandbox.vonage.api import VonageApi


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Configuration of a sandbox.

    Attributes:
        host: address on which both providers' APIs and the pages listen.
        port: its port; 0 for any free one.
        host_names: host names by which it is reached, beside `localhost` and IP addresses.
        smtp_host: address on which the mail server listens.
        smtp_port: its port; 0 for any free one.
        twilio: the simulated account.
        vonage: the simulated account of the second provider; no simulated member reads its texts.
        members: behaviour of simulated members and scanners; None: there are none.
        bouncing: share of mailboxes that do not exist.
        mail: random failures of mail.
    """

    host: str = "127.0.0.1"
    port: int = 0
    host_names: tuple[str, ...] = ()
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 0
    twilio: TwilioConfig = field(default_factory=TwilioConfig)
    vonage: VonageConfig = field(default_factory=VonageConfig)
    members: Profile | None = None
    bouncing: float = 0.0
    mail: MailConditions = FAIR


@dataclass(slots=True)
class Sandbox:
    """Running sandbox.

    Attributes:
        config: its configuration.
        twilio: the simulated account; `twilio.inbound_url` may be set at any time.
        vonage: the simulated account of the second provider, at the same address.
        mailbox: every mail it took.
        record: everything members and scanners did.
        members: the simulated members, or None.
        scanners: the simulated link scanners, or None.
        twilio_base_url: for MUSTER_TWILIO_BASE_URL; also the URL of the pages that show every message.
        smtp_url: for MUSTER_SMTP_URL.
        started: when it started, empty, in seconds since 1970.
    """

    config: SandboxConfig
    twilio: Twilio
    vonage: Vonage
    mailbox: Mailbox
    record: Record
    members: Members | None = None
    scanners: Scanners | None = None
    twilio_base_url: str = ""
    smtp_url: str = ""
    started: float = field(default_factory=time.time)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables that make Muster use it."""
        return {
            "MUSTER_TWILIO_BASE_URL": self.twilio_base_url,
            "MUSTER_TWILIO_ACCOUNT_SID": self.config.twilio.account_sid,
            "MUSTER_TWILIO_AUTH_TOKEN": self.config.twilio.auth_token,
            "MUSTER_SMTP_URL": self.smtp_url,
        }

    @property
    def second_provider(self) -> dict[str, str]:
        """Return the variables that give Muster its second SMS provider, except for a sender."""
        account = self.config.vonage
        return {
            "MUSTER_VONAGE_BASE_URL": self.twilio_base_url,
            "MUSTER_VONAGE_API_KEY": account.api_key,
            "MUSTER_VONAGE_API_SECRET": account.api_secret,
            "MUSTER_VONAGE_SIGNATURE_SECRET": account.signature_secret,
        }

    @property
    def pending(self) -> dict[str, int]:
        """Count the actions that are still going to happen by themselves."""
        return {
            "webhooks": self.twilio.webhooks.agenda.pending + self.vonage.webhooks.agenda.pending,
            "members": self.members.pending if self.members else 0,
            "scanners": self.scanners.pending if self.scanners else 0,
        }

    async def idle(self) -> None:
        """Wait until nothing more will happen by itself: texts, receipts, members and scanners are done."""
        while any(self.pending.values()):
            await self.twilio.idle()
            await self.vonage.idle()
            if self.members:
                await self.members.idle()
            if self.scanners:
                await self.scanners.idle()

    def summary(self, now: float) -> dict[str, object]:
        """Return all counts."""
        return {
            "mails": self.mailbox.counts(),
            "messages": {
                "by_status": self.twilio.messages.counts(now),
                "refused": {str(code): times for code, times in self.twilio.refused.items()},
                "opted_out_numbers": len(self.twilio.opt_outs),
                "webhooks": dict(self.twilio.webhooks.answers),
            },
            "people": self.record.summary(),
        }


@asynccontextmanager
async def open_sandbox(config: SandboxConfig) -> AsyncIterator[Sandbox]:
    """Run a sandbox until the block is left.

    Args:
        config: its configuration.

    Raises:
        Unavailable: a port is taken.
    """
    async with AsyncExitStack() as stack:
        twilio = Twilio(config.twilio)
        stack.push_async_callback(twilio.close)
        vonage = Vonage(config.vonage)
        stack.push_async_callback(vonage.close)
        sandbox = Sandbox(config, twilio, vonage, Mailbox(), Record())
        if config.members is not None:
            arguments = (config.members, twilio, sandbox.mailbox, sandbox.record)
            sandbox.members = await stack.enter_async_context(Members(*arguments))
            sandbox.scanners = await stack.enter_async_context(Scanners(*arguments))
        postmaster = Postmaster(bouncing=config.bouncing, seed=config.twilio.seed, conditions=config.mail)
        try:
            port = await stack.enter_async_context(
                open_smtp(config.smtp_host, config.smtp_port, sandbox.mailbox, postmaster)
            )
            sandbox.smtp_url = f"smtp://{_named(config.smtp_host)}:{port}?starttls=never"
            sandbox.twilio_base_url = await stack.enter_async_context(_serve(config, sandbox))
        except OSError as error:
            raise Unavailable(
                f"The sandbox cannot listen there: {error.strerror or error}.",
                remedy="Another program has that port; choose another, or 0 for any free one.",
            ) from error
        yield sandbox


@asynccontextmanager
async def _serve(config: SandboxConfig, sandbox: Sandbox) -> AsyncIterator[str]:
    """Serve both providers' APIs and the sandbox's own pages, on one port."""
    app = web.Application(middlewares=[only_for({config.host, *config.host_names}), refuse_compressed])
    app[SANDBOX] = sandbox
    app.on_response_prepare.append(_name_server)
    app.add_routes(TwilioApi(sandbox.twilio).routes())
    app.add_routes(VonageApi(sandbox.vonage).routes())
    app.add_routes(control_routes())
    # a create that hangs on purpose must not delay the stop; compressed bodies could block the event loop
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.host, config.port, backlog=1024)
        await site.start()
        yield f"http://{_named(config.host)}:{runner.addresses[0][1]}"
    finally:
        await asyncio.shield(runner.cleanup())


async def _name_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Set the Server header to a name without library versions."""
    response.headers["Server"] = "Muster"


def _named(host: str) -> str:
    """Return an address to connect to, if a server listens on all interfaces."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
