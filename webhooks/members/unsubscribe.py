"""Unsubscribing: the link in a message shows a page first; a mail program's own button acts at once (RFC 8058).

Neither asks for a log-in, a reason or a confirmation, and doing it twice has the same effect as once. It stops
everything to that address, also for others who share it; a second button stops everything to the person. Both can be
undone, unless the person was erased: then the people who share the address can stop messages to it, but nobody knows
who did, so it cannot be taken back.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web
from multidict import MultiDict

from campaigns.replies.opt_outs import opt_out, resume_by_link
from campaigns.subjects.page import AnswerButton, MemberPage, second_question, stopped_note
from core.db import Connection
from core.http.rate_limit import RateLimit
from core.http.request_bodies import read_form
from core.http.web import RUNTIME
from webhooks.members.link_access import LinkAccess
from webhooks.members.page_views import ViewStage, new_nonce, nonce_key, record_view, use_view
from webhooks.members.pages import respond
from webhooks.members.paths import LINK, SLASHES
from webhooks.members.recipient import Recipient, store_press
from webhooks.members.user_agents import classify

HERE: Final = "stop"
EVERYWHERE: Final = "stop_everywhere"
UNDO: Final = "undo_stop"


def routes(rate_limit: RateLimit) -> list[web.RouteDef]:
    """Return the routes of the unsubscribe page.

    Args:
        rate_limit: counts requests for unknown links.
    """
    pages = Unsubscribe(LinkAccess(rate_limit, "unsubscribe"))
    return [web.get(f"/{SLASHES}u/{LINK}", pages.show), web.post(f"/{SLASHES}u/{LINK}", pages.act)]


class Unsubscribe:
    """Shows the unsubscribe page and does what is asked there.

    Args:
        link_access: finds the member of a link.
    """

    def __init__(self, link_access: LinkAccess) -> None:
        self._link_access = link_access

    async def show(self, request: web.Request) -> web.Response:
        """Show the question; change nothing."""
        return await self._link_access.show_page(request, _show)

    async def act(self, request: web.Request) -> web.Response:
        """Stop messages, or undo that. A POST means stop, whatever else a mail program sends."""
        form = await read_form(request)

        async def take(request: web.Request, db: Connection, recipient: Recipient) -> web.Response:
            return await _take(request, db, recipient, form)

        return await self._link_access.enter(request, take)


def _show(request: web.Request, recipient: Recipient, nonce: str) -> web.Response:
    if recipient.stopped:
        return respond(
            request,
            recipient,
            MemberPage(
                heading=stopped_note(recipient) or "are_stopped", undo=UNDO if recipient.stopped_by_link else None
            ),
            nonce=nonce,
        )
    view = MemberPage(
        heading="unsubscribe",
        lines=["unsubscribe_why"],
        buttons=[
            AnswerButton(HERE, "unsubscribe_here", "main"),
            *([] if recipient.erased else [AnswerButton(EVERYWHERE, "unsubscribe_everywhere")]),
        ],
    )
    return respond(request, recipient, view, nonce=nonce)


async def _take(request: web.Request, db: Connection, recipient: Recipient, form: MultiDict[str]) -> web.Response:
    match form.get("answer"):
        case "undo_stop" if not recipient.erased:
            return await _resume(request, db, recipient, form.get("nonce", ""))
        case "nothing" | "undo_stop":  # a machine's answer to the second question: nothing changes
            return _show(request, recipient, await _note(request, db, recipient))
    everywhere = form.get("answer") == EVERYWHERE and not recipient.erased
    one_click = form.get("List-Unsubscribe") == "One-Click"
    await store_press(
        db,
        recipient,
        source="unsubscribe",
        key=f"{recipient.message_id}:{'everywhere' if everywhere else 'here'}",
        payload={"message_id": recipient.message_id, "everywhere": everywhere, "one_click": one_click},
        at=request.app[RUNTIME].clock(),
    )
    await opt_out(db, message_id=recipient.message_id, everywhere=everywhere, source="unsubscribe")
    nonce = await _note(request, db, recipient)
    heading = "unsubscribed_everywhere" if everywhere else "unsubscribed"
    return respond(
        request, recipient, MemberPage(heading=heading, undo=None if recipient.erased else UNDO), nonce=nonce
    )


async def _resume(request: web.Request, db: Connection, recipient: Recipient, nonce: str) -> web.Response:
    """Undo an opt-out, but only from a page, once, and after a second question, so that no machine signs anybody up."""
    now = request.app[RUNTIME].clock()
    used = await use_view(db, nonce=nonce, message_id=recipient.message_id, action="unsubscribe", answer=UNDO, at=now)
    if used is None:
        return _show(request, recipient, await _note(request, db, recipient))
    if used.stage == 1:
        nonce = await _note(request, db, recipient, stage=2)
        return respond(request, recipient, second_question(UNDO, (), ()), nonce=nonce)
    payload = {"message_id": recipient.message_id, "undo": True}
    await store_press(db, recipient, source="unsubscribe", key=nonce_key(nonce), payload=payload, at=now)
    await resume_by_link(db, message_id=recipient.message_id, source="unsubscribe")
    return respond(request, recipient, MemberPage(heading="undone_stop"), nonce=new_nonce())


async def _note(request: web.Request, db: Connection, recipient: Recipient, *, stage: ViewStage = 1) -> str:
    """Record a page view; machines that open every link are recognised by it."""
    agent = classify(request.headers.get("User-Agent", ""))
    now = request.app[RUNTIME].clock()
    return await record_view(
        db, message_id=recipient.message_id, action="unsubscribe", agent=agent, at=now, stage=stage
    )
