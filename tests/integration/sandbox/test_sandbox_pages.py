"""The sandbox's own pages and JSON, and the command that runs it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import aiosmtplib
import pytest

from core.errors import Unavailable
from sandbox import Sandbox, SandboxConfig, TwilioConfig, open_sandbox

ANNA = "+447700900123"
MAIL = (
    b"From: b@union.test\r\nTo: anna@example.test\r\nSubject: Vote <now>\r\nMessage-ID: <m1@union.test>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nPress https://muster.test/abc?a=1&b=2.\r\n<script>\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<html><head></head><body><b>Press</b></body></html>\r\n--b--\r\n"
)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig(twilio=TwilioConfig(sent_after=(0, 0), delivered_after=(0, 0)))) as opened:
        port = int(opened.smtp_url.partition("?")[0].rpartition(":")[2])
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as smtp:
            await smtp.sendmail("b@union.test", ["anna@example.test"], MAIL)
        yield opened


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(sandbox.twilio_base_url) as session:
        yield session


async def send_text(sandbox: Sandbox, http: aiohttp.ClientSession, body: str = "Voted? https://muster.test/x") -> str:
    config = sandbox.config.twilio
    headers = {"Authorization": aiohttp.encode_basic_auth(config.account_sid, config.auth_token)}
    form = {"To": ANNA, "From": "+447480000001", "Body": body}
    async with http.post(
        f"/2010-04-01/Accounts/{config.account_sid}/Messages.json", data=form, headers=headers
    ) as answer:
        sid: str = (await answer.json())["sid"]
        return sid


async def get(http: aiohttp.ClientSession, path: str) -> str:
    async with http.get(path) as answer:
        assert answer.status == 200, path
        return await answer.text()


async def get_json(http: aiohttp.ClientSession, path: str) -> Any:
    return json.loads(await get(http, path))


async def test_the_first_page_shows_mails_and_texts_and_how_to_get_there(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    await send_text(sandbox, http)
    page = await get(http, "/")
    assert "Vote &lt;now&gt;" in page
    assert ANNA in page
    assert f"MUSTER_SMTP_URL={sandbox.smtp_url}" in page
    assert "anna@example.test" in await get(http, "/?who=anna")
    assert "anna@example.test" not in await get(http, "/?who=bert")


async def test_a_mail_opens_with_its_links_and_nothing_of_it_runs(http: aiohttp.ClientSession) -> None:
    page = await get(http, "/mails/1")
    assert 'href="https://muster.test/abc?a=1&amp;b=2"' in page
    assert "<script>" not in page
    async with http.get("/mails/1/html") as answer:
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "<b>Press</b>" in await answer.text()
    async with http.get("/mails/2") as answer:
        assert answer.status == 404


async def test_no_page_loads_anything_from_elsewhere(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    await send_text(sandbox, http)
    for path in ("/", "/mails/1", f"/phones/{ANNA}"):
        async with http.get(path) as answer:
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert not re.search(r"(src|url\()=?[\"']?https?:", await answer.text())


async def test_a_visitor_can_answer_as_the_member(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    sid = await send_text(sandbox, http)
    async with http.post(f"/phones/{ANNA}", data={"text": "I have voted"}) as answer:
        assert answer.status == 200  # it leads back to the conversation
        assert "I have voted" in await answer.text()
    [act] = sandbox.record.acts
    assert (act.address, act.message, act.text, act.did) == (ANNA, sid, "I have voted", "replied")
    async with http.post("/sandbox/reply", json={"phone": ANNA, "text": "STOP"}) as answer:
        assert (answer.status, await answer.json()) == (201, {"taken": True})
    assert sandbox.record.opted_out() == {ANNA: "sms_reply"}
    async with http.post(f"/phones/{ANNA}", data={"text": "start"}) as answer:
        assert answer.status == 200
    assert sandbox.record.opted_out() == {}
    assert len(sandbox.twilio.opt_outs) == 0


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/sandbox/reply", b'{"phone": "+447700900999", "text": "hi"}', {"Content-Type": "application/json"}, 409),
        ("/sandbox/reply", b"nonsense", {"Content-Type": "application/json"}, 400),
        ("/sandbox/reply", b'{"phone": "1"}', {"Content-Type": "text/plain"}, 415),
        (f"/phones/{ANNA}", b"text=hi", {"Sec-Fetch-Site": "cross-site"}, 403),
        (f"/phones/{ANNA}", b"text=hi", {"Origin": "http://evil.example"}, 403),
        (f"/phones/{ANNA}", b"text=hi", {"Origin": "null"}, 403),
        (f"/phones/{ANNA}", b"text=hi", {"Sec-Fetch-Site": "same-site", "Origin": "null"}, 403),
        (f"/phones/{ANNA}", b"text=hi", {"Host": "evil.example", "Origin": "http://evil.example"}, 421),
    ],
)
async def test_impossible_answers_are_refused(
    http: aiohttp.ClientSession, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    async with http.post(path, data=body, headers=headers) as answer:
        assert answer.status == status


async def test_a_rebound_host_name_reads_nothing(http: aiohttp.ClientSession) -> None:
    foreign = [
        "evil.example",
        "evil.example:8025",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "0x7f.1",
        "[",
        "",
    ]
    for path in ("/", "/mails/1", f"/phones/{ANNA}", "/sandbox/mails", "/sandbox/messages", "/sandbox/summary"):
        for host in foreign:
            async with http.get(path, headers={"Host": host}) as answer:
                assert answer.status == 421, (path, host)
                assert "--host-name" in await answer.text()
    for host in ("localhost", "LOCALHOST:8025", "sandbox.localhost", "127.0.0.1", "[::1]:8025", "10.0.0.7:8025"):
        async with http.get("/sandbox/summary", headers={"Host": host}) as answer:
            assert answer.status == 200, host


async def test_a_configured_host_name_is_accepted() -> None:
    async with (
        open_sandbox(SandboxConfig(host_names=("Sandbox",))) as sandbox,
        aiohttp.ClientSession(sandbox.twilio_base_url) as http,
        http.get("/sandbox/summary", headers={"Host": "sandbox:8025"}) as answer,
    ):
        assert answer.status == 200


async def test_every_list_is_available_as_json(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    await send_text(sandbox, http)
    await sandbox.idle()
    [mail] = await get_json(http, "/sandbox/mails?to=anna&limit=5")
    assert (mail["subject"], mail["message_id"], mail["fate"]) == ("Vote <now>", "<m1@union.test>", "delivered")
    first = await get_json(http, "/sandbox/mails/1")
    assert isinstance(first, dict)
    assert first["html"].startswith("<html>")
    [text] = await get_json(http, f"/sandbox/messages?who={ANNA}")
    assert (text["to"], text["status"]) == (ANNA, "delivered")
    national = f"0{ANNA[3:7]} {ANNA[7:]}"
    for written in (national, f"+44 {ANNA[3:7]} {ANNA[7:]}", f"+44 (0){ANNA[3:]}", ANNA[3:], f"00{ANNA[1:]}"):
        messages = await get_json(http, f"/sandbox/messages?who={quote(written)}")
        assert [row["to"] for row in messages] == [ANNA], written
    assert await get_json(http, "/sandbox/state") == {
        "idle": True,
        "pending": {"webhooks": 0, "members": 0, "scanners": 0},
    }
    summary = await get_json(http, "/sandbox/summary")
    assert isinstance(summary, dict)
    assert summary["mails"]["accepted"] == 1
    assert summary["messages"]["by_status"] == {"outbound-api": {"delivered": 1}}
    record = await get_json(http, "/sandbox/record")
    assert isinstance(record, dict)
    assert set(record) == {"summary", "final_answers", "acts", "hits"}


async def run_sandbox(*arguments: str) -> asyncio.subprocess.Process:
    program = "from muster.cli.sandbox import command; command(prog_name='muster sandbox')"
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_prints_its_addresses_and_runs_until_stopped(stop: signal.Signals) -> None:
    process = await run_sandbox("--twilio", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--members", "lively", "--json")
    assert process.stdout is not None
    body = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    async with aiohttp.ClientSession(body["twilio"]) as http:
        assert await get_json(http, "/sandbox/mails") == []
    assert body["environment"]["MUSTER_SMTP_URL"] == body["smtp"]
    assert set(body["environment"]) == {
        "MUSTER_TWILIO_BASE_URL",
        "MUSTER_TWILIO_ACCOUNT_SID",
        "MUSTER_TWILIO_AUTH_TOKEN",
        "MUSTER_SMTP_URL",
    }
    process.send_signal(stop)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_errors_go_to_stderr_and_stdout_is_for_programs() -> None:
    nobody = "http://127.0.0.1:9/webhooks/twilio/inbound"
    process = await run_sandbox("--twilio", "0", "--smtp", "0", "--inbound-url", nobody, "--json")
    assert process.stdout is not None
    body = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    account, token = (body["environment"][f"MUSTER_TWILIO_{name}"] for name in ("ACCOUNT_SID", "AUTH_TOKEN"))
    async with aiohttp.ClientSession(body["twilio"]) as http:
        async with http.post(
            f"/2010-04-01/Accounts/{account}/Messages.json",
            data={"To": ANNA, "From": "+447480000001", "Body": "Voted?"},
            headers={"Authorization": aiohttp.encode_basic_auth(account, token)},
        ) as answer:
            assert answer.status == 201
        for _ in range(3):
            async with http.post("/sandbox/reply", json={"phone": ANNA, "text": "voted"}) as answer:
                assert await answer.json() == {"taken": False}
    process.terminate()
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (0, b"")
    assert err.count(b"a webhook failed") == 1
    assert ANNA.encode() not in err


async def test_a_taken_port_is_one_clear_error(sandbox: Sandbox) -> None:
    port = int(sandbox.twilio_base_url.rpartition(":")[2])
    with pytest.raises(Unavailable, match="cannot listen"):
        async with open_sandbox(SandboxConfig(port=port)):
            pass
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Unavailable):
        async with open_sandbox(SandboxConfig(smtp_port=taken.getsockname()[1])):
            pass


@pytest.mark.parametrize("place", ["nowhere", "127.0.0.1:70000", "127.0.0.1:"])
async def test_a_wrong_address_is_a_usage_error(place: str) -> None:
    process = await run_sandbox("--twilio", place)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert b"HOST:PORT" in err


@pytest.mark.parametrize("path", ["/", "/no-such-page"])
async def test_no_answer_says_what_the_sandbox_is_made_of(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as answer:
        assert answer.headers["Server"] == "Muster"
