"""Vonage's webhooks: message statuses, and texts from members.

Every request carries a JSON Web Token signed with the account's signature secret, with a hash of the body in it. Every
secret we have is tried, so that it can be rotated. https://developer.vonage.com/en/getting-started/concepts/webhooks

Vonage does nothing about STOP in the United Kingdom: Muster has to opt the member out and confirm it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jwt
import orjson
from aiohttp import web

from campaigns.replies.answers import Inbound, answer_reply
from campaigns.replies.text_classification import from_json
from core.db import Connection
from core.errors import InputError
from core.http.request_bodies import plain_json, read_body
from core.http.web import RUNTIME
from core.runtime import Runtime
from messaging.channels.vonage.codes import STATES, code_of, reason_of
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.states import State
from webhooks.errors import forged, malformed, note_forged
from webhooks.inbound_log.inbound_log import Intake, Item
from webhooks.sms.new_texts import queue_reply, read_new_text
from webhooks.sms.sms_webhooks import SmsWebhooks
from webhooks.verification import SIGNATURE_AGE, missing_fields

STATUS: Final = "vonage_status"
INBOUND: Final = "vonage_inbound"
MAX_CLOCK_SKEW: Final = 300
"""Seconds Vonage's clock may be ahead of ours."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{6,14}")
_FAILED: Final = frozenset({State.FAILED, State.UNDELIVERED})


def routes(intake: Intake) -> list[web.RouteDef]:
    """Return the routes of Vonage's two webhooks.

    Args:
        intake: stores what comes in.
    """
    endpoint = _Endpoint(intake)
    return [
        web.post("/webhooks/vonage/status", endpoint.receive_status),
        web.post("/webhooks/vonage/inbound", endpoint.receive_inbound),
    ]


class _Endpoint:
    """Receives Vonage's requests: each is verified, stored and committed, and only then answered."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def receive_status(self, request: web.Request) -> web.Response:
        """Store a message status."""
        runtime = request.app[RUNTIME]
        posted = await _read_signed(request, STATUS, ("message_uuid", "status"))
        uuid, status = posted["message_uuid"], posted["status"]
        await self._intake.store(
            runtime,
            source=STATUS,
            dedupe_key=f"{uuid}:{status}"[:200],
            subject=f"vonage:{uuid}",
            # the reference, unlike the URL, is part of what is signed
            payload={
                "said": posted,
                "message_id": runtime.keyring.verify_id(str(posted.get("client_ref") or ""), "status"),
            },
        )
        return web.Response()

    async def receive_inbound(self, request: web.Request) -> web.Response:
        """Store a member's text, with the confirmation it gets."""
        runtime = request.app[RUNTIME]
        posted = await _read_signed(request, INBOUND, ("message_uuid", "from", "to"))
        if not (_NUMBER.fullmatch(posted["from"]) and _NUMBER.fullmatch(posted["to"])):
            raise await malformed(request, INBOUND, "from or to is no number", orjson.dumps(posted))
        phone = f"+{posted['from']}"
        came = await read_new_text(
            runtime, phone=phone, senders=(f"+{posted['to']}",), text=_words(posted), pictures=_pictures(posted) > 0
        )
        await self._intake.store(
            runtime,
            source=INBOUND,
            dedupe_key=posted["message_uuid"],
            subject=f"phone:{phone}",
            payload={"said": posted} | came.to_json(),
        )
        return web.Response()


async def apply_statuses(db: Connection, items: Sequence[Item]) -> None:
    """Process status webhooks: each is a receipt.

    Raises:
        InputError: the status is not one that Vonage documents.
    """
    await apply_receipts(db, [_receipt(item) for item in items])


def _receipt(item: Item) -> Receipt:
    posted = item.payload["said"]
    status = posted["status"]
    if status not in STATES:
        raise InputError(f"Vonage reports the status “{status}”, which it does not document.")
    problem = posted.get("error")
    problem = problem if isinstance(problem, dict) else {}
    state = STATES[status]
    return Receipt(
        message_id=item.payload["message_id"],
        provider_id=posted["message_uuid"],
        state=state,
        source="vonage",
        code=(code_of(problem) or status)[:200],
        at=item.received_at,
        detail={"status": status} | ({"words": str(problem["detail"])} if problem.get("detail") else {}),
        # an error beside a better status is about one of Vonage's own tries that failed, and not about the number
        reason=reason_of(problem) if state in _FAILED else None,
    )


