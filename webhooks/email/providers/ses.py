"""Webhooks of Amazon SES, sent through Amazon SNS: event publishing, and feedback notifications of an identity.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web

from core.alerts import raise_alert
from core.http.client_network import client_network
from core.runtime import Runtime
from core.settings import Settings
from messaging.channels.smtp.email_relay import NAME
from messaging.reasons import Reason
from messaging.reports.bounce_classification import UNKNOWN, RefusalClass, judge_bounce
from webhooks.email.events import EmailEvent, EmailEventKind, bounced, find_message, read_time
from webhooks.email.inbound import PostedMail
from webhooks.email.providers.sns import CONFIRMATION, NOTIFICATION, UNSUBSCRIBE_CONFIRMATION, Sns
from webhooks.email.receiver import Forged, Malformed, ReceivedEvent, read_object, table, text

IGNORED: Final = frozenset({"Open", "Click"})
"""Opens and clicks are not tracked. These events are not stored at all."""

_KINDS: Final[Mapping[str, EmailEventKind]] = MappingProxyType(
    {"Send": "taken", "Delivery": "delivered", "DeliveryDelay": "deferred"}
)
_PARTS: Final = MappingProxyType(
    {
        "Send": "send", "Delivery": "delivery", "DeliveryDelay": "deliveryDelay", "Bounce": "bounce",
        "Complaint": "complaint", "Reject": "reject", "Rendering Failure": "failure", "Subscription": "subscription",
    }
)  # fmt: skip
"""The key of an event's own fields, by its type."""
_TRANSIENT: Final[Mapping[str, RefusalClass]] = MappingProxyType(
    {
        "MailboxFull": RefusalClass(Reason.MAILBOX_FULL, soft=True),
        "MessageTooLarge": RefusalClass(Reason.CONTENT_REFUSED),
        "ContentRejected": RefusalClass(Reason.CONTENT_REFUSED),
        "AttachmentRejected": RefusalClass(Reason.CONTENT_REFUSED),
    }
)
"""Transient bounces without an enhanced code, by their sub-type."""


class Ses:
    """Webhooks of Amazon SES, by SNS topics of ours."""

    name = "ses"
    proves_date = True

    def __init__(self) -> None:
        self._sns = Sns()

    def is_set_up(self, settings: Settings) -> bool:
        """Tell whether there is a topic."""
        return bool(settings.ses_topic_arn)

    async def read(self, runtime: Runtime, request: web.Request, body: bytes) -> Sequence[ReceivedEvent]:
        """Read the one event of a request; a new subscription is confirmed at once."""
        notice = await self._verified(runtime, request, body)
        if notice is None:
            return []
        key = text(notice.get("MessageId"))
        event = read_object(text(notice.get("Message")))
        if not _type(event):
            raise Malformed("no eventType")
        if _type(event) in IGNORED:
            return []
        return [ReceivedEvent(key, _message(runtime, table(event.get("mail"))), event)]

    def recognise(self, _runtime: Runtime, _request: web.Request) -> bool:
        """Return False: the signature is in the body."""
        return False

    async def read_mail(self, runtime: Runtime, request: web.Request, body: bytes) -> PostedMail | None:
        """Read the raw mail that a receipt rule's SNS action publishes; a new subscription is confirmed at once.

        https://docs.aws.amazon.com/ses/latest/dg/receiving-email-action-sns.html
        """
        notice = await self._verified(runtime, request, body)
        if notice is None:
            return None
        event = read_object(text(notice.get("Message")))
        content = text(event.get("content"))
        if _type(event) != "Received" or not content:
            raise Malformed("not a mail with its content")
        receipt, mail = table(event.get("receipt")), table(event.get("mail"))
        recipients = receipt.get("recipients") or mail.get("destination")
        to = [text(address) for address in recipients] if isinstance(recipients, list) else []
        return PostedMail(
            _raw(content, text(table(receipt.get("action")).get("encoding"))), text(mail.get("source")), to
        )

    async def _verified(self, runtime: Runtime, request: web.Request, body: bytes) -> dict[str, Any] | None:
        """Return a verified SNS message; None for one about the subscription itself, which is handled here."""
        try:
            notice = read_object(body)
        except Malformed as error:  # not verified yet, so nothing of it is kept
            raise Forged(str(error)) from None
        kind = await self._sns.verify(runtime, notice, where=client_network(request))
        if kind == CONFIRMATION:
            await self._sns.confirm(runtime, notice)
        elif kind == UNSUBSCRIBE_CONFIRMATION:
            await _tell_staff(runtime, notice["TopicArn"])
        return notice if kind == NOTIFICATION else None

    def understand(self, event: Mapping[str, Any], at: datetime) -> EmailEvent | None:
        """Convert an event."""
        kind = _type(event)
        part = table(event.get(_PARTS.get(kind, "")))
        when = read_time(part.get("timestamp"), at)
        match kind:
            case "Bounce":
                return _bounce(part, when)
            case "Complaint":
                return _complaint(part, when)
            case "Reject":
                return EmailEvent("refused", when, kind, text(part.get("reason")), Reason.CONTENT_REFUSED)
            case "Rendering Failure":
                return EmailEvent("refused", when, kind, text(part.get("errorMessage")), Reason.CONTENT_REFUSED)
            case "Subscription":
                left = table(part.get("newTopicPreferences")).get("unsubscribeAll") is True
                return (
                    EmailEvent("unsubscribed", when, kind, reason=Reason.OPTED_OUT)
                    if left
                    else EmailEvent("noted", when, kind)
                )
        words = text(part.get("smtpResponse")) or text(part.get("delayType"))
        return EmailEvent(_KINDS[kind], when, kind, words) if kind in _KINDS else None


