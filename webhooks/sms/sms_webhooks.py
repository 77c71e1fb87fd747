"""Description of the webhooks of a provider of texts: what the rest of Muster needs to know of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from core.runtime import Runtime
from webhooks.inbound_log.inbound_log import Intake, ItemHandler


@dataclass(frozen=True, slots=True)
class SmsWebhooks:
    """Webhooks of a provider of texts, as its module describes them in `WEBHOOKS`.

    Attributes:
        routes: makes its routes, `/webhooks/<provider>/…`.
        handlers: handlers of what has come in, by source: `<provider>_status`, `<provider>_inbound`.
        proves_date: whether what verifies a request also proves when it was made, so that an old one is refused.
        backfill: stores the texts that the provider has and we lack, and counts them; None if it keeps no list.
    """

    routes: Callable[[Intake], Sequence[web.RouteDef]]
    handlers: Mapping[str, ItemHandler]
    proves_date: bool = False
    backfill: Callable[[Runtime], Awaitable[int]] | None = None
