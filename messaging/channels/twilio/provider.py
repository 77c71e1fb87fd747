"""Description of Twilio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from core.settings import Settings
from messaging.channels.sms_provider import SmsProvider

if TYPE_CHECKING:
    import aiohttp

    from messaging.channels.channel import Channel


def _is_set_up(settings: Settings) -> bool:
    return bool(settings.twilio_account_sid and settings.twilio_auth_token)


def _open(settings: Settings, http: aiohttp.ClientSession) -> Channel:
    from messaging.channels.twilio.channel import TwilioChannel

    return TwilioChannel(settings, http)


PROVIDER: Final = SmsProvider("twilio", preference=10, is_set_up=_is_set_up, open_channel=_open)
