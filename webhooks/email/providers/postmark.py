"""Webhooks of Postmark: https://postmarkapp.com/developer/webhooks/webhooks-overview.

They are not signed. They prove their origin by a user and a password in the webhook's URL, which come as basic
authentication; several are accepted while they are being changed. 403 makes Postmark stop retrying.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import formataddr
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web

from core.runtime import Runtime
from core.settings import Settings
from messaging.channels.smtp.email_relay import NAME
from messaging.reasons import Reason
from messaging.reports.bounce_classification import UNKNOWN, RefusalClass, judge_bounce
from webhooks.email.events import EmailEvent, EmailEventKind, bounced, find_message, read_time
from webhooks.email.inbound import PostedMail, compose_mail
from webhooks.email.receiver import Forged, Malformed, ReceivedEvent, read_object, table, text

IGNORED: Final = frozenset({"Open", "Click"})
"""Opens and clicks are not tracked. These events are not stored at all."""

_WHEN: Final[Mapping[str, str]] = MappingProxyType(
    {"Delivery": "DeliveredAt", "Bounce": "BouncedAt", "SpamComplaint": "BouncedAt", "SubscriptionChange": "ChangedAt"}
)
_BOUNCES: Final[Mapping[str, RefusalClass]] = MappingProxyType(
    {
        "HardBounce": RefusalClass(Reason.HARD_BOUNCED),
        "BadEmailAddress": RefusalClass(Reason.HARD_BOUNCED),
        "SoftBounce": RefusalClass(Reason.EXPIRED_AT_PROVIDER, soft=True),
        "DnsError": RefusalClass(Reason.EXPIRED_AT_PROVIDER, soft=True),
        "Blocked": RefusalClass(Reason.SENDER_REFUSED),
        "DMARCPolicy": RefusalClass(Reason.SENDER_REFUSED),
        "SpamNotification": RefusalClass(Reason.CONTENT_REFUSED),
        "VirusNotification": RefusalClass(Reason.CONTENT_REFUSED),
        "Unknown": UNKNOWN,
    }
)
"""Postmark's bounce types that are real bounces, used if the receiving server gave no enhanced code.
https://postmarkapp.com/developer/api/bounce-api#bounce-types"""
_NEVER_TRIED: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        "ManuallyDeactivated": Reason.RECIPIENT_REFUSED,
        "Unconfirmed": Reason.RECIPIENT_REFUSED,
        "SMTPApiError": Reason.CONTENT_REFUSED,
        "TemplateRenderingFailed": Reason.CONTENT_REFUSED,
    }
)
_OTHERS: Final[Mapping[str, tuple[EmailEventKind, Reason | None]]] = MappingProxyType(
    {
        "Transient": ("deferred", None),
        "SpamComplaint": ("complained", Reason.COMPLAINED),
        "Unsubscribe": ("unsubscribed", Reason.OPTED_OUT),
        "AutoResponder": ("noted", None),
        "ChallengeVerification": ("noted", None),
        "AddressChange": ("noted", None),
        "OpenRelayTest": ("noted", None),
        "Subscribe": ("noted", None),
        "InboundError": ("noted", None),
    }
)
"""Types that are no bounces: delivery goes on, somebody is on holiday, or a server challenges the sender."""


