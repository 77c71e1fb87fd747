"""The turnout feed as other systems read it: by key, waited for, streamed, as a file; and requests that are refused."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import asyncpg
import orjson
import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pyarrow import parquet

from api.keys import list_keys, make_key, revoke_key
from api.openapi import document
from ballots import feed
from ballots.ballots import enrol
from ballots.claims import record_claim, retract_claim
from core.db import Connection
from core.errors import Conflict, InputError, NotFound
from core.http.rate_limit import MAX_MISSES_PER_NETWORK
from core.runtime import Runtime
from muster.operator import operator
from tests.support.electorate import add_ballot, add_person, add_unit
from tests.support.inbound_rows import serve
from tests.support.waiting import until

Client = TestClient[web.Request, web.Application]
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CHANGES = "/api/v1/turnout/pay-2026/changes"
SNAPSHOT = "/api/v1/turnout/pay-2026/snapshot"


@pytest.fixture
async def people(db: Connection) -> list[int]:
    unit = await add_unit(db, "Leeds", parent=await add_unit(db, "North", "region"))
    ballot, people = await add_ballot(db), [await add_person(db, f"M{n}", unit=unit) for n in range(6)]
    await enrol(db, ballot)
    return people


@pytest.fixture
async def client(runtime: Runtime, db: Connection) -> AsyncIterator[Client]:
    key = await make_key(db, "crm", actor=operator("ada"), now=NOW)
    async with serve(runtime) as client:
        client.session.headers["Authorization"] = f"Bearer {key}"
        yield client


async def ballot_of(db: Connection) -> int:
    value: int = await db.fetchval("select ballot_id from ballot where name = 'pay-2026'")
    return value


async def say(db: Connection, person: int, kind: str = "voted", source: str = "link") -> int:
    return await record_claim(
        db, ballot_id=await ballot_of(db), person_id=person, kind=kind, source=source, recorder="member", confidence=0.9
    )


async def trouble(answer: ClientResponse, status: int) -> str:
    assert (answer.status, answer.content_type) == (status, "application/problem+json"), await answer.text()
    body = await answer.json(content_type=None)
    assert body["status"] == status
    Draft202012Validator({**document("")["components"]["schemas"]["ApiError"]}).validate(body)
    detail: str = body["detail"]
    return detail


async def test_changes_come_in_order_of_their_cursors(client: Client, db: Connection, people: list[int]) -> None:
    claims = [await say(db, person) for person in people[:3]]
    await retract_claim(db, claims[0], recorder="member", source="link")
    first = await (await client.get(f"{CHANGES}?limit=3")).json()
    assert [change["claim_id"] for change in first["changes"]] == claims
    assert first["more"] is True
    assert first["changes"][1].items() >= {"member_id": "M1", "kind": "voted", "status": "voted"}.items()
    assert "recorder" not in first["changes"][0]
    rest = await (await client.get(f"{CHANGES}?after={first['cursor']}")).json()
    assert [(change["kind"], change["retracts"]) for change in rest["changes"]] == [("retracted", claims[0])]
    none = await (await client.get(f"{CHANGES}?after={rest['cursor']}")).json()
    assert (none["changes"], none["cursor"], none["more"]) == ([], rest["cursor"], False)
    schemas = document("")["components"]["schemas"]
    Draft202012Validator({**schemas["Changes"], "components": {"schemas": schemas}}).validate(first)


def note_looks(monkeypatch: pytest.MonkeyPatch, *, failing: int = 0) -> list[Connection]:
    """Note each look at the feed, and fail at one of them; the first is the request's own, the others wait for it."""
    looks: list[Connection] = []
    number_claims = feed.number_claims

    async def look(db: Connection) -> None:
        looks.append(db)
        if len(looks) == failing:
            raise asyncpg.PostgresConnectionError("the server is away")
        await number_claims(db)

    monkeypatch.setattr(feed, "number_claims", look)
    return looks


async def until_waiting(looks: list[Connection]) -> None:
    async def has_looked() -> bool:
        return len(looks) > 1

    await until(has_looked)


