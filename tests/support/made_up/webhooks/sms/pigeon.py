"""Pigeon's webhooks: receipts and members' texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from campaigns.replies.answers import Inbound, answer_reply
from core.db import Connection
from core.http.web import RUNTIME
from messaging.channels.pigeon.provider import PigeonSettings  # type: ignore[import-not-found,unused-ignore]
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.reasons import Reason
from messaging.states import State
from webhooks.errors import forged
from webhooks.inbound_log.inbound_log import Intake, Item
from webhooks.sms.sms_webhooks import SmsWebhooks

STATUS: Final = "pigeon_status"
INBOUND: Final = "pigeon_inbound"
STATES: Final = {"landed": State.DELIVERED, "stopped": State.UNDELIVERED}


def routes(intake: Intake) -> list[web.RouteDef]:
    async def receive_status(request: web.Request) -> web.Response:
        runtime, said = request.app[RUNTIME], await _read(request)
        await intake.store(
            runtime,
            source=STATUS,
            dedupe_key=f"{said['id']}:{said['status']}",
            subject=f"pigeon:{said['id']}",
            payload={"said": said, "message_id": runtime.keyring.verify_id(said["reference"], "status")},
        )
        return web.Response()

    async def receive_text(request: web.Request) -> web.Response:
        said = await _read(request)
        await intake.store(
            request.app[RUNTIME],
            source=INBOUND,
            dedupe_key=said["id"],
            subject=f"phone:{said['from']}",
            payload={"said": said},
        )
        return web.Response()

    return [web.post("/webhooks/pigeon/status", receive_status), web.post("/webhooks/pigeon/inbound", receive_text)]


async def _read(request: web.Request) -> dict[str, Any]:
    settings = request.app[RUNTIME].settings
    assert isinstance(settings, PigeonSettings)
    secret = settings.pigeon_secret
    if secret is None or request.headers.get("X-Pigeon-Secret") != secret.get_secret_value():
        raise forged(request)
    said: dict[str, Any] = await request.json()
    return said


async def apply_statuses(db: Connection, items: Sequence[Item]) -> None:
    await apply_receipts(db, [_receipt(item) for item in items])


def _receipt(item: Item) -> Receipt:
    said = item.payload["said"]
    return Receipt(
        message_id=item.payload["message_id"],
        provider_id=said["id"],
        state=STATES[said["status"]],
        source="pigeon",
        code=said["status"],
        at=item.received_at,
        detail={},
        reason=Reason.OPTED_OUT if said["status"] == "stopped" else None,
    )


async def read_texts(db: Connection, items: Sequence[Item]) -> None:
    for item in items:
        said = item.payload["said"]
        await answer_reply(
            db,
            Inbound(
                inbound_id=item.inbound_id,
                channel="sms",
                address=said["from"],
                senders=(said["to"],),
                text=said["text"],
                received_at=item.received_at,
                media=0,
            ),
        )


WEBHOOKS: Final = SmsWebhooks(routes=routes, handlers={STATUS: apply_statuses, INBOUND: read_texts}, proves_date=True)
