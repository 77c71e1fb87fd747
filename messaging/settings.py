"""Settings of Muster and of the providers: `core.settings.Settings` and each provider's own model in one class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel, create_model, field_validator

from core.settings import Settings, read_settings
from messaging.channels.providers import PROVIDERS, check_names
from messaging.channels.sms_provider import SmsProvider
from messaging.channels.smtp.email_relay import EmailRelay
from messaging.channels.smtp.relay_registry import RELAYS, check_provider


def _own() -> Iterator[tuple[str, type[BaseModel]]]:
    described: tuple[EmailRelay | SmsProvider, ...] = (*RELAYS.values(), *PROVIDERS.values())
    for provider in described:
        if provider.settings is None:
            continue
        wrong = [field for field in provider.settings.model_fields if not field.startswith(f"{provider.name}_")]
        if wrong:
            raise TypeError(f"Settings of {provider.name} must begin with {provider.name}_, not so {', '.join(wrong)}.")
        yield provider.name, provider.settings


OWN_SETTINGS: Final = tuple(_own())
"""Providers that bring settings, and the models of these."""


def _all() -> type[Settings]:
    own: tuple[type[Any], ...] = tuple(model for _, model in OWN_SETTINGS)
    return create_model(
        "AllSettings",
        __base__=(Settings, *own),
        __validators__={
            "check_sms_providers": field_validator("sms_providers")(check_names),
            "check_email_provider": field_validator("email_provider")(check_provider),
        },
    )


AllSettings: Final = _all()
"""The class of the settings that `load_settings` reads."""


def load_settings() -> Settings:
    """Read the settings from the environment, with each provider's own.

    Raises:
        SettingsError: a value cannot be right; the message has a line for each such setting.
    """
    return read_settings(AllSettings)
