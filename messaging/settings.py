"""Settings with those that providers bring: `core.settings.Settings` and each provider's own model in one class."""

from __future__ import annotations

from typing import Any, Final

from pydantic import create_model, field_validator

from core.settings import Settings, read_settings
from messaging.channels.providers import PROVIDERS, check_names


def _own(settings: type[Any], name: str) -> type[Any]:
    foreign = [field for field in settings.model_fields if not field.startswith(f"{name}_")]
    if foreign or settings.model_fields.keys() & Settings.model_fields.keys():
        raise TypeError(f"Settings of {name} must begin with {name}_ and be in no other model: {', '.join(foreign)}.")
    return settings


def _with_own() -> type[Settings]:
    own = (_own(one.settings, one.name) for one in PROVIDERS.values() if one.settings is not None)
    return create_model(
        "AllSettings",
        __base__=(Settings, *own),
        __validators__={"check_sms_providers": field_validator("sms_providers")(check_names)},
    )


AllSettings: Final = _with_own()
"""The class of the settings that `load_settings` reads."""


def load_settings() -> Settings:
    """Read the settings from the environment, with each provider's own.

    Raises:
        SettingsError: a value cannot be right; the message has a line for each such setting.
    """
    return read_settings(AllSettings)
