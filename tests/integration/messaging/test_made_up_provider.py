"""Providers that do not exist, each added to a copy of Muster as one folder or module for sending and one for webhooks.

No other file is touched.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from core.db import Connection
from core.keyring import Keyring
from core.runtime import Runtime
from core.settings import ROOT, Settings
from messaging.suppression import lift, suppress
from tests.support.inbound_rows import PHONE, make_campaign
from tests.support.waiting import until

MADE_UP = ROOT / "tests" / "support" / "made_up"
SECRET = "q9Zt3vLm8sXw2RbK7fYc5NdJ1hGp4UeA"
PIGEON = {"X-Pigeon-Secret": "coo"}
RAVEN = {"X-Raven-Secret": "caw"}
PIGEON_FROM = "+447480333333"


@dataclass
class PigeonApi:
    """Pigeon's API: it takes texts, and keeps them."""

    texts: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        assert request.headers["X-Pigeon-Secret"] == PIGEON["X-Pigeon-Secret"]
        self.texts.append(await request.json())
        return web.json_response({"id": f"coo-{len(self.texts)}"}, status=201)


@pytest.fixture
async def pigeon_api() -> AsyncIterator[PigeonApi]:
    made = PigeonApi()
    app = web.Application()
    app.router.add_post("/texts", made.take)
    async with TestServer(app) as server:
        made.url = str(server.make_url("")).rstrip("/")
        yield made


@pytest.fixture(scope="module")
def project_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of Muster's packages with the provider's folder and module put into it."""
    folder = tmp_path_factory.mktemp("copy")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["importlinter"]["root_packages"]
    for name in (*packages, "tools"):
        shutil.copytree(ROOT / name, folder / name)  # with modification times, so that compiled modules stay valid
    (folder / "templates").symlink_to(ROOT / "templates")
    added = [path.relative_to(MADE_UP) for path in MADE_UP.rglob("*.py")]
    assert {str(path) for path in added} == {
        "messaging/channels/pigeon/__init__.py",
        "messaging/channels/pigeon/provider.py",
        "webhooks/sms/pigeon.py",
        "messaging/channels/smtp/relays/raven.py",
        "webhooks/email/providers/raven.py",
    }
    for path in added:
        assert not (folder / path).exists(), "a new provider changes no file"
    shutil.copytree(MADE_UP, folder, dirs_exist_ok=True)
    return folder


def environment(project_copy: Path, settings: Settings, pigeon_api: PigeonApi, port: int) -> dict[str, str]:
    assert settings.database_url is not None
    assert settings.redis_url is not None
    own = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    return own | {
        "PYTHONPATH": str(project_copy),
        "MUSTER_DATABASE_URL": settings.database_url,
        "MUSTER_REDIS_URL": settings.redis_url,
        "MUSTER_SECRET_KEY": SECRET,
        "MUSTER_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "MUSTER_LISTEN": f"127.0.0.1:{port}",
        "MUSTER_SMS_FROM": "+447480111111",
        "MUSTER_PIGEON_SECRET": PIGEON["X-Pigeon-Secret"],
        "MUSTER_PIGEON_SMS_FROM": PIGEON_FROM,
        "MUSTER_PIGEON_BASE_URL": pigeon_api.url,
        "MUSTER_EMAIL_PROVIDER": "raven",
        "MUSTER_RAVEN_SECRET": RAVEN["X-Raven-Secret"],
    }


@asynccontextmanager
async def started(
    project_copy: Path, variables: Mapping[str, str], *words: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of the copy, until the block is left."""
    with (project_copy / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            env=variables,
            cwd=project_copy,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)