def _raw(content: str, encoding: str) -> bytes:
    if encoding.lower() != "base64":
        return content.encode(errors="replace")
    try:
        return base64.b64decode(content, validate=True)
    except (ValueError, binascii.Error):
        raise Malformed("content that is not base64") from None


async def _tell_staff(runtime: Runtime, topic: str) -> None:
    """Alert staff that the subscription was ended: from now on SES reports no bounces to Muster."""
    async with runtime.pool.acquire() as db:
        await raise_alert(
            db,
            key="ses:unsubscribed",
            severity="warning",
            title="Amazon SES no longer reports on emails: its subscription was ended.",
            remedy="Subscribe the topic again, as docs/email-ses.md says.",
            detail={"topic": topic},
        )


def _type(event: Mapping[str, Any]) -> str:
    return text(event.get("eventType")) or text(event.get("notificationType"))


def _message(runtime: Runtime, mail: Mapping[str, Any]) -> int | None:
    """Find the message by our tag, which event publishing returns; or by headers, if SES is set to include them."""
    tagged = table(mail.get("tags")).get(NAME)
    headers = mail.get("headers")
    named = [
        field.get("value")
        for field in (headers if isinstance(headers, list) else ())
        if isinstance(field, dict) and text(field.get("name")).lower() in {"message-id", "x-ses-message-tags"}
    ]
    return find_message(runtime.keyring, *(tagged if isinstance(tagged, list) else ()), *named, mail.get("source"))


def _bounce(part: Mapping[str, Any], when: datetime) -> EmailEvent:
    kind, sub = text(part.get("bounceType")), text(part.get("bounceSubType"))
    recipients = part.get("bouncedRecipients")
    first = table(recipients[0]) if isinstance(recipients, list) and recipients else {}
    status, words = text(first.get("status")), text(first.get("diagnosticCode"))
    if sub in {"Suppressed", "OnAccountSuppressionList"}:  # it was not even tried
        known = sub == "Suppressed"  # Amazon's list holds mailboxes that recently did not exist
        return EmailEvent("refused", when, sub, words, Reason.HARD_BOUNCED if known else Reason.RECIPIENT_REFUSED)
    if kind == "Transient" and sub == "General" and not status:
        return EmailEvent("noted", when, f"{kind} {sub}", words)  # automatic replies of people on holiday come so
    otherwise = RefusalClass(Reason.HARD_BOUNCED) if kind == "Permanent" else _TRANSIENT.get(sub, UNKNOWN)
    judged = judge_bounce(status, words, otherwise)
    return bounced(judged, when, word=f"{kind} {sub}".strip(), words=words)


def _complaint(part: Mapping[str, Any], when: datetime) -> EmailEvent:
    kind = text(part.get("complaintFeedbackType"))
    if kind == "not-spam":  # somebody took it out of the spam folder
        return EmailEvent("noted", when, kind)
    if text(part.get("complaintSubType")) == "OnAccountSuppressionList":
        return EmailEvent("refused", when, "OnAccountSuppressionList", reason=Reason.COMPLAINED)
    return EmailEvent("complained", when, kind or "Complaint", reason=Reason.COMPLAINED)


PROVIDER: Final = Ses
