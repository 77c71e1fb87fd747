"""The reconciliation finds what it is there to find: each demand is broken once, by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from messaging.reasons import Reason
from tests.faults.providers import Arrival
from tests.faults.reconciliation import AllowedOutcomes, Records, compare
from tests.faults.scale import SHORT
from tests.faults.servers import CAMPAIGN, FEEDBACK

SCALE = replace(SHORT, emails=2, texts=2, smtp_connections=1, sms_connections=1)
KILLED = 77


def row(channel: str, address: str, **changes: Any) -> dict[str, Any]:
    return {"state": "accepted", "reason": None, "channel": channel, "address": address, "campaign": CAMPAIGN} | changes


def environment(**changes: Any) -> Any:
    known = {
        "scale": SCALE, "steps": 1, "wrong": [], "killed": [], "answered": [], "paused": [], "most_workers": 1,
        "asked": set(), "messages": 4,
        "providers": SimpleNamespace(told=dict),
    }  # fmt: skip
    return SimpleNamespace(**known | changes)


def arrival(key: int, at: float = 10.0, mark: str = "") -> Arrival:
    channel = "email" if key < 3 else "sms"
    return Arrival(key, channel, f"address {key}", mark or f"<m{key}>", at)


def records() -> Records:
    rows = {key: row("email" if key < 3 else "sms", f"address {key}") for key in (1, 2, 3, 4)}
    return Records(rows, [], dict.fromkeys(rows, "accepted"), {key: [arrival(key)] for key in rows}, [])


def found_in(kept: Records, allowed: AllowedOutcomes | None = None, **changes: Any) -> Any:
    return compare(environment(**changes), "test", kept, allowed or AllowedOutcomes())


def test_nothing_is_reported_where_all_is_well() -> None:
    found = found_in(records())
    assert (found.sent, found.lost, found.doubled, found.broken) == (4, 0, 0, [])


def lose(kept: Records) -> None:
    del kept.arrived[4]


def forget(kept: Records) -> None:
    del kept.rows[4], kept.reported[4], kept.arrived[4]


def double(kept: Records) -> None:
    kept.arrived[1].append(arrival(1))


def leave_open(kept: Records) -> None:
    kept.rows[1]["state"] = kept.reported[1] = "ambiguous"


def fail(kept: Records) -> None:
    kept.rows[1].update(state="failed", reason=Reason.CANNOT_RENDER)
    kept.reported[1] = "failed"
    del kept.arrived[1]


def cancel_one_that_arrived(kept: Records) -> None:
    kept.rows[1].update(state="cancelled", reason=Reason.ANSWERED)
    kept.reported[1] = "cancelled"


def drop_last_event(kept: Records) -> None:
    kept.reported[1] = "queued"


def stray(kept: Records) -> None:
    kept.strays.append(arrival(9))


def make_unknown(kept: Records) -> None:
    kept.unknown.append({"message_id": 1, "channel": "email", "pid": 1})


@pytest.mark.parametrize(
    ("break_one", "words"),
    [
        (lose, "1 messages are said to have left, and no provider has them: [4]"),
        (forget, "1 messages of 4 are not there at all"),
        (double, "1 copies too many"),
        (leave_open, "1 messages are still ambiguous (None)"),
        (fail, "1 messages are failed (cannot_render)"),
        (cancel_one_that_arrived, "1 messages are cancelled, and arrived"),
        (drop_last_event, "1 messages are accepted, and their last event says queued"),
        (stray, "1 arrived that are nobody's"),
        (make_unknown, "1 by email became unknown under workers that were not killed (0)"),
    ],
)
def test_each_wrong_is_reported(break_one: Callable[[Records], None], words: str) -> None:
    kept = records()
    break_one(kept)
    assert any(
        broken.startswith(words) for broken in found_in(kept, AllowedOutcomes(withdrawn={Reason.ANSWERED})).broken
    )


def test_a_copy_of_an_unanswered_email_is_allowed_if_it_is_the_same() -> None:
    kept = records()
    make_unknown(kept)
    double(kept)
    allowed = AllowedOutcomes(ambiguous={"email": 1, "sms": 0})
    assert (found_in(kept, allowed).again, found_in(kept, allowed).broken) == (1, [])
    double(kept)
    assert found_in(kept, allowed).doubled == 2, "two copies for one unknown try"
    other = records()
    make_unknown(other)
    other.arrived[1].append(arrival(1, mark="<another>"))
    assert found_in(other, allowed).doubled == 1


def test_who_got_a_copy_we_know_nothing_of_may_have_answered_the_question() -> None:
    kept = records()
    kept.unknown.append({"message_id": 1, "channel": "email", "pid": KILLED})
    kept.rows[1].update(state="cancelled", reason=Reason.ANSWERED)
    kept.reported[1] = "cancelled"
    assert found_in(kept, killed=[KILLED]).broken == ["1 messages are cancelled (answered)"]
    kept.rows[1]["campaign"] = FEEDBACK
    assert found_in(kept, killed=[KILLED]).broken == []
    del kept.arrived[1]
    assert found_in(kept, killed=[KILLED]).broken == ["1 messages are cancelled (answered)"]


def test_a_message_to_one_person_that_was_queued_must_be_there() -> None:
    kept = records()
    kept.rows[4]["campaign"] = None
    assert found_in(kept, messages=3, asked={4}).broken == []
    assert found_in(kept, messages=3, asked={4, 5}).lost == 1


def test_a_text_is_never_sent_again_that_arrived() -> None:
    kept = records()
    kept.unknown.append({"message_id": 3, "channel": "sms", "pid": 1})
    kept.arrived[3].append(arrival(3))
    assert found_in(kept, AllowedOutcomes(ambiguous={"email": 0, "sms": 1})).doubled == 1


@pytest.mark.parametrize(
    ("turns", "broken"),
    [
        ([(1.0, True)], False),
        ([(1.0, True), (7.0, False)], True),
        ([(1.0, True), (9.0, False)], False),  # it was on its way
        ([(1.0, True), (7.0, False), (9.5, True)], False),
        ([(1.0, False), (1.5, True)], False),
    ],
)
def test_what_was_taken_from_its_worker_must_not_leave(turns: list[tuple[float, bool]], broken: bool) -> None:
    kept = replace(records(), turns={3: turns})
    assert bool(found_in(kept).broken) is broken


@pytest.mark.parametrize(("unknown_tries", "broken"), [(2, False), (3, True)])
def test_a_killed_worker_may_leave_twice_its_connections(unknown_tries: int, broken: bool) -> None:
    kept = records()
    kept.unknown.extend({"message_id": n, "channel": "email", "pid": KILLED} for n in range(unknown_tries))
    assert bool(found_in(kept, killed=[KILLED]).broken) is broken


@pytest.mark.parametrize(("workers", "broken"), [(1, True), (2, False)])
def test_after_a_commit_only_what_was_on_the_wire_may_leave(workers: int, broken: bool) -> None:
    kept = records()
    late = SCALE.smtp_connections * 2 + 1
    for key in range(10, 10 + late):
        kept.rows[key] = row("email", f"address {key}")
        kept.reported[key] = "accepted"
        kept.arrived[key] = [Arrival(key, "email", f"address {key}", f"<m{key}>", 11.0)]
    scale, messages = replace(SCALE, emails=2 + late), 4 + late
    answers = found_in(
        kept, scale=scale, messages=messages, answered=[(10.5, set(range(10, 10 + late)))], most_workers=workers
    )
    pause = found_in(kept, scale=scale, messages=messages, paused=[(10.5, 12.0)], most_workers=workers)
    assert bool(answers.broken) is bool(pause.broken) is broken
    assert answers.late == pause.late == late


def test_a_text_that_stands_below_its_receipt_is_found() -> None:
    told = {3: {"sent", "delivered"}}
    assert found_in(records(), providers=SimpleNamespace(told=lambda: told)).broken == [
        "1 texts stand below what a receipt said that our webhook took"
    ]


def test_what_went_wrong_in_the_environment_is_kept() -> None:
    assert found_in(records(), wrong=["a worker process ended by itself"]).broken == [
        "a worker process ended by itself"
    ]
