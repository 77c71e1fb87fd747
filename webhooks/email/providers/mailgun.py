"""Webhooks of Mailgun: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads.

The signature (HMAC-SHA256) covers a timestamp and a token, not the content. So a token counts once, with the content
that came with it first, even if nothing of that is kept: an intercepted signature cannot be used for anything else.
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from core.http.request_bodies import MAX_FIELDS, parse_multipart
from core.runtime import Runtime
from core.settings import Settings
from messaging.channels.smtp.email_relay import NAME
from messaging.reasons import Reason
from messaging.reports.bounce_classification import UNKNOWN, RefusalClass, judge_bounce
from webhooks.email.events import EmailEvent, EmailEventKind, bounced, find_message, read_time
from webhooks.email.inbound import PostedMail, compose_mail, form_field
from webhooks.email.receiver import Forged, Malformed, ReceivedEvent, check_time, read_json, read_object, table, text

IGNORED: Final = frozenset({"opened", "clicked"})
"""Opens and clicks are not tracked. Nothing of these events is kept but their tokens."""

_TOKEN: Final = re.compile(r"[0-9A-Za-z_-]{16,100}", re.ASCII)
_KINDS: Final[Mapping[str, EmailEventKind]] = MappingProxyType(
    {"accepted": "taken", "delivered": "delivered", "stored": "noted"}
)
_NEVER_TRIED: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        "suppress-bounce": Reason.RECIPIENT_REFUSED,  # Mailgun's own list: it bounced once
        "suppress-complaint": Reason.COMPLAINED,
        "suppress-unsubscribe": Reason.OPTED_OUT,
    }
)
_REASONS: Final[Mapping[str, RefusalClass]] = MappingProxyType(
    {
        "old": RefusalClass(Reason.EXPIRED_AT_PROVIDER, soft=True),
        "espblock": RefusalClass(Reason.SENDER_REFUSED),  # the mailbox provider blocks mail that Mailgun sends for us
    }
)
"""Mailgun's reasons, for bounces without an enhanced code or known words of the receiving server."""


class Mailgun:
    """Webhooks of Mailgun."""

    name = "mailgun"
    proves_date = True

    def is_set_up(self, settings: Settings) -> bool:
        """Tell whether there is a signing key."""
        return bool(settings.mailgun_webhook_key)

    async def read(self, runtime: Runtime, _request: web.Request, body: bytes) -> Sequence[ReceivedEvent]:
        """Read the one event of a request. The signature is inside the body, so it is parsed before it is verified."""
        try:
            posted = read_object(body)
        except Malformed as error:  # not verified yet, so nothing of it is kept
            raise Forged(str(error)) from None
        token = verify_signature(runtime, table(posted.get("signature")))
        event = table(posted.get("event-data"))
        word = text(event.get("event"))
        if not word:
            raise Malformed("no event-data", token)
        if word in IGNORED:
            return [ReceivedEvent(token, None, {}, ignored=True)]
        headers = table(table(event.get("message")).get("headers"))
        message_id = find_message(
            runtime.keyring,
            table(event.get("user-variables")).get(NAME),
            headers.get("message-id"),
            table(event.get("envelope")).get("sender"),
        )
        return [ReceivedEvent(token, message_id, event)]

    def recognise(self, _runtime: Runtime, _request: web.Request) -> bool:
        """Return False: the signature is in the body."""
        return False

    async def read_mail(self, runtime: Runtime, request: web.Request, body: bytes) -> PostedMail | None:
        """Read the mail that a route forwards, raw or parsed.

        https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http
        """
        form = _form(request.headers.get("Content-Type", ""), body)
        token = verify_signature(
            runtime, {name: form_field(form, name) for name in ("timestamp", "token", "signature")}
        )
        raw = form.get("body-mime")
        if raw is None:
            attached = form_field(form, "attachment-count")
            number = int(attached) if attached.isdecimal() and len(attached) < 4 else 0
            raw = compose_mail(
                _headers(form, token), form_field(form, "body-plain"), form_field(form, "body-html"), number
            )
        return PostedMail(raw, form_field(form, "sender"), form_field(form, "recipient").split(","), once=token)

    def understand(self, event: Mapping[str, Any], at: datetime) -> EmailEvent | None:
        """Convert an event."""
        word, when = text(event.get("event")), read_time(event.get("timestamp"), at)
        match word:
            case "failed":
                return _failed(event, when)
            case "rejected":
                return EmailEvent(
                    "refused", when, word, text(table(event.get("reject")).get("reason")), Reason.CONTENT_REFUSED
                )
            case "complained":
                return EmailEvent("complained", when, word, reason=Reason.COMPLAINED)
            case "unsubscribed":
                return EmailEvent("unsubscribed", when, word, reason=Reason.OPTED_OUT)
        kind = _KINDS.get(word)
        return None if kind is None else EmailEvent(kind, when, word)


def _form(content_type: str, body: bytes) -> Mapping[str, bytes]:
    """Parse a form. It is not verified yet, so nothing of an unreadable one is kept."""
    try:
        if content_type.lower().startswith("multipart/form-data"):
            return parse_multipart(content_type, body)
        # one character for each byte: of bytes parse_qsl takes ASCII only
        fields = parse_qsl(
            body.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS, encoding="latin-1"
        )
    except ValueError as error:
        raise Forged(str(error)) from None
    plain = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reversed(fields)]
    return {name.decode(errors="replace"): value for name, value in plain}


def _headers(form: Mapping[str, bytes], token: str) -> list[tuple[str, str]]:
    """Parse `message-headers`: a list of names and values, as JSON."""
    try:
        pairs = read_json(form.get("message-headers", b"[]"))
    except Malformed as error:
        raise Malformed(str(error), token) from None
    pairs = pairs if isinstance(pairs, list) else []
    return [(text(pair[0]), text(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2]


def _failed(event: Mapping[str, Any], when: datetime) -> EmailEvent:
    status = table(event.get("delivery-status"))
    enhanced, why = text(status.get("enhanced-code")), text(event.get("reason"))
    words = " ".join(filter(None, (text(status.get("message")), text(status.get("description")))))
    if event.get("severity") == "temporary":
        return EmailEvent("deferred", when, enhanced or why, words)
    if why in _NEVER_TRIED:
        return EmailEvent("refused", when, why, words, _NEVER_TRIED[why])
    judged = judge_bounce(enhanced, words, _REASONS.get(why, UNKNOWN))
    return bounced(judged, when, word=why or "failed", words=words)


def verify_signature(runtime: Runtime, signature: Mapping[str, Any]) -> str:
    """Verify that Mailgun signed a request recently.

    Args:
        runtime: its settings hold the keys.
        signature: `timestamp`, `token` and `signature`, from an event or the form of a route.

    Returns:
        The token, which counts once.

    Raises:
        Forged: Mailgun did not.
    """
    timestamp, token = text(signature.get("timestamp")), text(signature.get("token"))
    given = text(signature.get("signature")).encode(errors="replace")
    content = (timestamp + token).encode(errors="replace")
    # every key is tried even after one fits, so that timing reveals nothing
    fits = [
        hmac.compare_digest(
            hmac.new(key.get_secret_value().encode(), content, hashlib.sha256).hexdigest().encode(), given
        )
        for key in runtime.settings.mailgun_webhook_key
    ]
    if not any(fits) or not _TOKEN.fullmatch(token):
        raise Forged("the signature is wrong")
    check_time(read_time(timestamp, None), runtime.clock())
    return token


PROVIDER: Final = Mailgun
