"""A worker to be killed: `python outbox_worker.py DATABASE REDIS SMTP_URL CONNECTIONS` sends whatever is due."""

import asyncio
import sys

from pydantic import SecretStr

from core.runtime import open_runtime
from core.settings import Settings
from messaging.channels import open_channels
from messaging.outbox.dispatcher import Dispatcher


async def main(database_url: str, redis_url: str, smtp_url: str, connections: str) -> None:
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        redis_url=redis_url,
        secret_key="a secret for tests only and long enough",
        email_from="Muster Union <ballot@union.test>",
        smtp_url=SecretStr(smtp_url),
        smtp_connections=int(connections),
    )
    async with open_runtime(settings) as runtime, open_channels(settings, runtime.http) as channels:
        await Dispatcher(runtime, channels).run(until_idle=False)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
