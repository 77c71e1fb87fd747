"""Simulated link scanners: machines that fetch the links in messages, and must never be counted as members."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Final, Literal, Self

import aiohttp

from sandbox.agenda import Agenda
from sandbox.browser import Browser, Button, Form, Page, open_browser_session
from sandbox.mailbox import Mail, Mailbox
from sandbox.profile import Profile
from sandbox.received_message import ReceivedMessage, read_mail, read_text
from sandbox.record import MessageChannel, PageHit, Record
from sandbox.twilio import Message, Twilio

_CHROME: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Kind of scanner, as seen in practice.

    Attributes:
        name: its name in the record.
        channels: channels whose messages it scans.
        agent: its User-Agent.
        requests: HTTP methods it sends to each link, in order.
        after: seconds after the delivery, from and to.
        every_link: whether it fetches all links of the message, or only the first.
        presses: the button it presses at once, if any: the first in the source, or the first visible one.
    """

    name: str
    channels: tuple[MessageChannel, ...]
    agent: str
    requests: tuple[str, ...]
    after: tuple[float, float]
    every_link: bool = True
    presses: Literal["", "first", "first_seen"] = ""


KINDS: Final = (
    Kind("mail_gateway", ("email",), "", ("HEAD", "GET"), (0.0, 2.0)),
    Kind(
        "headless_browser",
        ("email",),
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
        ("GET", "GET"),
        (20.0, 24.0),
    ),
    Kind("ordinary_looking", ("email", "sms"), _CHROME, ("GET",), (11.0, 13.0)),
    Kind("form_filler", ("email",), _CHROME, ("GET",), (1.0, 6.0), every_link=False, presses="first"),
    Kind("button_presser", ("email", "sms"), _CHROME, ("GET",), (5.0, 15.0), every_link=False, presses="first_seen"),
    Kind(
        "imessage_preview",
        ("sms",),
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 "
        "Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        ("GET",),
        (0.5, 4.0),
        every_link=False,
    ),
    Kind("whatsapp_preview", ("sms",), "WhatsApp/2.25.18 A", ("GET",), (0.5, 4.0), every_link=False),
    Kind("carrier", ("sms",), "okhttp/4.12.0", ("HEAD", "GET"), (1.0, 5.0)),
)


class Scanners:
    """Simulated scanners, active while the block lasts.

    Args:
        profile: share of messages that are scanned, and the speed.
        twilio: source of texts.
        mailbox: source of mails.
        record: gets every request.
    """

    def __init__(self, profile: Profile, twilio: Twilio, mailbox: Mailbox, record: Record) -> None:
        self._profile = profile
        self._twilio = twilio
        self._mailbox = mailbox
        self._record = record
        self._agenda = Agenda("scanners", at_once=profile.at_once)
        self._received: Counter[str] = Counter()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = open_browser_session(self._profile.at_once)
        self._mailbox.readers.append(self._see_mail)
        self._twilio.handsets.append(self._see_text)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mailbox.readers.remove(self._see_mail)
        self._twilio.handsets.remove(self._see_text)
        await self._agenda.close()
        if self._session is not None:
            await self._session.close()

    @property
    def pending(self) -> int:
        """Count messages that are still to be scanned."""
        return self._agenda.pending

    async def idle(self) -> None:
        """Wait until every message has been scanned."""
        await self._agenda.idle()

    def _see_mail(self, mail: Mail) -> None:
        for address in mail.recipients:
            rng = self._rng(address)
            if rng.random() < self._profile.scanned and mail.raw is not None:
                self._plan("email", address, mail.message_id, read_mail(mail.raw, html_too=True), rng)

    def _see_text(self, message: Message) -> None:
        rng = self._rng(message.to)
        if rng.random() < self._profile.scanned:
            self._plan("sms", message.to, message.sid, read_text(message.body), rng)

    def _rng(self, address: str) -> Random:
        self._received[address] += 1
        return self._profile.rng(address, self._received[address], "scanner")

    def _plan(
        self, channel: MessageChannel, address: str, message: str, received: ReceivedMessage, rng: Random
    ) -> None:
        kind = rng.choice([candidate for candidate in KINDS if channel in candidate.channels])
        wait = rng.uniform(*kind.after) / self._profile.scanner_speed
        self._agenda.later(wait, self.scan, kind, address, message, received)

    async def scan(self, kind: Kind, address: str, message: str, received: ReceivedMessage) -> None:
        """Fetch the links of one message as that kind of scanner does."""
        assert self._session is not None
        browser = Browser(self._session, kind.agent)
        for link in received.links if kind.every_link else received.links[:1]:
            for method in kind.requests:
                await self._fetch(browser, kind, method, link, address, message)

    async def _fetch(self, browser: Browser, kind: Kind, method: str, link: str, address: str, message: str) -> None:
        status = 0
        with suppress(aiohttp.ClientError, TimeoutError):
            if method == "HEAD":
                status = await browser.head(link)
            else:
                page = await browser.get(link)
                status = page.status
                if choice := _what_it_presses(kind, page):
                    pressed = await browser.press(*choice)
                    self._record.note_hit(
                        PageHit(kind.name, address, message, "POST", choice[0].action, pressed.status)
                    )
        self._record.note_hit(PageHit(kind.name, address, message, method, link, status))


def _what_it_presses(kind: Kind, page: Page) -> tuple[Form, Button] | None:
    """Return the button that kind of scanner presses on a page, with its form; or None."""
    match kind.presses:
        case "first":
            return page.first_button()
        case "first_seen":
            return page.find()
    return None
