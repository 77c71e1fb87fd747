"""Vonage's codes and statuses in our words; the payloads are shaped as its documentation shows them."""

import json
from pathlib import Path
from typing import Any

import pytest

from messaging.channels.vonage.codes import CODES, STATES, code_of, reason_of
from messaging.reasons import OUR_FAULT, SUPPRESSES, Reason
from messaging.states import RECEIPTS

DATA = Path(__file__).parents[2] / "data" / "vonage"


def payload(name: str) -> Any:
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def numbered(code: int | str) -> dict[str, object]:
    return {"type": f"https://developer.vonage.com/api-errors/messages#{code}", "title": code}


@pytest.mark.parametrize("code", [1170, 1190, 1240])
def test_a_number_that_must_not_be_texted_again_is_suppressed(code: int) -> None:
    assert reason_of(numbered(code)) in SUPPRESSES


@pytest.mark.parametrize("code", [1060, 1070, 1080, 1110, 1120, 1140, 1160, 1010, 1090, 1210])
def test_an_error_of_ours_stops_the_sender_and_suppresses_nobody(code: int) -> None:
    assert reason_of(numbered(code)) in OUR_FAULT


@pytest.mark.parametrize("code", [1020, 1040, 1050, 1180, 1200, 1220, 1230, 1250, 1260, 1280, 1290, 1330, 1360])
def test_a_failure_of_one_delivery_stops_and_suppresses_nobody(code: int) -> None:
    assert reason_of(numbered(code)) not in OUR_FAULT | SUPPRESSES


@pytest.mark.parametrize(("name", "status", "code", "reason"), [
    ("answer-401.json", 401, "unauthorized", Reason.ACCOUNT_REFUSED),
    ("answer-402.json", 402, "low-balance", Reason.ACCOUNT_REFUSED),
    ("answer-422.json", 422, "1150", Reason.INVALID_NUMBER),
    ("answer-429.json", 429, "throttled", Reason.BUSY),
])  # fmt: skip
def test_an_answer_as_documented_is_understood(name: str, status: int, code: str, reason: Reason) -> None:
    assert (code_of(payload(name)), reason_of(payload(name), status)) == (code, reason)


@pytest.mark.parametrize(("name", "code", "reason"), [
    ("status-rejected.json", "1240", Reason.OPTED_OUT),
    ("status-undeliverable.json", "1190", Reason.INVALID_NUMBER),
])  # fmt: skip
def test_the_error_of_a_receipt_is_understood(name: str, code: str, reason: Reason) -> None:
    problem = payload(name)["error"]
    assert (code_of(problem), reason_of(problem)) == (code, reason)


@pytest.mark.parametrize("problem", [
    {}, {"type": None, "title": None}, {"title": "Words"}, numbered(9999), {"invalid_parameters": "x"},
    {"invalid_parameters": [1, {"name": "other"}, {}]},
])  # fmt: skip
def test_an_unknown_error_fails_one_message_only(problem: dict[str, object]) -> None:
    assert reason_of(problem, 422) is Reason.RECIPIENT_REFUSED


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_the_status_decides_where_a_proxy_answers(status: int) -> None:
    assert reason_of({}, status) is Reason.ACCOUNT_REFUSED


@pytest.mark.parametrize(("name", "reason"), [
    ("from", Reason.SENDER_REFUSED), ("text", Reason.CONTENT_REFUSED), ("to", Reason.INVALID_NUMBER),
])  # fmt: skip
def test_a_wrong_parameter_is_assigned_to_sender_or_message(name: str, reason: Reason) -> None:
    wrong = numbered(1150) | {"invalid_parameters": [{"name": name, "reason": "is wrong"}]}
    assert reason_of(wrong, 422) is reason


def test_every_status_of_an_outgoing_message_is_a_receipt() -> None:
    assert set(STATES) == {"submitted", "delivered", "rejected", "undeliverable", "read"}
    assert set(STATES.values()) <= RECEIPTS
    assert all(isinstance(code, str) for code in CODES)
