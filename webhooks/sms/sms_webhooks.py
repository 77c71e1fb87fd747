"""Description of an SMS provider's webhooks for the rest of Muster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from core.runtime import Runtime
from webhooks.inbound_log.inbound_log import Intake, ItemHandler


@dataclass(frozen=True, slots=True)
class SmsWebhooks:
    """Webhooks of an SMS provider, as its module describes them in `WEBHOOKS`.

    Attributes:
        routes: makes its routes, `/webhooks/<provider>/…`.
        handlers: handlers of inbound items, by source: `<provider>_status`, `<provider>_inbound`.
        proves_date: whether the verification of a request also proves when it was made, so that an old one is refused.
        backfill: stores the texts that the provider has and we lack, and counts them; None if it keeps no list.
    """

    routes: Callable[[Intake], Sequence[web.RouteDef]]
    handlers: Mapping[str, ItemHandler]
    proves_date: bool = False
    backfill: Callable[[Runtime], Awaitable[int]] | None = None
