"""Preferences page: what the organisation sends a member at which contact point, and the form that changes it.

Any link of a message opens it, without signing in, and only for the member it was made for. Viewing changes nothing. A
member who asks for more than they get (which may be a machine that ticks every box) is asked to confirm; one who asks
for less is not, unless there are signs of a machine. What was saved can be undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web
from multidict import MultiDict

from campaigns.preferences import (
    CHOICES,
    ContactPoint,
    PreferenceChange,
    change_preferences,
    contact_points_of,
    preference_changes,
)
from core.db import Connection
from core.http.rate_limit import RateLimit
from core.http.request_bodies import read_form
from core.http.web import RUNTIME
from webhooks.members.link_access import LinkAccess
from webhooks.members.page_views import AnsweredView, ViewStage, nonce_key, record_view, suspicions
from webhooks.members.pages import Say, show, speak
from webhooks.members.paths import LINK, SLASHES
from webhooks.members.recipient import ButtonPress, Recipient, store_press
from webhooks.members.user_agents import classify, inconsistencies

CONSENT_WORDING: Final = "everything"
"""Key, in `templates/words.toml`, of the words that a person who chooses marketing agrees to; recorded with the
consent."""
HARMLESS: Final = frozenset({"every_link", "fresh"})
"""Signals that prove nothing here: many come from the unsubscribe page, and some as soon as a message arrives."""


def routes(rate_limit: RateLimit) -> list[web.RouteDef]:
    """Return the routes of the preferences page.

    Args:
        rate_limit: counts requests for unknown links.
    """
    pages = Preferences(LinkAccess(rate_limit, "preferences"))
    return [web.get(f"/{SLASHES}p/{LINK}", pages.show), web.post(f"/{SLASHES}p/{LINK}", pages.change)]


class Preferences:
    """Shows members what they get, and changes it.

    Args:
        link_access: finds the member of a link.
    """

    def __init__(self, link_access: LinkAccess) -> None:
        self._link_access = link_access

    async def show(self, request: web.Request) -> web.Response:
        """Show the choices. Changes nothing."""
        return await self._link_access.show_page(request, _show)

    async def change(self, request: web.Request) -> web.Response:
        """Save, undo, stop everything, or confirm such a press."""
        form = await read_form(request)
        nonce = form.get("nonce", "")

        async def take(request: web.Request, db: Connection, press: ButtonPress) -> web.Response:
            return await _PreferencePress(request, db, press, form).handle()

        return await self._link_access.handle_press(request, take, nonce=nonce, answer=form.get("answer", ""))


async def _show(request: web.Request, recipient: Recipient, nonce: str) -> web.Response:
    contact_points = await contact_points_of(request.app[RUNTIME].pool, recipient.message_id)
    return _page(request, recipient, contact_points, nonce=nonce)


def _page(
    request: web.Request, recipient: Recipient, contact_points: list[ContactPoint], *, nonce: str,
    note: str | None = None, undo: bool = False, status: int = 200,
) -> web.Response:  # fmt: skip
    say = speak(request, recipient)
    shown_points = [
        {
            "id": contact_point.address_id,
            "name": _name(say, contact_point),
            "shared": contact_point.shared,
            "obstacle": _obstacle_in_words(say, contact_point),
            "choice": contact_point.choice,
            "choices": [
                choice
                for choice in reversed(CHOICES)
                if not PreferenceChange(contact_point, choice).more or not contact_point.obstacle
            ],
        }
        for contact_point in contact_points
    ]
    choosable = any(not contact_point.obstacle or contact_point.choice != "nothing" for contact_point in contact_points)
    some = any(contact_point.choice != "nothing" for contact_point in contact_points)
    return show(
        request, recipient, say, "member/preferences.html", status,
        contact_points=shown_points, choosable=choosable, note=note, undo=undo, some=some, nonce=nonce,
    )  # fmt: skip


def _name(say: Say, contact_point: ContactPoint) -> str:
    return say(f"{contact_point.channel}_to", address=contact_point.masked)


def _obstacle_in_words(say: Say, contact_point: ContactPoint) -> str | None:
    if contact_point.obstacle == "start":
        return (
            say("blocked_start", number=contact_point.start_to)
            if contact_point.start_to
            else say("blocked_start_unknown")
        )
    return say(f"blocked_{contact_point.obstacle}") if contact_point.obstacle else None


class _PreferencePress:
    """Press of a button on a member's preferences."""

    def __init__(self, request: web.Request, db: Connection, press: ButtonPress, form: MultiDict[str]) -> None:
        self._request = request
        self._db = db
        self._recipient = press.recipient
        self._used = press.used
        self._nearby = press.nearby
        self._form = form
        self._button = form.get("answer", "")
        self._now = request.app[RUNTIME].clock()
        self._agent = classify(request.headers.get("User-Agent", ""))

    async def handle(self) -> web.Response:
        """Act on the press, or ask for confirmation first."""
        used, contact_points = self._used, await contact_points_of(self._db, self._recipient.message_id)
        if used is None:
            return await self._again(contact_points, "once_more", status=409)
        wished = preference_changes(contact_points, self._wanted(used, contact_points))
        if used.stage == 2 and self._button != "yes":
            return await self._again(contact_points, "said_nothing")
        if not wished:
            return await self._again(contact_points, "saved_same")
        signals = [] if used.stage == 2 else self._signals(used)
        if used.stage == 1 and (signals or any(change.more for change in wished)):
            return await self._ask(wished, signals)
        return await self._save(used, contact_points, wished)

    def _wanted(self, used: AnsweredView, contact_points: list[ContactPoint]) -> Mapping[int, str]:
        """Return the choices by address id: from the form, or from the page before it."""
        match self._button:
            case "stop_all":
                return {contact_point.address_id: "nothing" for contact_point in contact_points}
            case "save":
                return {
                    contact_point.address_id: self._form.get(f"to-{contact_point.address_id}", contact_point.choice)
                    for contact_point in contact_points
                }
            case "undo" | "yes" if used.earlier:
                return {int(number): choice for number, choice in orjson.loads(used.earlier).items()}
        return {}

    def _signals(self, used: AnsweredView) -> list[str]:
        seen = suspicions(used, self._nearby, agent=self._agent, sent_at=self._recipient.sent_at, at=self._now)
        seen += inconsistencies(
            self._request.headers, secure=self._request.app[RUNTIME].settings.is_https, presses=True
        )
        return [signal for signal in seen if signal not in HARMLESS]

    async def _again(self, contact_points: list[ContactPoint], note: str, *, status: int = 200) -> web.Response:
        return _page(self._request, self._recipient, contact_points, nonce=await self._open(), note=note, status=status)

    async def _ask(self, wished: list[PreferenceChange], signals: list[str]) -> web.Response:
        say = speak(self._request, self._recipient)
        nonce = await self._open(
            stage=2, signals=signals, earlier={change.contact_point.address_id: change.to for change in wished}
        )
        lines = [
            say("becomes", place=_name(say, change.contact_point), what=say(f"is_{change.to}")) for change in wished
        ]
        stopped = any(change.more and change.contact_point.choice == "nothing" for change in wished)
        about = "again" if stopped else "more" if any(change.more for change in wished) else "sure"
        return show(self._request, self._recipient, say, "member/confirm.html", about=about, lines=lines, nonce=nonce)

    async def _save(
        self, used: AnsweredView, contact_points: list[ContactPoint], wished: list[PreferenceChange]
    ) -> web.Response:
        say = speak(self._request, self._recipient)
        await store_press(
            self._db, self._recipient, source="preferences", key=nonce_key(self._form.get("nonce", "")), at=self._now,
            payload={
                "message_id": self._recipient.message_id,
                "answer": self._button,
                "agent": self._agent,
                "signals": list(used.signals),
                "to": {str(change.contact_point.address_id): change.to for change in wished},
            },
        )  # fmt: skip
        await change_preferences(
            self._db,
            message_id=self._recipient.message_id,
            changes=wished,
            wording=str(say(CONSENT_WORDING)),
            at=self._now,
        )
        nonce = await self._open(
            earlier={change.contact_point.address_id: change.contact_point.choice for change in wished}
        )
        contact_points = await contact_points_of(self._db, self._recipient.message_id)
        note = "undone_saved" if self._button == "undo" else "saved"
        return _page(
            self._request, self._recipient, contact_points, nonce=nonce, note=note, undo=self._button != "undo"
        )

    async def _open(self, *, stage: ViewStage = 1, signals: list[str] | None = None, earlier: Any = None) -> str:
        return await record_view(
            self._db, message_id=self._recipient.message_id, action="preferences", agent=self._agent, at=self._now,
            stage=stage, signals=signals or [],
            earlier=None if earlier is None else orjson.dumps({str(name): to for name, to in earlier.items()}).decode(),
        )  # fmt: skip
