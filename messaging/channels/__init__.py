"""Channels that the settings configure: SMS and email, by their providers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.settings import Settings
from messaging.channels.channel import Channel
from messaging.channels.failover import FailoverChannel, TextProvider
from messaging.channels.providers import PROVIDERS, check_names, has_sms, sms_costs

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Channel", "check_channels", "has_sms", "open_channels"]


def check_channels(settings: Settings) -> None:
    """Check at once the settings that would keep a worker from starting: relay address, DKIM key, certificate file.

    Raises:
        SettingsError: one of them cannot be used.
    """
    if settings.has_email:
        _open_email(settings)


@asynccontextmanager
async def open_channels(settings: Settings, http: aiohttp.ClientSession) -> AsyncIterator[dict[str, Channel]]:
    """Open the channels that are configured, by name; close them at the end.

    Args:
        settings: names the providers, and has their addresses and keys.
        http: the shared session.

    Raises:
        SettingsError: a provider's address, or a file the settings name, cannot be used, or a provider is named that is
            not set up.
    """
    channels: dict[str, Channel] = {}
    if has_sms(settings):
        channels["sms"] = _open_sms(settings, http)
    if settings.has_email:
        channels["email"] = _open_email(settings)
    try:
        yield channels
    finally:
        for channel in channels.values():
            await channel.close()


def _open_email(settings: Settings) -> Channel:
    from messaging.channels.smtp.channel import (
        SmtpChannel,  # late: it loads an SMTP client
    )

    return SmtpChannel(settings)


def _open_sms(settings: Settings, http: aiohttp.ClientSession) -> Channel:
    """Open the channel of the only SMS provider, or one channel that has several behind it."""
    costs = sms_costs(settings)
    try:
        check_names(settings.sms_providers)
    except ValueError as error:
        raise SettingsError(f"MUSTER_SMS_PROVIDERS: {error}.", remedy="See docs/settings.md.") from None
    lacking = [name for name in costs if not PROVIDERS[name].is_set_up(settings)]
    if lacking:
        raise SettingsError(
            f"MUSTER_SMS_PROVIDERS names {' and '.join(lacking)}, but not all of its settings are there.",
            remedy="docs/providers.md lists what each provider needs.",
        )
    chosen = [(PROVIDERS[name], cost) for name, cost in costs.items()]
    if len(chosen) == 1 and chosen[0][0].sent_from is None:
        return chosen[0][0].open_channel(settings, http)
    return FailoverChannel(
        [
            TextProvider(
                provider.open_channel(settings, http),
                cost,
                provider.sent_from(settings) if provider.sent_from is not None else None,
            )
            for provider, cost in chosen
        ],
        sms_from=settings.sms_from,
    )
