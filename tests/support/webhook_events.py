"""Events for webhook subscriptions."""

import orjson
from jsonschema import Draft202012Validator

from core.db import Connection
from tests.support.receivers import Receiver
from webhooks.subscriptions.event_types import schemas, write

VALIDATOR = Draft202012Validator(schemas())

RECEIVER = Receiver("http://127.0.0.1:9/hook")


async def events(db: Connection) -> list[tuple[str, dict[str, object]]]:
    rows = await db.fetch("select seq, type, at, data from webhook_event order by seq")
    for row in rows:  # whatever is noted can be sent, and is what its schema says
        body = write(row["type"], event_id="evt_1", cursor=row["seq"], at=row["at"], data=row["data"])
        VALIDATOR.validate(orjson.loads(body))
    return [(row["type"], row["data"]) for row in rows]
