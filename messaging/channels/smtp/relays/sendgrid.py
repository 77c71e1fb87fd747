"""SendGrid: carries our id in a unique argument.

https://www.twilio.com/docs/sendgrid/for-developers/sending-email/unique-arguments
"""

from __future__ import annotations

import json
from typing import Final

from core.settings import Settings
from messaging.channels.smtp.email_relay import NAME, EmailRelay


def _lines(_settings: Settings, signed_id: str) -> str:
    return f"X-SMTPAPI: {json.dumps({'unique_args': {NAME: signed_id}})}"


RELAY: Final = EmailRelay("sendgrid", _lines)
