"""Email providers' webhooks at `/webhooks/email/<provider>`: a module for each provider, with shared receivers."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Final, Protocol

from aiohttp import web

from webhooks.email import providers
from webhooks.email.inbound import InboundProvider, InboundReceiver
from webhooks.email.receiver import EventProvider, EventReceiver, handler, source_of
from webhooks.inbound_log.inbound_log import Intake, ItemHandler


class EmailProvider(EventProvider, InboundProvider, Protocol):
    """Interface of a provider that reports events and accepts mail."""


def _find() -> tuple[type[EmailProvider], ...]:
    modules = [import_module(f"{providers.__name__}.{module.name}") for module in iter_modules(providers.__path__)]
    return tuple(module.PROVIDER for module in modules if hasattr(module, "PROVIDER"))


PROVIDERS: Final = _find()
"""The providers, by name; each module names its class `PROVIDER`."""

HANDLERS: Final[Mapping[str, ItemHandler]] = MappingProxyType(
    {source_of(provider.name): handler(provider()) for provider in PROVIDERS}
)
"""Handlers of providers' events, by source."""


def routes(intake: Intake) -> list[web.RouteDef]:
    """Return the routes of all providers. One that is not set up answers 404 like any unknown URL.

    Args:
        intake: stores what comes in.
    """
    known = [provider() for provider in PROVIDERS]
    inbound = [route for provider in known for route in InboundReceiver(intake, provider).routes]
    return [*(EventReceiver(intake, provider).route for provider in known), *inbound]
