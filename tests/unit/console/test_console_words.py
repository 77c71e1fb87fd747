"""Figures and states as a person reads them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.replies.classification.named_answers import CANCEL
from campaigns.replies.open_reasons import COMMENT, FOR_A_PERSON, WHY_OPEN
from campaigns.subjects.kinds import KINDS
from campaigns.subjects.question import LOW
from console.words import (
    GROUPS,
    ago,
    code_in_words,
    duration,
    mask_text,
    short_name,
    shorten,
)
from core.address_masks import mask
from core.plurals import plural
from messaging.states import STATE_GROUPS, STATE_NAMES, STATE_SENTENCES, State


def test_every_message_state_has_words_and_one_group() -> None:
    assert set(STATE_NAMES) == set(STATE_SENTENCES) == set(State)
    assert sorted(state for states in STATE_GROUPS.values() for state in states) == sorted(State)
    assert [group.key for group in GROUPS] == list(STATE_GROUPS)


def test_every_reason_to_read_a_reply_has_words() -> None:
    of_subjects = frozenset[str]().union(*(kind.needs_staff for kind in KINDS.values()))
    others = {
        LOW,
        COMMENT,
        "asked_back",
        CANCEL,
        "staff_reply_failed",
        "opt_out",
        "shared_address",
        "unknown_sender",
        "no_message",
        "early",
        "late",
    }
    assert FOR_A_PERSON | of_subjects | others == set(WHY_OPEN)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "less than a minute"),
        (60, "1 minute"),
        (89, "1 minute"),
        (5000, "83 minutes"),
        (5400, "2 hours"),
        (86400, "24 hours"),
        (200_000, "2 days"),
    ],
)
def test_durations_are_written_in_words(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_past_times_are_written_as_ago() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert ago(now + timedelta(seconds=5), now) == "just now"
    assert ago(now - timedelta(minutes=8), now) == "8 minutes ago"


def test_numbers_and_nouns_agree() -> None:
    assert (plural(1, "branch", "branches"), plural(0, "reply", "replies")) == ("1 branch", "0 replies")


def test_a_long_text_is_cut_at_a_word() -> None:
    assert shorten("one two three", 9) == "one two …"
    assert shorten("one two", 9) == "one two"
    assert shorten("x" * 20, 9) == "x" * 9 + " …"


def test_a_name_is_short() -> None:
    assert short_name("Bethan", "okafor") == "Bethan O."
    assert short_name("", "") == "Somebody"


@given(st.from_regex(r"\A\+[1-9][0-9]{7,14}\Z"))
def test_a_masked_number_keeps_at_most_its_ends(number: str) -> None:
    assert mask(number) in {"•••", f"{number[:3]} ••• {number[-3:]}"}
    assert sum(char.isdigit() for char in mask(number)) <= 5


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("ring 07700 900123 please", "ring 077 ••• 123 please"),
        ("+44 (0)7700-900-123", "+44 ••• 123"),
        ("mail jo.price@union.example ok", "mail j•••@union.example ok"),
        ("branch 12 voted at 9.30", "branch 12 voted at 9.30"),
    ],
)
def test_addresses_in_a_text_are_masked(said: str, shown: str) -> None:
    assert mask_text(said) == shown


def test_a_word_without_words_is_shown_readably() -> None:
    assert code_in_words({}, "some_new_reason") == "Some new reason"
    assert code_in_words({}, None) == ""
