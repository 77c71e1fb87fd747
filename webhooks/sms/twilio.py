"""Twilio's webhooks: status callbacks, and texts from members.

Every request is signed over the public URL and the form, by one of our auth tokens; several are accepted, so that a
token can be rotated (`signatures`). Nothing unsigned is looked at any further. `X-Forwarded-*` headers are ignored: the
configured public URL counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import MultiDict
from pydantic import SecretStr

from campaigns.replies.answers import Inbound, answer_reply
from campaigns.replies.text_classification import from_json
from core.control_characters import without_controls
from core.db import Connection
from core.errors import InputError
from core.http.request_bodies import parse_form, read_body, without_nul
from core.http.web import RUNTIME
from core.runtime import Runtime
from messaging.channels.twilio.codes import STATES, meaning_of, reason_of
from messaging.channels.twilio.signature import Signatures
from messaging.network_words import STOP_WORDS
from messaging.outbox.receipts import Receipt, apply_receipts
from webhooks.errors import forged, malformed
from webhooks.inbound_log.inbound_log import Intake, Item
from webhooks.sms.new_texts import NewText, queue_reply, read_new_text
from webhooks.sms.sms_webhooks import SmsWebhooks
from webhooks.sms.twilio_backfill import backfill
from webhooks.sms.twilio_texts import INBOUND, inbound_row
from webhooks.verification import missing_fields

STATUS: Final = "twilio_status"
EMPTY: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'

FORM: Final = "application/x-www-form-urlencoded"

_SID: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")


def routes(intake: Intake) -> list[web.RouteDef]:
    """Return the routes of Twilio's two webhooks.

    Args:
        intake: stores what comes in.
    """
    endpoint = _Endpoint(intake)
    return [
        web.post("/webhooks/twilio/status", endpoint.receive_status),
        web.post("/webhooks/twilio/inbound", endpoint.receive_inbound),
    ]


class _Endpoint:
    """Receives Twilio's requests: each is verified, stored and committed, and only then answered."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def receive_status(self, request: web.Request) -> web.Response:
        """Store a status callback; answered with 204."""
        runtime = request.app[RUNTIME]
        form = await _read_signed(request, STATUS, ("MessageSid", "MessageStatus"))
        sid, status = form["MessageSid"], form["MessageStatus"]
        message_id = runtime.keyring.verify_id(request.query.get("m", ""), "status")
        await self._intake.store(
            runtime,
            source=STATUS,
            dedupe_key=without_nul(f"{sid}:{status}")[:200],
            subject=f"twilio:{sid}",
            payload={"form": _plain(form), "message_id": message_id},
        )
        return web.Response(status=204)

    async def receive_inbound(self, request: web.Request) -> web.Response:
        """Store a member's text, with the confirmation it gets; the request is answered with empty TwiML.

        Twilio itself confirms STOP. We confirm an opt-out in other words, unless the phone is opted out already.
        """
        runtime = request.app[RUNTIME]
        form = _plain(await _read_signed(request, INBOUND, ("MessageSid", "From", "To")))
        new_text = await _read_new_text(runtime, form)
        await self._intake.store(runtime, **inbound_row(form, new_text.to_json() if new_text else {}))
        return web.Response(text=EMPTY, content_type="text/xml")


async def _read_new_text(runtime: Runtime, form: dict[str, Any]) -> NewText | None:
    """Classify a text, and choose its confirmation; None for a keyword, which Twilio itself understands and answers."""
    text = form.get("Body", "")
    if form.get("OptOutType") or text.strip().lower() in STOP_WORDS:
        return None
    return await read_new_text(
        runtime, phone=form["From"], senders=_senders(form), text=text, pictures=_pictures(form) > 0
    )


def _senders(form: dict[str, Any]) -> tuple[str, ...]:
    """Return the senders a text went to: our number, and the messaging service if there is one."""
    return tuple(dict.fromkeys(to for to in (form["To"], form.get("MessagingServiceSid")) if to))


def _pictures(form: dict[str, Any]) -> int:
    return int(form["NumMedia"]) if re.fullmatch(r"[0-9]{1,3}", form.get("NumMedia", "")) else 0


async def apply_statuses(db: Connection, items: Sequence[Item]) -> None:
    """Process status callbacks: each is a receipt.

    Raises:
        InputError: the status is not one that Twilio documents.
    """
    await apply_receipts(db, [_receipt(item) for item in items])


def _receipt(item: Item) -> Receipt:
    form = item.payload["form"]
    status = form["MessageStatus"]
    if status not in STATES:
        raise InputError(f"Twilio reports the status “{status}”, which it does not document.")
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
        again=meaning_of(code).again,
    )


async def read_texts(db: Connection, items: Sequence[Item]) -> None:
    """Process texts from members, in the order they came."""
    for item in items:
        form = item.payload["form"]
        phone, senders = form["From"], _senders(form)
        await answer_reply(
            db,
            Inbound(
                inbound_id=item.inbound_id,
                channel="sms",
                address=phone,
                senders=senders,
                text=form.get("Body", ""),
                received_at=item.received_at,
                opt_out_type=form.get("OptOutType") or None,
                media=_pictures(form),
                read=from_json(item.payload.get("read")),
            ),
        )
        await queue_reply(db, item.payload, phone=phone, senders=senders, received_at=item.received_at)


async def _read_signed(request: web.Request, source: str, needed: Sequence[str]) -> MultiDict[str]:
    """Read the form of a request that Twilio signed and that has the fields we need.

    Raises:
        HTTPForbidden: it is not from Twilio; nothing is kept.
        HTTPBadRequest: it is, but cannot be read; it is kept for a person to look at.
    """
    signature = request.headers.get("X-Twilio-Signature", "")
    if not signature:
        raise forged(request)
    body = await read_body(request)
    is_form = request.content_type == FORM
    form, problem = _read(body) if is_form else (MultiDict(), f"not a form but {request.content_type}")
    if not is_from_twilio(request.app[RUNTIME], request.raw_path, form, signature):
        raise forged(request)
    missing = missing_fields(form, needed)
    if problem is None and (missing or not _SID.fullmatch(form["MessageSid"])):
        problem = f"lacks {', '.join(missing) or 'a MessageSid'}"
    if problem is not None:
        raise await malformed(request, source, problem, body)
    return form


def _read(body: bytes) -> tuple[MultiDict[str], str | None]:
    """Parse a form, and return what is wrong with it; a malformed form is kept only if it is signed."""
    try:
        return parse_form(body), None
    except ValueError as error:
        return MultiDict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)), f"not a form: {error}"


def is_from_twilio(runtime: Runtime, path: str, form: MultiDict[str], signature: str) -> bool:
    """Tell whether one of our auth tokens signed a request to this path of our public address.

    Args:
        runtime: its settings hold the tokens and the address.
        path: as requested, with its query.
        form: every field, empty ones included.
        signature: `X-Twilio-Signature`.
    """
    settings = runtime.settings
    return _signatures(settings.public_url, settings.twilio_auth_token).fits(path, form, signature)


@lru_cache(maxsize=8)
def _signatures(public_url: str, tokens: tuple[SecretStr, ...]) -> Signatures:
    return Signatures(public_url, tokens)


def _plain(form: MultiDict[str]) -> dict[str, Any]:
    """Return the first value of each field, without NUL and control characters."""
    plain: dict[str, Any] = {}
    for name, value in form.items():
        plain.setdefault(without_nul(name), without_controls(value))
    return plain


WEBHOOKS: Final = SmsWebhooks(routes=routes, handlers={STATUS: apply_statuses, INBOUND: read_texts}, backfill=backfill)
