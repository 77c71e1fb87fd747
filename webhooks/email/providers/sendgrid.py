"""Webhooks of SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event.

Each request is signed (ECDSA, P-256, SHA-256) over its timestamp and its body as it came; every public key we know is
tried. https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, Hash

from core.http.request_bodies import parse_multipart
from core.public_keys import read_public_key
from core.runtime import Runtime
from core.settings import Settings
from messaging.channels.smtp.email_relay import NAME
from messaging.reasons import Reason
from messaging.reports.bounce_classification import UNKNOWN, RefusalClass, judge_bounce
from webhooks.email.events import EmailEvent, EmailEventKind, bounced, find_message, read_time
from webhooks.email.inbound import PostedMail, compose_mail, form_field, header_lines
from webhooks.email.receiver import Forged, Malformed, ReceivedEvent, check_time, read_json, read_object, text

SIGNATURE: Final = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP: Final = "X-Twilio-Email-Event-Webhook-Timestamp"
MAX_EVENTS: Final = 4000
"""Events in one request; 768 KB hold about half of that."""
IGNORED: Final = frozenset({"open", "click"})
"""Opens and clicks are not tracked. These events are not stored at all."""

_KINDS: Final[Mapping[str, EmailEventKind]] = MappingProxyType(
    {
        "processed": "taken",
        "deferred": "deferred",
        "delivered": "delivered",
        "group_resubscribe": "noted",  # only the person can take back an opt-out
    }
)
_DROPPED: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        "unsubscribed address": Reason.OPTED_OUT,
        "spam reporting address": Reason.COMPLAINED,
        "bounced address": Reason.RECIPIENT_REFUSED,  # SendGrid's own list: it bounced once
        "invalid": Reason.RECIPIENT_REFUSED,
        "spam content": Reason.CONTENT_REFUSED,
        "invalid smtpapi header": Reason.CONTENT_REFUSED,
        "recipient list over package quota": Reason.ACCOUNT_REFUSED,
    }
)
_CLASSES: Final[Mapping[str, RefusalClass]] = MappingProxyType(
    {
        "invalid address": RefusalClass(Reason.HARD_BOUNCED),
        "mailbox unavailable": RefusalClass(Reason.RECIPIENT_REFUSED, soft=True),
        "technical": RefusalClass(Reason.EXPIRED_AT_PROVIDER, soft=True),
        "content": RefusalClass(Reason.CONTENT_REFUSED),
        "reputation": RefusalClass(Reason.SENDER_REFUSED),
        "frequency or volume too high": RefusalClass(Reason.SENDER_REFUSED),
    }
)
"""SendGrid's classifications, for bounces without an enhanced code of the receiving server."""


class SendGrid:
    """Webhooks of SendGrid: events, and inbound parse."""

    name = "sendgrid"
    proves_date = True

    def is_set_up(self, settings: Settings) -> bool:
        """Tell whether there is a public key."""
        return bool(settings.sendgrid_webhook_key)

    async def read(self, runtime: Runtime, request: web.Request, body: bytes) -> Sequence[ReceivedEvent]:
        """Read the events of one request."""
        verify_signature(runtime, request, body)
        events = read_json(body)
        if not isinstance(events, list) or len(events) > MAX_EVENTS:
            raise Malformed("not a list of events, or too long a one")
        return [_arrival(runtime, event) for event in events if _counts(event)]

    def recognise(self, runtime: Runtime, request: web.Request) -> bool:
        """Return False: the headers say only that there is a signature, and its time."""
        _signature(runtime, request)
        return False

    async def read_mail(self, runtime: Runtime, request: web.Request, body: bytes) -> PostedMail | None:
        """Read the mail of one request of inbound parse, raw or parsed.

        https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook
        """
        verify_signature(runtime, request, body)
        try:
            form = parse_multipart(request.headers.get("Content-Type", ""), body)
        except ValueError as error:
            raise Malformed(str(error)) from None
        envelope = read_object(form.get("envelope", b""))
        to = envelope.get("to")
        recipients = [text(address) for address in to] if isinstance(to, list) else [text(to)]
        raw = form.get("email")
        if raw is None:
            attached = form_field(form, "attachments")
            number = int(attached) if attached.isdecimal() and len(attached) < 4 else 0
            headers = header_lines(form_field(form, "headers"))
            raw = compose_mail(headers, form_field(form, "text"), form_field(form, "html"), number)
        return PostedMail(raw, text(envelope.get("from")), recipients)

    def understand(self, event: Mapping[str, Any], at: datetime) -> EmailEvent | None:
        """Convert an event."""
        word, when = text(event.get("event")), read_time(event.get("timestamp"), at)
        words = text(event.get("reason")) or text(event.get("response"))
        status = text(event.get("status"))
        match word:
            case "bounce":
                otherwise = _CLASSES.get(text(event.get("bounce_classification")).lower(), UNKNOWN)
                judged = judge_bounce(status, words, otherwise)
                return bounced(judged, when, word=text(event.get("type")) or word, words=words)
            case "dropped":
                reason = _DROPPED.get(words.lower(), Reason.RECIPIENT_REFUSED)
                return EmailEvent("refused", when, word, words, reason)
            case "spamreport":
                return EmailEvent("complained", when, word, reason=Reason.COMPLAINED)
            case "unsubscribe" | "group_unsubscribe":
                return EmailEvent("unsubscribed", when, word, reason=Reason.OPTED_OUT)
        kind = _KINDS.get(word)
        return None if kind is None else EmailEvent(kind, when, status or word, words)


def _counts(event: object) -> bool:
    word = text(event.get("event")) if isinstance(event, dict) else ""
    if not word:
        raise Malformed("an event that is none")
    return word not in IGNORED


def _arrival(runtime: Runtime, event: Mapping[str, Any]) -> ReceivedEvent:
    key = text(event.get("sg_event_id"))
    if not key:
        raise Malformed("an event without sg_event_id")
    return ReceivedEvent(key, find_message(runtime.keyring, event.get(NAME), event.get("smtp-id")), event)


def verify_signature(runtime: Runtime, request: web.Request, body: bytes) -> None:
    """Verify that SendGrid signed a request recently: events, and mail of inbound parse.

    Raises:
        Forged: SendGrid did not.
    """
    timestamp, signature = _signature(runtime, request)
    digest = request_digest(timestamp, body)
    # every key is tried even after one fits, so that timing reveals nothing
    fits = [is_signed(key, signature, digest) for key in runtime.settings.sendgrid_webhook_key]
    if not any(fits):
        raise Forged("the signature is wrong")


def _signature(runtime: Runtime, request: web.Request) -> tuple[str, bytes]:
    """Return the timestamp and the signature that a request carries.

    Raises:
        Forged: the request has no signature, or was not signed recently.
    """
    timestamp, encoded = request.headers.get(TIMESTAMP, ""), request.headers.get(SIGNATURE, "")
    try:
        signature = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        signature = b""
    if not signature:
        raise Forged("no signature")
    check_time(read_time(timestamp, None), runtime.clock())
    return timestamp, signature


def request_digest(timestamp: str, body: bytes) -> bytes:
    """Return the digest of both, without a copy of a body that may have the size of a mail."""
    hashed = Hash(SHA256())
    hashed.update(timestamp.encode(errors="replace"))
    hashed.update(body)
    return hashed.finalize()


def is_signed(key: str, signature: bytes, digest: bytes) -> bool:
    """Tell whether a signature of a digest was made with the private key of a public one."""
    try:
        read_public_key(key).verify(signature, digest, ECDSA(Prehashed(SHA256())))
    except InvalidSignature:
        return False
    return True


PROVIDER: Final = SendGrid
