"""Queues' numbers and groups of states, which are in Python and in SQL: both say the same."""

from typing import get_args

import pytest

from core.db import Connection
from messaging.outbox.claim import DueQueue
from messaging.states import EXCEPTIONAL, ChannelName, State


@pytest.mark.parametrize("channel", get_args(ChannelName))
@pytest.mark.parametrize("step_id", [1, 16, 17, 2**40 + 5])
async def test_a_steps_queue_has_the_same_number_in_both_and_leads_back_to_the_step(
    db: Connection, step_id: int, channel: str
) -> None:
    queue_id = await db.fetchval("select queue_of($1, $2, 7)", step_id, channel)
    assert queue_id == DueQueue(step_id, channel, 0, 7, None).queue_id
    assert await db.fetchval("select step_of_queue($1)", queue_id) == step_id


async def test_a_senders_transactional_messages_have_the_same_number_in_both_and_no_step(db: Connection) -> None:
    for channel in get_args(ChannelName):
        queue_id = await db.fetchval("select queue_of(null, $1, 7)", channel)
        assert queue_id == DueQueue(None, channel, 0, 7, None).queue_id
        assert await db.fetchval("select step_of_queue($1)", queue_id) is None


async def test_no_two_queues_have_the_same_number(db: Connection) -> None:
    channels = get_args(ChannelName)
    numbers = {DueQueue(step_id, channel, 0, 1, None).queue_id for step_id in range(1, 9) for channel in channels}
    numbers |= {DueQueue(None, channels[0], 0, sender_id, None).queue_id for sender_id in range(1, 9)}
    assert len(numbers) == 8 * len(channels) + 8
    of_channels = await db.fetchval("select array_agg(queue_of(1, c, null)) from unnest($1::text[]) as c", channels)
    assert len({*of_channels}) == len(channels)
    assert None not in of_channels


async def test_the_same_states_are_exceptional_in_both(db: Connection) -> None:
    rows = await db.fetch(
        "select s::text, is_exceptional(s) as exceptional from unnest(enum_range(null::message_state)) as s"
    )
    assert {row["s"] for row in rows} == {*State}
    assert {row["s"] for row in rows if row["exceptional"]} == EXCEPTIONAL
