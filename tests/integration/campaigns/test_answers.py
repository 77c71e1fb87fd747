"""Replies become claims, opt-outs and conversations: all of it in one transaction, none of it for the wrong person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import asyncpg
import pytest

from campaigns.replies.answers import AnswerResult, Inbound, answer_reply
from campaigns.replies.opt_outs import opt_out, resume_by_link
from campaigns.replies.reclassify import reclassify
from core.db import Connection
from core.runtime import Runtime
from messaging.suppression import suppress
from muster.operator import operator
from tests.support.electorate import add_person
from tests.support.inbound_rows import NUMBER, PHONE, Campaign, make_campaign
from tests.support.rows import row_of
from tests.support.stumbling import refuse_rows

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_numbers = count(1)


@pytest.fixture
async def campaign(runtime: Runtime, db: Connection) -> Campaign:
    return await make_campaign(runtime, db, now=NOW)


async def say(campaign: Campaign, text: str, sender: str = PHONE, **how: Any) -> AnswerResult:
    inbound = Inbound(
        inbound_id=how.pop("inbound_id", None) or next(_numbers),
        channel="sms",
        address=sender,
        senders=how.pop("senders", (NUMBER,)),
        text=text,
        received_at=how.pop("at", NOW),
        **how,
    )
    async with campaign.db.transaction():
        return await answer_reply(campaign.db, inbound)


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("1", "voted", None),
        ("Voted", "voted", None),
        ("2", "not_voted", None),
        ("I will vote tomorrow", "will_vote", None),
        ("3", "no_ballot_paper", "no_ballot_paper"),
        ("can someone ring me about this", None, "call_me"),
        ("HELP", None, "help"),
        ("who is this", None, "unclear"),
        ("Yes", None, "unclear"),
        ("", None, "unclear"),
    ],
)
async def test_each_reply_is_recorded_as_its_reading(
    campaign: Campaign, text: str, kind: str | None, why: str | None
) -> None:
    ann = await campaign.ask(sms=PHONE)
    answered = await say(campaign, text)
    assert await campaign.status(ann) == kind
    assert answered.why_open == why
    row = await row_of(campaign.db, "select person_id, message_id, text, state, answer_id from reply")
    assert tuple(row) == (ann.person_id, ann.message_id, text, "open" if why else "closed", answered.answer_id)
    assert await campaign.waiting(ann) == (("cancelled", "answered") if kind == "voted" else ("queued", None))


async def test_the_confidence_of_a_claim_depends_on_its_reading(campaign: Campaign) -> None:
    await campaign.ask(sms=PHONE)
    for text in ("1", "Voted"):
        await say(campaign, text)
    sure = [
        round(row["confidence"], 2) for row in await campaign.db.fetch("select confidence from claim order by claim_id")
    ]
    assert sure == [0.95, 0.85]


async def test_a_repeated_answer_changes_nothing(campaign: Campaign) -> None:
    await campaign.ask(sms=PHONE)
    first = await say(campaign, "Voted", inbound_id=7_000)
    again = await say(campaign, "Voted", inbound_id=7_000)
    assert (again.answer_id, again.reply_id) == (first.answer_id, first.reply_id)
    assert await campaign.db.fetchval("select count(*) from claim") == 1


async def test_nothing_is_kept_of_an_answer_that_fails_halfway(campaign: Campaign, owner: Connection) -> None:
    ann = await campaign.ask(sms=PHONE)
    await refuse_rows(owner, "reply")
    with pytest.raises(asyncpg.RaiseError, match="stumbled"):  # when the claim and the opt-out have been written
        await say(campaign, "Voted, now stop texting me")
    assert await campaign.status(ann) is None
    assert await campaign.suppressed() == set()
    assert await campaign.waiting(ann) == ("queued", None)


# ---- our own words, sent back

NUDGED = "Hi Ann, have you posted your ballot paper? Reply 1 posted, 2 not yet, 3 none came. Reply STOP to unsubscribe"


@pytest.mark.parametrize(
    ("text", "reading", "kind"),
    [
        (f"Liked “{NUDGED}”", "reaction", None),
        (f"Removed a heart from “{NUDGED}”", "reaction", None),
        (f"👍 to “{NUDGED}”", "reaction", None),
        (f"Voted\n\n{NUDGED}", "voted", "voted"),
        (f"Not yet. {NUDGED}", "not_voted", "not_voted"),
        (NUDGED, "unclear", None),
        ("3 none came", "no_ballot_paper", "no_ballot_paper"),
        ("posted", "voted", "voted"),
    ],
)
async def test_only_the_members_own_words_are_read(
    campaign: Campaign, text: str, reading: str, kind: str | None
) -> None:
    ann = await campaign.ask(sms=PHONE)
    await campaign.db.execute("""update message set variables = '{"first_name": "Ann"}'""")
    answered = await say(campaign, text)
    assert answered.reading == reading
    assert await campaign.status(ann) == kind
    assert await campaign.suppressed() == set()
    if reading == "reaction":
        assert answered.why_open is None


async def test_a_reply_read_with_our_words_is_classified_again_without_them(campaign: Campaign) -> None:
    ann = await campaign.ask(sms=PHONE)
    await say(campaign, f"Voted\n\n{NUDGED}")
    await campaign.db.execute(
        "update reply set reading = 'unclear', rule_version = 'older', answer_kind = null, answer_id = null,"
        " why_open = 'unclear', state = 'open'"
    )
    await reclassify(campaign.db, actor=operator("eve"), at=NOW)
    assert await campaign.status(ann) == "voted"
    assert await campaign.suppressed() == set()


# ---- opting out


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("Will vote STOP", "will_vote", None),
        ("STOP not voted", "not_voted", None),
        ("3 none came stop", "no_ballot_paper", "no_ballot_paper"),
        ("wrong number opt out", None, "wrong_number"),
        ("stop and call me", None, "call_me"),
    ],
)
async def test_a_stop_beside_a_claim_is_obeyed_and_the_claim_is_kept(
    campaign: Campaign, text: str, kind: str | None, why: str | None
) -> None:
    ann = await campaign.ask(sms=PHONE)
    answered = await say(campaign, text)
    assert (answered.reading, answered.why_open) == ("opt_out", why)
    assert await campaign.status(ann) == kind
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}


async def test_a_provider_that_takes_a_reply_for_a_stop_hides_nothing_else_in_it(campaign: Campaign) -> None:
    await campaign.ask(sms=PHONE)
    assert (await say(campaign, "please ring me", opt_out_type="STOP")).why_open == "call_me"
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}


@pytest.mark.parametrize("text", ["STOP", "please take me off this list"])
async def test_an_opt_out_silences_the_number_whoever_shares_it(campaign: Campaign, text: str) -> None:
    ann = await campaign.ask(sms=PHONE)
    await add_person(campaign.db, "bob", sms=PHONE)
    answered = await say(campaign, text)
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}
    assert await campaign.waiting(ann) == ("suppressed", "opted_out")
    assert answered.why_open is None


async def test_a_stranger_can_opt_out(campaign: Campaign) -> None:
    await say(campaign, "STOP", "+447400555555")
    assert await campaign.suppressed() == {("sms", "+447400555555", "opted_out")}


@pytest.mark.parametrize(
    "text", ["I've voted, now stop texting me", "1 stop", "Yes, voted, but stop texting", "STOP voted"]
)
async def test_other_words_beside_an_opt_out_still_count(campaign: Campaign, text: str) -> None:
    ann = await campaign.ask(sms=PHONE)
    await say(campaign, text)
    assert await campaign.status(ann) == "voted"
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}


async def test_a_providers_own_opt_out_is_honoured(campaign: Campaign) -> None:
    await campaign.ask(sms=PHONE)
    assert (await say(campaign, "Genug!", opt_out_type="STOP")).reading == "opt_out"
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}
    assert (await say(campaign, "yes", opt_out_type="START")).reading == "opt_in"
    assert await campaign.suppressed() == set()
    assert (await say(campaign, "yes", opt_out_type="START")).reading == "unclear", "they were not opted out"


async def test_only_start_brings_messages_back(campaign: Campaign) -> None:
    await campaign.ask(sms=PHONE)
    await say(campaign, "STOP")
    for text in ("Voted", "1", "hello", "Yes", "HELP"):
        await say(campaign, text)
    assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}
    await say(campaign, "START")
    assert await campaign.suppressed() == set()


async def test_a_start_that_comes_in_late_undoes_no_later_stop(campaign: Campaign) -> None:
    await campaign.ask(sms=PHONE)
    await say(campaign, "STOP", at=NOW - timedelta(minutes=9))
    await say(campaign, "STOP", at=NOW)
    for way in ({}, {"opt_out_type": "START"}):
        assert (await say(campaign, "START", at=NOW - timedelta(minutes=5), **way)).reading == "opt_in"
        assert await campaign.suppressed() == {("sms", PHONE, "opted_out")}
    await say(campaign, "START", at=NOW + timedelta(minutes=1))
    assert await campaign.suppressed() == set()


@pytest.mark.parametrize("by", ["sms", "email"])
async def test_a_start_that_comes_in_late_undoes_no_later_opt_out_by_page(campaign: Campaign, by: str) -> None:
    places = {"sms": PHONE, "email": "ann@member.test"}
    first = places.pop(by)
    ann = await (campaign.ask(sms=first) if by == "sms" else campaign.ask(email=first))
    await campaign.db.execute(
        "insert into address (person_id, channel, address) select $1, $2, $3",
        ann.person_id,
        *next(iter(places.items())),
    )
    stopped_at = await campaign.db.fetchval("select clock_timestamp()")
    await opt_out(campaign.db, message_id=ann.message_id, everywhere=True, source="link")
    before = await campaign.suppressed()
    await say(campaign, "START", at=stopped_at - timedelta(minutes=5))
    assert await campaign.suppressed() == before
    await say(campaign, "START", at=stopped_at + timedelta(minutes=5))
    assert await campaign.suppressed() == {("email", "ann@member.test", "opted_out")}


async def test_an_addresss_new_holder_does_not_answer_for_the_former_one(campaign: Campaign) -> None:
    ann = await campaign.ask(sms=PHONE)
    await opt_out(campaign.db, message_id=ann.message_id, everywhere=True, source="link")
    everywhere = ("person", str(ann.person_id), "opted_out")
    await campaign.db.execute("update address set address = '+447400777777'")
    await resume_by_link(campaign.db, message_id=ann.message_id, source="link")
    assert await campaign.suppressed() == {everywhere}
    await campaign.db.execute("update address set address = $1", PHONE)
    await resume_by_link(campaign.db, message_id=ann.message_id, source="link")
    assert await campaign.suppressed() == set()


async def test_a_start_does_not_lift_an_invalid_number(campaign: Campaign) -> None:
    await campaign.ask(sms=PHONE)
    await suppress(campaign.db, channel="sms", address=PHONE, reason="invalid_number", source="twilio")
    await say(campaign, "START")
    assert await campaign.suppressed() == {("sms", PHONE, "invalid_number")}


async def test_a_wrong_number_is_silenced_and_shown_to_a_person(campaign: Campaign) -> None:
    await campaign.ask(sms=PHONE)
    answered = await say(campaign, "sorry, you have the wrong number")
    assert answered.why_open == "wrong_number"
    assert await campaign.suppressed() == {("sms", PHONE, "wrong_number")}


# ---- whose answer it is


@pytest.mark.parametrize("text", ["1", "Voted", "not voted", "who is this"])
async def test_a_shared_number_confirms_no_vote(campaign: Campaign, text: str) -> None:
    ann = await campaign.ask(sms=PHONE)
    await add_person(campaign.db, "bob", sms=PHONE)
    answered = await say(campaign, text)
    assert answered.why_open == "shared_address"
    assert await campaign.status(ann) is None
    assert await campaign.db.fetchval("select count(*) from claim") == 0
    assert await campaign.db.fetchval("select person_id from reply") is None


async def test_a_number_with_a_new_holder_confirms_no_vote(campaign: Campaign) -> None:
    ann = await campaign.ask(sms=PHONE)
    await campaign.db.execute("delete from address where person_id = $1", ann.person_id)
    await add_person(campaign.db, "bob", sms=PHONE)
    assert (await say(campaign, "Voted")).why_open == "shared_address"
    assert await campaign.db.fetchval("select count(*) from claim") == 0


async def test_a_corrected_number_confirms_no_vote(campaign: Campaign) -> None:
    ann = await campaign.ask(sms=PHONE)
    await campaign.db.execute("delete from address where person_id = $1", ann.person_id)
    assert (await say(campaign, "Voted")).why_open == "unknown_sender"
    assert await campaign.status(ann) is None


async def test_a_reply_processed_late_answers_the_message_before_it(campaign: Campaign) -> None:
    ann = await campaign.ask(sms=PHONE)
    await campaign.db.execute("update message set sent_at = $1, wire_at = $1", NOW + timedelta(minutes=5))
    assert (await say(campaign, "Voted", at=NOW)).why_open == "no_message"
    assert await campaign.status(ann) is None


async def test_a_text_from_an_unknown_number_waits_for_staff(campaign: Campaign) -> None:
    answered = await say(campaign, "Voted", "+447400555555")
    assert answered.why_open == "unknown_sender"
    assert answered.answer_id is None


async def test_a_text_from_a_member_we_never_wrote_to_waits_for_staff(campaign: Campaign) -> None:
    bob = await add_person(campaign.db, "bob", sms=PHONE)
    assert (await say(campaign, "Voted")).why_open == "no_message"
    assert await campaign.db.fetchval("select person_id from reply") == bob


async def test_a_reply_to_another_number_of_ours_answers_nothing(campaign: Campaign) -> None:
    await campaign.ask(sms=PHONE)
    assert (await say(campaign, "1", senders=("+447700900999",))).why_open == "no_message"


async def test_a_messaging_service_is_a_sender_like_a_number(campaign: Campaign) -> None:
    ann = await campaign.ask(sms=PHONE)
    service = "MG" + "0" * 32
    await campaign.db.execute("update sender set address = $2 where sender_id = $1", campaign.sms_id, service)
    await say(campaign, "1", senders=("+447700900999", service))
    assert await campaign.status(ann) == "voted"


async def test_the_latest_message_is_the_one_that_is_answered(campaign: Campaign) -> None:
    ann = await campaign.ask(sms=PHONE)
    await campaign.db.execute(
        "update message set sent_at = $3, wire_at = $3, state = 'sent' where step_id = $1 and person_id = $2",
        campaign.later_id, ann.person_id, NOW - timedelta(minutes=5),
    )  # fmt: skip
    await campaign.db.execute(
        """update step set content = '{"menu": {"1": "not_voted"}}' where step_id = $1""", campaign.later_id
    )
    await say(campaign, "1")
    assert await campaign.status(ann) == "not_voted"


async def test_a_digit_that_was_not_offered_is_unclear(campaign: Campaign) -> None:
    ann = await campaign.ask(sms=PHONE)
    assert (await say(campaign, "7")).why_open == "unclear"
    assert await campaign.status(ann) is None


@pytest.mark.parametrize(
    ("moved", "why"), [(lambda now: now + timedelta(days=11), "late"), (lambda now: now - timedelta(days=11), "early")]
)
async def test_a_vote_outside_the_ballot_goes_to_a_person(
    campaign: Campaign, moved: Callable[[datetime], datetime], why: str
) -> None:
    ann = await campaign.ask(sms=PHONE)
    await campaign.db.execute("update message set sent_at = $1", moved(NOW) - timedelta(hours=1))
    assert (await say(campaign, "Voted", at=moved(NOW))).why_open == why
    assert await campaign.status(ann) is None


async def test_a_picture_alone_is_shown_to_a_person(campaign: Campaign) -> None:
    await campaign.ask(sms=PHONE)
    assert (await say(campaign, "", media=2)).why_open == "unclear"
    assert await campaign.db.fetchval("select rule from reply") == "media"


async def test_the_latest_word_of_two_replies_decides(campaign: Campaign) -> None:
    ann = await campaign.ask(sms=PHONE)
    await say(campaign, "not yet")
    await say(campaign, "I will vote tomorrow", at=NOW + timedelta(hours=1))
    assert await campaign.status(ann) == "will_vote"
    await say(campaign, "Voted", at=NOW + timedelta(hours=2))
    await say(campaign, "not yet", at=NOW + timedelta(hours=3))
    assert await campaign.status(ann) == "voted", "a vote is only taken back, never talked away"
