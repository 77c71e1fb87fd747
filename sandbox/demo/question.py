"""Scenario of a question: a council asks residents about their visit, and reminds some of an appointment meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final

import orjson
from rich.console import RenderableType
from rich.table import Table

from campaigns.launch import launch, launch_step_now
from core.db import Connection, load_queries
from messaging.content.languages import DEFAULT
from people.units import UNIT_KINDS
from sandbox.demo.council import MAPPING, write_residents
from sandbox.demo.display import add_others, ends, new_table
from sandbox.demo.environment import Environment, Organisation
from sandbox.demo.expected_answers import ExpectedAnswers
from sandbox.demo.progress import DemoProgress
from sandbox.demo.reconcile import Check, People, compare
from sandbox.demo.residents import STAFF_ANSWER, residents
from sandbox.demo.scenario import ACTOR, HOURS_A_SECOND, MAX_ACTIVE_PEOPLE, Scenario, ScenarioFigures, make_campaign
from sandbox.demo.settling import until_settled
from sandbox.demo.summary import Summary
from sandbox.profile import Profile
from services.questions.counts import answer_counts, find_answer_differences, unit_answers
from services.questions.questions import Question, get_question

SQL: Final = load_queries(__file__)

VISIT: Final = Path(__file__).with_name("visit-2026.toml")
APPOINTMENTS: Final = Path(__file__).with_name("appointments-2026.toml")
_QUESTIONS: Final = ("visit-2026", "appointments-2026")
_ANSWERED_BY_HAND: Final = 2
_WARD: Final = UNIT_KINDS[1]
"""Kind of unit that the file's wards are."""


class QuestionScenario(Scenario):
    """Scenario of two questions that are open to the same phones."""

    name: ClassVar = "question"
    organisation: ClassVar = Organisation("Leeds Council", "feedback@council.example.org")
    people: ClassVar = 5_000
    population_words: ClassVar = "{people} residents of a council"
    mapping: ClassVar = MAPPING

    def __init__(self) -> None:
        self._questions: list[Question] = []

    def profile(self, seed: int) -> Profile:
        """Return how residents behave."""
        return residents(seed, at_once=MAX_ACTIVE_PEOPLE, speed=HOURS_A_SECOND * 3600)

    def write_people(self, path: Path, people: int, seed: int, now: datetime) -> None:
        """Write the council's file, with wards and appointments."""
        write_residents(path, people, now, seed)

    async def play(self, environment: Environment, progress: DemoProgress) -> None:
        """Ask about the visit, remind of appointments, ask those again who have not answered, and answer some."""
        with progress.phase("campaign", f"Making the question and its campaign from {VISIT.name}"):
            visit = await self._make(environment, progress, VISIT)
        with progress.phase("asking", "Step 1: a text or an email asks everybody about their visit; they answer"):
            await launch(environment.runtime, visit, ACTOR)
            await until_settled(environment)
        with progress.phase("reminding", f"Meanwhile, a reminder a day before appointments, from {APPOINTMENTS.name}"):
            appointments = await self._make(environment, progress, APPOINTMENTS)
            await launch(environment.runtime, appointments, ACTOR)
            await until_settled(environment)
        with progress.phase("again", "Step 2, three days later: those are asked once more who have not answered"):
            await launch_step_now(environment.runtime, visit, 2, actor=ACTOR)
            await until_settled(environment)
        with progress.phase("staff", "Staff answer some of those who were not content: muster replies answer"):
            await _answer_some(environment)
            await until_settled(environment)

    async def figures(self, db: Connection) -> ScenarioFigures | None:
        """Return how many people have answered the first question."""
        if not self._questions:
            return None
        counts = await answer_counts(db, self._questions[0])
        people = await db.fetchval("select count(*) from person")
        return ScenarioFigures("answered", sum(counts.values()), people, "residents have answered about their visit")

    async def count(self, db: Connection, environment: Environment, people: People) -> tuple[Summary, list[Check]]:
        """Count the answers; return `questions`, and the people who were asked back and answered."""
        expected = ExpectedAnswers(self._questions, people)
        expected.follow(environment.sandbox.record.acts)
        wards = {row["person_id"]: row["path"] for row in await db.fetch(SQL["list_units_of_people"])}
        counted = [await _count_question(db, question, expected, wards) for question in self._questions]
        scanned = sum(question.scanned for question in counted)
        asked_back = await db.fetch(SQL["list_asked_back"])
        answered_by_hand = await db.fetch(SQL["list_staff_answers"])
        summary = {
            "questions": [question.summary for question in counted],
            "asked_back": sum(row["n"] for row in asked_back),
            "answered_by_staff": sum(row["n"] for row in answered_by_hand),
            "scanners_counted": scanned,
        }
        return summary, [
            *(check for question in counted for check in question.checks),
            *await _check_conversations(db, environment, expected),
            Check("answers that only a link scanner gave", scanned, 0),
        ]

    def tables(self, summary: Summary) -> Iterable[RenderableType]:
        """Return what residents said, and the answers about their visit by ward."""
        table = new_table("What residents said", "", "residents")
        for question in summary["questions"]:
            table.add_row(question["asks"], f"{sum(question['answers'].values()):,}")
            for answer, n in question["answers"].items():
                table.add_row(f"  {question['labels'][answer]}", f"{n:,}")
            for source, n in question["routes"].items():
                table.add_row(f"  by {source.replace('_', ' ')}", f"{n:,}")
            table.add_row("  comments beside it", f"{question['comments']:,}")
        table.add_row("asked back, as their answer was unclear", f"{summary['asked_back']:,}")
        table.add_row("answered by staff", f"{summary['answered_by_staff']:,}")
        add_others(table, summary)
        yield table
        yield _wards(summary["questions"][0])

    async def _make(self, environment: Environment, progress: DemoProgress, file: Path) -> int:
        campaign = await make_campaign(environment, file)
        progress.campaigns.append(campaign)
        async with environment.runtime.pool.acquire() as db:
            self._questions.append(await get_question(db, _QUESTIONS[len(self._questions)]))
        return campaign.campaign_id


