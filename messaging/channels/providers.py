"""Registry of SMS providers: finds the `provider.py` of each folder, and tells which are set up.

A new provider is found because its folder is there; nothing here names one.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from core.setting_types import read_costs
from core.settings import Settings
from messaging.channels.sms_provider import SmsProvider
from messaging.provider_names import SMS_PROVIDERS


def _find() -> dict[str, SmsProvider]:
    providers: list[SmsProvider] = [import_module(f"{__package__}.{name}.provider").PROVIDER for name in SMS_PROVIDERS]
    return {
        provider.name: provider
        for provider in sorted(providers, key=lambda provider: (provider.preference, provider.name))
    }


PROVIDERS: Final[Mapping[str, SmsProvider]] = MappingProxyType(_find())
"""Providers by name, the preferred one first."""


def has_sms(settings: Settings) -> bool:
    """Tell whether texts can be sent."""
    return bool(settings.sms_from and any(provider.is_set_up(settings) for provider in PROVIDERS.values()))


def sms_costs(settings: Settings) -> dict[str, float]:
    """Return the cost of a segment by provider, in order of preference; 0 if none is set."""
    named = read_costs(settings.sms_providers)
    if named:
        return {name: cost or 0.0 for name, cost in named}
    return {name: 0.0 for name, provider in PROVIDERS.items() if provider.is_set_up(settings)}


def check_names(sms_providers: str) -> str:
    """Check that MUSTER_SMS_PROVIDERS names only known providers, and return it.

    Raises:
        ValueError: the setting names an unknown provider.
    """
    unknown = [name for name, _ in read_costs(sms_providers) if name not in PROVIDERS]
    if unknown:
        raise ValueError(f"{unknown[0]} is none of {' and '.join(PROVIDERS)}")
    return sms_providers
