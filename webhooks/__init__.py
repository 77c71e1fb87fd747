"""Members' pages, providers' webhooks, an LMTP and SMTP server for mail, and the webhooks that Muster sends.

A web application needs only `routes()`, and the runtime at `app[core.http.web.RUNTIME]`. Everything that
comes in is stored first; a worker processes it with `process_inbound` and later deletes it with `delete_stale_rows`.
`backfill` fetches texts that arrived at a provider while our endpoints were down.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

from aiohttp import web

from core.db import Connection
from core.http.rate_limit import RateLimit
from core.runtime import Runtime
from webhooks import email
from webhooks.email.inbound_mail import MAIL, process_mails
from webhooks.inbound_log.inbound_log import Intake, ItemHandler, process, process_now
from webhooks.members import links, preferences, unsubscribe
from webhooks.members.pages import respond_at_front, respond_to_unknown_link
from webhooks.members.paths import is_members
from webhooks.members.user_agents import classify
from webhooks.retention import delete_stale_rows
from webhooks.sms import providers as sms
from webhooks.sms.providers import backfill

__all__ = [
    "HANDLERS",
    "backfill",
    "classify",
    "delete_stale_rows",
    "is_members",
    "process_inbound",
    "process_waiting",
    "respond_at_front",
    "respond_to_unknown_link",
    "routes",
]

HANDLERS: Final[Mapping[str, ItemHandler]] = {**sms.HANDLERS, **email.HANDLERS}
"""Handlers of inbound items, by source. Mail needs more than a connection: see `process_inbound`."""


def routes() -> list[web.RouteDef]:
    """Return all routes for members and providers.

    The members' links match any first word of a path: add them last.
    """
    rate_limit, intake = RateLimit("links"), Intake()
    providers = [*sms.routes(intake), *email.routes(intake)]
    return [*providers, *unsubscribe.routes(rate_limit), *preferences.routes(rate_limit), *links.routes(rate_limit)]


async def process_inbound(runtime: Runtime, limit: int) -> int:
    """Process the inbound items that are due.

    Args:
        runtime: where it is stored.
        limit: most items in one go.

    Returns:
        How many were processed or tried; fewer than `limit` if nothing else is due.
    """
    return await process(runtime, limit, _handlers(runtime), slow={MAIL})


async def process_waiting(runtime: Runtime, db: Connection, inbound_ids: Collection[int]) -> bool:
    """Process some inbound items at once, due or not.

    Args:
        runtime: where it is stored.
        db: a connection without a transaction.
        inbound_ids: which rows.

    Returns:
        Whether all of them have been dealt with.
    """
    return await process_now(runtime, db, inbound_ids, _handlers(runtime))


def _handlers(runtime: Runtime) -> Mapping[str, ItemHandler]:
    return {**HANDLERS, MAIL: partial(process_mails, runtime)}
