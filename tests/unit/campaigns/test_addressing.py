"""Choice of people and channels for a step."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from campaigns.addressing import Candidate, CandidateAddress, assign_addresses
from campaigns.person_dates import Due
from messaging.states import State


def _person(
    person_id: int, *addresses: CandidateAddress, answered: bool = False, blocked: str | None = None
) -> Candidate:
    return Candidate(person_id, answered, blocked, list(addresses))


def test_a_shared_phone_gets_one_message_and_the_next_channel_steps_in() -> None:
    phone = CandidateAddress("sms", "+447700900001")
    decisions = assign_addresses(
        [_person(1, phone), _person(2, phone, CandidateAddress("email", "b@x.test")), _person(3, phone)], set()
    )
    assert [(decision.channel, decision.state, decision.reason) for decision in decisions] == [
        ("sms", State.QUEUED, None), ("email", State.QUEUED, None), (None, State.SKIPPED, "shared_address"),
    ]  # fmt: skip


def test_about_a_date_of_their_own_everybody_at_a_shared_phone_gets_one() -> None:
    phone, mailbox = CandidateAddress("sms", "+447700900001"), CandidateAddress("email", "b@x.test")
    people = [_person(1, phone), _person(2, phone, mailbox), _person(3, phone), _person(4, phone)]
    at = datetime(2026, 11, 25, tzinfo=UTC)
    dues = {n: Due("25/11/2026", at, at) for n in (1, 2, 3)}
    decisions = assign_addresses(people, set(), dues)
    assert [(decision.address, decision.reason) for decision in decisions] == [
        (phone.address, None), (mailbox.address, None), (phone.address, None), (None, "no_date"),
    ]  # fmt: skip


def test_a_member_who_has_answered_leaves_a_shared_phone_to_the_others() -> None:
    phone = CandidateAddress("sms", "+447700900001")
    decisions = assign_addresses([_person(1, phone, answered=True), _person(2, phone)], set())
    assert [decision.reason for decision in decisions] == ["answered", None]


def test_everybody_who_gets_nothing_has_the_reason_that_fits() -> None:
    stopped = CandidateAddress("sms", "+447700900001", suppressed="opted_out")
    people = [
        _person(1), _person(2, stopped), _person(3, stopped, CandidateAddress("email", "c@x.test")),
        _person(4, CandidateAddress("email", "d@x.test"), blocked="deceased"),
    ]  # fmt: skip
    assert [(decision.address, decision.state, decision.reason) for decision in assign_addresses(people, set())] == [
        (None, State.SKIPPED, "no_address"), (None, State.SUPPRESSED, "opted_out"),
        ("c@x.test", State.QUEUED, None), (None, State.SUPPRESSED, "deceased"),
    ]  # fmt: skip


_ADDRESS = st.builds(
    CandidateAddress,
    st.sampled_from(["sms", "email"]),
    st.sampled_from("abcde"),
    st.sampled_from([None, None, "opted_out"]),
)
_PEOPLE = st.lists(st.tuples(st.booleans(), st.lists(_ADDRESS, max_size=3)), max_size=12)


@given(_PEOPLE, st.integers(0, 12))
def test_one_message_an_address_and_one_decision_a_person(
    drawn: list[tuple[bool, list[CandidateAddress]]], page: int
) -> None:
    people = [_person(n, *addresses, answered=answered) for n, (answered, addresses) in enumerate(drawn)]
    taken: set[tuple[str, str]] = set()

    decisions = [*assign_addresses(people[:page], taken), *assign_addresses(people[page:], taken)]

    used = [(decision.channel, decision.address) for decision in decisions if decision.channel]
    assert len(used) == len(set(used))
    assert decisions == assign_addresses(people, set()), "pages make no difference"
    assert [decision.person_id for decision in decisions] == list(range(len(people)))
    for person, decision in zip(people, decisions, strict=True):
        assert (decision.reason is None) == (decision.address is not None) == (decision.state is State.QUEUED)
        if decision.reason == "shared_address":
            allowed = [address for address in person.addresses if address.suppressed is None]
            assert allowed
            assert all((address.channel, address.address) in used for address in allowed)
