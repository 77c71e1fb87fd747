"""Receipts in any order and any number end in the same state, and never move a message backwards."""

from hypothesis import given
from hypothesis import strategies as st

from messaging.reasons import OUR_FAULT, SENTENCES, SUPPRESSES, Reason, sentence
from messaging.states import PROOF, RANK, RECEIPTS, State, apply_receipt

states = st.sampled_from(list(State))
receipts = st.lists(st.sampled_from(sorted(RECEIPTS)), max_size=12)


def after(state: State, received: list[State]) -> State:
    for receipt in received:
        state = apply_receipt(state, receipt)
    return state


@given(states, receipts, st.data())
def test_any_order_and_any_repetition_ends_in_the_same_state(
    start: State, received: list[State], data: st.DataObject
) -> None:
    repeated = received + data.draw(
        st.lists(st.sampled_from(received or [State.SENT]), max_size=6) if received else st.just([])
    )
    shuffled = data.draw(st.permutations(repeated))
    assert after(start, list(shuffled)) is after(start, received)
    assert after(start, received) is max([start, *received], key=RANK.__getitem__)


@given(states, receipts)
def test_a_receipt_never_moves_a_message_backwards(start: State, received: list[State]) -> None:
    state = start
    for receipt in received:
        moved = apply_receipt(state, receipt)
        assert RANK[moved] >= RANK[state]
        assert moved is state or moved in RECEIPTS
        state = moved


@given(states, receipts)
def test_a_receipt_of_an_earlier_try_moves_a_message_only_if_it_arrived(start: State, received: list[State]) -> None:
    state = start
    for receipt in received:
        moved = apply_receipt(state, receipt, earlier=True)
        assert moved is state or receipt in PROOF
        assert moved is (apply_receipt(state, receipt) if receipt in PROOF else state)
        state = moved


@given(states, states)
def test_no_other_outcome_moves_a_message_like_a_receipt(current: State, other: State) -> None:
    if other not in RECEIPTS:
        assert apply_receipt(current, other) is current


def test_every_state_has_a_rank() -> None:
    assert set(RANK) == set(State)


def test_a_delivered_email_may_still_bounce_and_be_complained_about() -> None:
    assert apply_receipt(State.DELIVERED, State.BOUNCED) is State.BOUNCED
    assert apply_receipt(State.BOUNCED, State.COMPLAINED) is State.COMPLAINED
    assert apply_receipt(State.COMPLAINED, State.DELIVERED) is State.COMPLAINED


def test_a_late_report_of_an_earlier_state_changes_nothing() -> None:
    for late in (State.ACCEPTED, State.SENT, State.UNDELIVERED, State.FAILED):
        assert apply_receipt(State.DELIVERED, late) is State.DELIVERED


def test_no_message_without_an_address_is_received() -> None:
    assert all(apply_receipt(State.SKIPPED, received) is State.SKIPPED for received in RECEIPTS)


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
    assert all(words.endswith(".") and words[0].isupper() for words in SENTENCES.values())
    assert sentence("30007") == "30007"
    assert sentence(None) == ""
    assert not SUPPRESSES & OUR_FAULT
