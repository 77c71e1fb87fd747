"""Question as a subject: everybody may be asked, and answers become responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final

from campaigns.subjects import question_page
from campaigns.subjects.answer import Answer, AnswerChannel, AnswerTable, RetractableAnswer, SubjectStatus
from campaigns.subjects.page import OTHERS, MemberPage, PageReader
from campaigns.subjects.population import ParameterOf
from campaigns.subjects.subject import Subject
from core.access import Actor
from core.db import Connection, load_queries
from core.errors import Conflict
from core.plurals import plural
from core.settings import Settings
from core.spec_errors import near_miss
from core.spec_file import SpecTable
from messaging.content.languages import DEFAULT
from messaging.content.templates import Template
from messaging.content.translations import wording
from services.questions.answer_reading import ReadAnswer, find_choice, read_answer
from services.questions.counts import answer_counts, shares, unit_answers
from services.questions.questions import (
    Question,
    create_question,
    delete_unanswered,
    extend_question,
    get_question,
    question_names,
    question_of,
)
from services.questions.responses import (
    ResponseSource,
    change_dates,
    present_answer,
    record_response,
    retract_response,
)
from services.questions.spec import QuestionSpec, load_question_spec
from services.questions.template_fields import QUESTION, example_fields, fields_of

SQL: Final = load_queries(__file__)

LOW: Final = "low_answer"
"""Reason why staff look into an answer: it is a low one."""
_SOURCES: Final[Mapping[AnswerChannel, ResponseSource]] = MappingProxyType(
    {"link": ResponseSource.LINK, "sms": ResponseSource.SMS_REPLY, "email": ResponseSource.EMAIL_REPLY}
)


@dataclass(frozen=True, slots=True)
class QuestionSubject(Subject):
    """Question that campaigns ask; `details` has its words and answers."""

    kind: ClassVar = "question"
    variable: ClassVar = QUESTION
    table: ClassVar = QuestionSpec
    further_requests: ClassVar = OTHERS
    reads_answers: ClassVar = True

    @property
    def question(self) -> Question:
        """Return the question itself."""
        return question_of(
            {
                **self.details, "question_id": self.subject_id, "name": self.name, "title": self.title,
                "organisation": self.organisation, "opens_at": self.opens_at, "closes_at": self.closes_at,
                "time_zone": self.time_zone, "letter": self.letter, "goal_id": self.goal_id,
            }
        )  # fmt: skip

    @property
    def meanings(self) -> frozenset[str]:
        """Return the names of its answers."""
        return frozenset(answer["name"] for answer in self.details["answers"])

    @property
    def presses(self) -> Mapping[str, str]:
        """Return a button for each of its answers."""
        return {question_page.button(answer["name"]): answer["name"] for answer in self.details["answers"]}

    @classmethod
    def load(cls, path: Path) -> SpecTable:
        """Read the `[question]` of a file."""
        return load_question_spec(path)

    @classmethod
    async def find(cls, db: Connection, name: str) -> int:
        """Find a question by its name; return its id."""
        return (await get_question(db, name)).question_id

    @classmethod
    async def ensure(
        cls,
        db: Connection,
        own: SpecTable | None,
        settings: Settings,
        *,
        name: str,
        title: str,  # noqa: ARG003
        actor: Actor,
        now: datetime,
    ) -> None:
        """Make the file's question, or check that the one of that name is the same."""
        if not isinstance(own, QuestionSpec) or own.name != name:
            return
        if name not in await question_names(db):
            await create_question(db, own, now, actor=actor, time_zone=settings.time_zone)
        elif not (await get_question(db, name)).is_made_from(own, time_zone=settings.time_zone):
            raise Conflict(
                f"There is already a question {name}, with other words, answers or dates than in the file.",
                remedy=f"Compare with: muster question show {name}; correct the file or rename its question.",
            )

    @classmethod
    async def delete_unused(cls, db: Connection, subject_id: int) -> None:
        """Remove a question that no campaign asks any more and nobody has answered."""
        if not await db.fetchval(SQL["is_asked"], subject_id):
            await delete_unanswered(db, subject_id)

    async def extend(self, db: Connection, closes: datetime, now: datetime) -> datetime:
        """Let it close later, as long as it is open."""
        question = self.question
        await extend_question(db, question, closes, now=now)
        return question.closes_at

    @classmethod
    def example(cls) -> dict[str, Any]:
        """Return example values of a question's fields."""
        return example_fields()

    def refuse_answered(self, wanted: bool | Sequence[str]) -> str | None:
        """Return why an audience cannot be chosen by these answers: it does not offer one of them."""
        unknown = [] if isinstance(wanted, bool) else [word for word in wanted if word not in self.meanings]
        offered = ", ".join(answer["name"] for answer in self.details["answers"])
        return f"{unknown[0]!r} is no answer to {self.name}, which has {offered}" if unknown else None

    def answered_clause(self, wanted: bool | Sequence[str], parameter: ParameterOf) -> str:
        """Return the condition: true and false refer to any answer, a list to these."""
        which = "" if isinstance(wanted, bool) else f" and s.answer = any ({parameter(list(wanted))}::text[])"
        question_state = (
            f"exists (select from response_status s where s.question_id = {parameter(self.subject_id)}::bigint"
            f" and s.person_id = p.person_id{which})"
        )
        return f"not {question_state}" if wanted is False else question_state

    async def change_dates(
        self, db: Connection, campaign_id: int, dates: Mapping[int, datetime], now: datetime
    ) -> None:
        """Void answers about another date than their person has now; answers about the present date count again."""
        await change_dates(db, self.subject_id, campaign_id, dates, at=now)

    def constants(self, settings: Settings, languages: Sequence[str] = (DEFAULT,)) -> dict[str, Any]:
        """Return the constants with the question's words in each of the template's languages."""
        question, (base, *others) = self.question, languages
        return {
            **Subject.constants(self, settings),
            "question": fields_of(question, base),
            **({"languages": {other: {"question": fields_of(question, other)} for other in others}} if others else {}),
        }

    def warnings(self, template: Template) -> Iterator[str]:
        """Warn of a menu without letters."""
        for version in template.versions("sms").values():
            if version.menu and "letter" not in version.variables:
                yield (
                    f"The text of {template.name} offers digits without {{{{ letter }}}} behind them: where something"
                    " else is open to the same phone, nobody knows which of the two a reply answers."
                )
                return

    def menu_refusals(self, template: Template) -> Iterator[str]:
        """Refuse a menu whose meanings or digits are not the question's."""
        question = self.question
        names, digits = [answer.name for answer in question.options], question.digits
        for version in template.versions("sms").values():
            for digit, meaning in version.menu.items():
                if meaning not in names:
                    yield (
                        f"the template {template.name} offers {digit} for {meaning}, which is no answer to"
                        f" {self.name}{near_miss(meaning, names)}; it has {', '.join(names)}"
                    )
                elif digits.get(digit, meaning) != meaning:
                    yield (
                        f"the template {template.name} offers {digit} for {meaning}, and in {self.name} {digit} is"
                        f" {digits[digit]}"
                    )

    def reads(self, text: str, menu: Mapping[str, str]) -> ReadAnswer | None:
        """Read an answer in a person's own words."""
        question = self.question
        return read_answer(text, question.options, menu, question.letter)

    def is_named(self, text: str) -> bool:
        """Tell whether a reply names it by its letter behind the digit, as "1B" does."""
        choice = find_choice(text)
        return choice is not None and bool(choice.letter) and choice.letter == self.letter

    @property
    def digits(self) -> Mapping[str, str]:
        """Return the digits of its answers, and the answer of each."""
        return self.question.digits

    def phrases(self) -> Mapping[str, str]:
        """Return every phrase that counts as an answer, in all languages."""
        return {phrase: answer.name for answer in self.question.options for phrase in sorted(answer.phrases)}

    def menu_words(self, language: str, menu: Mapping[str, str], letter: str) -> str | None:
        """Return the digits that a message offered with the labels of their answers, or the labels of all answers."""
        question = self.question
        if not menu:
            return ", ".join(answer.said_in(language) for answer in question.options)
        known = {answer.name: answer.said_in(language) for answer in question.options}
        return ", ".join(f"{digit}{letter} {known[name]}" for digit, name in menu.items() if name in known)

    def why_open(self, meaning: str | None) -> str | None:
        """Return `LOW` for a low answer, else None."""
        return LOW if any(answer["low"] and answer["name"] == meaning for answer in self.details["answers"]) else None

    async def record(self, db: Connection, answer: Answer) -> int:
        """Record an answer as a response; return the response's id."""
        return await record_response(
            db, question_id=self.subject_id, person_id=answer.person_id, answer=answer.meaning or None,
            comment=answer.comment, source=_SOURCES[answer.channel], recorder=answer.recorder,
            message_id=answer.message_id, campaign_id=answer.campaign_id, at=answer.at,
        )  # fmt: skip

    @classmethod
    async def retract(cls, db: Connection, answer_id: int, *, recorder: str, channel: AnswerChannel) -> None:
        """Retract a response."""
        await retract_response(db, answer_id, recorder=recorder, source=_SOURCES[channel])

    async def retractable_answer(self, db: Connection, message_id: int, person_id: int) -> RetractableAnswer | None:  # noqa: ARG002
        """Return a person's present answer, however it was given, with the comments left beside it since."""
        present = await present_answer(db, self.subject_id, person_id)
        if present is None:
            return None
        return RetractableAnswer(present.response_id, present.at, present.comment_ids, present.repeated_ids)

    @classmethod
    def history_line(cls, name: str) -> str:
        """Return the beginning of a line of a person's history."""
        return f"In the question {name} they are"

    def page(self, reader: PageReader, now: datetime, *, note: str | None = None) -> MemberPage:
        """Return the question, or what the person has answered."""
        return question_page.page(reader, self.question, now, note=note)

    def answered_page(self, reader: PageReader, now: datetime, press: str) -> MemberPage:
        """Return the page after an answer, a comment or a request."""
        return question_page.answered(reader, self.question, now, press)

    @property
    def own_languages(self) -> frozenset[str]:
        """Return the languages in which it has its title, what it asks, and its answers."""
        return frozenset(self.question.words)

    def title_in(self, language: str) -> str:
        """Return its title in a language, or in English."""
        return self.question.said_in(language).title

    def words(self, language: str) -> Mapping[str, str]:
        """Return the words that are its own on its pages: the question, and the labels of its answers."""
        return question_page.words(self.question, wording(language, self.kind), language)

    async def status(self, db: Connection, now: datetime, campaign_id: int) -> SubjectStatus:  # noqa: ARG002
        """Return how many people gave each answer to a campaign's messages, also by unit."""
        question = self.question
        counts = await answer_counts(db, question, campaign_id)
        n, parted = sum(counts.values()), shares(list(counts.values()))
        parts = [
            f"{counts[answer.name]:,} {answer.said_in(DEFAULT)}{f' ({part})' if part else ''}"
            for answer, part in zip(question.options, parted, strict=True)
        ]
        units = await unit_answers(db, question, None, campaign_id)
        return SubjectStatus(
            {"question": question.name, "answers": counts, "units": units},
            f"{plural(n, 'person has', 'people have')} answered: {', '.join(parts)}.",
            AnswerTable(
                tuple(answer.said_in(DEFAULT) for answer in question.options),
                tuple(counts.values()),
                parted,
                tuple((unit.path, tuple(unit.answers.values())) for unit in units),
            ),
        )
