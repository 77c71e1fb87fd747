"""A worker to be killed: `python webhook_worker.py DATABASE REDIS` delivers webhooks until then."""

import asyncio
import sys

from core.http.outbound_http import open_outbound_http
from core.runtime import open_runtime
from core.settings import Settings
from tests.support.receivers import LOOPBACK
from webhooks.subscriptions.delivery import WebhookDelivery


async def main(database_url: str, redis_url: str) -> None:
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        redis_url=redis_url,
        secret_key="a secret for tests only and long enough",
        outgoing_allow=(LOOPBACK,),
    )
    async with open_runtime(settings) as runtime, open_outbound_http(settings.outgoing_allow) as outside:
        sender = WebhookDelivery(runtime, outside)
        while True:
            await sender.start()
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
