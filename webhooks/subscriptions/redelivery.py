"""Single requests outside the normal order: one event again, or a test. The subscription's cursor does not move."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from core.db import Connection, load_queries
from core.errors import NotFound
from core.http.outbound_http import OutboundHttp, OutboundReply
from core.runtime import Runtime
from webhooks.subscriptions.delivery import DeliveryState, delivery_state_of
from webhooks.subscriptions.event_types import webhook_id, write
from webhooks.subscriptions.payload import WebhookEvent, bodies, sign_payload
from webhooks.subscriptions.subscriptions import get_subscription

SQL: Final = load_queries(__file__)


async def resend(runtime: Runtime, outbound_http: OutboundHttp, name: str, seq: int) -> OutboundReply:
    """Send one event of the event log again, whatever its type, under the same id.

    Args:
        runtime: the runtime.
        outbound_http: sends the request.
        name: the subscription.
        seq: the event's number.

    Raises:
        NotFound: there is no such subscription or event.
    """
    async with runtime.pool.acquire() as db:
        state = await _delivery_state(runtime, db, name)
        row = await db.fetchrow(SQL["find_event"], seq)
        if row is None:
            raise NotFound(
                f"There is no event {seq}.",
                remedy="It was never recorded, or is older than MUSTER_KEEP_EVENTS days.",
            )
        event = WebhookEvent(**row)
        [body] = await bodies(db, [event], state.include)
    return await _send(runtime, outbound_http, state, (event.seq, webhook_id(event.seq), event.type, "resend"), body)


async def send_test(runtime: Runtime, outbound_http: OutboundHttp, name: str) -> OutboundReply:
    """Send a `webhook.test`, signed like everything else.

    Raises:
        NotFound: there is no such subscription.
    """
    async with runtime.pool.acquire() as db:
        state = await _delivery_state(runtime, db, name)
    event_id = f"test_{uuid4().hex}"
    body = write("webhook.test", event_id=event_id, cursor=None, at=runtime.clock(), data={"subscription": state.name})
    return await _send(runtime, outbound_http, state, (None, event_id, "webhook.test", "test"), body)


async def _delivery_state(runtime: Runtime, db: Connection, name: str) -> DeliveryState:
    row = await db.fetchrow(SQL["find_subscription"], name)
    if row is None:
        await get_subscription(db, name)  # raises an error that lists the known names
    assert row is not None
    return delivery_state_of(row, runtime.settings, runtime.clock())


async def _send(
    runtime: Runtime,
    outbound_http: OutboundHttp,
    state: DeliveryState,
    what: tuple[int | None, str, str, str],
    body: bytes,
) -> OutboundReply:
    at, event_id = runtime.clock(), what[1]
    reply = await outbound_http.send("POST", state.url, body, sign_payload(state.secrets, event_id, at, body))
    await runtime.pool.execute(
        SQL["insert_delivery"], state.subscription_id, *what, at, reply.took, reply.status, reply.problem, reply.text
    )
    return reply
