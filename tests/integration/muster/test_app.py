"""The web application as a whole: health, metrics, errors in words, and headers on everything."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler
from pydantic import SecretStr
from redis.asyncio import Redis
from structlog.testing import capture_logs
from yarl import URL

from core.db import Connection, open_pool
from core.errors import Conflict, InputError, NotFound, Unavailable
from core.http.web import RUNTIME
from core.outages import Outages
from core.runtime import Runtime
from muster.app import MAX_REQUEST_SIZE, make_app
from muster.web import serve

Client = TestClient[web.Request, web.Application]


async def go_wrong(request: web.Request) -> web.Response:
    match request.match_info["how"]:
        case "missing":
            raise NotFound("There is no such campaign.", remedy="See the list.")
        case "conflict":
            raise Conflict("It runs already.")
        case "input":
            raise InputError("That is not a date.", problems=["<b>when</b>"])
        case "unavailable":
            raise Unavailable("The printer is away.")
        case "own-words":
            raise web.HTTPForbidden(text="We do not know you.")
        case "redirect":
            raise web.HTTPFound("/healthz")
        case "database":
            raise RuntimeError(await request.app[RUNTIME].pool.fetchval("select 'it answers'"))
        case "connection":
            raise ConnectionRefusedError(111, "refused")
        case _:
            raise RuntimeError("a bug with +447700900123")


async def take(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


@pytest.fixture
async def client(runtime: Runtime) -> AsyncIterator[Client]:
    async with TestClient(TestServer(_app(runtime))) as client:
        yield client


def _app(runtime: Runtime) -> web.Application:
    app = make_app(runtime)
    app.router.add_get("/wrong/way/{how}", go_wrong)
    app.router.add_post("/wrong/way/take", take)
    return app


async def test_the_application_reports_alive_and_ready(client: Client) -> None:
    async with client.get("/healthz") as answer:
        assert answer.status == 200
    async with client.get("/readyz") as answer:
        assert answer.status == 200
        assert await answer.json() == {"ready": True, "database": "ok", "redis": "ok"}


@pytest.mark.parametrize(
    "path",
    [
        "/console/campaigns/%00",
        "/console/sign-in/%00",
        "/api/turnout/a%00b",
        "/webhooks/email/%00",
        "/AbCd%00",
        "/p/%00",
    ],
)
async def test_nothing_has_a_nul_in_its_path(client: Client, path: str) -> None:
    with capture_logs() as logs:
        for method in ("GET", "POST"):
            async with client.request(method, URL(path, encoded=True)) as answer:
                assert answer.status == 404, method
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_a_server_says_at_its_start_that_redis_is_away(runtime: Runtime) -> None:
    settings = runtime.settings.model_copy(update={"listen": "127.0.0.1:0"})
    lonely = replace(runtime, settings=settings, redis=Redis.from_url("redis://127.0.0.1:1/0"), outages=Outages())
    with capture_logs() as logs:
        server = asyncio.create_task(serve(lonely))
        while not any("Redis" in str(entry) for entry in logs):
            assert not server.done()
            await asyncio.sleep(0.05)
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)
    await lonely.outages.close()
    await lonely.redis.aclose()
    assert logs[0]["event"] == "the web server listens"


async def test_the_application_is_not_ready_without_redis(runtime: Runtime) -> None:
    lonely = replace(runtime, redis=Redis.from_url("redis://127.0.0.1:1/0"))
    async with TestClient(TestServer(_app(lonely))) as client, client.get("/readyz") as answer:
        body = await answer.json()
        assert (answer.status, body["ready"], body["database"]) == (503, False, "ok")
        assert "does not answer" in body["redis"]
    await lonely.redis.aclose()


async def test_the_application_is_not_ready_while_migrations_are_missing(client: Client, owner: Connection) -> None:
    await owner.execute("delete from schema_migrations where version = (select max(version) from schema_migrations)")
    async with client.get("/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["database"] == "lacks 1 migration; run: muster migrate"


async def test_the_application_is_not_ready_on_an_unreleased_schema(client: Client, owner: Connection) -> None:
    await owner.execute("insert into schema_migrations values ('20261122000001')")
    async with client.get("/readyz") as answer:
        assert answer.status == 503
        assert "A version before 0.1.0 made this database" in (await answer.json())["database"]


async def test_without_a_database_it_lives_says_503_and_goes_on_when_it_is_back(
    runtime: Runtime, database_url: str
) -> None:
    pool = await open_pool(database_url, size=2)
    async with TestClient(TestServer(_app(replace(runtime, pool=pool)))) as client:
        await pool.close()
        async with client.get("/healthz") as answer:
            assert answer.status == 200
        async with client.get("/readyz") as answer:
            assert answer.status == 503
        async with client.get("/wrong/way/connection") as answer:
            assert answer.status == 500, "that was another server"
        async with client.get("/wrong/way/database", headers={"Accept": "text/html"}) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"]
        async with client.get("/metrics") as answer:
            assert "muster_database_up 0.0" in await answer.text()


@pytest.mark.parametrize(
    ("how", "status", "detail", "heading"),
    [
        ("missing", 404, "There is no such campaign.", "This link does not work"),
        ("conflict", 409, "It runs already.", "That did not work"),
        ("input", 400, "That is not a date.", "That did not work"),
        ("unavailable", 503, "The printer is away.", "Please try again in a few minutes"),
        ("bug", 500, "Something went wrong on our side.", "Something went wrong on our side"),
        ("connection", 500, "Something went wrong on our side.", "Something went wrong on our side"),
    ],
)
async def test_errors_are_words_for_people_and_json_for_programs(
    client: Client, how: str, status: int, detail: str, heading: str
) -> None:
    async with client.get(f"/wrong/way/{how}", headers={"Accept": "text/html,*/*"}) as answer:
        page = await answer.text()
        assert (answer.status, answer.content_type) == (status, "text/html")
        assert f"<h1>{heading}</h1>" in page
        assert "Traceback" not in page
        assert "900123" not in page
    async with client.get(f"/wrong/way/{how}") as answer:
        assert (answer.status, answer.content_type) == (status, "application/problem+json")
        assert (await answer.json(content_type=None))["detail"] == detail


async def test_words_and_redirects_of_a_handler_stay(client: Client) -> None:
    async with client.get("/wrong/way/own-words") as answer:
        assert (answer.status, await answer.text()) == (403, "We do not know you.")
    async with client.get("/wrong/way/redirect", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/healthz")


async def test_a_visitor_without_a_link_is_led_on(client: Client) -> None:
    for path in ("/", "/?lang=en", "/?lang=nonsense"):
        async with client.get(path) as answer:
            page = await answer.text()
            assert (answer.status, answer.content_type) == (200, "text/html")
        assert "The Union" in page
        assert "0800 000 000" in page
        assert "Each message we send you has a link of your own." in page
        assert '<a href="console/">Staff sign in here</a>' in page
    async with client.get("/", headers={"Accept-Language": "cy"}) as answer:
        assert "Staff: mewngofnodwch yma" in await answer.text()
    async with client.head("/") as answer:
        assert answer.status == 200
    async with client.get("/console/") as answer:
        assert answer.status == 401
        assert "Sign in" in await answer.text()
    async with client.post("/", data=b"x") as answer:
        assert answer.status == 405


async def test_unknown_pages_and_methods_are_refused(client: Client) -> None:
    async with client.get("/no/such/page/here", headers={"Accept": "text/html"}) as answer:
        assert answer.status == 404
        page = await answer.text()
        assert "<h1>This link does not work</h1>" in page
        assert 'lang="cy"' in page, "a page like any other of the union's: with its languages, and whom to ask"
    async with client.get("/no/such/page/here", headers={"Accept": "text/html", "Accept-Language": "cy"}) as answer:
        assert "Nid yw’r ddolen hon yn gweithio" in await answer.text()
    async with client.get("/no/such/page/here") as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
    async with client.delete("/healthz") as answer:
        assert answer.status == 405
        assert "GET" in answer.headers["Allow"]


async def test_a_request_may_not_be_too_large(client: Client) -> None:
    async with client.post("/wrong/way/take", data=io.BytesIO(b"x" * MAX_REQUEST_SIZE)) as answer:
        assert answer.status == 200
    async with client.post("/wrong/way/take", data=io.BytesIO(b"x" * (MAX_REQUEST_SIZE + 1))) as answer:
        assert answer.status == 413


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/console/", "/no/such/page/here", "/wrong/way/bug"])
async def test_every_answer_has_the_headers(client: Client, path: str) -> None:
    async with client.get(path) as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"]
        assert "aiohttp" not in answer.headers["Server"]


async def test_metrics_count_messages_backlog_and_requests_by_route(client: Client, db: Connection) -> None:
    await db.execute(
        """
        insert into step (campaign_id, position, template, content, purpose, channels, state, secret)
          overriding system value values (1, 0, 't', '{}', 'service', '{sms}', 'running', 's');
        insert into message (step_id, campaign_id, person_id, channel, address, state, not_before)
          select step_id, 1, n, 'sms', '+4477009001' || n,
                 (case when n < 4 then 'queued' else 'sent' end)::message_state,
                 now() - interval '90 seconds'
          from step, generate_series(1, 5) n;
        insert into inbound_log (source, dedupe_key, subject, payload)
          values ('t', 'a', 's', '{}'), ('t', 'b', 's', '{}');
        """
    )
    async with client.get("/a-members-token-13"):
        pass
    async with client.get("/metrics") as answer:
        text = await answer.text()
    assert "muster_database_up 1.0" in text
    assert 'muster_messages{state="queued"} 3.0' in text
    assert 'muster_messages{state="sent"} 2.0' in text
    assert 'muster_inbound_items{state="new"} 2.0' in text
    age = re.search(r"^muster_queue_age_seconds (\S+)", text, re.MULTILINE)
    assert age is not None
    assert 89 < float(age[1]) < 150
    assert "a-members-token-13" not in text, "a token is a secret"
    assert "muster_http_requests_total{" in text


async def test_two_apps_in_one_process_share_nothing(runtime: Runtime) -> None:
    apps = [make_app(runtime), make_app(runtime)]
    for app in apps:
        async with TestClient(TestServer(app)) as client:
            async with client.get("/healthz"):
                pass
            async with client.get("/metrics") as answer:
                assert 'route="/healthz",status="200"} 1.0' in await answer.text()
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "8.8.8.8"},
        {"X-Forwarded-For": "8.8.8.8, 127.0.0.1"},
        {"X-Forwarded-For": "10.0.0.1, 8.8.8.8"},
        {"X-Real-IP": "8.8.8.8"},
        {"X-Forwarded-For": "rubbish"},
        {"Forwarded": "for=8.8.8.8"},
    ],
)
async def test_metrics_are_refused_from_outside_through_a_proxy(client: Client, headers: dict[str, str]) -> None:
    async with client.get("/metrics", headers=headers) as answer:
        assert answer.status == 404
        assert "muster_" not in await answer.text()


async def test_metrics_are_no_page_of_another_name_that_leads_here(client: Client) -> None:
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example", ""):
        async with client.get("/metrics", headers={"Host": host}) as answer:
            assert answer.status == 404, host
    for host in ("127.0.0.1:8000", "[::1]", "localhost", "muster.test"):
        async with client.get("/metrics", headers={"Host": host}) as answer:
            assert answer.status == 200, host


@pytest.mark.parametrize(
    ("peer", "status"), [("10.1.2.3", 200), ("::ffff:192.168.0.9", 200), ("8.8.8.8", 404), ("", 404)]
)
async def test_metrics_are_for_this_machine_and_private_networks(runtime: Runtime, peer: str, status: int) -> None:
    app = _app(runtime)

    @web.middleware
    async def from_there(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request.clone(remote=peer))

    app.middlewares.append(from_there)
    async with TestClient(TestServer(app)) as client, client.get("/metrics") as answer:
        assert answer.status == status


async def test_metrics_with_a_token_are_open_from_anywhere(runtime: Runtime) -> None:
    settings = runtime.settings.model_copy(update={"metrics_token": SecretStr("scrape-me")})
    async with TestClient(TestServer(_app(replace(runtime, settings=settings)))) as client:
        for given in (None, "Bearer", "Bearer wrong", "Basic scrape-me", "scrape-me", "Bearer scrape-me é"):
            async with client.get("/metrics", headers={"Authorization": given} if given else {}) as answer:
                assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        outside = {"Authorization": "Bearer scrape-me", "X-Forwarded-For": "8.8.8.8"}
        async with client.get("/metrics", headers=outside) as answer:
            assert answer.status == 200


async def test_an_odd_method_makes_no_number_of_its_own(client: Client) -> None:
    for method in ("PROPFIND", "MKCOL"):
        async with client.request(method, "/healthz") as answer:
            assert answer.status == 405
    async with client.get("/metrics") as answer:
        output = await answer.text()
    assert "PROPFIND" not in output
    assert 'method="(other)"' in output


async def test_a_webhooks_refusal_is_a_problem_a_program_can_read(client: Client) -> None:
    async with client.post("/webhooks/twilio/status", data=b"x") as answer:
        assert (answer.status, answer.content_type) == (403, "application/problem+json")
        problem = await answer.json()
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", "Forbidden", 403)
    assert problem["detail"] == "The signature is missing or wrong."