class Postmark:
    """Webhooks of a Postmark server or message stream."""

    name = "postmark"
    proves_date = False

    def is_set_up(self, settings: Settings) -> bool:
        """Tell whether there is a password."""
        return bool(settings.postmark_webhook_auth)

    async def read(self, runtime: Runtime, request: web.Request, body: bytes) -> Sequence[ReceivedEvent]:
        """Read the one event of a request."""
        verify_request(runtime, request)
        event = read_object(body)
        kind = text(event.get("RecordType"))
        if not kind:
            raise Malformed("no RecordType")
        if kind in IGNORED:
            return []
        about = (kind, event.get("ID"), event.get("MessageID"), event.get("Recipient"), event.get(_WHEN.get(kind, "")))
        message_id = find_message(runtime.keyring, table(event.get("Metadata")).get(NAME))
        return [ReceivedEvent(":".join(map(text, about)), message_id, event)]

    def recognise(self, runtime: Runtime, request: web.Request) -> bool:
        """Return True: the password is in the headers, and is verified here."""
        verify_request(runtime, request)
        return True

    async def read_mail(self, runtime: Runtime, request: web.Request, body: bytes) -> PostedMail | None:
        """Read the mail of an inbound webhook, raw (where *Include raw email content* is ticked) or parsed.

        https://postmarkapp.com/developer/webhooks/inbound-webhook
        """
        verify_request(runtime, request)
        mail = read_object(body)
        recipient = text(mail.get("OriginalRecipient"))
        if not recipient:
            raise Malformed("no OriginalRecipient")
        headers = _headers(mail)
        sender = next((value.strip("<> ") for name, value in headers if name.lower() == "return-path"), None)
        raw = text(mail.get("RawEmail")).encode(errors="replace")
        if not raw:
            attached = mail.get("Attachments")
            number = len(attached) if isinstance(attached, list) else 0
            raw = compose_mail(headers, text(mail.get("TextBody")), text(mail.get("HtmlBody")), number)
        full = text(table(mail.get("FromFull")).get("Email"))
        return PostedMail(raw, full if sender is None else sender, [recipient])

    def understand(self, event: Mapping[str, Any], at: datetime) -> EmailEvent | None:
        """Convert an event."""
        kind = text(event.get("RecordType"))
        when = read_time(event.get(_WHEN.get(kind, "")), at)
        details = text(event.get("Details"))
        words = details or text(event.get("Description"))
        match kind:
            case "Delivery":
                return EmailEvent("delivered", when, kind, words)
            case "SpamComplaint":
                return EmailEvent("complained", when, kind, reason=Reason.COMPLAINED)
            case "Bounce":
                return _bounce(text(event.get("Type")), when, words, details)
            case "SubscriptionChange":
                return _subscription(event, when)
        return None


def _headers(mail: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the mail's headers: Postmark lists most, and has fields for a few."""
    listed = mail.get("Headers")
    headers = [
        (text(entry.get("Name")), text(entry.get("Value")))
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict)
    ]
    sender = table(mail.get("FromFull"))
    mailbox = formataddr((text(sender.get("Name")), text(sender.get("Email"))))
    return [("From", mailbox), ("Subject", text(mail.get("Subject"))), ("Date", text(mail.get("Date"))), *headers]


def _bounce(kind: str, when: datetime, words: str, details: str) -> EmailEvent | None:
    """Convert a bounce by its type and the server's words; Postmark's description of the type is not used."""
    if kind in _BOUNCES:
        return bounced(judge_bounce("", details, _BOUNCES[kind]), when, word=kind, words=words)
    if kind in _NEVER_TRIED:
        return EmailEvent("refused", when, kind, words, _NEVER_TRIED[kind])
    if kind not in _OTHERS:
        return None
    what, reason = _OTHERS[kind]
    return EmailEvent(what, when, kind, words, reason)


def _subscription(event: Mapping[str, Any], when: datetime) -> EmailEvent:
    """Convert a change of Postmark's suppression list; only what the person asked for is applied.

    A hard bounce and a complaint come as events of their own too, with their reason.
    """
    reason = text(event.get("SuppressionReason"))
    by_person = text(event.get("Origin")) == "Recipient" and reason in {"ManualSuppression", ""}
    if event.get("SuppressSending") is True and by_person:
        return EmailEvent("unsubscribed", when, "SubscriptionChange", reason=Reason.OPTED_OUT)
    if event.get("SuppressSending") is True and reason == "SpamComplaint":
        return EmailEvent("complained", when, "SubscriptionChange", reason=Reason.COMPLAINED)
    return EmailEvent("noted", when, "SubscriptionChange", reason)


def verify_request(runtime: Runtime, request: web.Request) -> None:
    """Verify that a request carries one of our passwords.

    Raises:
        Forged: the password is missing or wrong.
    """
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (ValueError, binascii.Error):
        given = b""
    # every password is compared even after one fits, so that timing reveals nothing
    fits = [
        hmac.compare_digest(known.get_secret_value().encode(), given)
        for known in runtime.settings.postmark_webhook_auth
    ]
    if scheme.lower() != "basic" or not any(fits):
        raise Forged("the user or the password is wrong")


PROVIDER: Final = Postmark
