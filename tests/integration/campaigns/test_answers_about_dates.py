"""Answers about a date of a person, such as an appointment, that is another one afterwards."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ballots.ballots import create_ballot
from ballots.claims import record_claim
from campaigns.campaigns import create_campaign
from campaigns.date_changes import follow_dates
from campaigns.launch import launch
from campaigns.replies.answer_history import answers_by
from campaigns.replies.answers import Inbound, answer_reply
from campaigns.spec import CampaignSpec, load_campaign_file
from core.errors import SpecError
from core.runtime import Runtime
from core.settings import ROOT
from messaging.outbox.history import find_history
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.states import State
from muster.operator import operator
from services.questions.answer_list import list_respondents
from services.questions.counts import answer_counts, find_answer_differences
from services.questions.questions import create_question, get_question
from services.questions.spec import QuestionSpec
from tests.support.appointments import Load, launched, loader, outcomes, rows, send_due, utc
from tests.support.clocks import FixedClock
from tests.support.electorate import NOW, at_noon, ballot_spec, connected

SHIPPED = tomllib.loads((ROOT / "sandbox/demo/appointments-2026.toml").read_text("utf-8"))
DAY = {"template": "appointment-reminder", "channels": ["sms"], "when": {"before": "1 day", "of": "appointment_at"}}
HOURS = {**DAY, "when": {"before": "2 hours", "of": "appointment_at"}}
FIRST, MOVED = "2026-11-25 14:30", "2026-12-02 09:00"
PHONE = "+447700900001"
CHANGED = "Their date in the question appointments-2026 is {} now: what they answered about another one does not count."


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def muster(runtime: Runtime, clock: FixedClock) -> Runtime:
    return replace(at_noon(runtime), clock=clock)


class Visit:
    """A person with an appointment, of which a campaign reminds them a day and two hours before."""

    def __init__(self, runtime: Runtime, clock: FixedClock, load: Load) -> None:
        self.runtime = runtime
        self.clock = clock
        self._load = load
        self._replies = 0

    async def begins(self, **changes: Any) -> None:
        await self.on(FIRST, follow=False)
        async with connected(self.runtime) as db:
            await create_question(db, QuestionSpec.model_validate(SHIPPED["question"]), NOW, actor=operator("staff"))
        audience = SHIPPED["campaign"]["audience"]
        given = {"name": "visits", "title": "Visits", "about": {"question": "appointments-2026"}, "quiet_hours": "none"}
        # the shorter one comes first, so that it is followed first as well
        spec = CampaignSpec.model_validate({**given, "audience": audience, "steps": [HOURS, DAY], **changes})
        await launch(
            self.runtime, (await create_campaign(self.runtime, spec, operator("olga"))).campaign_id, operator("olga")
        )

    async def on(self, date: str, *, follow: bool = True, name: str = "Ann") -> None:
        await self._load(f"1,{name},{PHONE},,,,{date}")
        if follow:
            await follow_dates(self.runtime)

    async def reminded(self, step: int, at: datetime) -> None:
        self.clock.now = at
        step_id = await self.runtime.pool.fetchval("select step_id from step where position = $1", step)
        assert len(await send_due(self.runtime, step_id)) == 1
        sent = "update message set sent_at = $2, wire_at = $2 where step_id = $1"  # not by the clock of the database
        await self.runtime.pool.execute(sent, step_id, at)

    async def says(self, text: str) -> None:
        self.clock.now += timedelta(minutes=5)
        self._replies += 1
        async with connected(self.runtime) as db, db.transaction():
            sender = await db.fetchval("select address from sender where channel = 'sms'")
            await answer_reply(db, Inbound(self._replies, "sms", PHONE, (sender,), text, self.clock.now))

    async def answer(self) -> str | None:
        """The present answer, which lists, counts and the goal agree about."""
        async with connected(self.runtime) as db:
            question = await get_question(db, "appointments-2026")
            assert await find_answer_differences(db, question.question_id) == []
            listed = [person.answer for person in await list_respondents(db, question)]
            counted = {name: n for name, n in (await answer_counts(db, question)).items() if n}
            assert counted == dict.fromkeys(listed, 1)
            met = await db.fetchval("select count(*) from goal_met where goal_id = $1", question.goal_id)
            assert met == len(listed)
            return listed[0] if listed else None

    async def steps(self) -> tuple[tuple[str, str | None], tuple[str, str | None]]:
        """State and reason of the reminder a day before, and of the one two hours before."""
        day, hours = await outcomes(self.runtime, 2), await outcomes(self.runtime, 1)
        return day["1"][:2], hours["1"][:2]

    async def said(self) -> list[str]:
        async with connected(self.runtime) as db:
            (person,) = [row["person_id"] for row in await db.fetch("select person_id from person")]
            return [line.words for line in await answers_by(db, [person], []) if line.kind != "reply"]


@pytest.fixture
def visit(muster: Runtime, clock: FixedClock, tmp_path: Path) -> Visit:
    return Visit(muster, clock, loader(muster, tmp_path))


@pytest.mark.parametrize(
    ("text", "answer", "label"),
    [("1", "will_attend", "I will come"), ("2", "change_appointment", "I need to change it")],
)
async def test_a_changed_date_wants_a_new_answer_and_whoever_was_told_the_old_one_is_listed(
    visit: Visit, text: str, answer: str, label: str
) -> None:
    await visit.begins()
    await visit.reminded(2, utc(24, 14, 30))
    await visit.says(text)
    assert await visit.answer() == answer
    assert await visit.steps() == (("accepted", None), ("cancelled", "answered"))

    await visit.on(MOVED)
    assert await visit.answer() is None
    assert await visit.steps() == (("accepted", "date_moved_late"), ("queued", None))
    assert (await outcomes(visit.runtime, 1))["1"][2] == utc(2, 7, month=12)
    assert await visit.said() == [
        f"In the question appointments-2026 they are counted as: {label} (from a text).",
        CHANGED.format("Wednesday 2 December 2026, 09:00"),
    ]
    assert await follow_dates(visit.runtime) == 0
    await visit.reminded(1, utc(2, 7, month=12))
    await visit.says("1")
    assert await visit.answer() == "will_attend"


async def test_a_date_that_moves_back_brings_its_answer_back_and_nobody_need_be_told(visit: Visit) -> None:
    await visit.begins()
    await visit.reminded(2, utc(24, 14, 30))
    await visit.says("1")
    for _ in range(2):
        await visit.on(MOVED)
        assert (await visit.answer(), await visit.steps()) == (
            None, (("accepted", "date_moved_late"), ("queued", None)),
        )  # fmt: skip
        await visit.on(FIRST)
        assert (await visit.answer(), await visit.steps()) == (
            "will_attend", (("accepted", None), ("cancelled", "date_moved_back")),
        )  # fmt: skip
    async with connected(visit.runtime) as db:
        told = await find_history(db, (await rows(db, 2))["1"]["message_id"])
    late = "Their date was moved or taken away after this was sent, and nothing has told them."
    assert [event.words for event in told][-4:] == [late, "Their date is again the one that they were told before."] * 2


async def test_a_changed_date_costs_no_answer_in_the_history_where_there_was_none(visit: Visit) -> None:
    await visit.begins()
    await visit.reminded(2, utc(24, 14, 30))
    await visit.on(MOVED)
    assert await visit.said() == [
        "Their date in the question appointments-2026 is Wednesday 2 December 2026, 09:00 now."
    ]


async def test_each_further_date_is_noted_and_the_same_one_once(visit: Visit) -> None:
    await visit.begins()
    await visit.reminded(2, utc(24, 14, 30))
    await visit.on(MOVED)
    await visit.on(MOVED, name="Anna")
    await visit.on("2026-12-03 09:00")
    await visit.on("")
    async with connected(visit.runtime) as db:
        told = await find_history(db, (await rows(db, 2))["1"]["message_id"])
    dates = [event.detail["date"] for event in told if event.code == "date_moved_late"]
    assert [date and date[:10] for date in dates] == ["2026-12-02", "2026-12-03", None]
    assert await visit.steps() == (("accepted", "date_moved_late"), ("skipped", "left_audience"))


async def test_an_answer_to_what_named_the_old_date_does_not_count_for_the_new_one(visit: Visit) -> None:
    await visit.begins()
    await visit.reminded(2, utc(24, 14, 30))
    await visit.on(MOVED)
    await visit.says("1")
    assert await visit.answer() is None
    assert len(await visit.said()) == 2, "it is kept, and shown"
    assert await visit.steps() == (("accepted", "date_moved_late"), ("queued", None))


async def test_an_answer_just_before_the_change_is_followed_does_not_count_either(visit: Visit) -> None:
    await visit.begins()
    await visit.reminded(2, utc(24, 14, 30))
    await visit.on(MOVED, follow=False)
    await visit.says("1")
    assert await visit.answer() == "will_attend"
    await follow_dates(visit.runtime)
    assert (await visit.answer(), await visit.steps()) == (None, (("accepted", "date_moved_late"), ("queued", None)))


async def test_an_appointment_that_is_over_keeps_its_answer_when_it_goes_from_the_file(visit: Visit) -> None:
    await visit.begins()
    await visit.reminded(2, utc(24, 14, 30))
    await visit.says("1")
    visit.clock.now = utc(26, 9)
    await visit.on("")
    assert (await visit.answer(), (await visit.steps())[0]) == ("will_attend", ("accepted", None))


async def test_a_receipt_that_comes_afterwards_does_not_take_anybody_off_the_list(visit: Visit) -> None:
    await visit.begins()
    await visit.reminded(2, utc(24, 14, 30))
    await visit.on(MOVED)
    async with connected(visit.runtime) as db:
        message_id = (await rows(db, 2))["1"]["message_id"]
        await apply_receipts(db, [Receipt(message_id, "SM1", State.DELIVERED, "twilio", None, visit.clock.now, {})])
    assert (await visit.steps())[0] == ("delivered", "date_moved_late")


async def test_whoever_is_erased_is_not_listed_and_which_date_they_had_is_gone(visit: Visit) -> None:
    await visit.begins()
    await visit.reminded(2, utc(24, 14, 30))
    await visit.says("1")
    await visit.on(MOVED)
    await visit.on(FIRST)
    async with connected(visit.runtime) as db:
        async with db.transaction():
            await db.execute("select begin_erasure((select person_id from person))")
            await db.execute("select finish_erasure()")
        dates = [row["date_at"] for row in await db.fetch("select date_at from response order by response_id")]
        assert max(dates) < utc(1, month=1)
        assert dates[0] == dates[2] != dates[1], "what stands is known as before"
        assert await find_answer_differences(db, (await get_question(db, "appointments-2026")).question_id) == []
    await follow_dates(visit.runtime)
    assert not await visit.runtime.pool.fetchval("select count(*) from message where reason = 'date_moved_late'")


async def test_a_question_is_not_asked_before_two_dates_of_a_person(visit: Visit) -> None:
    other = {**HOURS, "when": {"before": "2 hours", "of": "place"}}
    with pytest.raises(SpecError) as error:
        await visit.begins(steps=[DAY, other])
    (problem,) = error.value.problems
    assert problem.startswith("campaign.steps: it is asked before appointment_at and before place, and nobody knows")


async def test_a_vote_stands_whatever_becomes_of_a_date_and_its_voter_is_listed(
    muster: Runtime, clock: FixedClock, tmp_path: Path
) -> None:
    load = loader(muster, tmp_path)
    async with connected(muster) as db:
        ballot = await create_ballot(db, ballot_spec(closes="2027-03-01"), actor=operator("staff"))
    await load(f"1,Ann,{PHONE},,,,{FIRST}")
    steps = [{**step, "template": "ballot-reminder"} for step in (DAY, HOURS)]
    await launched(muster, *steps, about={"ballot": ballot.name}, audience={"answered": False})
    clock.now = utc(24, 14, 30)
    assert await send_due(muster, await muster.pool.fetchval("select step_id from step where position = 1"))
    async with connected(muster) as db:
        (person,) = [row["person_id"] for row in await db.fetch("select person_id from person")]
        await record_claim(
            db,
            ballot_id=ballot.ballot_id,
            person_id=person,
            kind="voted",
            source="link",
            recorder="member",
            confidence=0.9,
        )
    await load(f"1,Ann,{PHONE},,,,{MOVED}")
    await follow_dates(muster)
    assert (await outcomes(muster, 1))["1"][:2] == ("accepted", "date_moved_late")
    assert (await outcomes(muster, 2))["1"][:2] == ("cancelled", "answered")


async def test_the_files_in_the_documentation_are_created_and_launched(muster: Runtime, tmp_path: Path) -> None:
    await loader(muster, tmp_path)(f"1,Ann,{PHONE},,,,2026-12-09 14:30")
    files = re.findall(r"```toml\n(\[question\].*?)```", (ROOT / "docs/dates.md").read_text("utf-8"), re.DOTALL)
    due = []
    for file in files:
        path = tmp_path / "file.toml"
        path.write_text(file, encoding="utf-8")
        spec, own = load_campaign_file(path)
        campaign = await create_campaign(muster, spec, operator("olga"), own=own)
        await launch(muster, campaign.campaign_id, operator("olga"))
        due += await muster.pool.fetch(
            "select m.not_before, m.state from message m where campaign_id = $1 order by 1", campaign.campaign_id
        )
    assert [(row["state"], row["not_before"]) for row in due] == [
        ("queued", utc(8, 14, 30, month=12)), ("queued", utc(9, 12, 30, month=12)),
        ("queued", utc(9, 16, 30, month=12)),
    ]  # fmt: skip
