"""`muster replies`, as people type it, and replies read again by newer rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from campaigns.replies.answers import Inbound, answer_reply
from campaigns.replies.classification.rules import load_rules
from campaigns.replies.reclassify import reclassify
from campaigns.replies.reply_inbox import read_by_staff
from core.db import Connection
from core.runtime import Runtime
from core.settings import Settings
from muster.operator import operator
from tests.support.command import muster
from tests.support.electorate import add_person
from tests.support.inbound_rows import NUMBER, PHONE, Campaign, Recipient, make_campaign
from tests.support.rows import row_of

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
async def campaign(runtime: Runtime, db: Connection) -> Campaign:
    return await make_campaign(runtime, db, now=NOW)


@pytest.fixture
async def ann(campaign: Campaign) -> Recipient:
    return await campaign.ask(sms=PHONE)


async def say(campaign: Campaign, text: str, inbound_id: int = 1) -> int:
    answered = await answer_reply(campaign.db, Inbound(inbound_id, "sms", PHONE, (NUMBER,), text, NOW))
    assert answered.reply_id is not None
    return answered.reply_id


async def test_commands_list_show_read_and_close_replies(
    settings: Settings, campaign: Campaign, ann: Recipient
) -> None:
    hm = await say(campaign, "[b]hm[/b]\nwhat is this", 1)
    ring = await say(campaign, "can someone ring me", 2)
    listed = [
        orjson.loads(line) for line in muster(settings, "replies", "list", "--json", status=0).stdout.splitlines()
    ]
    assert [(row["reply_id"], row["why_open"]) for row in listed] == [(hm, "unclear"), (ring, "call_me")]
    assert "Wants a call" in muster(settings, "replies", "list", "--why", "call_me", status=0).stdout
    assert "[b]hm[/b] what is this" in muster(settings, "replies", "list", status=0).stdout

    read = muster(settings, "replies", "read", str(hm), "voted", "--actor", "eve", status=0)
    assert read.stdout == f"Reply {hm} is read as voted, and counts.\n"
    assert await campaign.status(ann) == "voted"
    closed = muster(settings, "replies", "close", str(ring), "--actor", "bob", "--json", status=0)
    assert orjson.loads(closed.stdout) == {"reply_id": ring, "was_open": True}
    assert muster(settings, "replies", "list", status=0).stdout == "No reply waits for a person.\n"

    story = orjson.loads(muster(settings, "replies", "show", str(hm), "--json", status=0).stdout)
    assert [(past["reading"], past["rule"], past["reader"]) for past in story["readings"]] == [
        ("unclear", "none", None),
        ("voted", "staff", "eve"),
    ]
    assert (story["state"], story["closed_by"], len(story["others"])) == ("closed", "eve", 1)
    told = muster(settings, "replies", "show", str(hm), status=0).stdout
    assert "Closed by eve" in told
    assert f"read as unclear by a rule (none, version {load_rules().version})" in told
    audit = await campaign.db.fetch(
        "select actor, action, subject from audit_shown where action not like '%.seen' order by audit_id"
    )
    assert [tuple(row) for row in audit] == [
        ("eve", "reply.corrected", f"reply {hm}"),
        ("bob", "reply.closed", f"reply {ring}"),
    ]


async def test_reactions_are_listed_on_request(settings: Settings, campaign: Campaign, ann: Recipient) -> None:
    await say(campaign, "Liked “Have you voted? Reply STOP to opt out”")
    assert muster(settings, "replies", "list", status=0).stdout == "No reply waits for a person.\n"
    assert "Liked “Have you voted?" in muster(settings, "replies", "list", "--reading", "reaction", status=0).stdout
    assert muster(settings, "replies", "list", "--reading", "voted", status=0).stdout == "There is no such reply.\n"


async def test_an_opt_out_is_undone_and_old_rows_command_no_terminal(
    settings: Settings, campaign: Campaign, ann: Recipient
) -> None:
    reply = await say(campaign, "stop I have left the union")
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}
    await campaign.db.execute(
        "update reply set state = 'open', why_open = 'opt_out', text = $1", "a\x1b]52;c;eA==\x07b\x1b[2K\x9b31mc\u202ed"
    )
    for words in (["list"], ["show", str(reply)]):
        shown = muster(settings, "replies", *words, status=0).stdout
        assert "abcd" in shown
        assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert f"muster replies undo {reply}" in muster(settings, "replies", "show", str(reply), status=0).stdout
    assert (
        f"Messages go to {PHONE} again"
        in muster(settings, "replies", "undo", str(reply), "--actor", "eve", status=0).stdout
    )
    assert await campaign.suppressed() == set()
    assert "nothing to undo" in muster(settings, "replies", "undo", str(reply), status=1).stderr


async def test_wrong_commands_are_explained(settings: Settings, campaign: Campaign, ann: Recipient) -> None:
    await add_person(campaign.db, "M-2", sms=PHONE)
    reply = await say(campaign, "Bob here, voted")
    whose = muster(settings, "replies", "read", str(reply), "voted", status=1)
    assert "It is not known who wrote this reply" in whose.stderr
    muster(settings, "replies", "read", str(reply), "voted", "--person", "M-2", status=0)
    assert await campaign.db.fetchval("select count(*) from claim_status where kind = 'voted'") == 1
    assert "There is no reply 99." in muster(settings, "replies", "show", "99", status=1).stderr
    assert "“maybe” is not a reading." in muster(settings, "replies", "read", str(reply), "maybe", status=1).stderr


async def pretend_old(db: Connection, reply_id: int, reading: str, why: str | None) -> None:
    """As if rules of another day had read it so."""
    await db.execute(
        "update reply set reading = $2, rule = 'older', rule_version = 'older', why_open = $3::text,"
        " state = case when $3 is null then 'closed' else 'open' end where reply_id = $1",
        reply_id, reading, why,
    )  # fmt: skip


async def test_newer_rules_read_what_older_ones_could_not(
    settings: Settings, campaign: Campaign, ann: Recipient
) -> None:
    reply = await say(campaign, "hm")
    await campaign.db.execute("update reply set text = 'Posted mine on Monday'")
    await pretend_old(campaign.db, reply, "unclear", "unclear")
    foretold = orjson.loads(muster(settings, "replies", "reclassify", "--dry-run", "--json", status=0).stdout)
    assert [(reply["before"], reply["after"]) for reply in foretold["otherwise"]] == [("unclear", "voted")]
    assert await campaign.status(ann) is None

    assert muster(settings, "replies", "reclassify", "--actor", "eve", status=0).stdout == (
        f"  {reply}: unclear → voted  Posted mine on Monday\n1 reply read again, 1 otherwise.\n"
    )
    assert await campaign.status(ann) == "voted"
    assert tuple(await row_of(campaign.db, "select state, why_open from reply")) == ("closed", None)
    assert await campaign.db.fetchval("select actor from audit_shown where action = 'reply.reclassified'") == "eve"
    assert muster(settings, "replies", "reclassify", status=0).stdout == "0 replies read again, 0 otherwise.\n"


async def test_a_false_vote_of_older_rules_is_taken_back(campaign: Campaign, ann: Recipient) -> None:
    reply = await say(campaign, "Voted")
    await campaign.db.execute("update reply set text = 'voted with my feet'")
    await pretend_old(campaign.db, reply, "voted", None)
    _, (reclassified,) = await reclassify(campaign.db, actor=operator("eve"), at=NOW)
    assert (reclassified.after, reclassified.why_open) == ("unclear", "unclear")
    assert await campaign.status(ann) is None
    rows = await campaign.db.fetch("select reading, rule_version from reply_classification order by classification_id")
    assert [row["reading"] for row in rows] == ["voted", "voted", "unclear"]
    assert [row["rule_version"] for row in rows] == [load_rules().version, "older", load_rules().version]


async def test_replies_read_or_closed_by_staff_are_unchanged(campaign: Campaign, ann: Recipient) -> None:
    reply = await say(campaign, "Voted")
    await read_by_staff(campaign.db, reply, reading="not_voted", actor=operator("eve"), at=NOW)
    await campaign.db.execute("update reply set rule_version = 'older'")
    assert await reclassify(campaign.db, actor=operator("bob"), at=NOW) == (0, [])
    assert await campaign.status(ann) == "not_voted"


async def test_a_missed_opt_out_is_obeyed_unless_they_said_start_since(campaign: Campaign, ann: Recipient) -> None:
    for inbound_id, text in ((1, "hm"), (2, "START")):
        reply = await say(campaign, text, inbound_id)
        if text == "hm":
            await campaign.db.execute("update reply set text = 'take me off your list' where reply_id = $1", reply)
            await pretend_old(campaign.db, reply, "unclear", "unclear")
            await reclassify(campaign.db, actor=operator("eve"), at=NOW)
            assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}
            first = reply
    assert await campaign.suppressed() == set()
    await pretend_old(campaign.db, first, "unclear", "unclear")
    await reclassify(campaign.db, actor=operator("eve"), at=NOW + timedelta(hours=1))
    assert await campaign.suppressed() == set()
    earlier = NOW - timedelta(minutes=5)  # it only came in later
    await campaign.db.execute("update reply set received_at = $1 where reply_id <> $2", earlier, first)
    await pretend_old(campaign.db, first, "unclear", "unclear")
    await reclassify(campaign.db, actor=operator("eve"), at=NOW + timedelta(hours=2))
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}


async def test_a_reply_from_a_shared_phone_keeps_waiting(campaign: Campaign, ann: Recipient) -> None:
    await add_person(campaign.db, "bob", sms=PHONE)
    reply = await say(campaign, "Voted")
    await pretend_old(campaign.db, reply, "unclear", "shared_address")
    _, (reclassified,) = await reclassify(campaign.db, actor=operator("eve"), at=NOW)
    assert (reclassified.after, reclassified.answer_id, reclassified.why_open) == ("voted", None, "shared_address")


@pytest.mark.parametrize(("days", "why"), [(-11, "early"), (11, "late")])
async def test_newer_rules_make_no_vote_outside_the_ballot_count(
    campaign: Campaign, ann: Recipient, days: int, why: str
) -> None:
    reply = await say(campaign, "hm")
    said_at = NOW + timedelta(days=days)
    await campaign.db.execute("update reply set text = 'Posted mine on Monday', received_at = $1", said_at)
    await pretend_old(campaign.db, reply, "unclear", "unclear")
    _, (reclassified,) = await reclassify(campaign.db, actor=operator("eve"), at=NOW)
    assert (reclassified.after, reclassified.answer_id, reclassified.why_open) == ("voted", None, why)
    assert await campaign.status(ann) is None


async def test_an_opt_out_of_a_shared_phone_records_no_claim(campaign: Campaign, ann: Recipient) -> None:
    await add_person(campaign.db, "bob", sms=PHONE)
    replies = [await say(campaign, "hm", number) for number in (1, 2)]
    await campaign.db.execute("update reply set text = 'Voted, now stop texting me'")
    await campaign.db.execute("update reply set message_id = null where reply_id = $1", replies[1])
    for reply in replies:
        await pretend_old(campaign.db, reply, "opt_out", None)
    assert await reclassify(campaign.db, actor=operator("eve"), at=NOW) == (2, [])
    assert await campaign.db.fetchval("select count(*) from claim_status") == 0
    assert await campaign.suppressed() == set(), "it was obeyed when it came; nothing is new"


async def test_a_vote_in_answer_to_a_deleted_message_is_kept(
    campaign: Campaign, ann: Recipient, owner: Connection
) -> None:
    reply = await say(campaign, "Voted")
    await campaign.db.execute("delete from link")
    await owner.execute("delete from message where message_id = $1", ann.message_id)
    await campaign.db.execute("update reply set rule_version = 'older' where reply_id = $1", reply)
    assert await reclassify(campaign.db, actor=operator("eve"), at=NOW) == (0, [])
    assert await campaign.status(ann) == "voted"


async def test_one_reply_that_cannot_be_read_again_keeps_no_other_back(campaign: Campaign, ann: Recipient) -> None:
    stuck, other = [await say(campaign, "hm", number) for number in (1, 2)]
    await campaign.db.execute(
        "update reply set answer_kind = 'ballot', answer_id = 99 where reply_id = $1", stuck
    )  # of which nobody knows
    await campaign.db.execute("update reply set text = 'Posted mine on Monday' where reply_id = $1", other)
    for reply in (stuck, other):
        await pretend_old(campaign.db, reply, "unclear", "unclear")
    _, (reclassified,) = await reclassify(campaign.db, actor=operator("eve"), at=NOW)
    assert (reclassified.reply_id, reclassified.after) == (other, "voted")
    assert await campaign.db.fetchval("select rule_version from reply where reply_id = $1", stuck) == "older"
