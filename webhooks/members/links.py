"""Member's link: viewing the page changes nothing, pressing a button gives an answer.

`GET` shows the question and records a page view. `POST` with the page's nonce is an answer, once. Signs of a machine
(see `webhooks/members/page_views.py`) never decide alone: they make the page ask a second, plain question first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from campaigns.replies.confidence import PRESSED_IN_HASTE, PRESSED_ONCE, PRESSED_TWICE
from campaigns.replies.opt_outs import resume_by_link
from campaigns.replies.presses import answer_link, comment_link
from campaigns.replies.take_back import undo_call, undo_comment, undo_link
from campaigns.subjects.page import UNDOS, MemberPage, second_question
from core.db import Connection
from core.http.rate_limit import RateLimit
from core.http.request_bodies import read_form
from core.http.web import RUNTIME
from core.keyring import find_token
from webhooks.members.link_access import LinkAccess
from webhooks.members.page_views import (
    MAX_HASTY_TIME,
    AnsweredView,
    ViewStage,
    find_used_answer,
    nonce_key,
    record_view,
    suspicions,
)
from webhooks.members.pages import respond, respond_to_unknown_link
from webhooks.members.paths import LINK, SLASHES, way_back
from webhooks.members.recipient import ButtonPress, Recipient, store_press, view_page
from webhooks.members.user_agents import classify, inconsistencies

HONEYPOT_PATH: Final = "page"
"""Last path segment of the hidden link, and value of the hidden button."""

_UNDOES: Final = {"undo": undo_link, "undo_comment": undo_comment, "undo_call": undo_call}
"""Buttons that take something back, and the function of each."""
_UNDONE: Final = {"undo": "undone", "undo_comment": "undone_comment", "undo_call": "undone_call"}
"""Key of the words after each of them."""


def routes(rate_limit: RateLimit) -> list[web.RouteDef]:
    """Return the routes of the member's page and of its hidden link.

    Args:
        rate_limit: counts requests for unknown links.
    """
    links = Links(LinkAccess(rate_limit, "confirm"))
    return [
        web.get(f"/{LINK}", links.show),
        web.post(f"/{LINK}", links.answer),
        web.get(f"/{SLASHES}{{token:[^/]{{1,64}}}}/{HONEYPOT_PATH}", links.honeypot),
    ]


class Links:
    """Shows members' pages and takes their answers.

    Args:
        link_access: finds the member of a link.
    """

    def __init__(self, link_access: LinkAccess) -> None:
        self._link_access = link_access

    async def show(self, request: web.Request) -> web.Response:
        """Show the question, with buttons. Changes nothing; the page view is recorded, except for HEAD."""
        return await self._link_access.show_page(request, _show)

    async def answer(self, request: web.Request) -> web.Response:
        """Handle the press of a button."""
        form = await read_form(request)
        nonce, answer, words = form.get("nonce", ""), form.get("answer", ""), form.get("comment", "")

        async def take(request: web.Request, db: Connection, press: ButtonPress) -> web.Response:
            return await _AnswerPress(request, db, press, nonce, answer, words).handle()

        return await self._link_access.handle_press(request, take, nonce=nonce, answer=answer)

    async def honeypot(self, request: web.Request) -> web.Response:
        """Record that the hidden link was followed; answer as for an unknown link."""
        return await self._link_access.show_page(request, _show_honeypot_page, signals=["honeypot"])


def _show(request: web.Request, recipient: Recipient, nonce: str) -> web.Response:
    now = request.app[RUNTIME].clock()
    return respond(request, recipient, recipient.subject.page(recipient, now), nonce=nonce, honeypot=_honeypot(request))


def _show_honeypot_page(request: web.Request, _recipient: Recipient, _nonce: str) -> web.Response:
    return respond_to_unknown_link(request, 404)


def _honeypot(request: web.Request) -> str:
    """Return the relative URL of the hidden link."""
    return f"{way_back(request)}{find_token(request.match_info['token'])}/{HONEYPOT_PATH}"


class _AnswerPress:
    """One press of a button on a member's page."""

    def __init__(
        self, request: web.Request, db: Connection, press: ButtonPress, nonce: str, button: str, words: str
    ) -> None:
        self._request = request
        self._db = db
        self._recipient = press.recipient
        self._subject = press.recipient.subject
        self._presses = (*self._subject.presses, *self._subject.further_requests)
        self._used = press.used
        self._nearby = press.nearby
        self._nonce = nonce
        self._button = button
        self._words = words.strip()
        self._now = request.app[RUNTIME].clock()
        self._agent = classify(request.headers.get("User-Agent", ""))

    async def handle(self) -> web.Response:
        """Act on the press, or ask first whether a person pressed."""
        used = self._used
        if used is None:
            return await self._show_used_page()
        if self._button in UNDOS and used.stage == 1 and (signals := self._signals(used)):
            return await self._ask_again(signals)  # an answer stands until a person takes it back
        match self._button:
            case "undo" | "undo_comment" | "undo_call":
                return await self._undo(self._button)
            case "undo_stop":
                return await self._resume()
            case "comment" if self._subject.reads_answers:
                return await self._comment(used)
            case _:
                return await self._accept_or_ask(used)

    async def _accept_or_ask(self, used: AnsweredView) -> web.Response:
        """Accept an answer, or ask a second question if there are signs of a machine."""
        if self._button == "nothing":
            return await self._ignore(used)
        signals = self._signals(used) if used.stage == 1 else list(used.signals)
        if self._button not in self._presses or (used.stage == 1 and signals):
            return await self._ask_again(signals)
        if used.stage == 1:
            return await self._accept(PRESSED_ONCE, signals)
        in_haste = self._now - used.at < MAX_HASTY_TIME or self._agent != "browser"
        return await self._accept(PRESSED_IN_HASTE if in_haste else PRESSED_TWICE, signals)

    def _signals(self, used: AnsweredView) -> list[str]:
        signals = suspicions(used, self._nearby, agent=self._agent, sent_at=self._recipient.sent_at, at=self._now)
        signals += inconsistencies(
            self._request.headers, secure=self._request.app[RUNTIME].settings.is_https, presses=True
        )
        return signals if self._button in (*self._presses, *UNDOS) else [*signals, "decoy"]

    async def _show_used_page(self) -> web.Response:
        """Show the current state if the page had been used, was too old or is another one's; change nothing.

        A double click is told nothing of that, nor is somebody whose answer is known to be the one they pressed.
        """
        recipient, nonce = await self._reload()  # read again: another press at the same moment may have been quicker
        given = await find_used_answer(self._db, nonce=self._nonce, message_id=recipient.message_id)
        is_double = given == self._button[:40] and (recipient.status is not None or recipient.stopped)
        if is_double or recipient.status == self._button.removeprefix("answer_"):
            return self._respond(recipient, self._subject.page(recipient, self._now), nonce)
        return self._respond(recipient, self._subject.page(recipient, self._now, note="once_more"), nonce, status=409)

    async def _ask_again(self, signals: Sequence[str]) -> web.Response:
        pressed = self._button if self._button in (*self._presses, *UNDOS) else None
        view = second_question(pressed, self._subject.offered_presses(self._now), self._subject.further_requests)
        return await self._page(view, stage=2, signals=signals, pressed=pressed)

    async def _accept(self, confidence: float, signals: Sequence[str]) -> web.Response:
        if self._button in self._subject.presses and self._button not in self._subject.offered_presses(self._now):
            return await self._page(self._subject.page(self._recipient, self._now))
        inbound_id = await self._store_press({"confidence": confidence, "signals": list(signals)})
        await answer_link(
            self._db, message_id=self._recipient.message_id, press=self._button, confidence=confidence,
            inbound_id=inbound_id, at=self._now,
        )  # fmt: skip
        recipient, nonce = await self._reload()
        return self._respond(recipient, self._subject.answered_page(recipient, self._now, self._button), nonce)

    async def _ignore(self, used: AnsweredView) -> web.Response:
        page = self._subject.page(self._recipient, self._now, note="said_nothing")
        return await self._page(page, signals=used.signals)

    async def _comment(self, used: AnsweredView) -> web.Response:
        """Keep a comment. Nothing is asked twice: programs that press buttons write no words.

        One that asks for no more messages stops them like the button beside it, and the page says so and offers to take
        it back: somebody who writes "stop texting me" wants it done, and somebody who meant something else sees what
        happened.
        """
        if not self._words or self._subject.why_not_counted(self._now) is not None:
            return await self._ignore(used)
        inbound_id = await self._store_press({})
        result = await comment_link(
            self._db, message_id=self._recipient.message_id, words=self._words, inbound_id=inbound_id, at=self._now
        )
        pressed = "stop" if result.reading == "opt_out" else self._button
        recipient, nonce = await self._reload()
        return self._respond(recipient, self._subject.answered_page(recipient, self._now, pressed), nonce)

    async def _undo(self, pressed: str) -> web.Response:
        await self._store_press({})
        undone = await _UNDOES[pressed](self._db, message_id=self._recipient.message_id, at=self._now)
        recipient, nonce = await self._reload()
        note: str | None = _UNDONE[pressed] if undone else "said_nothing"
        if not undone and self._subject.why_not_counted(self._now) is not None:
            note = None  # the page says that it is over, and which answer counts
        return self._respond(recipient, self._subject.page(recipient, self._now, note=note), nonce)

    async def _resume(self) -> web.Response:
        await self._store_press({})
        await resume_by_link(self._db, message_id=self._recipient.message_id, source="link")
        recipient, nonce = await self._reload()
        return self._respond(recipient, self._subject.page(recipient, self._now, note="undone_stop"), nonce)

    async def _store_press(self, more: dict[str, object]) -> int:
        payload = {"message_id": self._recipient.message_id, "answer": self._button, "agent": self._agent} | more
        return await store_press(
            self._db, self._recipient, source="link", key=nonce_key(self._nonce), payload=payload, at=self._now
        )

    async def _reload(self) -> tuple[Recipient, str]:
        """Read the member's state after the change, in the same transaction, and record a new page view."""
        token = find_token(self._request.match_info["token"])
        assert token is not None
        link = self._request.app[RUNTIME].keyring.read_link(token)
        looked = await view_page(self._db, link, "confirm", self._now, agent=self._agent)
        assert looked is not None
        return looked

    async def _page(
        self,
        page: MemberPage,
        *,
        stage: ViewStage = 1,
        signals: Sequence[str] = (),
        pressed: str | None = None,
    ) -> web.Response:
        nonce = await record_view(
            self._db, message_id=self._recipient.message_id, action="confirm", agent=self._agent, at=self._now,
            stage=stage, signals=signals, earlier=pressed,
        )  # fmt: skip
        return self._respond(self._recipient, page, nonce)

    def _respond(self, recipient: Recipient, page: MemberPage, nonce: str, *, status: int = 200) -> web.Response:
        return respond(self._request, recipient, page, nonce=nonce, status=status, honeypot=_honeypot(self._request))
