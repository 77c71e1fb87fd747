"""A bare aiohttp handler: it parses the form of a receipt and does nothing: `python -m tests.bench.bare_receipts`."""

from __future__ import annotations

import asyncio

import click
import uvloop
from aiohttp import web


async def take(request: web.Request) -> web.Response:
    """Parse the form; that is all."""
    await request.post()
    return web.Response(status=204)


async def main() -> None:
    """Run until killed."""
    app = web.Application()
    app.add_routes([web.post("/webhooks/twilio/status", take)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    click.echo(f"up {runner.addresses[0][1]} ready")
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
