"""The sandbox's Twilio, and a program that uses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from sandbox import Sandbox, SandboxConfig, TwilioConfig, open_sandbox

ANNA = "+447700900123"

OURS = "+447480000001"

QUICK = TwilioConfig(
    sent_after=(0.0, 0.01), delivered_after=(0.0, 0.02), late_after=(0.05, 0.1), late=0, repeated=0, shuffled=0
)


@dataclass
class Hook:
    """A webhook of ours: what it was sent, and whether the signature was right."""

    url: str
    posts: list[dict[str, str]]
    valid: list[bool]
    status: int = 204
    twiml: str = ""

    def statuses(self, sid: str | None = None) -> list[str]:
        return [post["MessageStatus"] for post in self.posts if sid in (None, post["MessageSid"])]


@asynccontextmanager
async def open_hook(token: str = QUICK.auth_token) -> AsyncIterator[Hook]:
    hook = Hook("", [], [])

    async def take(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        signature = request.headers["X-Twilio-Signature"]
        hook.posts.append(form)
        hook.valid.append(RequestValidator(token).validate(str(request.url), form, signature))
        if hook.twiml:
            return web.Response(text=hook.twiml, content_type="text/xml")
        return web.Response(status=hook.status)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?m=12-ab"
    yield hook
    await runner.cleanup()


class Sdk:
    """The official client, pointed at the sandbox; its calls block, so each goes to a thread."""

    def __init__(self, sandbox: Sandbox, token: str | None = None) -> None:
        config = sandbox.config.twilio
        self._http = TwilioHttpClient(timeout=5)
        self._client = Client(config.account_sid, token or config.auth_token, http_client=self._http)
        self._client.api.base_url = sandbox.twilio_base_url

    async def do(self, call: Callable[[Client], Any]) -> Any:
        return await asyncio.to_thread(call, self._client)

    async def create(self, **fields: Any) -> Any:
        fields = {"to": ANNA, "from_": OURS, "body": "Hello", **fields}
        return await self.do(lambda client: client.messages.create(**fields))

    def close(self) -> None:
        self._http.session.close()


async def refusal(sdk: Sdk, **fields: Any) -> TwilioRestException:
    with pytest.raises(TwilioRestException) as caught:
        await sdk.create(**fields)
    return caught.value


def basic_auth(sandbox: Sandbox) -> str:
    config = sandbox.config.twilio
    return aiohttp.encode_basic_auth(config.account_sid, config.auth_token)


SERVICE = "MG" + "0" * 32


@asynccontextmanager
async def open_both(config: TwilioConfig) -> AsyncIterator[tuple[Sandbox, Sdk]]:
    async with open_sandbox(SandboxConfig(twilio=config)) as sandbox:
        sdk = Sdk(sandbox)
        yield sandbox, sdk
        sdk.close()
