"""The providers, in a thread of its own: the database is compared with its record of arrivals."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from core.keyring import Keyring
from sandbox.demo.residents import RESIDENTS
from sandbox.mailbox import Mail
from sandbox.postmaster import MailConditions, Postmaster
from sandbox.profile import Profile
from sandbox.record import Act
from sandbox.sandbox import Sandbox, SandboxConfig, open_sandbox
from sandbox.smtp import open_smtp
from sandbox.twilio import Message, TwilioConfig
from tests.faults.servers import SECRET

T = TypeVar("T")

_ANSWERS = {
    "press:answer_good": 0.1, "press:answer_poor": 0.05, "press:answer_poor>answer_fair": 0.05,
    "press:answer_good>comment": 0.05, "reply:good": 0.1, "reply:poor+": 0.1, "reply:fair>good": 0.05,
    "reply:unclear": 0.1,
}  # fmt: skip
_PEOPLE = Profile(
    email={}, sms={}, about={"Sorry, we": {"reply:fair": 0.9}, "How did we do": _ANSWERS, "how it went": _ANSWERS},
    phrasebook=RESIDENTS, speed=36_000, scanned=0.0,
)  # fmt: skip
"""Those who are asked how it went; nobody answers anything else."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message that a provider took.

    Attributes:
        message_id: ours, out of the envelope or the callback.
        channel: `email` or `sms`.
        address: who it is for.
        mark: what tells a copy from another message: the Message-ID; of a text, our signed id.
        at: when, in seconds since 1970.
    """

    message_id: int | None
    channel: str
    address: str
    mark: str
    at: float


class Providers:
    """Twilio and a mail relay that can be told to misbehave.

    Args:
        host: where both listen.
        mail: what goes wrong with emails.
        twilio: what goes wrong with texts.
    """

    def __init__(self, host: str, mail: MailConditions, twilio: TwilioConfig) -> None:
        self._host = host
        self._twilio = twilio
        self._postmaster = Postmaster(conditions=mail)
        self._loop = asyncio.new_event_loop()
        self._smtp_port = 0
        self._stack = AsyncExitStack()
        self._relay = AsyncExitStack()
        self.sandbox: Sandbox

    @property
    def variables(self) -> Mapping[str, str]:
        """What points Muster here."""
        smtp = f"smtp://{self._host}:{self._smtp_port}?starttls=never"
        return {**self.sandbox.environment, "MUSTER_SMTP_URL": smtp}

    @property
    def taken(self) -> Counter[str]:
        """How much of the campaigns has come, by channel."""
        return Counter(self._taken)

    def arrivals(self) -> list[Arrival]:
        """Everything that came, in no order."""
        keyring = Keyring([SecretStr(SECRET)])

        async def read() -> list[Arrival]:
            mails = [
                Arrival(
                    keyring.verify_id(mail.sender.partition("@")[0].removeprefix("b+"), "bounce"),
                    "email", mail.recipients[0], mail.message_id, mail.at,
                )
                for mail in self.sandbox.mailbox
            ]  # fmt: skip
            texts = [
                Arrival(keyring.verify_id(signed_id, "status"), "sms", message.to, signed_id, message.created)
                for message in self.sandbox.twilio.messages
                if message.direction == "outbound-api"
                for signed_id in parse_qs(urlsplit(message.callback or "").query).get("m", [""])
            ]
            return mails + texts

        return self.do(read())

    def acts(self) -> list[Act]:
        """Everything that people did, in order."""

        async def read() -> list[Act]:
            return list(self.sandbox.record.acts)

        return self.do(read())

    def texts(self) -> dict[str, int | None]:
        """Our id of each text that came, by Twilio's."""
        keyring = Keyring([SecretStr(SECRET)])

        async def read() -> dict[str, int | None]:
            return {
                message.sid: keyring.verify_id(signed_id, "status")
                for message in self.sandbox.twilio.messages
                for signed_id in parse_qs(urlsplit(message.callback or "").query).get("m", [""])
            }

        return self.do(read())

    def pass_on(self, url: str) -> None:
        """From now on, what people text is posted there; four times, if need be."""

        async def turn() -> None:
            self.sandbox.twilio.inbound_url = f"{url}#rc=3&rp=all"

        self.do(turn())

    def told(self) -> Mapping[int, set[str]]:
        """The statuses that each text's receipts really told us, by our id."""
        return self._told

    def conditions(self, **texts: Any) -> None:
        """From now on, texts are treated so."""

        async def turn() -> None:
            self.sandbox.twilio.config = replace(self.sandbox.twilio.config, **texts)

        self.do(turn())

    def set_mail_conditions(self, conditions: MailConditions) -> None:
        """From now on, emails are treated so."""

        async def turn() -> None:
            self._postmaster.turn(conditions)

        self.do(turn())

    def close_relay(self) -> None:
        """The mail relay goes away: nothing listens, and open connections end."""
        self.do(self._relay.aclose())

    def open_relay(self) -> None:
        """It is back at the same address."""
        self.do(self._open_relay())

    def idle(self) -> None:
        """Wait until every receipt has been posted."""
        self.do(self.sandbox.idle(), timeout=300)

    def do(self, work: Coroutine[Any, Any, T], *, timeout: float = 60) -> T:
        """Have something done in the thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    async def _open(self) -> None:
        self.sandbox = await self._stack.enter_async_context(
            open_sandbox(SandboxConfig(host=self._host, twilio=self._twilio, members=_PEOPLE))
        )
        self._taken: Counter[str] = Counter()
        self._count()
        self._told: defaultdict[int, set[str]] = defaultdict(set)
        self._listen_in()
        await self._open_relay()

    def _count(self) -> None:
        """Count what comes from campaigns: everybody can unsubscribe from that."""
        add: Callable[[Message], None] = self.sandbox.twilio.messages.add

        def counted(message: Message) -> None:
            add(message)
            self._taken["sms"] += message.direction == "outbound-api" and "STOP" in message.body

        def seen(mail: Mail) -> None:
            self._taken["email"] += b"List-Unsubscribe:" in (mail.raw or b"")

        self.sandbox.twilio.messages.add = counted  # type: ignore[method-assign]
        self.sandbox.mailbox.readers.append(seen)

    def _listen_in(self) -> None:
        """Note the receipts that our webhook took."""
        keyring = Keyring([SecretStr(SECRET)])
        post: Callable[[str, Mapping[str, str]], Awaitable[Any]] = self.sandbox.twilio.webhooks.post

        async def noted(url: str, form: Mapping[str, str]) -> Any:
            answer = await post(url, form)
            message_id = keyring.verify_id(parse_qs(urlsplit(url).query).get("m", [""])[0], "status")
            if answer.ok and message_id is not None and "MessageStatus" in form:
                self._told[message_id].add(form["MessageStatus"])
            return answer

        self.sandbox.twilio.webhooks.post = noted  # type: ignore[method-assign]

    async def _open_relay(self) -> None:
        self._relay = AsyncExitStack()
        self._smtp_port = await self._relay.enter_async_context(
            open_smtp(self._host, self._smtp_port, self.sandbox.mailbox, self._postmaster)
        )

    async def _close(self) -> None:
        await self._relay.aclose()
        await self._stack.aclose()
        rest = asyncio.all_tasks() - {asyncio.current_task()}  # who was to be kept waiting longer than the fault lasted
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


@contextmanager
def open_providers(host: str, mail: MailConditions, twilio: TwilioConfig) -> Iterator[Providers]:
    """Start the simulated providers, until the block is left."""
    providers = Providers(host, mail, twilio)
    thread = threading.Thread(target=providers._loop.run_forever, name="providers", daemon=True)
    thread.start()
    try:
        providers.do(providers._open())
        try:
            yield providers
        finally:
            providers.do(providers._close())
    finally:
        providers._loop.call_soon_threadsafe(providers._loop.stop)
        thread.join(10)
        providers._loop.close()
