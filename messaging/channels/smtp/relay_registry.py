"""Registry of the email providers whose relays can be used; each module of `relays/` describes one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Final

from messaging.channels.smtp import relays
from messaging.channels.smtp.email_relay import EmailRelay

RELAYS: Final[Mapping[str, EmailRelay]] = MappingProxyType(
    {module.name: import_module(f"{relays.__name__}.{module.name}").RELAY for module in iter_modules(relays.__path__)}
)
"""Relays by name."""


def check_provider(email_provider: str) -> str:
    """Return MUSTER_EMAIL_PROVIDER, unless no relay has that name.

    Raises:
        ValueError: no relay has that name.
    """
    if email_provider and email_provider not in RELAYS:
        raise ValueError(f"{email_provider} is none of {' and '.join(RELAYS)}")
    return email_provider