async def _answer_some(environment: Environment) -> None:
    """Answer the low texts that wait longest, as staff do at the command line."""
    listed = await environment.command("replies", "list", "--why", "low_answer", "--limit", "200", "--json")
    replies = [orjson.loads(line) for line in listed.splitlines()]
    texts = [reply["reply_id"] for reply in replies if reply["channel"] == "sms"][:_ANSWERED_BY_HAND]
    await asyncio.gather(*(environment.command("replies", "answer", str(number), STAFF_ANSWER) for number in texts))


@dataclass(frozen=True, slots=True)
class _CountedQuestion:
    """Counts of one question.

    Attributes:
        summary: its part of the summary.
        checks: its comparisons with the record.
        scanned: how many counted answers nobody gave.
    """

    summary: Summary
    checks: list[Check]
    scanned: int


async def _count_question(
    db: Connection, question: Question, expected: ExpectedAnswers, wards: Mapping[int, str]
) -> _CountedQuestion:
    question_id, name = question.question_id, question.name
    rows = await db.fetch(SQL["list_answers"], question_id)
    answered, really = {row["person_id"]: row["answer"] for row in rows}, expected.answers(question)
    units = [unit for unit in await unit_answers(db, question, _WARD) if unit.path or any(unit.answers.values())]
    by_ward = Counter({(unit.path, answer): n for unit in units for answer, n in unit.answers.items() if n})
    really_by_ward = Counter((wards[person], answer) for person, answer in really.items())
    comments = Counter((row["person_id"], row["comment"]) for row in await db.fetch(SQL["list_comments"], question_id))
    recounted = len(await find_answer_differences(db, question_id))
    checks = [
        *_check_answers(question, answered, really),
        compare(f"{name}: each answer in each ward", by_ward, really_by_ward),
        compare(f"{name}: words kept beside answers", comments, expected.comments(question)),
        Check(f"{name}: running sums that a full recount contradicts", recounted, 0),
    ]
    summary = {
        "name": name,
        "title": question.title,
        "asks": question.said_in(DEFAULT).asks,
        "answers": await answer_counts(db, question),
        "labels": {answer.name: answer.said_in(DEFAULT) for answer in question.options},
        "routes": {row["source"]: row["n"] for row in await db.fetch(SQL["count_routes"], question_id)},
        "comments": comments.total(),
        "units": [{"name": unit.path, "answers": dict(unit.answers)} for unit in units],
    }
    return _CountedQuestion(summary, checks, len(answered.keys() - really.keys()))


def _check_answers(question: Question, answered: Mapping[int, str], really: Mapping[int, str]) -> list[Check]:
    """Compare who gave each answer."""
    return [
        compare(
            f"{question.name}: {option.name}",
            Counter(person for person, answer in answered.items() if answer == option.name),
            Counter(person for person, answer in really.items() if answer == option.name),
        )
        for option in question.options
    ]


async def _check_conversations(db: Connection, environment: Environment, expected: ExpectedAnswers) -> list[Check]:
    """Compare the effects of answers: staff see the low ones, and unclear ones were asked back."""
    low = await db.fetch(SQL["list_low_answers"])
    asked_back = await db.fetch(SQL["list_asked_back"])
    by_staff = await db.fetch(SQL["list_staff_answers"])
    texts = environment.sandbox.twilio.messages
    return [
        compare(
            "low answers: staff see those who gave one",
            Counter((row["subject_id"], row["person_id"]) for row in low),
            Counter(expected.low),
        ),
        compare(
            "unclear answers: asked back once are those who gave one",
            Counter({(row["subject_id"], row["person_id"]): row["n"] for row in asked_back}),
            expected.asked_back,
        ),
        compare(
            "staff replies: each arrived",
            Counter({row["address"]: row["n"] for row in by_staff}),
            Counter(text.to for text in texts if text.body == STAFF_ANSWER),
        ),
    ]


def _wards(question: Summary) -> Table:
    """Make the table of the wards with the best and the worst answers."""
    answers: Sequence[str] = list(question["labels"])
    table = new_table(f"By ward: {question['title']}", "", *question["labels"].values())
    units = sorted(question["units"], key=lambda unit: -_share(unit["answers"], answers[0]))
    for unit in ends(units):
        table.add_row(unit["name"] or "no ward", *(f"{unit['answers'].get(answer, 0):,}" for answer in answers))
    return table


def _share(counts: Mapping[str, int], answer: str) -> float:
    return counts.get(answer, 0) / (sum(counts.values()) or 1)
