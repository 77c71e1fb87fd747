"""Choice of a provider: the cheapest working one; when one is left out, tried again, and never asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from core.errors import Unavailable
from messaging.channels.breaker import FIRST_PAUSE, MAX_FAILURES, MAX_PAUSE, Breaker
from messaging.channels.channel import (
    Accepted,
    OutboundMessage,
    OutboundText,
    Refused,
    Retry,
    Route,
    Router,
    SendResult,
    StatusReport,
    Trace,
    Unknown,
)
from messaging.channels.failover import FailoverChannel, TextProvider
from messaging.reasons import Reason
from tests.support.clocks import MonotonicClock

YES = Accepted("202")
AWAY = Retry(Reason.NOT_REACHED, slow=True)
BUSY = Retry(Reason.BUSY, slow=True)
ACCOUNT = Refused(Reason.ACCOUNT_REFUSED)
SENDER = Refused(Reason.SENDER_REFUSED)
BAD_NUMBER = Refused(Reason.INVALID_NUMBER)
NO_ANSWER = Unknown()


class Provider:
    """A provider that answers what it is told to, and writes down what it was given."""

    name: Literal["sms"] = "sms"
    connections = 4

    def __init__(self, provider: str, says: SendResult = YES, knows: list[Trace] | None = None) -> None:
        self.provider = provider
        self.says = says
        self.knows = knows
        self.given: list[int] = []
        self.asked = 0

    async def send(self, outbound: OutboundMessage) -> SendResult:
        self.given.append(outbound.message_id)
        return self.says

    async def trace(self, outbound: OutboundMessage, since: datetime) -> list[Trace] | None:
        self.asked += 1
        return self.knows

    async def close(self) -> None:
        self.given.clear()


def text(number: int = 1) -> OutboundText:
    return OutboundText(number, "+447480111111", "+447700900123", "Have you voted?", f"{number}-abc", 1)


def make(clock: MonotonicClock, *providers: Provider, costs: Sequence[float] = ()) -> FailoverChannel:
    costs = costs or [0.0] * len(providers)
    own = "+447480222222"
    members = [
        TextProvider(provider, cost, own if provider.provider == "vonage" else None)
        for provider, cost in zip(providers, costs, strict=True)
    ]
    return FailoverChannel(members, clock=clock)


def alarms(channel: FailoverChannel) -> list[StatusReport]:
    return [status_report for status_report in channel.status_reports() if status_report.severity is not None]


async def give(channel: FailoverChannel, number: int) -> tuple[str, SendResult]:
    outbound = text(number)
    route = channel.route(outbound)
    return route.provider, await channel.send(outbound)


# ---- the breaker


def test_a_breaker_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(MonotonicClock(1000.0))
    for number in range(MAX_FAILURES * 3):
        assert not breaker.failed(number)
        breaker.went_well()
    opened = [breaker.failed(number) for number in range(MAX_FAILURES)]
    assert opened == [False] * (MAX_FAILURES - 1) + [True]
    assert not breaker.closed


def test_an_open_breaker_lets_one_probe_through_after_its_pause() -> None:
    clock = MonotonicClock(1000.0)
    breaker = Breaker(clock)
    for number in range(MAX_FAILURES):
        breaker.failed(number)
    at_once = breaker.wants_probe
    clock.now += FIRST_PAUSE
    after_its_pause = breaker.wants_probe
    breaker.probe_with(77)
    assert (at_once, after_its_pause, breaker.wants_probe) == (False, True, False)
    assert breaker.lets_through(77)
    assert not breaker.lets_through(78)
    assert breaker.went_well()
    assert breaker.lets_through(78)


def test_each_probe_that_fails_doubles_the_pause_up_to_a_limit() -> None:
    clock = MonotonicClock(1000.0)
    breaker = Breaker(clock)
    for number in range(MAX_FAILURES):
        breaker.failed(number)
    pauses = []
    for number in range(10):
        assert breaker.open_until is not None
        pauses.append(breaker.open_until - clock.now)
        clock.now = breaker.open_until
        breaker.probe_with(number)
        assert not breaker.failed(number)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert max(pauses) == MAX_PAUSE


def test_messages_under_way_when_the_breaker_opened_do_not_prolong_it() -> None:
    clock = MonotonicClock(1000.0)
    breaker = Breaker(clock)
    for number in range(MAX_FAILURES + 30):
        breaker.failed(number)
    assert breaker.open_until == clock.now + FIRST_PAUSE


def test_a_probe_without_an_answer_is_given_up() -> None:
    clock = MonotonicClock(1000.0)
    breaker = Breaker(clock)
    for number in range(MAX_FAILURES):
        breaker.failed(number)
    clock.now += FIRST_PAUSE
    breaker.probe_with(1)
    clock.now += 200
    assert breaker.wants_probe


# ---- who gets it


async def test_the_cheapest_provider_is_first_and_equals_keep_their_order() -> None:
    twilio, vonage = Provider("twilio"), Provider("vonage")
    assert (await give(make(MonotonicClock(1000.0), twilio, vonage), 1))[0] == "twilio"
    assert (await give(make(MonotonicClock(1000.0), twilio, vonage, costs=[0.046, 0.04]), 1))[0] == "vonage"


async def test_each_provider_sends_from_its_own_number() -> None:
    twilio, vonage = Provider("twilio"), Provider("vonage")
    outbound = text()
    assert make(MonotonicClock(1000.0), twilio, vonage).route(outbound) == Route("twilio", None)
    assert outbound.sender == "+447480111111"
    assert make(MonotonicClock(1000.0), vonage, twilio).route(outbound) == Route("vonage", "+447480222222")
    assert outbound.sender == "+447480222222"


@pytest.mark.parametrize("outcome", [AWAY, BUSY, ACCOUNT, SENDER])
async def test_a_text_certainly_not_sent_may_go_by_another_provider_at_once(outcome: SendResult) -> None:
    twilio, vonage = Provider("twilio", outcome), Provider("vonage")
    channel = make(MonotonicClock(1000.0), twilio, vonage)
    _, first = await give(channel, 1)
    assert isinstance(first, Retry)
    assert (first.elsewhere, first.slow) == (True, False)
    assert await give(channel, 1) == ("vonage", YES)
    assert (twilio.given, vonage.given) == ([1], [1])


async def test_a_text_without_an_answer_never_goes_by_another_provider() -> None:
    twilio, vonage = Provider("twilio", NO_ANSWER), Provider("vonage")
    channel = make(MonotonicClock(1000.0), twilio, vonage)
    for number in range(MAX_FAILURES):
        assert await give(channel, number) == ("twilio", NO_ANSWER)
    assert vonage.given == []
    assert (await give(channel, 99))[0] == "vonage"  # others need not go the same way


@pytest.mark.parametrize("outcome", [BAD_NUMBER, Refused(Reason.OPTED_OUT), Refused(Reason.CONTENT_REFUSED)])
async def test_a_refusal_of_the_message_is_not_tried_by_another_provider(outcome: SendResult) -> None:
    twilio, vonage = Provider("twilio", outcome), Provider("vonage")
    channel = make(MonotonicClock(1000.0), twilio, vonage)
    for number in range(2 * MAX_FAILURES):
        assert await give(channel, number) == ("twilio", outcome)
    assert vonage.given == []


async def test_a_failing_provider_is_left_out_and_reported_once() -> None:
    twilio, vonage = Provider("twilio", ACCOUNT), Provider("vonage")
    channel = make(MonotonicClock(1000.0), twilio, vonage)
    for number in range(3 * MAX_FAILURES):
        await give(channel, number)
    assert len(twilio.given) == MAX_FAILURES
    [status_reports] = alarms(channel)
    assert (status_reports.provider, status_reports.severity) == ("twilio", "error")
    assert (
        status_reports.title
        == "Twilio is not used. The provider refused our account, not this person. Texts go by Vonage."
    )
    await give(channel, 99)
    assert channel.status_reports() == []


async def test_the_first_success_resolves_an_earlier_workers_alert() -> None:
    channel = make(MonotonicClock(1000.0), Provider("twilio"), Provider("vonage"))
    for number in range(3):
        await give(channel, number)
    assert channel.status_reports() == [StatusReport("twilio", None)]


async def test_a_text_with_an_intent_is_not_handed_to_another_provider() -> None:
    twilio, vonage = Provider("twilio", NO_ANSWER), Provider("vonage")
    channel = make(MonotonicClock(1000.0), twilio, vonage)
    marked = [text(number) for number in range(2 * MAX_FAILURES)]
    for outbound in marked:
        channel.route(outbound)
    outcomes = [await channel.send(outbound) for outbound in marked]
    assert outcomes[:MAX_FAILURES] == [NO_ANSWER] * MAX_FAILURES
    assert all(isinstance(outcome, Retry) and outcome.elsewhere for outcome in outcomes[MAX_FAILURES:])
    assert len(twilio.given) == MAX_FAILURES


async def test_one_success_closes_a_providers_breaker() -> None:
    clock = MonotonicClock(1000.0)
    twilio, vonage = Provider("twilio", AWAY), Provider("vonage")
    channel = make(clock, twilio, vonage)
    for number in range(MAX_FAILURES):
        await give(channel, number)
    channel.status_reports()
    clock.now += FIRST_PAUSE
    assert (await give(channel, 50))[0] == "twilio"  # still away: this one goes by the other next
    assert await give(channel, 50) == ("vonage", YES)
    assert channel.status_reports() == [StatusReport("vonage", None)]
    twilio.says = YES
    clock.now += FIRST_PAUSE
    assert (await give(channel, 51))[0] == "vonage"  # the pause has doubled
    clock.now += FIRST_PAUSE
    assert await give(channel, 52) == ("twilio", YES)
    assert channel.status_reports() == [StatusReport("twilio", None)]
    assert await give(channel, 53) == ("twilio", YES)


async def test_a_dearer_provider_is_tried_again_too() -> None:
    clock = MonotonicClock(1000.0)
    twilio, vonage = Provider("twilio", AWAY), Provider("vonage", AWAY)
    channel = make(clock, twilio, vonage)
    for number in range(4 * MAX_FAILURES):
        await give(channel, number)
    twilio.says = vonage.says = YES
    clock.now += MAX_PAUSE
    for number in range(100, 104):
        await give(channel, number)
    assert {status_report.provider for status_report in channel.status_reports() if status_report.severity is None} == {
        "twilio",
        "vonage",
    }


async def test_the_sender_slows_down_where_no_provider_works() -> None:
    twilio, vonage = Provider("twilio", AWAY), Provider("vonage", AWAY)
    channel = make(MonotonicClock(1000.0), twilio, vonage)
    for number in range(6 * MAX_FAILURES):
        await give(channel, number)
    outcomes = [(await give(channel, number))[1] for number in range(900, 905)]
    assert all(isinstance(outcome, Retry) and outcome.slow and not outcome.elsewhere for outcome in outcomes)


async def test_where_every_provider_refuses_us_the_sender_is_paused() -> None:
    twilio, vonage = Provider("twilio", SENDER), Provider("vonage", SENDER)
    channel = make(MonotonicClock(1000.0), twilio, vonage)
    first, second = await give(channel, 1), await give(channel, 1)
    assert (first[0], second) == ("twilio", ("vonage", SENDER))


@given(st.lists(st.tuples(st.sampled_from([YES, AWAY, BUSY, ACCOUNT, SENDER, BAD_NUMBER, NO_ANSWER]),
                          st.sampled_from([YES, AWAY, BUSY, ACCOUNT, SENDER, BAD_NUMBER, NO_ANSWER]),
                          st.floats(0, 100)), max_size=60))  # fmt: skip
async def test_no_text_that_one_provider_may_have_goes_to_another(
    weather: list[tuple[SendResult, SendResult, float]],
) -> None:
    clock = MonotonicClock(1000.0)
    twilio, vonage = Provider("twilio"), Provider("vonage")
    channel = make(clock, twilio, vonage)
    for number, (twilios, vonages, passed) in enumerate(weather):
        twilio.says, vonage.says = twilios, vonages
        clock.now += passed
        may_have: set[str] = set()
        for _ in range(4):  # as the outbox does: again only after a Retry
            outbound = text(number)
            chosen = channel.route(outbound).provider
            assert not may_have
            before = {channel.provider: len(channel.given) for channel in (twilio, vonage)}
            outcome = await channel.send(outbound)
            after = {channel.provider: len(channel.given) for channel in (twilio, vonage)}
            given_to = {name for name in before if after[name] > before[name]}
            assert given_to <= {chosen}
            if not isinstance(outcome, Retry):
                break
            said = {"twilio": twilios, "vonage": vonages}[chosen]
            if given_to and isinstance(said, (Accepted, Unknown)):
                may_have.add(chosen)


# ---- whom to ask


async def test_only_the_provider_that_had_the_text_is_asked() -> None:
    twilio, vonage = Provider("twilio", knows=[]), Provider("vonage", knows=[Trace("v")])
    channel = make(MonotonicClock(1000.0), twilio, vonage)
    now = datetime.now(UTC)
    outbound = text()
    outbound.route = Route("twilio")
    assert await channel.trace(outbound, now) == []
    outbound.route = Route("vonage")
    assert await channel.trace(outbound, now) == [Trace("v")]
    assert (twilio.asked, vonage.asked) == (1, 1)


async def test_a_removed_provider_leaves_the_outcome_unknown() -> None:
    outbound = text()
    outbound.route = Route("messagebird")
    assert await make(MonotonicClock(1000.0), Provider("twilio", knows=[])).trace(outbound, datetime.now(UTC)) is None


@pytest.mark.parametrize(("twilios", "vonages", "answer"), [
    ([], [], []), ([], None, None), (None, [], None), ([Trace("t")], None, [Trace("t")]),
    ([], [Trace("v")], [Trace("v")]),
])  # fmt: skip
async def test_all_providers_are_asked_where_none_is_recorded(
    twilios: list[Trace] | None, vonages: list[Trace] | None, answer: list[Trace] | None
) -> None:
    channel = make(MonotonicClock(1000.0), Provider("twilio", knows=twilios), Provider("vonage", knows=vonages))
    assert await channel.trace(text(), datetime.now(UTC)) == answer


async def test_an_unavailable_provider_makes_the_look_up_fail() -> None:
    class Away(Provider):
        async def trace(self, outbound: OutboundMessage, since: datetime) -> list[Trace] | None:
            raise Unavailable("It is away.")

    outbound = text()
    outbound.route = Route("vonage")
    with pytest.raises(Unavailable):
        await make(MonotonicClock(1000.0), Provider("twilio"), Away("vonage")).trace(outbound, datetime.now(UTC))


def test_several_providers_make_a_failover_channel_and_one_does_not() -> None:
    channel = make(MonotonicClock(1000.0), Provider("twilio"), Provider("vonage"))
    assert isinstance(channel, Router)
    assert not isinstance(Provider("twilio"), Router)
    assert channel.connections == 4
