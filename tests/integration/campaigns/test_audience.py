"""Filters over the electorate: each finds whom it says, and nothing people write reaches SQL as text."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ballots.ballots import enrol
from ballots.claims import record_claim
from campaigns.audience import Audience, check_audience, compile_audience, unheld_in_audience
from campaigns.spec import Filter
from core.db import Connection
from core.errors import SpecError
from people.unit_names import find_units
from tests.support.electorate import add_ballot, add_person, add_unit, ballot_subject
from tests.support.outbox_rows import add_messages, add_step


async def _union(db: Connection) -> int:
    """a b in North/Leeds, c in North/York, d in South/Leeds, e without a unit; f in North/Leeds is no elector."""
    north, south = await add_unit(db, "North", "region"), await add_unit(db, "South", "region")
    leeds, york = await add_unit(db, "Leeds", "branch", north), await add_unit(db, "York", "branch", north)
    other_leeds = await add_unit(db, "Leeds", "branch", south)
    people = {
        "a": await add_person(db, "a", unit=leeds, sms="+447700900001", grade="AO", dept="DWP"),
        "b": await add_person(db, "b", unit=leeds, email="b@x.test", grade="EO"),
        "c": await add_person(db, "c", unit=york, sms="+447700900003", email="c@x.test", grade="AO"),
        "d": await add_person(db, "d", unit=other_leeds, grade=""),
        "e": await add_person(db, "e"),
    }
    await db.execute("update person set language = 'cy' where external_id = 'c'")
    ballot = await add_ballot(db)
    await enrol(db, ballot)
    await add_person(db, "f", unit=leeds, grade="AO")  # not in the electorate
    for who, kind in (("a", "voted"), ("b", "not_voted")):
        await record_claim(
            db, ballot_id=ballot, person_id=people[who], kind=kind, source="link", recorder="member", confidence=1
        )
    return ballot


async def _who(db: Connection, audience: Audience) -> str:
    ids = await audience.page(db, after=0, limit=100)
    assert len(ids) == await audience.size(db)
    rows = await db.fetch("select external_id from person where person_id = any ($1) order by 1", ids)
    return "".join(row["external_id"] for row in rows)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({}, "abcde"),
        ({"unit": "North"}, "abc"),
        ({"unit": ["north / leeds", "South"]}, "abd"),
        ({"attribute": {"grade": "AO"}}, "ac"),
        ({"attribute": {"grade": ["AO", "EO"], "dept": True}}, "a"),
        ({"attribute": {"grade": False}}, "de"),
        ({"has": "sms"}, "ac"),
        ({"has": ["sms", "email"]}, "abc"),
        ({"language": "cy"}, "c"),
        ({"answered": False}, "bcde"),
        ({"answered": True}, "a"),
        ({"answered": ["not_voted", "refused"]}, "b"),
        ({"members": ["a", "e"]}, "ae"),
        ({"not": {"unit": "North"}}, "de"),
        ({"any": [{"language": "cy"}, {"members": "e"}]}, "ce"),
        ({"all": [{"unit": "North"}, {"not": {"has": "email"}}]}, "a"),
        ({"unit": "North", "any": [{"attribute": {"grade": "EO"}}, {"has": "sms"}], "answered": False}, "bc"),
    ],
)
async def test_a_filter_finds_the_people_it_describes(db: Connection, tree: dict[str, Any], expected: str) -> None:
    ballot = await _union(db)
    pay = await ballot_subject(db, ballot)
    assert await _who(db, await compile_audience(db, Filter.model_validate(tree), subject=pay)) == expected


async def test_several_filters_must_all_hold_and_pages_join(db: Connection) -> None:
    ballot = await _union(db)
    audience = await compile_audience(
        db, Filter(has=("sms",)), Filter(answered=False), subject=await ballot_subject(db, ballot)
    )
    assert await _who(db, audience) == "c"
    everybody = await compile_audience(db, Filter(), subject=await ballot_subject(db, ballot))
    first = await everybody.page(db, after=0, limit=2)
    rest = await everybody.page(db, after=first[-1], limit=100)
    assert first + rest == await everybody.page(db, after=0, limit=100)


async def test_a_filter_finds_the_people_who_received_a_step(db: Connection) -> None:
    ballot = await _union(db)
    campaign = await db.fetchval(
        "insert into campaign (name, title, subject_kind, subject_id, audience, spec, created_by)"
        " values ('c', 'C', 'ballot', $1, '{}'::jsonb, '{}'::jsonb, 'test') returning campaign_id",
        ballot,
    )
    step = await add_step(db, campaign_id=campaign)
    for number, state in (("a", "delivered"), ("b", "sent"), ("c", "failed")):
        person = await db.fetchval("select person_id from person where external_id = $1", number)
        await add_messages(db, step, "sms", [number], first_person=person, state=state)
    audience = Filter(received=(1,), answered=False)
    assert (
        await _who(
            db, await compile_audience(db, audience, subject=await ballot_subject(db, ballot), campaign_id=campaign)
        )
        == "b"
    )


async def test_an_unknown_name_in_a_filter_gets_suggestions(db: Connection) -> None:
    pay = await ballot_subject(db, await _union(db))
    wrong = Filter.model_validate(
        {
            "unit": ["Nort", "Leeds"],
            "answered": ["voted", "vote"],
            "any": [{"attribute": {"grad": "AO"}}, {"members": ["a", "zz"]}],
        }
    )
    statuses = "'voted', 'will_vote', 'not_voted', 'no_ballot_paper', 'replacement_requested' or 'refused'"
    assert await check_audience(db, wrong, pay, key="campaign.audience") == [
        f"campaign.audience.answered: 'vote' is not one of {statuses}",
        "campaign.audience.attribute.grad: no member file has brought this attribute; did you mean grade?",
        "campaign.audience.members: there is no member zz",
        "campaign.audience.unit: there is no unit “Nort”; did you mean North?",
        "campaign.audience.unit: “Leeds” fits 2 units; write one of North/Leeds, South/Leeds",
    ]
    with pytest.raises(SpecError):
        await find_units(db, ["Leeds"], key="ballot.units")


_WORDS = st.sampled_from(["AO", "EO", "'; drop table person; --", "$1", "%", "\\", "é"])
_LEAF: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {"attribute": st.dictionaries(_WORDS, st.booleans() | st.lists(_WORDS, min_size=1), min_size=1)}
    ),
    st.fixed_dictionaries({"language": _WORDS}),
    st.fixed_dictionaries({"members": st.lists(_WORDS | st.sampled_from("abc"), min_size=1)}),
    st.fixed_dictionaries({"has": st.sampled_from(["sms", "email"])}),
    st.fixed_dictionaries({"unit": st.sampled_from(["North", "York"])}),
    st.fixed_dictionaries({"answered": st.booleans()}),
)
_TREE = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_TREE, min_size=1, max_size=3))
async def test_filters_obey_the_laws_of_logic(db: Connection, trees: Sequence[dict[str, Any]]) -> None:
    subject = await ballot_subject(db, await db.fetchval("select ballot_id from ballot") or await _union(db))

    async def find(tree: dict[str, Any]) -> set[str]:
        return set(await _who(db, await compile_audience(db, Filter.model_validate(tree), subject=subject)))

    each = [await find(tree) for tree in trees]
    assert await find({"any": trees}) == set.union(*each)
    assert await find({"all": trees}) == set.intersection(*each)
    assert await find({"not": trees[0]}) == set("abcde") - each[0]


async def test_a_misspelt_value_gets_a_suggestion(db: Connection) -> None:
    pay = await ballot_subject(db, await _union(db))
    wrong = Filter.model_validate({"any": [{"attribute": {"grade": ["ao", "EO"]}}, {"language": "CY"}]})
    assert await check_audience(db, wrong, pay) == [
        "audience.attribute.grade: nobody has 'ao'; did you mean AO?",
        "audience.language: nobody has 'CY'; did you mean cy?",
    ]
    nobody_yet = Filter.model_validate({"attribute": {"grade": ["HEO"]}})
    assert await check_audience(db, nobody_yet, pay) == [], "somebody may have it one day"
    assert await unheld_in_audience(db, nobody_yet) == ["audience.attribute.grade: nobody has 'HEO'; did you mean EO?"]