async def read_texts(db: Connection, items: Sequence[Item]) -> None:
    """Process texts from members, in the order they came."""
    for item in items:
        posted = item.payload["said"]
        phone, senders = f"+{posted['from']}", (f"+{posted['to']}",)
        await answer_reply(
            db,
            Inbound(
                inbound_id=item.inbound_id,
                channel="sms",
                address=phone,
                senders=senders,
                text=_words(posted),
                received_at=item.received_at,
                media=_pictures(posted),
                read=from_json(item.payload.get("read")),
            ),
        )
        await queue_reply(db, item.payload, phone=phone, senders=senders, received_at=item.received_at)


def _words(posted: Mapping[str, Any]) -> str:
    """Return the text of a message, or the caption of its picture."""
    text, picture = posted.get("text"), posted.get(str(posted.get("message_type")))
    caption = picture.get("caption") if isinstance(picture, dict) else None
    return next((words for words in (text, caption) if isinstance(words, str)), "")


def _pictures(posted: Mapping[str, Any]) -> int:
    return 0 if posted.get("message_type", "text") == "text" else 1


async def _read_signed(request: web.Request, source: str, needed: Sequence[str]) -> dict[str, Any]:
    """Read the JSON of a request that Vonage signed and that has the fields we need.

    Raises:
        HTTPServiceUnavailable: it is not signed; nothing is kept. Vonage documents that its own requests may lack the
            signature by mistake, and that only a 5xx makes it sign and send them again.
        HTTPForbidden: it is not from Vonage; nothing is kept.
        HTTPBadRequest: it cannot be read; it is kept for a person to look at.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        note_forged(request, "a webhook without a signature")
        raise web.HTTPServiceUnavailable(text="The signature is missing.\n")
    body = await read_body(request)
    if not is_from_vonage(request.app[RUNTIME], body, token.strip()):
        raise forged(request)
    try:
        posted = orjson.loads(body)
    except ValueError as error:
        raise await malformed(request, source, f"not JSON: {error}", body) from None
    if not isinstance(posted, dict):
        raise await malformed(request, source, "not a JSON object", body)
    missing = missing_fields(posted, needed)
    if missing or not _UUID.fullmatch(posted["message_uuid"]):
        raise await malformed(request, source, f"lacks {', '.join(missing) or 'a message_uuid'}", body)
    plain = plain_json(posted)
    assert isinstance(plain, dict)
    return plain


def is_from_vonage(runtime: Runtime, body: bytes, token: str) -> bool:
    """Tell whether one of our signature secrets signed exactly this body, for our account, recently.

    Args:
        runtime: its settings hold the secrets and the account.
        body: as it came.
        token: the JSON Web Token of the request.
    """
    settings = runtime.settings
    digest = hashlib.sha256(body).hexdigest()
    oldest = (runtime.clock() - SIGNATURE_AGE).timestamp()
    # every secret is tried even after one fits, so that timing reveals nothing
    fits = [
        _signs(secret.get_secret_value(), token, digest, settings.vonage_api_key, oldest)
        for secret in settings.vonage_signature_secret
    ]
    return any(fits)


def _signs(secret: str, token: str, digest: str, account: str | None, oldest: float) -> bool:
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            leeway=MAX_CLOCK_SKEW,
            options={"require": ["iat", "payload_hash", "api_key"], "verify_aud": False},
        )
    except jwt.PyJWTError:
        return False
    if int(claims["iat"]) < oldest:
        return False
    hashed = str(claims["payload_hash"]).lower()
    return hmac.compare_digest(hashed.encode(), digest.encode()) and claims["api_key"] == account


WEBHOOKS: Final = SmsWebhooks(routes=routes, handlers={STATUS: apply_statuses, INBOUND: read_texts})
