"""Mailgun: carries our id in a variable.

https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-smtp
"""

from __future__ import annotations

import json
from typing import Final

from core.settings import Settings
from messaging.channels.smtp.email_relay import NAME, EmailRelay


def _lines(_settings: Settings, signed_id: str) -> str:
    return f"X-Mailgun-Variables: {json.dumps({NAME: signed_id})}"


RELAY: Final = EmailRelay("mailgun", _lines)
