"""Amazon SES: carries our id in a tag, and names the configuration set that publishes the events.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-send-email.html
"""

from __future__ import annotations

from typing import Final

from core.settings import Settings
from messaging.channels.smtp.email_relay import NAME, EmailRelay


def _lines(settings: Settings, signed_id: str) -> str:
    tag = f"X-SES-MESSAGE-TAGS: {NAME}={signed_id}"
    published_by = settings.ses_configuration_set
    return f"{tag}\r\nX-SES-CONFIGURATION-SET: {published_by}" if published_by else tag


RELAY: Final = EmailRelay("ses", _lines)
