"""The published schema has every event that can be sent."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from core.errors import InputError
from tools.events_page import PAGE, SCHEMAS, page, schema_text
from webhooks.subscriptions.event_types import EVENTS, GROUPS, expand, schemas, write

AT = datetime(2026, 11, 25, tzinfo=UTC)
VALIDATOR = Draft202012Validator(schemas(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_the_page_and_the_schemas_agree_with_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run `make docs`"
    assert SCHEMAS.read_text(encoding="utf-8") == schema_text(), "run `make docs`"


def test_the_schemas_are_valid() -> None:
    Draft202012Validator.check_schema(schemas())


def test_every_event_agrees_with_its_schema() -> None:
    data = {
        "channel": "sms", "purpose": "all", "reason": "opted_out", "source": "link", "message_id": None,
        "person_ids": [1], "member_ids": ["M1"],
    }  # fmt: skip
    sent = json.loads(write("opt_out.added", event_id="evt_1", cursor=1, at=AT, data=data))
    VALIDATOR.validate(sent)
    assert sent["data"] == data, "what was not given is not there, not even as null"
    assert not VALIDATOR.is_valid({**sent, "type": "claim.voted"})
    assert not VALIDATOR.is_valid({**sent, "type": "opt_out.unheard_of"})
    VALIDATOR.validate({**sent, "data": {**data, "address": "+447700900001", "a field to come": 1}})


def test_groups_stand_for_all_their_events_and_a_test_is_never_one() -> None:
    assert expand(["*"]) == [kind for kind in EVENTS if kind != "webhook.test"]
    assert expand(GROUPS) == expand(["*"])
    assert expand(["opt_out.*", "claim.voted", "opt_out.added"]) == ["opt_out.added", "opt_out.lifted", "claim.voted"]


@given(st.text())
def test_no_other_word_is_an_event(word: str) -> None:
    if word in EVENTS or word in {*GROUPS, "*"}:
        return
    with pytest.raises(InputError, match="There is no event"):
        expand([word])


def test_a_test_cannot_be_subscribed_to() -> None:
    with pytest.raises(InputError):
        expand(["webhook.test"])
