"""Pigeon, a made-up provider of texts: its settings, its channel and its description."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import aiohttp
from pydantic import BaseModel, Field, SecretStr

from core.settings import Settings
from messaging.channels.channel import Accepted, Channel, OutboundMessage, OutboundText, SendResult, Trace, Unknown
from messaging.channels.sms_provider import SmsProvider


class PigeonSettings(BaseModel):
    """Settings of its own: MUSTER_PIGEON_…"""

    pigeon_secret: SecretStr | None = Field(None, description="Pigeon's secret, which it and we send.")
    pigeon_sms_from: str | None = Field(None, description="The number that texts by Pigeon leave from.")
    pigeon_base_url: str = Field("https://pigeon.test", description="Where Pigeon's API is.")


class PigeonChannel:
    """Channel for texts through one Pigeon account."""

    name: Final = "sms"
    provider: Final = "pigeon"
    connections: Final = 4

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        own = _own(settings)
        assert own.pigeon_secret is not None
        self._http = http
        self._url = f"{own.pigeon_base_url}/texts"
        self._headers = {"X-Pigeon-Secret": own.pigeon_secret.get_secret_value()}

    async def send(self, outbound: OutboundMessage) -> SendResult:
        assert isinstance(outbound, OutboundText)
        said = {"to": outbound.to, "from": outbound.sender, "text": outbound.body, "reference": outbound.signed_id}
        try:
            async with self._http.post(self._url, json=said, headers=self._headers) as response:
                return Accepted(str(response.status), (await response.json())["id"])
        except (aiohttp.ClientError, OSError, ValueError, LookupError) as error:
            return Unknown(str(error))

    async def trace(self, outbound: OutboundMessage, since: datetime) -> list[Trace] | None:
        return None

    async def close(self) -> None:
        pass


def _own(settings: object) -> PigeonSettings:
    """Muster's settings have ours among them once the registry has put them together."""
    assert isinstance(settings, PigeonSettings)
    return settings


def _is_set_up(settings: Settings) -> bool:
    return _own(settings).pigeon_secret is not None


def _open(settings: Settings, http: aiohttp.ClientSession) -> Channel:
    return PigeonChannel(settings, http)


def _sent_from(settings: Settings) -> str | None:
    return _own(settings).pigeon_sms_from


PROVIDER: Final = SmsProvider(
    "pigeon",
    preference=5,
    is_set_up=_is_set_up,
    open_channel=_open,
    sent_from=_sent_from,
    settings=PigeonSettings,
)
