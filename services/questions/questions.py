"""Questions: words, dates, and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from core.access import Actor
from core.answer_phase import AnswerPhase, phase_of
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.errors import Conflict, NotFound
from core.setting_types import DEFAULT_ZONE
from core.spec_errors import names_instead
from core.spec_file import at_zone
from messaging.content.languages import DEFAULT, closest_language
from messaging.content.translations import day_and_time
from messaging.goals import create_goal
from services.questions.phrases import fold_phrase
from services.questions.spec import QuestionSpec

SQL: Final = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class AnswerOption:
    """Option: an answer that a question offers.

    Attributes:
        name: what files and exports call it: `very_good`.
        label: what its button says, by language.
        digit: the digit that a text offers for it; None for none.
        phrases: every phrase that counts as this answer, folded, in all languages.
        low: whether staff look into it.
    """

    name: str
    label: Mapping[str, str]
    digit: str | None
    phrases: frozenset[str]
    low: bool

    def said_in(self, language: str) -> str:
        """Return its label in a language, or in English."""
        return self.label[closest_language(language, self.label) or DEFAULT]


@dataclass(frozen=True, slots=True)
class QuestionWords:
    """Words of a question in one language.

    Attributes:
        title: what it is about.
        asks: the question itself.
        comment: the words over the box for a comment; "" for Muster's own, None for no box.
    """

    title: str
    asks: str
    comment: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """Question as stored in the database.

    Attributes:
        question_id: its id.
        name: what commands and files call it.
        organisation: whose question it is; empty means the one in the settings.
        words: its words by language, English among them.
        options: the answers it offers, in the order in which people see them.
        opens_at: nothing counts before it; None for always. Aware, UTC, like every time here.
        closes_at: nothing counts after it.
        time_zone: the zone its dates are shown in.
        letter: the letter behind the digits if another question is open to the same phone.
        goal_id: the goal its messages work towards.
    """

    question_id: int
    name: str
    organisation: str
    words: Mapping[str, QuestionWords]
    options: tuple[AnswerOption, ...]
    opens_at: datetime | None
    closes_at: datetime
    time_zone: str
    letter: str
    goal_id: int

    @property
    def title(self) -> str:
        """Return its title in English."""
        return self.words[DEFAULT].title

    @property
    def digits(self) -> dict[str, str]:
        """Return the digits it offers, and the answer of each."""
        return {option.digit: option.name for option in self.options if option.digit is not None}

    def said_in(self, language: str) -> QuestionWords:
        """Return its words in a language, or in English."""
        return self.words[closest_language(language, self.words) or DEFAULT]

    def option(self, name: str) -> AnswerOption | None:
        """Return an option by its name; None if it has none of that name."""
        return next((option for option in self.options if option.name == name), None)

    def phase(self, now: datetime) -> AnswerPhase:
        """Tell whether it is still to open, open, or closed at a moment."""
        return phase_of(self.opens_at, self.closes_at, now)

    def local(self, at: datetime, language: str = DEFAULT) -> str:
        """Format a moment as people read it: `Monday 7 December, 12:00`."""
        return day_and_time(at, self.time_zone, language)

    def is_made_from(self, spec: QuestionSpec, *, time_zone: str = DEFAULT_ZONE) -> bool:
        """Tell whether a file describes this question: the same words, dates and answers."""
        zone = spec.time_zone or time_zone
        opens, closes = _times(spec, zone)
        return (opens, closes, _words(spec), options_of(spec)) == (
            self.opens_at,
            self.closes_at,
            dict(self.words),
            self.options,
        )


async def create_question(
    db: Connection, spec: QuestionSpec, now: datetime, *, actor: Actor, time_zone: str = DEFAULT_ZONE
) -> Question:
    """Create a question.

    Args:
        db: a connection; a transaction is opened if there is none.
        spec: its file.
        now: the time: its letter differs from those of questions that are still open then.
        actor: who creates it, for the audit.
        time_zone: the zone of local times if the file names none.

    Raises:
        Conflict: there is a question of that name.
    """
    zone = spec.time_zone or time_zone
    opens, closes = _times(spec, zone)
    words = _words(spec)[DEFAULT]
    async with db.transaction():
        await db.execute(SQL["lock_letters"])
        question_id = await db.fetchval(
            SQL["create_question"], spec.name, spec.title, spec.organisation or "", spec.asks, words.comment, opens,
            closes, zone, spec.translations_json(), await create_goal(db, f"question {spec.name}"), now,
        )  # fmt: skip
        if question_id is None:
            raise Conflict(
                f"There is already a question {spec.name}.",
                remedy=f"Choose another name, or see it with: muster question show {spec.name}",
            )
        await db.execute(SQL["add_answers"], question_id, [answer.model_dump(mode="json") for answer in spec.answers])
        await record(db, actor, AuditAction.QUESTION_CREATED, f"question {spec.name}")
        return await get_question(db, spec.name)


async def delete_unanswered(db: Connection, question_id: int) -> None:
    """Remove a question, unless somebody has answered it, left a comment, or taken an answer back."""
    await db.execute(SQL["delete_answers"], question_id)
    await db.execute(SQL["delete_question"], question_id)


async def extend_question(db: Connection, question: Question, closes: datetime, *, now: datetime) -> Question:
    """Set a later close of a question that is not closed yet.

    Args:
        db: in the caller's transaction.
        question: the question.
        closes: its new close; aware.
        now: the time.

    Raises:
        Conflict: it is closed, or would close earlier than it does.
    """
    if await db.fetchval(SQL["extend_question"], question.question_id, closes, now) is None:
        present = await get_question(db, question.name)
        at = present.local(present.closes_at)
        if present.closes_at <= now:
            raise Conflict(
                f"The question {question.name} closed {at}.", remedy="Ask again with a question of another name."
            )
        raise Conflict(f"The question {question.name} closes {at}, which is not earlier.", remedy="Give a later time.")
    return await get_question(db, question.name)


async def get_question(db: Connection, name: str) -> Question:
    """Look up a question by its name.

    Raises:
        NotFound: there is none.
    """
    row = await db.fetchrow(SQL["get_question"], name)
    if row is None:
        names = await question_names(db)
        known = names_instead(name, names) if names else "Make one with: muster question create FILE"
        raise NotFound(f"There is no question {name}.", remedy=known)
    return question_of(dict(row))


async def question_names(db: Connection) -> list[str]:
    """List the names of all questions, the soonest to close first."""
    return [row["name"] for row in await db.fetch(SQL["list_names"])]


def question_of(row: Mapping[str, Any]) -> Question:
    """Make a question from its row in the view `question_described`."""
    translations: dict[str, Any] = row["translations"]
    own = QuestionWords(row["title"], row["asks"], row["comment"])
    others = {
        language: QuestionWords(
            words["title"], words["asks"], None if own.comment is None else words.get("comment", "")
        )
        for language, words in translations.items()
    }
    return Question(
        row["question_id"], row["name"], row["organisation"], {DEFAULT: own} | others,
        tuple(_option(answer, translations) for answer in row["answers"]), row["opens_at"], row["closes_at"],
        row["time_zone"], row["letter"], row["goal_id"],
    )  # fmt: skip


def options_of(spec: QuestionSpec) -> tuple[AnswerOption, ...]:
    """Return the answers that a file describes."""
    return tuple(
        _option(
            {
                "name": answer.name,
                "label": answer.label,
                "digit": answer.digit,
                "words": answer.words,
                "low": answer.low,
            },
            spec.translations_json(),
        )
        for answer in spec.answers
    )


def _times(spec: QuestionSpec, time_zone: str) -> tuple[datetime | None, datetime]:
    here = ZoneInfo(time_zone)
    return at_zone(spec.opens, here) if spec.opens else None, at_zone(spec.closes, here, end=True)


def _words(spec: QuestionSpec) -> dict[str, QuestionWords]:
    comment = {True: "", False: None}[spec.comment] if isinstance(spec.comment, bool) else spec.comment
    own = {DEFAULT: QuestionWords(spec.title, spec.asks, comment)}
    return own | {
        language: QuestionWords(words.title, words.asks, None if comment is None else words.comment or "")
        for language, words in spec.translations.items()
    }


def _option(row: Mapping[str, Any], translations: Mapping[str, Any]) -> AnswerOption:
    name, theirs = row["name"], {language: words["answers"][row["name"]] for language, words in translations.items()}
    phrases = [name.replace("_", " "), row["label"], *row["words"]]
    phrases += [phrase for words in theirs.values() for phrase in (words["label"], *words["words"])]
    return AnswerOption(
        name,
        {DEFAULT: row["label"]} | {language: words["label"] for language, words in theirs.items()},
        row["digit"],
        frozenset(map(fold_phrase, phrases)),
        row["low"],
    )
