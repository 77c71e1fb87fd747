"""Raven, a made-up email provider: its settings, and the header that carries our id."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, Field, SecretStr

from core.settings import Settings
from messaging.channels.smtp.email_relay import EmailRelay


class RavenSettings(BaseModel):
    """Settings of its own: MUSTER_RAVEN_…"""

    raven_secret: SecretStr | None = Field(None, description="Raven's secret, which its webhooks carry.")


def _lines(_settings: Settings, signed_id: str) -> str:
    return f"X-Raven-Reference: {signed_id}"


RELAY: Final = EmailRelay("raven", _lines, RavenSettings)
