"""Providers' events carry the receiving server's words, which are weighed before the provider's own class."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from messaging.reports.bounce_classification import RefusalClass
from webhooks.email.events import EmailEvent
from webhooks.email.providers.mailgun import Mailgun
from webhooks.email.providers.postmark import Postmark
from webhooks.email.providers.sendgrid import SendGrid
from webhooks.email.providers.ses import Ses

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def sendgrid(status: str, words: str, kind: str = "") -> EmailEvent | None:
    event = {"event": "bounce", "status": status, "reason": words, "bounce_classification": kind}
    return SendGrid().understand(event, AT)


def mailgun(status: str, words: str, kind: str = "bounce") -> EmailEvent | None:
    body = {"enhanced-code": status, "message": words}
    event = {"event": "failed", "severity": "permanent", "reason": kind, "delivery-status": body}
    return Mailgun().understand(event, AT)


def postmark(_status: str, words: str, kind: str = "HardBounce") -> EmailEvent | None:
    description = "The server was unable to deliver your message (ex: unknown user, mailbox not found)."
    event = {"RecordType": "Bounce", "Type": kind, "Details": words, "Description": description}
    return Postmark().understand(event, AT)


def ses(status: str, words: str, kind: str = "Permanent") -> EmailEvent | None:
    body = {"emailAddress": "a@x.test", "status": status, "diagnosticCode": words}
    bounce = {"bounceType": kind, "bounceSubType": "General", "bouncedRecipients": [body]}
    return Ses().understand({"eventType": "Bounce", "bounce": bounce}, AT)


def weight(event: EmailEvent | None) -> str:
    assert event is not None
    assert event.reason is not None
    return RefusalClass(event.reason, event.soft).weight.value


@pytest.mark.parametrize("tell", [sendgrid, mailgun, postmark, ses])
@pytest.mark.parametrize(("status", "words", "right"), [
    ("5.1.1", "smtp; 550 5.7.1 IP address blacklisted by recipient", "sender"),
    ("5.1.1", "smtp; 550 message refused as spam", "sender"),
    ("5.1.1", "smtp; 552 5.2.2 Over quota", "full"),
    ("5.0.0", "smtp; 550 No such user here", "hard"),
    ("5.1.1", "smtp; 550 5.1.1 user unknown", "hard"),
])  # fmt: skip
def test_the_servers_words_decide_first(tell: Any, status: str, words: str, right: str) -> None:
    assert weight(tell(status, words)) == right


def test_an_unreadable_refusal_is_weighed_as_the_provider_does() -> None:
    assert weight(sendgrid("", "550 no", "Invalid Address")) == "hard"
    assert weight(sendgrid("", "550 no", "Reputation")) == "sender"
    assert weight(sendgrid("", "550 no")) == "soft"
    assert weight(mailgun("", "550 no")) == "soft"
    assert weight(mailgun("", "550 no", "espblock")) == "sender"
    assert weight(postmark("", "")) == "hard"
    assert weight(postmark("", "", "Unknown")) == "soft"  # its description speaks of unknown users, the server did not
    assert weight(postmark("", "550 user unknown", "SoftBounce")) == "soft"
    assert weight(postmark("", "550 user unknown", "Blocked")) == "soft"
    assert weight(ses("", "550 no")) == "hard"
    assert weight(ses("", "550 no", "Undetermined")) == "soft"
