"""Add the header in which an email provider carries our id, so that its events name the message.

A provider replaces our envelope sender by its own, so bounces go to the provider and not to us.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Final

from core.settings import Settings
from messaging.channels.smtp import relays
from messaging.channels.smtp.email_relay import EmailRelay

RELAYS: Final[Mapping[str, EmailRelay]] = MappingProxyType(
    {one.name: import_module(f"{relays.__name__}.{one.name}").RELAY for one in iter_modules(relays.__path__)}
)
"""Relays by name."""


def check_provider(email_provider: str) -> str:
    """Check that MUSTER_EMAIL_PROVIDER names none that is unknown, and return it.

    Raises:
        ValueError: it does.
    """
    if email_provider and email_provider not in RELAYS:
        raise ValueError(f"{email_provider} is none of {' and '.join(RELAYS)}")
    return email_provider


def reference_header(settings: Settings) -> Callable[[str], bytes] | None:
    """Return a function that makes a provider's header lines from an envelope sender; None where none is named.

    Args:
        settings: MUSTER_EMAIL_PROVIDER, and what its relay needs.
    """
    if not settings.email_provider:
        return None
    relay = RELAYS[settings.email_provider]

    def header(envelope: str) -> bytes:
        sign_id = envelope.partition("@")[0].removeprefix("b+")
        return f"{relay.lines(settings, sign_id)}\r\n".encode("ascii")

    return header
