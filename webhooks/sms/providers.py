"""Registry of the webhooks of SMS providers: a module here has the name of the provider's folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from aiohttp import web

from core.errors import Unavailable
from core.runtime import Runtime
from messaging.provider_names import SMS_PROVIDERS
from webhooks.inbound_log.inbound_log import Intake, ItemHandler
from webhooks.sms.sms_webhooks import SmsWebhooks

WEBHOOKS: Final[Mapping[str, SmsWebhooks]] = MappingProxyType(
    {name: import_module(f"{__package__}.{name}").WEBHOOKS for name in SMS_PROVIDERS}
)
"""Webhooks by provider."""

HANDLERS: Final[Mapping[str, ItemHandler]] = MappingProxyType(
    {source: handler for webhook in WEBHOOKS.values() for source, handler in webhook.handlers.items()}
)
"""Handlers of inbound items, by source."""

UNDATED: Final = tuple(
    source for webhook in WEBHOOKS.values() if not webhook.proves_date for source in webhook.handlers
)
"""Sources whose items can be sent again at any time with the same proof of origin."""


def routes(intake: Intake) -> list[web.RouteDef]:
    """Return the routes of all providers.

    Args:
        intake: stores what comes in.
    """
    return [route for webhook in WEBHOOKS.values() for route in webhook.routes(intake)]


async def backfill(runtime: Runtime) -> int:
    """Store the texts that a provider has and we lack, if a look is due.

    Returns:
        How many texts were new to us.

    Raises:
        Unavailable: a provider's list cannot be read, or the database does not answer; every other list has been read.
    """
    fetched, away = 0, None
    for webhook in WEBHOOKS.values():
        if webhook.backfill is not None:
            try:
                fetched += await webhook.backfill(runtime)
            except Unavailable as error:
                away = error
    if away is not None:
        raise away
    return fetched
