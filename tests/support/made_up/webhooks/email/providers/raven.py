"""Raven's webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from core.runtime import Runtime
from core.settings import Settings
from messaging.channels.smtp.relays.raven import RavenSettings  # type: ignore[import-not-found,unused-ignore]
from webhooks.email.events import EmailEvent, find_message
from webhooks.email.inbound import PostedMail
from webhooks.email.receiver import ReceivedEvent, Forged, read_object, text


class Raven:
    name = "raven"
    proves_date = False

    def is_set_up(self, settings: Settings) -> bool:
        return isinstance(settings, RavenSettings) and settings.raven_secret is not None

    async def read(self, runtime: Runtime, request: web.Request, body: bytes) -> Sequence[ReceivedEvent]:
        self.recognise(runtime, request)
        event = read_object(body)
        return [ReceivedEvent(text(event.get("id")), find_message(runtime.keyring, event.get("reference")), event)]

    def recognise(self, runtime: Runtime, request: web.Request) -> bool:
        settings = runtime.settings
        assert isinstance(settings, RavenSettings)
        secret = settings.raven_secret
        if secret is None or request.headers.get("X-Raven-Secret") != secret.get_secret_value():
            raise Forged("the secret is wrong")
        return True

    async def read_mail(self, runtime: Runtime, request: web.Request, body: bytes) -> PostedMail | None:
        return None

    def understand(self, event: Mapping[str, Any], at: datetime) -> EmailEvent | None:
        return EmailEvent("delivered", at, "perched")


PROVIDER: Final = Raven
