"""Consent by purpose: a ledger with source, wording and time; marketing goes only to people who have consented."""

from datetime import timedelta

import asyncpg
import pytest

from campaigns.addressing import list_candidates
from core.db import Connection
from messaging.consent import Consent, consents_of, current_consent, record_consents
from messaging.outbox.claim import claim
from messaging.outbox.outcomes import Intent, record_outcomes
from messaging.reasons import sentence
from messaging.states import State
from tests.support.electorate import add_person
from tests.support.outbox_rows import NOON, add_messages, add_step, agree, dispatcher, events, message, states

NUMBERS = [f"+4477009000{n:02}" for n in range(1, 6)]


async def given(db: Connection, person_id: int) -> bool | None:
    said: bool | None = await db.fetchval(
        "select given from consent where person_id = $1 and channel = 'sms'", person_id
    )
    return said


async def test_marketing_goes_to_people_who_have_agreed_to_that_channel(db: Connection) -> None:
    step = await add_step(db, purpose="marketing")
    ids = await add_messages(db, step, "sms", NUMBERS[:4])
    await agree(db, 1, 3)
    await agree(db, 2, channel="email")
    await agree(db, 3, action="withdraw", at=NOON + timedelta(hours=1))
    taken = await claim(db, step.due("sms"), limit=10, now=NOON + timedelta(days=1), dispatcher_id=await dispatcher(db))
    assert [message.message_id for message in taken.messages] == ids[:1]
    assert await states(db, step) == {"sending": 1, "suppressed": 3}
    assert (await message(db, ids[2]))["reason"] == "no_consent"
    assert (await events(db, ids[2]))[-1] == ("suppressed", "worker", "no_consent")
    assert sentence("no_consent") == "They have not agreed to messages of this kind."


async def test_the_last_eligibility_check_sees_a_withdrawn_consent(db: Connection) -> None:
    step = await add_step(db, purpose="marketing")
    (only,) = await add_messages(db, step, "sms", NUMBERS[:1])
    await agree(db, 1)
    now = NOON + timedelta(days=1)
    (taken,) = (await claim(db, step.due("sms"), limit=1, now=now, dispatcher_id=await dispatcher(db))).messages
    await agree(db, 1, action="withdraw", at=now)
    mark = Intent(only, taken.attempt, b"c", b"u")
    assert await record_outcomes(db, [], [mark], source="twilio", now=now) == {only: State.SUPPRESSED}
    assert (await message(db, only))["reason"] == "no_consent"


async def test_service_messages_need_no_consent(db: Connection) -> None:
    step = await add_step(db)
    await add_messages(db, step, "sms", NUMBERS[:2])
    await agree(db, 1, action="withdraw")
    taken = await claim(db, step.due("sms"), limit=10, now=NOON + timedelta(days=1), dispatcher_id=await dispatcher(db))
    assert len(taken.messages) == 2


async def test_a_launch_leaves_out_people_without_consent_and_records_why(db: Connection) -> None:
    ann = await add_person(db, "1", sms="+447400123456", email="ann@x.test")
    bob = await add_person(db, "2", sms="+447400123457", email="bob@x.test")
    await agree(db, ann, channel="email")
    asked = await list_candidates(db, people=[ann, bob], channels=["sms", "email"], goal_id=None, purpose="marketing")
    assert [[address.suppressed for address in person.addresses] for person in asked] == [
        ["no_consent", None],
        ["no_consent", "no_consent"],
    ]
    asked = await list_candidates(db, people=[bob], channels=["sms"], goal_id=None, purpose="service")
    assert asked[0].addresses[0].suppressed is None


async def test_the_latest_consent_event_counts_by_its_time(db: Connection) -> None:
    await agree(db, 1, action="withdraw", at=NOON)
    await agree(db, 1, at=NOON - timedelta(days=100))  # an old form, brought in late
    assert await given(db, 1) is False
    await agree(db, 1, at=NOON + timedelta(days=1))
    assert await given(db, 1) is True
    assert [consent.action for consent in await consents_of(db, 1)] == ["give", "withdraw", "give"]
    (present,) = current_consent(await consents_of(db, 1))
    assert (present.action, present.source, present.wording) == ("give", "form", "Tell me of offers.")


async def test_a_repeated_consent_is_not_recorded_again(db: Connection) -> None:
    consent = Consent(1, "sms", "marketing", "give", "form", "Yes", NOON, "ann")
    assert await record_consents(db, [consent, consent]) == 1
    assert await record_consents(db, [consent]) == 0
    assert len(await consents_of(db, 1)) == 1


async def test_the_consent_ledger_is_append_only(db: Connection) -> None:
    await agree(db, 1)
    for change in ("update consent_event set wording = ''", "delete from consent_event"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await db.execute(change)