async def output(project_copy: Path, variables: Mapping[str, str], *words: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        env=variables,
        cwd=project_copy,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_a_text_is_sent_and_its_receipt_a_stop_and_an_emails_event_are_taken(
    project_copy: Path, runtime: Runtime, db: Connection, owner: Connection, pigeon_api: PigeonApi, unused_tcp_port: int
) -> None:
    here = replace(runtime, keyring=Keyring((SecretStr(SECRET),)))
    campaign = await make_campaign(here, db, now=datetime.now(UTC))
    recipient = await campaign.ask(sms=PHONE)
    email = (await campaign.ask(email="ann@example.org")).message_id
    await owner.execute("delete from message where step_id = $1 and channel = 'email'", campaign.later_id)
    await db.execute("update message set variables = $1", {"first_name": "Ann"})
    later = await db.fetchval("select message_id from message where step_id = $1", campaign.later_id)
    variables = environment(project_copy, runtime.settings, pigeon_api, unused_tcp_port)
    url = f"http://127.0.0.1:{unused_tcp_port}"

    async def state() -> str:
        return str(await db.fetchval("select state::text from message where message_id = $1", later))

    async def is_sent() -> bool:
        assert web_server.returncode is None, (project_copy / "log").read_text(encoding="utf-8")
        assert worker.returncode is None, (project_copy / "log").read_text(encoding="utf-8")
        return bool(pigeon_api.texts) and await state() == "accepted"

    async def answers() -> bool:
        assert web_server.returncode is None, (project_copy / "log").read_text(encoding="utf-8")
        try:
            async with http.get(f"{url}/healthz") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def is_delivered() -> bool:
        return await state() == "delivered"

    async def is_stopped() -> bool:
        return bool(await db.fetchval("select count(*) from suppression where address = $1", PHONE))

    async def is_perched() -> bool:
        return bool(await db.fetchval("select state = 'delivered' from message where message_id = $1", email))

    async def post(path: str, said: Mapping[str, str], headers: Mapping[str, str] = PIGEON) -> int:
        async with http.post(f"{url}/webhooks/{path}", json=said, headers=headers) as response:
            return response.status

    async with (
        aiohttp.ClientSession() as http,
        started(project_copy, variables, "-m", "muster", "serve") as web_server,
        started(project_copy, variables, "-m", "muster", "worker") as worker,
    ):
        await until(is_sent, seconds=60)
        [text] = pigeon_api.texts
        assert (text["to"], text["from"]) == (PHONE, PIGEON_FROM)
        assert text["text"].startswith("Hi Ann, have you posted your ballot paper?")
        provider = await db.fetchrow("select provider, sent_from from message where message_id = $1", later)
        assert provider is not None
        assert tuple(provider) == ("pigeon", PIGEON_FROM)

        await until(answers, seconds=60)
        receipt = {"id": "coo-1", "status": "landed", "reference": text["reference"]}
        assert await post("pigeon/status", receipt, {"X-Pigeon-Secret": "caw"}) == 403
        assert await post("pigeon/status", receipt) == 200
        await until(is_delivered)

        stop = {"id": "coo-2", "from": PHONE, "to": PIGEON_FROM, "text": "STOP"}
        assert await post("pigeon/inbound", stop) == 200
        await until(is_stopped)

        event = {"id": "caw-1", "reference": here.keyring.sign_id(email, "bounce")}
        assert await post("email/raven", event) == 403
        assert await post("email/raven", event, RAVEN) == 200
        await until(is_perched)
    reply = await db.fetchrow("select person_id, reading from reply")
    assert reply is not None
    assert tuple(reply) == (recipient.person_id, "opt_out")
    assert await db.fetchval("select count(*) from inbound_log where processed_at is null") == 0


async def test_an_opt_out_that_it_reported_keeps_its_source_when_the_person_is_erased(
    project_copy: Path, runtime: Runtime, db: Connection, pigeon_api: PigeonApi, unused_tcp_port: int
) -> None:
    here = replace(runtime, keyring=Keyring((SecretStr(SECRET),)))
    campaign = await make_campaign(here, db, now=datetime.now(UTC))
    await campaign.ask(sms=PHONE)
    for source in ("pigeon", "raven", "letter from Ann Lee", "link"):
        await suppress(db, channel="sms", address=PHONE, reason="opted_out", source=source)
        await lift(db, channel="sms", address=PHONE, reason="opted_in", source=source)
    variables = environment(project_copy, runtime.settings, pigeon_api, unused_tcp_port)
    code, words = await output(project_copy, variables, "-m", "muster", "people", "erase", "P1", "--yes")
    assert code == 0, words
    sources = await db.fetch("select source from suppression_event where channel = 'sms' order by event_id")
    assert [row["source"] for row in sources] == [
        "pigeon", "pigeon", "raven", "raven", "erased", "erased", "link", "link"
    ]  # fmt: skip


async def test_its_settings_are_documented_hinted_at_and_refused_like_any(
    project_copy: Path, settings: Settings, pigeon_api: PigeonApi, unused_tcp_port: int
) -> None:
    variables = environment(project_copy, settings, pigeon_api, unused_tcp_port)
    _, page = await output(project_copy, variables, "-c", "from tools.settings_page import page; print(page())")
    assert "## Pigeon\n\n### `MUSTER_PIGEON_SECRET`\n\nPigeon's secret, which it and we send." in page
    assert "## Raven\n\n### `MUSTER_RAVEN_SECRET`" in page
    _, hint = await output(project_copy, variables | {"MUSTER_PIGEON_SECRT": "coo"}, "-m", "muster", "people", "count")
    assert "Did you mean MUSTER_PIGEON_SECRET?" in hint
    refused = await output(
        project_copy, variables | {"MUSTER_SMS_PROVIDERS": "raven"}, "-m", "muster", "people", "count"
    )
    assert refused[0] == 1
    assert "MUSTER_SMS_PROVIDERS: raven is none of pigeon and twilio and vonage" in refused[1]
    refused = await output(
        project_copy, variables | {"MUSTER_EMAIL_PROVIDER": "rook"}, "-m", "muster", "people", "count"
    )
    assert "MUSTER_EMAIL_PROVIDER: rook is none of mailgun and postmark and raven and sendgrid and ses" in refused[1]
    signed = (
        "from messaging.channels.smtp.provider_headers import reference_header;"
        "from messaging.settings import load_settings;"
        "print(reference_header(load_settings())('b+1-abcdefgh@bounces.union.test'))"
    )
    assert "X-Raven-Reference: 1-abcdefgh" in (await output(project_copy, variables, "-c", signed))[1]
    by_rank = "from messaging.channels.providers import PROVIDERS; from webhooks.retention import UNDATED;"
    _, said = await output(project_copy, variables, "-c", f"{by_rank} print(*PROVIDERS, *UNDATED[:3])")
    assert said.split() == ["pigeon", "twilio", "vonage", "twilio_status", "twilio_inbound", "vonage_status"]
