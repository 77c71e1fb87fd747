"""Simulated members: they get mails and texts, and answer, ignore or unsubscribe as people do."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Final, Literal, Self

import aiohttp

from sandbox.agenda import Agenda
from sandbox.browser import Browser, Page, open_browser_session
from sandbox.mailbox import Mail, Mailbox
from sandbox.profile import Profile, choose
from sandbox.received_message import ReceivedMessage, read_mail, read_text
from sandbox.record import Act, AnswerRoute, Deed, MessageChannel, Record
from sandbox.twilio import Message, Twilio
from sandbox.twilio.refusals import Refusal

_CHROME: Final = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome"
AGENTS: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/604.1",
    f"Mozilla/5.0 (Linux; Android 14; SM-A155F) {_CHROME}/138.0.0.0 Mobile Safari/537.36",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME}/138.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 5.0; SM-G900V) {_CHROME}/70.0.3538.64 Mobile Safari/537.36",
)
MAX_TRIES: Final = 3
"""Times that a simulated member opens a page that does not answer."""
MAX_PRESSES: Final = 3
"""Times that a simulated member presses a button, if a second question comes."""
NOTHING: Final = "nothing"
"""Value of the button that says "I pressed nothing", which only a second question has."""
ONLY_WORDS: Final = 0.5
"""Share of those who undo something after a comment that undo the comment and leave the answer."""
SECONDS_TO_READ_A_PAGE: Final = 5.0
"""Seconds between a page and its button."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """Message that a member has opened."""

    address: str
    channel: MessageChannel
    message: str
    received: ReceivedMessage
    text: Message | None = None

    def act(self, did: Deed, route: AnswerRoute = "", **more: object) -> Act:
        return Act(self.address, self.channel, self.message, self.received.token, did, route, **more)  # type: ignore[arg-type]


class Members:
    """Simulated members, active while the block lasts: `async with Members(…) as members: …; await members.idle()`.

    Args:
        profile: their behaviour.
        twilio: source of their texts.
        mailbox: source of their mails.
        record: gets everything they did.
    """

    def __init__(self, profile: Profile, twilio: Twilio, mailbox: Mailbox, record: Record) -> None:
        self._profile = profile
        self._twilio = twilio
        self._mailbox = mailbox
        self._record = record
        self._agenda = Agenda("members", at_once=profile.at_once)
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
        """Count the actions members still plan."""
        return self._agenda.pending

    async def idle(self) -> None:
        """Wait until all members have acted and no text is on its way."""
        while self._agenda.pending or self._twilio.webhooks.agenda.pending:
            await self._agenda.idle()
            await self._twilio.idle()

    def _see_mail(self, mail: Mail) -> None:
        for address in mail.recipients:
            rng, habits, received = self._rng(address), self._profile.email, None
            if self._profile.about and mail.raw is not None:
                received = read_mail(mail.raw)
                habits = self._profile.habits(habits, received.text)
            habit = choose(habits, rng)
            if habit == "ignore" or mail.raw is None:
                self._record.note(Act(address, "email", mail.message_id, "", "ignored"))
            else:
                opened = _Opened(address, "email", mail.message_id, received or read_mail(mail.raw))
                self._agenda.later(self._profile.wait(rng), self._do, opened, habit, rng)

    def _see_text(self, message: Message) -> None:
        rng = self._rng(message.to)
        habit = choose(self._profile.habits(self._profile.sms, message.body), rng)
        if habit == "ignore":
            self._record.note(Act(message.to, "sms", message.sid, "", "ignored"))
        else:
            opened = _Opened(message.to, "sms", message.sid, read_text(message.body), message)
            self._agenda.later(self._profile.wait(rng), self._do, opened, habit, rng)

    def _rng(self, address: str) -> Random:
        self._received[address] += 1
        return self._profile.rng(address, self._received[address], "member")

    async def _do(self, opened: _Opened, habit: str, rng: Random) -> None:
        """Act on a message by a habit, and record the result."""
        kind, _, choice = habit.partition(":")
        if kind == "reply" and opened.text is not None:
            await self._reply(opened.text, opened, choice, rng)
        elif kind == "one_click" and opened.received.one_click:
            self._record.note(await self._one_click(opened, opened.received.one_click, rng))
        elif kind == "unsubscribe_page" and opened.received.unsubscribe:
            self._record.note(await self._unsubscribe(opened, opened.received.unsubscribe, rng))
        elif kind == "press" and opened.received.confirm:
            await self._press(opened, opened.received.confirm, choice, rng)
        elif opened.received.confirm:
            page = await self._open(self._browser(rng), opened.received.confirm)
            status = page.status if page else 0
            self._record.note(opened.act("opened", "link", status=status, succeeded=status == 200))
        else:
            self._record.note(opened.act("ignored"))

    def _browser(self, rng: Random) -> Browser:
        assert self._session is not None
        return Browser(self._session, rng.choice(AGENTS))

    async def _open(self, browser: Browser, url: str) -> Page | None:
        """Open a page, trying again when it does not load; None if it never does."""
        for attempt in range(MAX_TRIES):
            with suppress(aiohttp.ClientError, TimeoutError):
                page = await browser.get(url)
                if page.status < 500:
                    return page
            await asyncio.sleep(0.2 * 2**attempt)
        return None

    async def _press(self, opened: _Opened, link: str, wishes: str, rng: Random) -> None:
        """Answer by link, perhaps once more after it; a few members undo what they did last."""
        browser = self._browser(rng)
        page, pressed, succeeded, wish = await self._open(browser, link), "", False, ""
        for wish in wishes.split(">"):
            if wish == "comment":
                page, succeeded = await self._comment(opened, browser, page, pressed, rng)
                continue
            page, times = await self._insist(browser, page, wish)
            succeeded = page is not None and page.status == 200 and times > 0 and page.find(wish) is None
            pressed = wish
            did: Deed = "opted_out" if wish == "stop" else "answered"
            status = page.status if page else 0
            self._record.note(
                opened.act(did, "link", answer=wish, status=status, succeeded=succeeded, asked_again=times > 1)
            )
        if succeeded and pressed != "stop" and rng.random() < self._profile.undo:
            only_words = wish == "comment" and rng.random() < ONLY_WORDS
            self._record.note(await self._undo(opened, browser, page, "undone_comment" if only_words else "undone"))

    async def _comment(
        self, opened: _Opened, browser: Browser, page: Page | None, beside: str, rng: Random
    ) -> tuple[Page | None, bool]:
        """Write something into the box of a page and send it; return the resulting page, and whether it was taken."""
        words, box = self._profile.phrasebook.remark(beside, rng), page.find("comment") if page else None
        page = None
        if box is not None:
            with suppress(aiohttp.ClientError, TimeoutError):
                page = await browser.press(*box, {"comment": words})
        taken = page is not None and page.status == 200
        status = page.status if page else 0
        self._record.note(opened.act("commented", "link", comment=words, status=status, succeeded=taken))
        return page, taken

    async def _undo(
        self, opened: _Opened, browser: Browser, page: Page | None, did: Literal["undone", "undone_comment"]
    ) -> Act:
        """Undo the last answer with the words beside it, or only the words. The answer before it then counts again."""
        button, times, is_asked = "undo" if did == "undone" else "undo_comment", 0, True
        while is_asked and page is not None and times < MAX_PRESSES and (button_form := page.find(button)):
            await asyncio.sleep(SECONDS_TO_READ_A_PAGE / self._profile.speed)
            try:
                page = await browser.press(*button_form)
            except (aiohttp.ClientError, TimeoutError):
                page = None
            times += 1
            is_asked = page is not None and page.find(NOTHING) is not None
        succeeded = page is not None and page.status == 200 and times > 0 and not is_asked
        return opened.act(did, "link", status=page.status if page else 0, succeeded=succeeded)

    async def _insist(self, browser: Browser, page: Page | None, answer: str) -> tuple[Page | None, int]:
        """Press the same answer until the page no longer asks for it: there may be a second question.

        Returns:
            The resulting page, None without a response; and how often it was pressed.
        """
        times = 0
        while page is not None and times < MAX_PRESSES and (button_form := page.find(answer)):
            await asyncio.sleep(SECONDS_TO_READ_A_PAGE / self._profile.speed)
            try:
                page = await browser.press(*button_form)
            except (aiohttp.ClientError, TimeoutError):
                page = None
            times += 1
        return page, times

    async def _unsubscribe(self, opened: _Opened, link: str, rng: Random) -> Act:
        browser = self._browser(rng)
        page = await self._open(browser, link)
        status = 0 if page is None else page.status
        form = page.find() if page is not None and status == 200 else None
        if form is not None:
            status = 0
            with suppress(aiohttp.ClientError, TimeoutError):
                status = (await browser.press(*form)).status
        succeeded = form is not None and status == 200
        return opened.act("opted_out", "unsubscribe_page", answer="stop", status=status, succeeded=succeeded)

    async def _one_click(self, opened: _Opened, link: str, rng: Random) -> Act:
        status = 0
        with suppress(aiohttp.ClientError, TimeoutError):
            status = (await self._browser(rng).post(link, {"List-Unsubscribe": "One-Click"})).status
        return opened.act("opted_out", "one_click", answer="stop", status=status, succeeded=200 <= status < 300)

    async def _reply(self, text: Message, opened: _Opened, wishes: str, rng: Random) -> None:
        for wish in wishes.split(">"):
            reply = self._profile.phrasebook.reply(wish, text.body, rng)
            meaning = wish.partition("+")[0]
            did: Deed = "opted_out" if meaning == "opt_out" else "replied"
            try:
                posted = await self._twilio.receive(text.to, text, reply.text)
            except Refusal:  # a text from a name cannot be answered
                self._record.note(opened.act("ignored"))
                return
            answer = "stop" if did == "opted_out" else meaning
            self._record.note(
                opened.act(did, "sms_reply", answer=answer, text=reply.text, comment=reply.comment, succeeded=posted)
            )
