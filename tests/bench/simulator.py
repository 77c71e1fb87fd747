"""The sandbox's Twilio in a process of its own: `python -m tests.bench.simulator`.

Its receipts come an hour later, when everything is over: what is measured is how fast messages are taken.
"""

from __future__ import annotations

import asyncio

import click
import uvloop

from sandbox import SandboxConfig, TwilioConfig, open_sandbox

LATER = (3600.0, 3600.0)


async def main() -> None:
    """Run until killed."""
    config = SandboxConfig(twilio=TwilioConfig(sent_after=LATER, delivered_after=LATER, late=0.0))
    async with open_sandbox(config) as sandbox:
        click.echo(f"up {sandbox.twilio_base_url} {config.twilio.account_sid} {config.twilio.auth_token}")
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
