"""Outcomes that come back together are recorded together, and none waits long."""

from __future__ import annotations

import pytest

from messaging.outbox.outcome_batch import GATHER_TIME, MAX_OUTCOME_DELAY, OutcomeBatch
from messaging.outbox.outcome_writer import BroadRefusal
from messaging.outbox.outcomes import Outcome
from messaging.outbox.waiting_messages import WaitingMessages
from messaging.reasons import Reason
from messaging.states import State
from tests.support.clocks import MonotonicClock


def batch_of(connections: int, *, used: int) -> tuple[OutcomeBatch, MonotonicClock]:
    waiting, clock = WaitingMessages(connections), MonotonicClock()
    waiting.used(used)
    return OutcomeBatch(waiting, clock), clock


def accepted(message_id: int) -> Outcome:
    return Outcome(message_id, 1, State.ACCEPTED)


def test_with_a_quick_provider_the_first_outcomes_wait_for_the_others() -> None:
    batch, clock = batch_of(16, used=16)
    assert not batch.gathers(20)
    assert batch.add(accepted(1))
    assert not batch.add(accepted(2))
    assert batch.gathers(20)
    assert batch.wait(20, 1.0) == pytest.approx(GATHER_TIME)
    for n in range(3, 19):
        batch.add(accepted(n))
    assert not batch.gathers(20)
    assert batch.gathers(30)
    clock.now += GATHER_TIME
    assert not batch.gathers(30)
    assert not batch.is_due()


def test_with_a_slow_provider_no_outcome_waits_for_others() -> None:
    batch, clock = batch_of(16, used=2)
    batch.add(accepted(1))
    assert not batch.gathers(20)
    assert batch.wait(20, 1.0) == pytest.approx(MAX_OUTCOME_DELAY)
    assert batch.wait(20, 0.001) == 0.001
    clock.now += MAX_OUTCOME_DELAY
    assert batch.is_due()


def test_what_could_not_be_recorded_goes_first() -> None:
    batch, _ = batch_of(4, used=4)
    refusal = BroadRefusal(1, 1, "a@x.test", Reason.HARD_BOUNCED, "smtp")
    batch.add(accepted(1))
    batch.add_refusal(refusal)
    outcomes, refusals = batch.take()
    assert (len(batch), batch.wait(3, 1.0), batch.is_due()) == (0, 1.0, False)
    batch.add(accepted(2))
    batch.put_back(outcomes, refusals)
    outcomes, refusals = batch.take()
    assert [outcome.message_id for outcome in outcomes] == [1, 2]
    assert refusals == [refusal]
