"""What Twilio tells us: what became of a text, and what members text back.

Every request is signed: `X-Twilio-Signature` over the public URL and the form, checked with Twilio's own validator and
every auth token we have, so that a token can be rotated. https://www.twilio.com/docs/usage/security
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

import structlog
from aiohttp import web
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from campaigns.answers import Inbound, answer_reply
from campaigns.reading import read_reply
from messaging.channels.twilio_codes import STATES, judge, reason_of
from messaging.db import Connection
from messaging.errors import InputError
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.runtime import Runtime
from messaging.web import RUNTIME
from webhooks.bodies import parse_form, read_body, without_nul
from webhooks.inbox import Intake, Item, keep_malformed
from webhooks.wording import wording

STATUS: Final = "twilio_status"
INBOUND: Final = "twilio_inbound"
KEYWORDS: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
"""The texts Twilio itself confirms. https://help.twilio.com/articles/223134027"""
EMPTY: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'

_SID: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")

log = structlog.get_logger(__name__)


def routes(intake: Intake) -> list[web.RouteDef]:
    """Twilio's two webhooks.

    Args:
        intake: stores what comes in.
    """
    endpoint = _Endpoint(intake)
    return [
        web.post("/webhooks/twilio/status", endpoint.receive_status),
        web.post("/webhooks/twilio/inbound", endpoint.receive_inbound),
    ]


class _Endpoint:
    """Takes what Twilio posts: verified, stored, committed, and only then answered."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def receive_status(self, request: web.Request) -> web.Response:
        """Take what became of a text; answered with 204."""
        runtime = request.app[RUNTIME]
        form = await _read_signed(request, STATUS, ("MessageSid", "MessageStatus"))
        sid, status = form["MessageSid"], form["MessageStatus"]
        message_id = runtime.keyring.unseal(request.query.get("m", ""), "status")
        await self._intake.store(
            runtime,
            source=STATUS,
            dedupe_key=without_nul(f"{sid}:{status}")[:200],
            subject=f"twilio:{sid}",
            payload={"form": _plain(form), "message_id": message_id},
        )
        return web.Response(status=204)

    async def receive_inbound(self, request: web.Request) -> web.Response:
        """Take a member's text; answered with TwiML.

        The answer is empty, for Twilio itself confirms STOP. An opt-out in words of one's own is confirmed by us, once:
        when the text is new.
        """
        runtime = request.app[RUNTIME]
        form = await _read_signed(request, INBOUND, ("MessageSid", "From", "To"))
        new = await self._intake.store(
            runtime,
            source=INBOUND,
            dedupe_key=form["MessageSid"],
            subject=without_nul(f"phone:{form['From']}")[:200],
            payload={"form": _plain(form)},
        )
        confirmation = _confirmation(runtime, form) if new is not None else None
        text = EMPTY if confirmation is None else EMPTY.replace("<Response/>", _say(confirmation))
        return web.Response(text=text, content_type="text/xml")


def _confirmation(runtime: Runtime, form: Mapping[str, str]) -> str | None:
    """What to say to an opt-out that Twilio does not recognise as one."""
    text = form.get("Body", "")
    if form.get("OptOutType") or text.strip().upper() in KEYWORDS:
        return None
    read = read_reply(text)
    if read.reading != "opt_out":
        return None
    return str(wording(read.language)["sms_stopped"]).format(organisation=runtime.settings.organisation)


def _say(text: str) -> str:
    return f"<Response><Message>{escape(text)}</Message></Response>"


async def apply_statuses(db: Connection, items: Sequence[Item]) -> None:
    """Process status callbacks: each is a receipt.

    Raises:
        InputError: a status Twilio has not told anybody about.
    """
    await apply_receipts(db, [_receipt(item) for item in items])


def _receipt(item: Item) -> Receipt:
    form = item.payload["form"]
    status = form["MessageStatus"]
    if status not in STATES:
        raise InputError(f"Twilio says that a message is “{status}”, which is no status we know.")
    code = form.get("ErrorCode") or None
    return Receipt(
        message_id=item.payload["message_id"],
        provider_id=form["MessageSid"],
        state=STATES[status],
        source="twilio",
        code=code or status,
        at=item.received_at,
        detail={"status": status} | ({"words": form["ErrorMessage"]} if form.get("ErrorMessage") else {}),
        reason=reason_of(code),
        again=judge(code).again,
    )


async def read_texts(db: Connection, items: Sequence[Item]) -> None:
    """Process texts from members, in the order they came."""
    for item in items:
        form = item.payload["form"]
        await answer_reply(
            db,
            Inbound(
                inbox_id=item.inbox_id,
                channel="sms",
                address=form["From"],
                senders=tuple(dict.fromkeys(to for to in (form["To"], form.get("MessagingServiceSid")) if to)),
                text=form.get("Body", ""),
                received_at=item.received_at,
                opt_out_type=form.get("OptOutType") or None,
                media=int(form["NumMedia"]) if form.get("NumMedia", "").isdigit() else 0,
            ),
        )


async def _read_signed(request: web.Request, source: str, needed: Sequence[str]) -> MultiDict[str]:
    """The form of a request that Twilio signed and that has the fields we need.

    Raises:
        HTTPForbidden: it is not from Twilio; nothing is kept.
        HTTPBadRequest: it cannot be read; it is kept for a person to look at.
    """
    signature = request.headers.get("X-Twilio-Signature", "")
    if not signature:
        raise _forged(request)
    body = await read_body(request)
    if request.content_type != "application/x-www-form-urlencoded":
        raise await _malformed(request, source, f"not a form but {request.content_type}", body)
    try:
        form = parse_form(body)
    except ValueError as error:
        raise await _malformed(request, source, f"not a form: {error}", body) from None
    if not is_from_twilio(request.app[RUNTIME], request.raw_path, form, signature):
        raise _forged(request)
    lacking = [name for name in needed if not form.get(name)]
    if lacking or not _SID.fullmatch(form["MessageSid"]):
        raise await _malformed(request, source, f"lacks {', '.join(lacking) or 'a MessageSid'}", body)
    return form


def is_from_twilio(runtime: Runtime, path: str, form: MultiDict[str], signature: str) -> bool:
    """Whether one of our auth tokens signed a request to this path of our public address.

    Args:
        runtime: the tokens and the address.
        path: with its query, as it was asked for.
        form: every field, empty ones included.
        signature: `X-Twilio-Signature`.
    """
    if not path.startswith("/"):
        return False
    url = runtime.settings.public_url + path
    tokens = [token.get_secret_value() for token in runtime.settings.twilio_auth_token]
    try:
        # every token is tried, whichever fits: the time taken tells nothing
        fits = [RequestValidator(token).validate(url, form, signature) for token in tokens]
    except ValueError:  # characters no signature can be over
        return False
    return any(fits)


def _plain(form: MultiDict[str]) -> dict[str, Any]:
    """The first value of each field; PostgreSQL keeps no NUL."""
    return {without_nul(name): without_nul(form[name]) for name in form}


def _forged(request: web.Request) -> web.HTTPForbidden:
    log.warning("a webhook with a wrong signature", path=request.path, remote=request.remote)
    return web.HTTPForbidden(text="The signature is missing or wrong.\n")


async def _malformed(request: web.Request, source: str, problem: str, body: bytes) -> web.HTTPBadRequest:
    log.warning("a webhook that cannot be read", path=request.path, problem=problem)
    await keep_malformed(request.app[RUNTIME], source=source, problem=problem[:500], body=body)
    return web.HTTPBadRequest(text="The body cannot be read.\n")
