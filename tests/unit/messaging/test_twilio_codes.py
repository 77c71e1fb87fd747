"""Twilio's codes and statuses in our words; the cases are those of its documentation."""

import pytest

from messaging.channels.twilio.codes import CODES, STATES, meaning_of, reason_of
from messaging.reasons import OUR_FAULT, SUPPRESSES, Reason
from messaging.states import RECEIPTS, State


@pytest.mark.parametrize("code", [21211, 21614, 21635, 30005, 30006])
def test_a_number_that_cannot_receive_is_suppressed(code: int) -> None:
    assert meaning_of(code).reason in SUPPRESSES
    assert not meaning_of(code).retry


@pytest.mark.parametrize("code", [20003, 21408, 21606, 21612, 30034, 30004, 30007, 30450])
def test_an_error_of_ours_stops_the_sender_and_suppresses_nobody(code: int) -> None:
    assert meaning_of(code).reason in OUR_FAULT


@pytest.mark.parametrize("code", [20429, 21611, 30001])
def test_a_text_never_processed_may_be_tried_again(code: int) -> None:
    assert meaning_of(code).retry


def test_only_passing_failures_are_tried_again_after_acceptance() -> None:
    assert {code: outcome_of.again for code, outcome_of in CODES.items() if outcome_of.again} == {
        30001: 2,
        30003: 2,
        30008: 1,
    }
    assert meaning_of(99999).again == meaning_of(None).again == 0


def test_an_opt_out_is_an_opt_out() -> None:
    assert meaning_of(21610).reason is Reason.OPTED_OUT


@pytest.mark.parametrize("code", [99999, "99999", "nonsense", None, ""])
def test_an_unknown_code_fails_one_message_only(code: object) -> None:
    reason = meaning_of(code).reason  # type: ignore[arg-type]
    assert reason not in SUPPRESSES | OUR_FAULT


def test_a_callback_without_a_code_has_no_reason() -> None:
    assert reason_of(None) is reason_of("") is reason_of("0") is None
    assert reason_of("30005") is Reason.INVALID_NUMBER


def test_every_status_of_an_outgoing_message_is_a_receipt() -> None:
    assert set(STATES) == {
        "accepted", "scheduled", "queued", "sending", "sent", "delivered", "partially_delivered", "undelivered",
        "failed", "canceled", "read",
    }  # fmt: skip
    assert set(STATES.values()) <= RECEIPTS
    assert STATES["sending"] is State.ACCEPTED
    assert all(isinstance(code, int) for code in CODES)
