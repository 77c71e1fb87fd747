"""Subject: what a campaign asks about, and all that campaigns, pages and replies need of it.

`Subject` says what every kind has in common; what it does by itself is right for a subject about which nothing is
asked. A kind overrides the rest, in three groups: asking (whom, and in which words), answering (what replies and
buttons mean, and what they become), and showing (the page of a link, the status). Its rows are those of the view
`subject`.
"""

# ruff: noqa: ARG002, ARG003  # what one kind need not know, another does

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, Self

from campaigns.subjects.answer import Answer, AnswerChannel, NamedAnswer, StandingAnswer, SubjectStatus
from campaigns.subjects.page import MemberPage, PageReader
from campaigns.subjects.population import ParameterOf, Population
from core.access import Actor
from core.db import Connection
from core.errors import Conflict
from core.settings import Settings
from core.spec_file import SpecTable
from messaging.content.dates import CAMPAIGN_ZONE
from messaging.content.languages import DEFAULT
from messaging.content.templates import Template
from messaging.content.translations import day_and_time
from messaging.content.vocabulary import SubjectVariable

Outside = Literal["early", "late"]
"""Reason why an answer does not count: it came before the subject opened, or after it closed."""

_TIMES: Final = ("opens_at", "closes_at")


@dataclass(frozen=True, slots=True)
class Subject(ABC):
    """Subject of campaigns.

    Attributes:
        subject_id: its id among those of its kind.
        name: what commands and files call it.
        title: what people read.
        organisation: whose it is; "" means the one in the settings.
        goal_id: the goal its messages work towards; None where there is none.
        opens_at: from when on answers count; None for always. Aware, like every time here.
        closes_at: until when they do; None for always.
        time_zone: the zone its dates are shown in.
        letter: what stands behind its digits where something else is open to the same phone; "" for nothing.
        details: what only its kind has, as the view gives it.
    """

    subject_id: int
    name: str
    title: str
    organisation: str
    goal_id: int | None
    opens_at: datetime | None
    closes_at: datetime | None
    time_zone: str
    letter: str
    details: Mapping[str, Any]

    kind: ClassVar[str]
    """Name of its kind in files and in the database: `ballot`."""
    named: ClassVar[bool] = True
    """Whether files name it; a subject that files do not name belongs to one campaign, and has its name."""
    variable: ClassVar[SubjectVariable | None] = None
    """Its variable in templates; None where its templates have only the variables of all templates."""
    table: ClassVar[type[SpecTable]]
    """Keys of its table in a file."""
    reads_answers: ClassVar[bool] = False
    """Whether it reads the answers in replies itself, by `reads`, and keeps comments; else the rules of ballots do."""
    common_meanings: ClassVar[frozenset[str]] = frozenset()
    """Meanings that digits, buttons and words may have for every subject of its kind."""
    common_presses: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Buttons of every page about its kind that are answers, and what each means."""
    for_a_person: ClassVar[frozenset[str]] = frozenset()
    """Of these meanings, those that wait for a member of staff."""
    others: ClassVar[Sequence[str]] = ("stop",)
    """Further requests that its page offers."""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Make a subject of its row in the view, as JSON."""
        known = {field.name: facts[field.name] for field in fields(cls)}
        return cls(**known | {name: _time(facts[name]) for name in _TIMES})

    def local(self, at: datetime | None, language: str = DEFAULT) -> str:
        """Format a moment as people read it: `Monday 7 December` or `Monday 7 December, 12:00`; empty for None."""
        return "" if at is None else day_and_time(at, self.time_zone, language)

    @property
    def label(self) -> str:
        """Return how sentences for staff name it: "the ballot pay-2026"."""
        return f"the {self.kind} {self.name}"

    @property
    def meanings(self) -> frozenset[str]:
        """Return the meanings that digits, buttons and words may have, beside `classification.GENERAL`."""
        return self.common_meanings

    @property
    def presses(self) -> Mapping[str, str]:
        """Return the buttons of its page that are answers, and what each means."""
        return self.common_presses

    def title_in(self, language: str) -> str:
        """Return its title in a language, or in English."""
        return self.title

    def words(self, language: str) -> Mapping[str, str]:
        """Return words of its pages that are its own, by their keys; the others are in the words file."""
        return {}

    # Asking

    @classmethod
    @abstractmethod
    def load(cls, path: Path) -> SpecTable:
        """Read its table of a file.

        Raises:
            SpecError: something in it is wrong; each problem names its key.
        """

    @classmethod
    @abstractmethod
    async def find(cls, db: Connection, name: str) -> int:
        """Find a subject of this kind by its name; returns its id.

        Raises:
            NotFound: there is none; the error names those there are.
        """

    @classmethod
    @abstractmethod
    async def ensure(
        cls, db: Connection, own: SpecTable | None, settings: Settings, *, name: str, title: str, actor: Actor,
        now: datetime,
    ) -> None:  # fmt: skip
        """Make the subject that a campaign's file describes, or check that the one of its name is the same.

        Args:
            db: a connection.
            own: its table of the file; None where there is none.
            settings: have the time zone of dates that name none.
            name: what the campaign calls it.
            title: the campaign's.
            actor: who creates it, for the audit.
            now: the time.

        Raises:
            Conflict: there is another one of that name.
        """

    @classmethod
    async def remove_unused(cls, db: Connection, subject_id: int) -> None:
        """Remove a subject that came with a draft, if nothing else has come of it; most stay."""
        return

    async def extend(self, db: Connection, closes: datetime, now: datetime) -> datetime:
        """Let it close later; returns its former close.

        Args:
            db: in the caller's transaction.
            closes: its new close; aware.
            now: the time.

        Raises:
            Conflict: it is closed, would close earlier than it does, or is of a kind whose close stays.
        """
        raise Conflict(f"The close of {self.label} stays as it is.")

    @classmethod
    def example(cls) -> dict[str, Any]:
        """Return example values of its variable's fields, for a preview without one."""
        return {}

    def population(self) -> Population:
        """Return the people its campaigns may ask: everybody."""
        return Population()

    @property
    def outside_population(self) -> str:
        """Return the end of a sentence about somebody who is not among them: "not in the electorate of pay-2026"."""
        return "not among your people any more"

    @property
    def nobody_found(self) -> str:
        """Return why an audience may have nobody in it."""
        return "the filter finds nobody"

    @property
    def see_population(self) -> str:
        """Return how to see whom its campaigns may ask."""
        return "See whom you have with: muster people count"

    def refuse_answered(self, wanted: bool | Sequence[str]) -> str | None:
        """Return why an audience cannot be chosen by these answers; None where it can."""
        return f"nobody answers {self.label}: leave the key out"

    def answered_clause(self, wanted: bool | Sequence[str], parameter: ParameterOf) -> str:
        """Return the SQL condition that a person `p` has answered so.

        Args:
            wanted: whether they have answered at all, or with one of these.
            parameter: takes values of the query.

        Raises:
            NotImplementedError: nothing is asked; `refuse_answered` says so first.
        """
        raise NotImplementedError(self.refuse_answered(wanted))

    async def prepare(self, db: Connection) -> None:
        """Bring the population up to date, before a campaign is checked or a step launched."""
        return

    async def change_dates(
        self, db: Connection, campaign_id: int, dates: Mapping[int, datetime], now: datetime
    ) -> None:
        """Note which dates some people have now: what they answered about another one may not stand.

        Args:
            db: in the caller's transaction, which has locked none of their messages yet.
            campaign_id: the campaign whose messages name the dates.
            dates: each person's date.
            now: the time.
        """
        return

    async def finish(self, db: Connection, now: datetime) -> None:
        """Settle what depends on messages, before the first of them move into the archive."""
        return

    def constants(self, settings: Settings, languages: Sequence[str] = (DEFAULT,)) -> dict[str, Any]:
        """Return the template variables that are the same for everybody, with dates as people read them.

        Args:
            settings: has the organisation and how to reach it.
            languages: the template's.
        """
        organisation = self.organisation or settings.organisation
        return {"organisation": organisation, "contact": settings.contact, CAMPAIGN_ZONE: self.time_zone}

    def constants_at(self, constants: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        """Return a step's constants at the moment its messages are sent: some dates are past then."""
        return dict(constants)

    def past_dates(
        self,
        template: Template,
        constants: Mapping[str, Any],
        at: datetime,
        channels: Sequence[str],
    ) -> Iterator[str]:
        """Yield a warning sentence for each date that a template names though it is past when the message is sent."""
        return iter(())

    def warnings(self, template: Template) -> Iterator[str]:
        """Yield a warning sentence for what is seldom intended in a template of its campaigns."""
        return iter(())

    @classmethod
    def refusals(cls, template: Template) -> Iterator[str]:
        """Yield why a template cannot be used in its campaigns, a line each."""
        if not (cls.common_meanings or cls.reads_answers) and any(
            version.menu for version in template.versions("sms").values()
        ):
            yield f"the template {template.name} has a menu of digits, and a {cls.kind} wants no answer"

    def menu_refusals(self, template: Template) -> Iterator[str]:
        """Yield why a template's digits cannot be used for this very subject, a line each."""
        return iter(())

    # Answering

    def reads(self, text: str, menu: Mapping[str, str]) -> NamedAnswer | None:
        """Read an answer in a person's own words; None where it is unclear. Only a subject that `reads_answers` does.

        Args:
            text: their own words.
            menu: the digits that the message offered, and the meaning of each.
        """
        return None

    @property
    def digits(self) -> Mapping[str, str]:
        """Digits that it gives to its answers itself, and the answer of each; none unless it `reads_answers`."""
        return {}

    def phrases(self) -> Mapping[str, str]:
        """Return the phrases that it reads as answers, and the answer of each; none unless it `reads_answers`."""
        return {}

    def menu_words(self, language: str, menu: Mapping[str, str], letter: str) -> str | None:
        """Return how to answer, "1A Good, 2A Fair"; None where that cannot be said in a few words.

        Args:
            language: the language.
            menu: the digits that a message offered, and the meaning of each; none for no digits.
            letter: what stands behind them.
        """
        return None

    def why_open(self, meaning: str | None) -> str | None:
        """Return why staff have to act on an answer; None where nobody has to."""
        return meaning if meaning in self.for_a_person else None

    def outside(self, at: datetime) -> Outside | None:
        """Return why an answer given at a moment does not count; None where it does."""
        if self.opens_at is not None and at < self.opens_at:
            return "early"
        return "late" if self.closes_at is not None and at >= self.closes_at else None

    def answers_until(self, state: str, now: datetime) -> datetime | None:
        """Return until when answers to a campaign in a state count, once it is finished; None where none do."""
        return self.closes_at if state == "finished" and self.reads_answers and self.outside(now) is None else None

    async def record(self, db: Connection, answer: Answer) -> int:
        """Record an answer, and withdraw what is queued for its person where it meets the goal.

        Args:
            db: in the caller's transaction.
            answer: the answer.

        Returns:
            Its id, for `retract`.

        Raises:
            NotImplementedError: nothing is asked, so that nothing is read as an answer.
        """
        raise NotImplementedError(f"{self.label} takes no {answer.meaning}")

    @classmethod
    async def retract(cls, db: Connection, answer_id: int, *, recorder: str, channel: AnswerChannel) -> None:
        """Take an answer back: the answer before it counts again.

        Raises:
            NotFound: there is no such answer.
            NotImplementedError: nothing is asked, so that nothing was answered.
        """
        raise NotImplementedError(f"nobody answers a {cls.kind}")

    async def standing_answer(self, db: Connection, message_id: int, person_id: int) -> StandingAnswer | None:
        """Return the answer that a person may take back on the page of a message's link; None for none."""
        return None

    @classmethod
    def unknown_remedy(cls, reply_id: int) -> str:
        """Return what to do with an answer that answers no message of ours."""
        return f"Close the reply when you have dealt with it: muster replies close {reply_id}"

    @classmethod
    def counted(cls, name: str) -> str:
        """Return the beginning of a line of a person's history: "In the ballot pay-2026 they are"."""
        return f"About the {cls.kind} {name} they are"

    # Showing

    def offered_presses(self, now: datetime) -> Sequence[str]:
        """List the buttons that count as answers now."""
        return tuple(self.presses) if self.outside(now) is None else ()

    @abstractmethod
    def page(self, reader: PageReader, now: datetime, *, note: str | None = None) -> MemberPage:
        """Return the page a link opens, whatever has been answered before.

        Args:
            reader: who opens it.
            now: the time.
            note: the key of what has just been done.
        """

    @abstractmethod
    def answered_page(self, reader: PageReader, now: datetime, press: str) -> MemberPage:
        """Return the page after an answer or a request.

        Args:
            reader: who answered, as they stand now.
            now: the time.
            press: what they pressed.
        """

    def times(self) -> Mapping[str, datetime | None]:
        """Return the times that the words of its pages may name: `{closes}`."""
        return {"opens": self.opens_at, "closes": self.closes_at}

    async def status(self, db: Connection, now: datetime, campaign_id: int) -> SubjectStatus:
        """Return its answers so far, of which a question counts those to one campaign alone."""
        return SubjectStatus()


def _time(at: str | None) -> datetime | None:
    return None if at is None else datetime.fromisoformat(at).astimezone(UTC)
