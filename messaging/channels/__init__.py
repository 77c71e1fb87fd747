"""The ways to reach people that the settings allow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from messaging.channels.base import Channel
from messaging.channels.smtp import SmtpChannel
from messaging.channels.twilio import TwilioChannel
from messaging.settings import Settings

__all__ = ["Channel", "check_channels", "open_channels"]


def check_channels(settings: Settings) -> None:
    """Look at once for what would keep a worker from starting: a relay's address, a key, a file of certificates.

    Raises:
        SettingsError: one of them cannot be used.
    """
    if settings.has_email:
        SmtpChannel(settings)


@asynccontextmanager
async def open_channels(settings: Settings, http: aiohttp.ClientSession) -> AsyncIterator[dict[str, Channel]]:
    """The channels that are configured, by name, closed at the end.

    Args:
        settings: which providers, and how to reach them.
        http: the shared session.

    Raises:
        SettingsError: a provider's address, or a file the settings name, cannot be right.
    """
    channels: dict[str, Channel] = {}
    if settings.has_sms:
        channels["sms"] = TwilioChannel(settings, http)
    if settings.has_email:
        channels["email"] = SmtpChannel(settings)
    try:
        yield channels
    finally:
        for channel in channels.values():
            await channel.close()
