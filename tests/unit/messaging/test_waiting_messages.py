"""The stock of messages with an intent grows and shrinks with their use while one statement runs."""

from __future__ import annotations

from messaging.outbox.waiting_messages import SHRINK_AFTER, WaitingMessages
from tests.support.clocks import MonotonicClock


def test_the_stock_of_waiting_messages_begins_with_one_and_grows_at_once() -> None:
    ahead = WaitingMessages(16)
    assert ahead.size == 1
    ahead.used(6)
    assert ahead.size == 7
    ahead.used(40)
    assert ahead.size == 16, "never more than one for each connection"


def test_the_stock_of_waiting_messages_shrinks_to_its_use() -> None:
    clock = MonotonicClock()
    ahead = WaitingMessages(32, clock)
    ahead.used(32)
    sizes = []
    for _ in range(12):
        clock.now += SHRINK_AFTER
        ahead.used(2)
        sizes.append(ahead.size)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 3


def test_with_a_quick_provider_gathered_outcomes_keep_the_stock() -> None:
    clock = MonotonicClock()
    ahead = WaitingMessages(16, clock)
    ahead.used(2, gathered=16)
    assert (ahead.size, ahead.is_provider_quick) == (3, False), "a slow one's outcomes were only late"
    ahead.used(12)
    assert ahead.is_provider_quick
    for _ in range(12):
        clock.now += SHRINK_AFTER
        ahead.used(1, gathered=14)
    assert (ahead.size, ahead.is_provider_quick) == (15, True)
    for _ in range(12):
        clock.now += SHRINK_AFTER
        ahead.used(1, gathered=2)
    assert (ahead.size, ahead.is_provider_quick) == (2, False)
