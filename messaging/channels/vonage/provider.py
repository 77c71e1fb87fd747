"""Description of Vonage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from core.settings import Settings
from messaging.channels.sms_provider import SmsProvider

if TYPE_CHECKING:
    import aiohttp

    from messaging.channels.channel import Channel


def _is_set_up(settings: Settings) -> bool:
    return bool(settings.vonage_api_key and settings.vonage_api_secret and settings.vonage_signature_secret)


def _open(settings: Settings, http: aiohttp.ClientSession) -> Channel:
    from messaging.channels.vonage.channel import VonageChannel

    return VonageChannel(settings, http)


def _sent_from(settings: Settings) -> str | None:
    return settings.vonage_sms_from


PROVIDER: Final = SmsProvider("vonage", preference=20, is_set_up=_is_set_up, open_channel=_open, sent_from=_sent_from)