async def test_a_request_can_wait_for_a_change(
    client: Client, db: Connection, people: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = note_looks(monkeypatch)
    waiting = asyncio.create_task(client.get(f"{CHANGES}?wait=30"))
    await until_waiting(looks)
    assert not waiting.done(), "there is no change yet"
    await say(db, people[0])
    async with asyncio.timeout(20):
        assert len((await (await waiting).json())["changes"]) == 1
    nothing = await (await client.get(f"{CHANGES}?after=999&wait=0.05")).json()
    assert nothing["changes"] == []


async def test_a_waiting_request_is_answered_after_a_failed_look(
    client: Client, db: Connection, people: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = note_looks(monkeypatch, failing=2)
    waiting = asyncio.create_task(client.get(f"{CHANGES}?wait=30"))
    await until_waiting(looks)
    async with asyncio.timeout(20):
        await say(db, people[0])
        assert len((await (await waiting).json())["changes"]) == 1


async def read_events(answer: ClientResponse, n: int) -> list[tuple[int, dict[str, object]]]:
    events, place = [], 0
    async with asyncio.timeout(20):
        async for line in answer.content:
            name, _, value = line.decode().rstrip().partition(": ")
            if name == "id":
                place = int(value)
            elif name == "data":
                events.append((place, orjson.loads(value)))
                if len(events) == n:
                    break
    return events


async def test_a_stream_goes_on_where_it_was_cut(client: Client, db: Connection, people: list[int]) -> None:
    stream = {"Accept": "text/event-stream"}
    await say(db, people[0])
    async with client.get(CHANGES, headers=stream) as answer:
        assert answer.content_type == "text/event-stream"
        [(place, first)] = await read_events(answer, 1)
        await say(db, people[1])
        [(_, second)] = await read_events(answer, 1)
    assert [first["member_id"], second["member_id"]] == ["M0", "M1"]
    async with client.get(CHANGES, headers={**stream, "Last-Event-ID": str(place)}) as answer:
        assert await read_events(answer, 1) == [(second["seq"], second)]


async def test_streams_end_when_the_server_stops(runtime: Runtime, db: Connection, people: list[int]) -> None:
    key = await make_key(db, "crm", actor=operator("ada"), now=NOW)
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {key}"}
    async with serve(runtime) as client:
        answer = await client.get(CHANGES, headers=headers)
        await client.server.runner.shutdown()  # type: ignore[union-attr]
        async with asyncio.timeout(30):  # half of what the server gives requests to end
            assert await answer.content.read() == b""


async def test_a_snapshot_holds_every_members_status(client: Client, db: Connection, people: list[int]) -> None:
    await say(db, people[0])
    await say(db, people[1], "will_vote")
    await say(db, await add_person(db, "=M9"))
    async with client.get(SNAPSHOT) as answer:
        assert answer.headers["Content-Disposition"] == 'attachment; filename="pay-2026.csv"'
        cursor = int(answer.headers["Muster-Cursor"])
        rows = list(csv.DictReader(io.StringIO((await answer.read()).decode("utf-8-sig"))))
    assert len(rows) == 7
    assert {name: rows[0][name] for name in ("member_id", "unit", "elector", "status", "source", "confidence")} == {
        "member_id": "M0", "unit": "North / Leeds", "elector": "yes", "status": "voted", "source": "link",
        "confidence": "0.9",
    }  # fmt: skip
    assert (rows[2]["status"], rows[6]["member_id"], rows[6]["elector"]) == ("", "'=M9", "no")
    assert (await (await client.get(f"{CHANGES}?after={cursor}")).json())["changes"] == []
    async with client.get(f"{SNAPSHOT}?format=parquet") as answer:
        table = parquet.read_table(io.BytesIO(await answer.read())).to_pylist()
    assert [row["member_id"] for row in table][-1] == "=M9"
    assert [row["status"] for row in table[:3]] == ["voted", "will_vote", None]
    assert datetime.fromisoformat(rows[0]["at"]) == table[0]["at"]
    taken = await db.fetch("select actor, subject from audit_shown where action = 'turnout.exported'")
    assert [tuple(row) for row in taken] == [("crm", "ballot pay-2026")] * 2


async def test_the_feed_followed_live_agrees_with_the_snapshot(
    client: Client, db: Connection, people: list[int]
) -> None:
    statuses: dict[str, str | None] = {}

    async def follow() -> None:
        after = 0
        while True:
            async with client.get(f"{CHANGES}?after={after}&wait=5") as answer:
                body = await answer.json()
            after = body["cursor"]
            statuses.update({change["member_id"]: change["status"] for change in body["changes"]})

    following = asyncio.create_task(follow())
    claims = []
    for n in range(30):
        claims.append(await say(db, people[n % 5], ["voted", "will_vote", "refused"][n % 3]))
        if n % 4 == 3:
            await retract_claim(db, claims[n // 2], recorder="member", source="link")
    for claim in claims[2::5]:  # everything one of them said is taken back
        await retract_claim(db, claim, recorder="member", source="link")
    async with client.get(SNAPSHOT) as answer:
        rows = list(csv.DictReader(io.StringIO((await answer.read()).decode("utf-8-sig"))))
    wanted = {row["member_id"]: row["status"] or None for row in rows}

    async def same() -> bool:
        return {member: statuses.get(member) for member in wanted} == wanted

    await until(same)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    assert wanted["M2"] is None
    assert "voted" in wanted.values()


async def test_a_request_without_a_valid_key_is_refused(client: Client, db: Connection, people: list[int]) -> None:
    good = client.session.headers["Authorization"]
    forged = good[:-32] + "a" * 32
    for shown in ("", "Bearer", "Basic eDp5", forged, "Bearer mk_aaaaaaaa_" + "a" * 32, f"{good}a", "Bearer \udcff"):
        answer = await client.get(CHANGES, headers={"Authorization": shown})
        assert await trouble(answer, 401) == "A key is needed."
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    only = await make_key(db, "one", ballots=["pay-2026"], actor=operator("ada"), now=NOW)
    await add_ballot(db, "other")
    with_it = {"Authorization": f"bearer {only}"}
    assert (await client.get(CHANGES, headers=with_it)).status == 200
    for ballot in ("other", "nowhere"):
        answer = await client.get(f"/api/v1/turnout/{ballot}/changes", headers=with_it)
        assert await trouble(answer, 403) == "This key is not for that."
    await revoke_key(db, "one", actor=operator("ada"), now=NOW)
    await trouble(await client.get(CHANGES, headers=with_it), 401)
    assert [(key.name, key.revoked_at) for key in await list_keys(db)] == [("crm", None), ("one", NOW)]
    assert only.encode() not in await db.fetchval("select digest from api_key where name = 'one'")


async def test_a_guesser_has_to_wait_and_a_good_key_does_not(
    runtime: Runtime, db: Connection, people: list[int]
) -> None:
    key = await make_key(db, "crm", actor=operator("ada"), now=NOW)
    async with serve(replace(runtime, clock=lambda: NOW)) as client:  # they are counted by the minute
        for _ in range(MAX_MISSES_PER_NETWORK):
            await trouble(await client.get(CHANGES, headers={"Authorization": "Bearer guess"}), 401)
        answer = await client.get(CHANGES, headers={"Authorization": "Bearer guess"})
        await trouble(answer, 429)
        assert answer.headers["Retry-After"] == "60"
        assert (await client.get(CHANGES, headers={"Authorization": f"Bearer {key}"})).status == 200


async def test_wrong_keys_are_refused_when_they_are_made(db: Connection) -> None:
    with pytest.raises(InputError):
        await make_key(db, "No Good", actor=operator("ada"), now=NOW)
    with pytest.raises(NotFound):
        await make_key(db, "crm", ballots=["nowhere"], actor=operator("ada"), now=NOW)
    await make_key(db, "crm", actor=operator("ada"), now=NOW)
    await revoke_key(db, "crm", actor=operator("ada"), now=NOW + timedelta(days=1))
    with pytest.raises(Conflict):
        await make_key(db, "crm", actor=operator("ada"), now=NOW)
    with pytest.raises(NotFound):
        await revoke_key(db, "crm", actor=operator("ada"), now=NOW)


async def test_wrong_parameters_are_refused(client: Client, people: list[int]) -> None:
    for after in ("-1", "99999999999999999999", "one", ""):
        await trouble(await client.get(f"{CHANGES}?after={after}"), 400)
    for query in (
        "changes?limit=0",
        "changes?limit=1001",
        "changes?wait=inf",
        "changes?wait=nan",
        "snapshot?format=xml",
    ):
        await trouble(await client.get(f"/api/v1/turnout/pay-2026/{query}"), 400)
    await trouble(await client.get("/api/v1/turnout/pay-2026/nothing"), 404)


async def test_unknown_ballots_and_methods_are_refused(client: Client, people: list[int]) -> None:
    for name in ("nowhere", "%00", "%ff", "%ED%A0%80", "a%2Fb"):
        await trouble(await client.get(f"/api/v1/turnout/{name}/changes"), 404)
    await trouble(await client.post(CHANGES), 405)
    stream = {"Accept": "text/event-stream", "Last-Event-ID": "x"}
    await trouble(await client.get(CHANGES, headers=stream), 400)


async def test_the_openapi_document_is_served_to_everybody(client: Client) -> None:
    answer = await client.get("/api/v1/openapi.json", headers={"Authorization": ""})
    body = await answer.json()
    assert body == document("http://muster.test")
    Draft202012Validator.check_schema(body["components"]["schemas"]["Changes"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_request_is_answered(client: Client, people: list[int], data: st.DataObject) -> None:
    words = st.text(max_size=30)
    ballot = data.draw(st.one_of(st.just("pay-2026"), words.filter(lambda word: word not in {"", ".", ".."})))
    what = data.draw(st.sampled_from(["changes", "snapshot"]))
    query = data.draw(
        st.dictionaries(
            st.sampled_from(["after", "limit", "wait", "format", "x"]), st.one_of(words, st.integers().map(str))
        )
    )
    headers = {"Accept": data.draw(st.sampled_from(["*/*", "application/json"]))}
    if query.get("wait", "0") not in {"0", ""}:
        query["wait"] = f"{query['wait']}x"
    path = f"/api/v1/turnout/{quote(ballot, safe='')}/{what}"
    async with asyncio.timeout(20):
        answer = await client.get(path, params=query, headers=headers)
        body = await answer.read()
    assert answer.status in {200, 400, 404}, (answer.status, body)
    if answer.status != 200:
        await trouble(answer, answer.status)
