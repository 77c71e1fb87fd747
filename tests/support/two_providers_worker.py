"""A worker to be killed: sends whatever is due, by the providers its environment names."""

import asyncio

from core.runtime import open_runtime
from messaging.channels import open_channels
from messaging.outbox.dispatcher import Dispatcher
from messaging.settings import load_settings


async def main() -> None:
    settings = load_settings()
    async with open_runtime(settings) as runtime, open_channels(settings, runtime.http) as channels:
        await Dispatcher(runtime, channels).run(until_idle=False)


if __name__ == "__main__":
    asyncio.run(main())
