"""What people answer: the ledger, the present answer of each, and the sums that follow."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.db import Connection, Pool
from core.errors import Conflict, NotFound
from services.questions.counts import answer_counts, compact_answers, find_answer_differences, unit_answers
from services.questions.questions import Question
from services.questions.responses import present_answer, record_response, retract_response
from tests.support.electorate import NOW, add_person, add_unit
from tests.support.questions import add_question, present


async def _one_person(db: Connection) -> tuple[Question, int]:
    return await add_question(db), await add_person(db, "R1", unit=await add_unit(db, "Leeds"))


async def _answer(db: Connection, question: Question, person: int, answer: str | None, **more: object) -> int:
    given = {"source": "link", "recorder": "member", "comment": ""} | more
    return await record_response(db, question_id=question.question_id, person_id=person, answer=answer, **given)  # type: ignore[arg-type]


async def _goal_met(db: Connection, question: Question, person: int) -> bool:
    found: bool = await db.fetchval(
        "select exists (select from goal_met where goal_id = $1 and person_id = $2)", question.goal_id, person
    )
    return found


async def test_an_answer_counts_once_and_meets_the_goal(db: Connection) -> None:
    question, person = await _one_person(db)
    assert not await _goal_met(db, question, person)

    for source in ("link", "sms_reply", "email_reply", "staff"):
        await _answer(db, question, person, "good", source=source)

    assert await answer_counts(db, question) == {"good": 1, "fair": 0, "poor": 0}
    assert await _goal_met(db, question, person)


async def test_the_last_answer_counts_and_the_former_ones_are_kept(db: Connection) -> None:
    question, person = await _one_person(db)
    await _answer(db, question, person, "good", comment="nice staff")
    await _answer(db, question, person, "poor", comment="waited two hours")

    row = await present(db, question, person)
    assert row is not None
    assert (row["answer"], row["comment"]) == ("poor", "waited two hours")
    assert await answer_counts(db, question) == {"good": 0, "fair": 0, "poor": 1}
    assert await db.fetchval("select count(*) from response_comment") == 2
    assert await _goal_met(db, question, person)


async def test_an_answer_that_arrives_late_does_not_replace_a_later_one(db: Connection) -> None:
    question, person = await _one_person(db)
    await _answer(db, question, person, "good", at=NOW)
    await _answer(db, question, person, "poor", at=NOW - timedelta(hours=2))
    assert (await answer_counts(db, question))["good"] == 1


async def test_taking_an_answer_back_restores_the_one_before_and_then_none(db: Connection) -> None:
    question, person = await _one_person(db)
    first = await _answer(db, question, person, "good")
    second = await _answer(db, question, person, "poor", comment="in haste")

    retraction = await retract_response(db, second, recorder="member", source="link")
    assert (await answer_counts(db, question)) == {"good": 1, "fair": 0, "poor": 0}
    assert await _goal_met(db, question, person)
    assert not await db.fetchval("select count(*) from response_comment"), "its words are taken back, too"
    assert await retract_response(db, second, recorder="member", source="link") == retraction

    await retract_response(db, first, recorder="member", source="link")
    assert sum((await answer_counts(db, question)).values()) == 0
    assert not await _goal_met(db, question, person)
    with pytest.raises(Conflict, match="retracts another one"):
        await retract_response(db, retraction, recorder="member", source="link")
    with pytest.raises(NotFound):
        await retract_response(db, 12345, recorder="member", source="link")


async def test_a_comment_alone_is_kept_and_answers_nothing(db: Connection) -> None:
    question, person = await _one_person(db)
    await _answer(db, question, person, None, comment="  the lift\x07 is broken ")
    assert await db.fetchval("select comment from response_comment") == "the lift\ufffd is broken"
    assert await present_answer(db, question.question_id, person) is None
    assert not await _goal_met(db, question, person)
    with pytest.raises(ValueError, match="an answer, a comment, or both"):
        await _answer(db, question, person, None, comment=" ")


async def test_an_answer_that_is_not_offered_is_refused(db: Connection) -> None:
    question, person = await _one_person(db)
    with pytest.raises(NotFound, match="has no answer voted"):
        await _answer(db, question, person, "voted")
    with pytest.raises(NotFound, match="no person"):
        await _answer(db, question, 12345, "good")


async def test_counts_are_by_campaign_and_by_unit(db: Connection) -> None:
    question = await add_question(db)
    north = await add_unit(db, "North", "region")
    leeds, york = await add_unit(db, "Leeds", parent=north), await add_unit(db, "York", parent=north)
    people = [await add_person(db, f"R{n}", unit=unit) for n, unit in enumerate((leeds, leeds, york, None))]
    for person, answer, campaign in zip(people, ("good", "poor", "good", "fair"), (1, 1, 2, 2), strict=True):
        await _answer(db, question, person, answer, campaign_id=campaign)

    assert await answer_counts(db, question, 1) == {"good": 1, "fair": 0, "poor": 1}
    assert await answer_counts(db, question, 2) == {"good": 1, "fair": 1, "poor": 0}
    rows = await unit_answers(db, question, "branch")
    assert [(row.path, row.answers, row.total) for row in rows] == [
        ("North / Leeds", {"good": 1, "fair": 0, "poor": 1}, 2),
        ("North / York", {"good": 1, "fair": 0, "poor": 0}, 1),
        ("", {"good": 0, "fair": 1, "poor": 0}, 1),
    ]
    assert [(row.name, row.total) for row in await unit_answers(db, question, "region", 1)] == [("North", 2)]


async def test_who_moves_and_answers_anew_is_counted_where_they_were(db: Connection) -> None:
    question, person = await _one_person(db)
    await _answer(db, question, person, "good")
    await db.execute("update person set unit_id = $1", await add_unit(db, "York"))
    await _answer(db, question, person, "poor")
    assert [(row.name, row.total) for row in await unit_answers(db, question, "branch")] == [("Leeds", 1)]
    assert await find_answer_differences(db, question.question_id) == []


async def test_the_ledger_refuses_every_change(db: Connection) -> None:
    question, person = await _one_person(db)
    await _answer(db, question, person, "good", comment="nice")
    for change in (
        "update response set answer = 'poor'", "delete from response", "update response set recorder = 'x'",
        "update response_comment set comment = 'x'",
    ):  # fmt: skip
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await db.execute(change)


async def test_two_answers_of_one_person_at_once_count_once(pool: Pool, db: Connection) -> None:
    question, person = await _one_person(db)

    async def answer(name: str) -> None:
        async with pool.acquire() as own, own.transaction():
            await _answer(own, question, person, name)

    await asyncio.gather(*(answer(name) for name in ("good", "poor", "fair", "good")))
    assert sum((await answer_counts(db, question)).values()) == 1
    assert await find_answer_differences(db, question.question_id) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["good", "fair", "poor", "undo"]), st.sampled_from([None, 1, 2])),
        max_size=15,
    )
)
async def test_any_order_of_answers_and_undos_leaves_each_with_their_last(
    db: Connection, acts: list[tuple[int, str, int | None]]
) -> None:
    async with db.transaction():
        question = await add_question(db, name=f"q{await db.fetchval('select count(*) from question')}")
        people = [
            await add_person(db, f"{question.name}-{n}", unit=await add_unit(db, f"{question.name} {n}"))
            for n in range(3)
        ]
        valid: list[list[tuple[int, str]]] = [[], [], []]
        for who, act, campaign in acts:
            if act != "undo":
                response = await _answer(db, question, people[who], act, campaign_id=campaign)
                valid[who].append((response, act))
            elif valid[who]:
                response, _ = valid[who].pop()
                await retract_response(db, response, recorder="member", source="link")
        await compact_answers(db)

        for person, theirs in zip(people, valid, strict=True):
            now = await present_answer(db, question.question_id, person)
            assert (now and now.answer) == (theirs[-1][1] if theirs else None)
            assert await _goal_met(db, question, person) is bool(theirs)
        assert await find_answer_differences(db, question.question_id) == []
        assert sum((await answer_counts(db, question)).values()) == sum(map(bool, valid))


async def test_each_open_question_has_a_letter_of_its_own(db: Connection) -> None:
    first, second = await add_question(db, name="one"), await add_question(db, name="two")
    over = await add_question(db, name="three", opens="2026-10-01", closes="2026-11-01")
    again = await add_question(db, name="four")
    assert (first.letter, second.letter, over.letter, again.letter) == ("A", "B", "C", "C")
    with pytest.raises(Conflict, match="already a question one"):
        await add_question(db, name="one")
