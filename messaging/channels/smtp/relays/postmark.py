"""Postmark: carries our id in metadata.

https://postmarkapp.com/support/article/1125-custom-metadata-faq
"""

from __future__ import annotations

from typing import Final

from core.settings import Settings
from messaging.channels.smtp.email_relay import NAME, EmailRelay


def _lines(_settings: Settings, signed_id: str) -> str:
    return f"X-PM-Metadata-{NAME}: {signed_id}\r\nX-PM-KeepID: true"


RELAY: Final = EmailRelay("postmark", _lines)
