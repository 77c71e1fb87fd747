"""Channels that the settings configure: SMS and email, by their providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final

import aiohttp

from core.errors import SettingsError
from core.settings import Settings
from messaging.channels.channel import Channel
from messaging.channels.failover import FailoverChannel, Member
from messaging.channels.smtp.channel import SmtpChannel
from messaging.channels.twilio.channel import TwilioChannel
from messaging.channels.vonage.channel import VonageChannel

__all__ = ["Channel", "check_channels", "open_channels"]


def check_channels(settings: Settings) -> None:
    """Check at once the settings that would keep a worker from starting: relay address, DKIM key, certificate file.

    Raises:
        SettingsError: one of them cannot be used.
    """
    if settings.has_email:
        SmtpChannel(settings)


_SMS: Final[MappingProxyType[str, Callable[[Settings, aiohttp.ClientSession], Channel]]] = MappingProxyType(
    {"twilio": TwilioChannel, "vonage": VonageChannel}
)


@asynccontextmanager
async def open_channels(settings: Settings, http: aiohttp.ClientSession) -> AsyncIterator[dict[str, Channel]]:
    """Open the channels that are configured, by name; close them at the end.

    Args:
        settings: which providers, and how to reach them.
        http: the shared session.

    Raises:
        SettingsError: a provider's address, or a file the settings name, cannot be used, or a provider is named that is
            not set up.
    """
    channels: dict[str, Channel] = {}
    if settings.has_sms:
        channels["sms"] = _open_sms(settings, http)
    if settings.has_email:
        channels["email"] = SmtpChannel(settings)
    try:
        yield channels
    finally:
        for channel in channels.values():
            await channel.close()


def _open_sms(settings: Settings, http: aiohttp.ClientSession) -> Channel:
    """Open the channel of the only SMS provider, or one channel that has several behind it."""
    costs = settings.sms_costs
    lacking = [name for name in costs if not settings.is_set_up(name)]
    if lacking:
        raise SettingsError(
            f"MUSTER_SMS_PROVIDERS names {' and '.join(lacking)}, but not all of its settings are there.",
            remedy="docs/providers.md lists what each provider needs.",
        )
    if list(costs) == ["twilio"]:
        return TwilioChannel(settings, http)
    return FailoverChannel(
        [
            Member(_SMS[name](settings, http), cost, settings.vonage_sms_from if name == "vonage" else None)
            for name, cost in costs.items()
        ]
    )
