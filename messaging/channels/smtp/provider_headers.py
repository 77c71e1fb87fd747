"""Add the header in which an email provider carries our id, so that its events name the message.

A provider replaces our envelope sender by its own, so bounces go to the provider and not to us.
"""

from __future__ import annotations

from collections.abc import Callable

from core.settings import Settings
from messaging.channels.smtp.relay_registry import RELAYS


def reference_header(settings: Settings) -> Callable[[str], bytes] | None:
    """Return a function that makes a provider's header lines from an envelope sender; None without a provider.

    Args:
        settings: MUSTER_EMAIL_PROVIDER, and what its relay needs.
    """
    if not settings.email_provider:
        return None
    relay = RELAYS[settings.email_provider]

    def header(envelope: str) -> bytes:
        signed_id = envelope.partition("@")[0].removeprefix("b+")
        return f"{relay.lines(settings, signed_id)}\r\n".encode("ascii")

    return header
