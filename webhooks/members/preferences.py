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

from campaigns.preferences import CHOICES, ContactPoint, PreferenceChange, change_preferences, changes, ways_of
from core.db import Connection
from core.http.rate_limit import RateLimit
from core.http.request_bodies import read_form
from core.http.web import RUNTIME
from webhooks.members.link_access import LinkAccess, is_secure
from webhooks.members.page_views import Stage, Used, nonce_key, open_visit, suspicions
from webhooks.members.pages import Say, show, speak
from webhooks.members.paths import LINK
from webhooks.members.recipient import Pressed, Recipient, keep_press
from webhooks.members.user_agents import classify, misfits

HARMLESS: Final = frozenset({"every_link", "fresh"})
"""Signals that prove nothing here: many come from the unsubscribe page, and some as soon as a message arrives."""


def routes(misses: RateLimit) -> list[web.RouteDef]:
    """Return the routes of the preferences page.

    Args:
        misses: counts requests for unknown links.
    """
    pages = Preferences(LinkAccess(misses, "preferences"))
    return [web.get(f"/p/{LINK}", pages.show), web.post(f"/p/{LINK}", pages.change)]


class Preferences:
    """Shows members what they get, and changes it.

    Args:
        door: finds the member of a link.
    """

    def __init__(self, door: LinkAccess) -> None:
        self._door = door

    async def show(self, request: web.Request) -> web.Response:
        """Show the choices. Changes nothing."""
        return await self._door.look(request, _show)

    async def change(self, request: web.Request) -> web.Response:
        """Save, undo, stop everything, or confirm one of these."""
        form = await read_form(request)
        nonce = form.get("nonce", "")

        async def take(request: web.Request, db: Connection, pressed: Pressed) -> web.Response:
            return await _Press(request, db, pressed, form).take()

        return await self._door.press(request, take, nonce=nonce, answer=form.get("answer", ""))


async def _show(request: web.Request, asked: Recipient, nonce: str) -> web.Response:
    ways = await ways_of(request.app[RUNTIME].pool, asked.message_id)
    return _page(request, asked, ways, nonce=nonce)


def _page(
    request: web.Request, asked: Recipient, ways: list[ContactPoint], *, nonce: str, note: str | None = None,
    undo: bool = False, status: int = 200,
) -> web.Response:  # fmt: skip
    say = speak(request, asked)
    places = [
        {
            "id": way.address_id,
            "name": _name(say, way),
            "shared": way.shared,
            "held": _held(say, way),
            "choice": way.choice,
            "choices": [one for one in reversed(CHOICES) if not PreferenceChange(way, one).more or not way.held],
        }
        for way in ways
    ]
    choosable = any(not way.held or way.choice != "nothing" for way in ways)
    some = any(way.choice != "nothing" for way in ways)
    return show(
        request, asked, "member/preferences.html", status,
        places=places, choosable=choosable, note=note, undo=undo, some=some, nonce=nonce,
    )  # fmt: skip


def _name(say: Say, way: ContactPoint) -> str:
    return say(f"{way.channel}_to", address=way.masked)


def _held(say: Say, way: ContactPoint) -> str | None:
    if way.held == "start":
        return say("held_start", number=way.start_to) if way.start_to else say("held_start_unknown")
    return say(f"held_{way.held}") if way.held else None


class _Press:
    """One press of a button on a member's preferences."""

    def __init__(self, request: web.Request, db: Connection, press: Pressed, form: MultiDict[str]) -> None:
        self._request = request
        self._db = db
        self._asked = press.asked
        self._used = press.used
        self._around = press.around
        self._form = form
        self._pressed = form.get("answer", "")
        self._now = request.app[RUNTIME].clock()
        self._agent = classify(request.headers.get("User-Agent", ""))

    async def take(self) -> web.Response:
        """Do what was pressed, or ask for confirmation first."""
        used, ways = self._used, await ways_of(self._db, self._asked.message_id)
        if used is None:
            return await self._again(ways, "once_more", status=409)
        found = changes(ways, self._wanted(used, ways))
        if used.stage == 2 and self._pressed != "yes":
            return await self._again(ways, "said_nothing")
        if not found:
            return await self._again(ways, "saved_same")
        signals = [] if used.stage == 2 else self._signals(used)
        if used.stage == 1 and (signals or any(one.more for one in found)):
            return await self._ask(found, signals)
        return await self._save(used, ways, found)

    def _wanted(self, used: Used, ways: list[ContactPoint]) -> Mapping[int, str]:
        """Return the choices by address id: from the form, or from the page before it."""
        match self._pressed:
            case "stop_all":
                return {way.address_id: "nothing" for way in ways}
            case "save":
                return {way.address_id: self._form.get(f"to-{way.address_id}", way.choice) for way in ways}
            case "undo" | "yes" if used.asked:
                return {int(number): choice for number, choice in orjson.loads(used.asked).items()}
        return {}

    def _signals(self, used: Used) -> list[str]:
        seen = suspicions(used, self._around, agent=self._agent, sent_at=self._asked.sent_at, at=self._now)
        seen += misfits(self._request.headers, secure=is_secure(self._request), presses=True)
        return [one for one in seen if one not in HARMLESS]

    async def _again(self, ways: list[ContactPoint], note: str, *, status: int = 200) -> web.Response:
        return _page(self._request, self._asked, ways, nonce=await self._open(), note=note, status=status)

    async def _ask(self, found: list[PreferenceChange], signals: list[str]) -> web.Response:
        say = speak(self._request, self._asked)
        nonce = await self._open(stage=2, signals=signals, asked={one.way.address_id: one.to for one in found})
        lines = [say("becomes", place=_name(say, one.way), what=say(f"is_{one.to}")) for one in found]
        about = "again" if any(one.more for one in found) else "sure"
        return show(self._request, self._asked, "member/confirm.html", about=about, lines=lines, nonce=nonce)

    async def _save(self, used: Used, ways: list[ContactPoint], found: list[PreferenceChange]) -> web.Response:
        say = speak(self._request, self._asked)
        await keep_press(
            self._db, self._asked, source="preferences", key=nonce_key(self._form.get("nonce", "")), at=self._now,
            payload={
                "message_id": self._asked.message_id,
                "answer": self._pressed,
                "agent": self._agent,
                "signals": list(used.signals),
                "to": {str(one.way.address_id): one.to for one in found},
            },
        )  # fmt: skip
        await change_preferences(
            self._db, message_id=self._asked.message_id, changes=found, wording=str(say("everything")), at=self._now
        )
        nonce = await self._open(asked={one.way.address_id: one.way.choice for one in found})
        ways = await ways_of(self._db, self._asked.message_id)
        note = "undone_saved" if self._pressed == "undo" else "saved"
        return _page(self._request, self._asked, ways, nonce=nonce, note=note, undo=self._pressed != "undo")

    async def _open(self, *, stage: Stage = 1, signals: list[str] | None = None, asked: Any = None) -> str:
        return await open_visit(
            self._db, message_id=self._asked.message_id, action="preferences", agent=self._agent, at=self._now,
            stage=stage, signals=signals or [],
            asked=None if asked is None else orjson.dumps({str(name): to for name, to in asked.items()}).decode(),
        )  # fmt: skip
