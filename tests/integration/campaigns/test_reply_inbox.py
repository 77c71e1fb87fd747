"""Replies that need a person: listed, closed, read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.replies.answers import Inbound, answer_reply
from campaigns.replies.reply_inbox import close_reply, open_replies, read_by_staff
from core.db import Connection
from core.errors import Conflict, InputError, NotFound
from core.runtime import Runtime
from muster.operator import operator
from tests.support.electorate import add_person
from tests.support.inbound_rows import NUMBER, PHONE, Campaign, Recipient, make_campaign
from tests.support.rows import row_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
async def campaign(runtime: Runtime, db: Connection) -> Campaign:
    return await make_campaign(runtime, db, now=NOW)


async def say(campaign: Campaign, text: str, *, inbound_id: int = 1, sender: str = PHONE, at: datetime = NOW) -> int:
    answered = await answer_reply(campaign.db, Inbound(inbound_id, "sms", sender, (NUMBER,), text, at))
    assert answered.reply_id is not None
    return answered.reply_id


@pytest.fixture
async def ann(campaign: Campaign) -> Recipient:
    return await campaign.ask(sms=PHONE)


async def test_waiting_replies_are_listed_oldest_first(campaign: Campaign, ann: Recipient) -> None:
    await campaign.db.execute("update message set sent_at = $1", NOW - timedelta(hours=3))
    await say(campaign, "Voted", inbound_id=1)
    second = await say(campaign, "hm?", inbound_id=2, at=NOW - timedelta(hours=1), sender="+447400999999")
    first = await say(campaign, "who is this", inbound_id=3, at=NOW - timedelta(hours=2))
    replies = await open_replies(campaign.db, 10)
    assert [reply.reply_id for reply in replies] == [first, second]
    known, stranger = replies
    assert (known.person_id, known.name, known.unit, known.subject) == (ann.person_id, "Ann Lee", "Leeds", "pay-2026")
    assert (known.why_open, len(known.holders)) == ("unclear", 1)
    assert (stranger.why_open, stranger.person_id, stranger.holders) == ("unknown_sender", None, ())
    assert len(await open_replies(campaign.db, 1)) == 1


async def test_a_reply_is_closed_once(campaign: Campaign, ann: Recipient) -> None:
    reply = await say(campaign, "who is this")
    assert await close_reply(campaign.db, reply, actor=operator("eve"), at=LATER)
    assert not await close_reply(campaign.db, reply, actor=operator("bob"), at=LATER)
    assert await open_replies(campaign.db) == []
    assert tuple(await row_of(campaign.db, "select closed_by, closed_at from reply")) == ("eve", LATER)
    assert [row["action"] for row in await campaign.db.fetch("select action from audit_shown")] == ["reply.closed"]


async def test_a_reading_by_staff_becomes_a_claim(campaign: Campaign, ann: Recipient) -> None:
    reply = await say(campaign, "Aye, it's away in the post box hen")
    assert await campaign.status(ann) is None
    claim = await read_by_staff(campaign.db, reply, reading="voted", actor=operator("eve"), at=LATER)
    assert await campaign.status(ann) == "voted"
    assert await campaign.waiting(ann) == ("cancelled", "answered")
    row = await row_of(campaign.db, "select recorder, source, confidence, at from claim where claim_id = $1", claim)
    assert tuple(row) == ("eve", "sms_reply", pytest.approx(0.9), NOW)
    assert tuple(await row_of(campaign.db, "select reading, rule, state from reply")) == ("voted", "staff", "closed")
    detail = await campaign.db.fetchval("select detail from audit_shown where action = 'reply.corrected'")
    assert detail == {"from": "unclear", "to": "voted", "rule": "none"}


async def test_a_wrong_claim_of_a_rule_is_retracted(campaign: Campaign, ann: Recipient) -> None:
    reply = await say(campaign, "Voted")
    await read_by_staff(campaign.db, reply, reading="not_voted", actor=operator("eve"), at=LATER)
    assert await campaign.status(ann) == "not_voted"
    await read_by_staff(campaign.db, reply, reading="unclear", actor=operator("eve"), at=LATER)
    assert await campaign.status(ann) is None
    kinds = [row["kind"] for row in await campaign.db.fetch("select kind from claim order by claim_id")]
    assert kinds == ["voted", "retracted", "not_voted", "retracted"]


async def test_staff_name_the_member_on_a_shared_phone(campaign: Campaign, ann: Recipient) -> None:
    bob = await add_person(campaign.db, "bob", sms=PHONE)
    reply = await say(campaign, "This is Bob, voted")
    with pytest.raises(Conflict):
        await read_by_staff(campaign.db, reply, reading="voted", actor=operator("eve"), at=LATER)
    await read_by_staff(campaign.db, reply, reading="voted", actor=operator("eve"), at=LATER, person_id=bob)
    assert await campaign.status(ann) is None
    assert await campaign.db.fetchval("select kind from claim_status where person_id = $1", bob) == "voted"


async def test_a_vote_that_answers_nothing_is_recorded_from_a_file(
    campaign: Campaign, ann: Recipient, owner: Connection
) -> None:
    await campaign.db.execute("delete from link")
    await owner.execute("delete from message where message_id = $1", ann.message_id)
    reply = await say(campaign, "Voted")
    for person_id in (None, ann.person_id):
        with pytest.raises(Conflict, match="answers no message") as refused:
            await read_by_staff(
                campaign.db, reply, reading="voted", actor=operator("eve"), at=LATER, person_id=person_id
            )
        assert f"--source import --apply; then: muster replies close {reply}" in refused.value.remedy
    assert await campaign.status(ann) is None


async def test_staff_may_read_an_opt_out_and_a_start(campaign: Campaign, ann: Recipient) -> None:
    reply = await say(campaign, "enough already with these")
    await read_by_staff(campaign.db, reply, reading="opt_out", actor=operator("eve"), at=LATER)
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}
    await read_by_staff(campaign.db, reply, reading="opt_in", actor=operator("eve"), at=LATER)
    assert await campaign.suppressed() == set()


async def test_wrong_commands_are_explained_and_change_nothing(campaign: Campaign, ann: Recipient) -> None:
    reply = await say(campaign, "who is this")
    with pytest.raises(InputError, match="“maybe” is not a reading"):
        await read_by_staff(campaign.db, reply, reading="maybe", actor=operator("eve"), at=LATER)
    with pytest.raises(NotFound, match="There is no reply 999"):
        await read_by_staff(campaign.db, 999, reading="voted", actor=operator("eve"), at=LATER)
    with pytest.raises(NotFound, match="There is no reply 999"):
        await close_reply(campaign.db, 999, actor=operator("eve"), at=LATER)
    assert len(await open_replies(campaign.db)) == 1
