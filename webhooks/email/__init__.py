"""Email providers' webhooks at `/webhooks/email/<provider>`: a module for each provider, with shared receivers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

from webhooks.email.inbound import InboundReceiver
from webhooks.email.providers.mailgun import Mailgun
from webhooks.email.providers.postmark import Postmark
from webhooks.email.providers.sendgrid import SendGrid
from webhooks.email.providers.ses import Ses
from webhooks.email.receiver import EventReceiver, handler, source_of
from webhooks.inbound_log.inbound_log import Handler, Intake

PROVIDERS: Final[tuple[type[SendGrid | Mailgun | Postmark | Ses], ...]] = (SendGrid, Mailgun, Postmark, Ses)

HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
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
