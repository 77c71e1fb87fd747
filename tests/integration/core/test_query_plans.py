"""The hot queries are pinned to their indexes, on tables that have grown and as prepared statements plan them.

A statement's generic plan outlives the statistics it was made from, so one that is right by accident, because a table
was small, becomes quadratic in the middle of a campaign.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
import pytest

from core.db import Connection, load_queries, open_pool
from core.db.logins import Login
from core.settings import ROOT
from muster.embedded.postgres import Postgres
from tests.conftest import TEMPLATE

SQL = load_queries(__file__)
BUSY = {
    "message", "message_event", "link", "suppression", "suppression_event", "goal_met", "inbound_log", "claim",
    "claim_status",
    "person", "page_view", "reply", "address", "consent", "consent_event", "transactional",
}  # fmt: skip
"""Tables that grow with the electorate."""
INLINED = {"stops_of", "link_recipient", "messages_of", "messages_to"}
"""Functions that PostgreSQL inlines into the queries that read them; a call would be planned apart from its query."""


@pytest.fixture(scope="module")
def grown_url(postgres: Postgres) -> Iterator[str]:
    """A database in the midst of its fourth campaign; one for all of these tests, none of which writes."""
    asyncio.run(_grow(postgres))
    yield postgres.url("grown", role=Login.WORKER)
    asyncio.run(_drop(postgres))


async def _grow(postgres: Postgres) -> None:
    admin = await asyncpg.connect(postgres.url("postgres"))
    await admin.execute(f"create database grown template {TEMPLATE}")
    await admin.close()
    db = await asyncpg.connect(postgres.url("grown"))
    await db.execute(SQL["grow"])
    await db.execute("vacuum analyze")
    await db.close()


async def _drop(postgres: Postgres) -> None:
    admin = await asyncpg.connect(postgres.url("postgres"))
    await admin.execute("drop database grown with (force)")
    await admin.close()


@pytest.fixture
async def grown(grown_url: str) -> AsyncIterator[Connection]:
    """A connection as the pool makes them, that plans as a prepared statement does after its fifth run."""
    pool = await open_pool(grown_url, size=1)
    async with pool.acquire() as db:
        await db.execute("set plan_cache_mode = force_generic_plan")
        yield db
    await pool.close()


@dataclass(frozen=True, slots=True)
class Pin:
    """A query, and the indexes it must be answered by.

    Attributes:
        module: it stands beside.
        name: of the query.
        indexes: each is used in the plan.
    """

    module: str
    name: str
    indexes: tuple[str, ...]


PINS = (
    Pin("messaging/outbox/claim", "list_due_queues", ("queue_due",)),
    Pin("messaging/outbox/claim", "list_due_transactional", ("queue_due",)),
    Pin(
        "messaging/outbox/claim",
        "claim_transactional",
        ("queue_due", "message_pkey", "transactional_pkey", "suppression_pkey"),
    ),
    Pin(
        "messaging/outbox/claim",
        "claim",
        ("queue_due", "message_pkey", "goal_met_pkey", "suppression_pkey", "consent_pkey"),
    ),
    Pin("messaging/outbox/claim", "hand_back", ("in_flight_pkey", "message_pkey")),
    Pin(
        "messaging/outbox/outcomes",
        "record_outcomes",
        ("in_flight_pkey", "message_pkey", "goal_met_pkey", "suppression_pkey", "consent_pkey", "transactional_pkey"),
    ),
    Pin("messaging/outbox/concealment", "empty_secrets", ("transactional_concealed",)),
    Pin("messaging/outbox/reconcile", "free_lost", ("in_flight_dispatcher", "message_pkey")),
    Pin("messaging/outbox/reconcile", "settle_emails", ("message_exception_unknown", "message_pkey")),
    Pin("messaging/outbox/reconcile", "list_unknown_texts", ("message_exception_unknown", "message_pkey")),
    Pin("messaging/outbox/reconcile", "find_known_elsewhere", ("provider_message_pkey",)),
    Pin("messaging/outbox/reconcile", "record_trace", ("message_pkey",)),
    Pin("messaging/outbox/reconcile", "queue_again", ("message_pkey",)),
    Pin("messaging/outbox/steps", "finish_drained", ("message_count_step",)),
    Pin("messaging/outbox/receipts", "find_messages", ("provider_message_pkey", "message_try_provider")),
    Pin("messaging/outbox/receipts", "lock_receipted", ("message_pkey",)),
    Pin("messaging/outbox/receipts", "find_receipted", ("message_pkey", "in_flight_pkey", "queue_pkey")),
    Pin("messaging/outbox/receipts", "move_states", ("message_pkey",)),
    Pin("messaging/outbox/history", "list_events", ("message_event_pkey",)),
    Pin("messaging/outbox/history", "list_of_person", ("message_step_id_person_id_key",)),
    Pin("messaging/suppression", "suppress", ("suppression_pkey",)),
    Pin("messaging/suppression", "withdraw_address", ("message_one_per_address", "queue_pkey")),
    Pin("messaging/suppression", "withdraw_person", ("message_step_id_person_id_key", "queue_pkey")),
    Pin("messaging/suppression", "withdraw_transactional", ("message_transactional_address",)),
    Pin("messaging/bulk_suppression", "withdraw_transactional", ("message_transactional_address",)),
    Pin("messaging/consent", "record_consents", ("consent_event_person",)),
    Pin("messaging/consent", "list_consents", ("consent_event_person",)),
    Pin("messaging/goals", "meet_goal", ("message_step_id_person_id_key", "queue_pkey")),
    Pin("webhooks/inbound_log/inbound_log", "claim_due_items", ("inbound_log_new", "inbound_log_subject")),
    Pin(
        "webhooks/members/recipient",
        "find_recipient",
        ("link_pkey", "message_pkey", "claim_status_pkey", "person_pkey"),
    ),
    Pin("webhooks/members/recipient", "view_page", ("link_pkey", "message_pkey", "claim_status_pkey", "person_pkey")),
    Pin(
        "webhooks/members/recipient",
        "use_view",
        ("link_pkey", "message_pkey", "page_view_nonce_key", "page_view_message"),
    ),
    Pin(
        "campaigns/preferences",
        "list_contact_points",
        ("message_pkey", "address_person_id_channel_address_key", "address_lookup", "suppression_pkey", "consent_pkey"),
    ),
    Pin(
        "campaigns/addressing",
        "list_candidates",
        ("address_person_id_channel_address_key", "goal_met_pkey", "suppression_pkey", "consent_pkey"),
    ),
    Pin("campaigns/replies/answered_messages", "find_latest", ("message_one_per_address", "transactional_pkey")),
    Pin("campaigns/replies/answered_messages", "find_by_id", ("message_pkey", "transactional_pkey")),
    Pin("ballots/claims", "find_claim_by_link", ("claim_person",)),
    Pin("campaigns/replies/reading_effect", "has_replied_stop_since", ("reply_address",)),
    Pin("campaigns/replies/reply_inbox", "list_other_replies", ("reply_address",)),
    Pin("campaigns/replies/reclassify", "lock_stale", ("reply_pkey", "reply_address")),
    Pin("webhooks/subscriptions/event_sources", "list_messages", ("message_event_order", "message_pkey")),
    Pin("webhooks/subscriptions/event_sources", "list_suppressions", ("suppression_event_pkey",)),
    Pin("webhooks/subscriptions/event_sources", "list_replies", ("reply_pkey",)),
)


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: f"{pin.module.rpartition('/')[2]}.{pin.name}")
async def test_a_hot_query_goes_by_its_index(grown: Connection, pin: Pin) -> None:
    nodes = await plan_of(grown, load_queries(str(ROOT / f"{pin.module}.py"))[pin.name])
    scanned = [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"]
    assert not BUSY.intersection(scanned), scanned
    called = [node.get("Function Name") for node in nodes if node["Node Type"] == "Function Scan"]
    assert not INLINED.intersection(called), called
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert set(pin.indexes) <= used, (sorted(used), shape(nodes))


@pytest.mark.parametrize("name", ["find_recipient", "view_page", "use_view"])
async def test_the_status_of_a_person_is_found_by_its_whole_key(grown: Connection, name: str) -> None:
    nodes = await plan_of(grown, load_queries(str(ROOT / "webhooks/members/recipient.py"))[name])
    for index, columns in (("claim_status_pkey", ("ballot_id", "person_id")), ("ballot_pkey", ("ballot_id",))):
        conditions = [node["Index Cond"] for node in nodes if node.get("Index Name") == index]
        assert conditions, shape(nodes)
        assert all(f"{column} = " in condition for condition in conditions for column in columns), conditions


NEW_GROUP = 4_000
"""People in a ballot and a question that no statistics know yet."""


@pytest.mark.parametrize(("module", "name", "arguments"), [
    ("ballots/ballots", "add_electors", "(50)"),
    ("ballots/snapshot", "list_members", "(50)"),
    ("ballots/counts", "find_ledger_differences", "(50, array['voted'], array['link'], array[1])"),
    ("ballots/counts", "find_reach_differences", "(50)"),
    ("ballots/score", "count_recent_confirmations", "(50, '2020-01-01')"),
    ("services/questions/counts", "find_ledger_differences", "(51)"),
    ("services/questions/answer_list", "list_respondents", "(51, null, null, false, 0, 100000)"),
])  # fmt: skip
async def test_a_new_group_is_read_as_quickly_as_one_that_statistics_know(
    grown: Connection, module: str, name: str, arguments: str
) -> None:
    """The planner takes a ballot that it does not know for one without electors, and may compare each with each."""
    query = load_queries(str(ROOT / f"{module}.py"))[name]
    changing = grown.transaction()
    await changing.start()
    try:
        await grown.execute("set local plan_cache_mode = force_custom_plan")
        await grown.execute(SQL["new_group"].replace("$1", str(NEW_GROUP)))
        await grown.execute(f"prepare measured as {query}")
        value = await grown.fetchval(f"explain (analyze, format json) execute measured{arguments}")
    finally:
        await changing.rollback()
        await grown.execute("deallocate all")
    nodes = list(_nodes(orjson.loads(value)[0]["Plan"]))
    removed = ("Rows Removed by Join Filter", "Rows Removed by Filter")
    compared = sum(node.get(name, 0) * node["Actual Loops"] for node in nodes for name in removed)
    read = sum(node["Actual Rows"] * node["Actual Loops"] for node in nodes)
    assert compared + read < 100 * NEW_GROUP, (compared, read, shape(nodes))


@pytest.mark.usefixtures("grown_url")
async def test_the_first_electors_are_not_looked_for_among_those_just_added(postgres: Postgres) -> None:
    """Statistics that say that a table is empty make it free to read, once for each person: with all that was added."""
    query = load_queries(str(ROOT / "ballots/ballots.py"))["add_electors"]
    db = await asyncpg.connect(postgres.url("grown"))
    changing = db.transaction()
    await changing.start()
    try:
        await db.execute("truncate elector cascade; analyze elector")
        await db.execute(f"prepare measured as {query}")
        value = await db.fetchval("explain (analyze, buffers, format json) execute measured(1)")
        added = await db.fetchval("select count(*) from elector")
    finally:
        await changing.rollback()
        await db.close()
    nodes = list(_nodes(orjson.loads(value)[0]["Plan"]))
    looks = [node for node in nodes if node.get("Relation Name") == "elector" and node["Node Type"] != "ModifyTable"]
    assert looks, shape(nodes)
    assert sum(node["Actual Loops"] for node in looks) < added / 10, shape(nodes)


async def test_a_table_read_from_end_to_end_would_be_seen(grown: Connection) -> None:
    nodes = await plan_of(grown, "select count(*) from message_event where code = $1::text")
    assert "message_event" in [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"]


async def test_a_function_that_is_called_would_be_seen(grown: Connection, postgres: Postgres) -> None:
    owner = await asyncpg.connect(postgres.url("grown"))
    await owner.execute("alter function stops_of volatile")
    try:
        nodes = await plan_of(grown, "select stop.* from stops_of($1, $2, $3, $4, $5) as stop")
    finally:
        await owner.execute("alter function stops_of stable")
        await owner.close()
    assert "stops_of" in [node.get("Function Name") for node in nodes if node["Node Type"] == "Function Scan"]


async def plan_of(db: Connection, sql: str) -> list[dict[str, Any]]:
    """Every node of the plan that a prepared statement keeps, whatever its parameters."""
    await db.execute(f"prepare pinned as {sql}")
    parameters = await db.fetchval(
        "select cardinality(parameter_types) from pg_prepared_statements where name = 'pinned'"
    )
    given = f"({', '.join(['null'] * parameters)})" if parameters else ""
    value = await db.fetchval(f"explain (format json) execute pinned{given}")
    (top,) = orjson.loads(value)
    return list(_nodes(top["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def shape(nodes: list[dict[str, Any]]) -> list[str]:
    """A plan in short, to be read when a test fails."""
    return [
        " ".join(filter(None, (node["Node Type"], node.get("Relation Name"), node.get("Index Name")))) for node in nodes
    ]
