"""Asking about a subject: its table in a file, the people its campaigns may ask, and the words.

The methods here fit a subject about which nothing is asked; other kinds override them.
"""

# ruff: noqa: ARG002, ARG003  # what one kind need not know, another does

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from campaigns.subjects.facts import SubjectFacts
from campaigns.subjects.population import ParameterOf, Population
from core.access import Actor
from core.db import Connection
from core.errors import Conflict
from core.settings import Settings
from core.spec_file import SpecTable
from messaging.content.dates import CAMPAIGN_ZONE
from messaging.content.languages import DEFAULT
from messaging.content.templates import Template
from messaging.content.vocabulary import SubjectVariable


class Asking(SubjectFacts):
    """Asking side of a subject."""

    __slots__ = ()

    is_named_in_files: ClassVar[bool] = True
    """True if files name it; a subject that files do not name belongs to one campaign, and has its name."""
    variable: ClassVar[SubjectVariable | None] = None
    """Its variable in templates; None if its templates have only the variables of all templates."""
    table: ClassVar[type[SpecTable]]
    """Keys of its table in a file."""

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
        """Find a subject of this kind by its name; return its id.

        Raises:
            NotFound: there is none; the error names the subjects there are.
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
            own: its table of the file; None if there is none.
            settings: have the time zone of dates that name none.
            name: what the campaign calls it.
            title: the campaign's.
            actor: who creates it, for the audit.
            now: the time.

        Raises:
            Conflict: a different subject has that name.
        """

    @classmethod
    async def delete_unused(cls, db: Connection, subject_id: int) -> None:
        """Remove a subject that came with a draft, if nothing else uses it; most kinds stay."""
        return

    async def extend(self, db: Connection, closes: datetime, now: datetime) -> datetime:
        """Let it close later; return its former close.

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
    def population_hint(self) -> str:
        """Return a hint how to list the people its campaigns may ask."""
        return "See whom you have with: muster people count"

    def refuse_answered(self, wanted: bool | Sequence[str]) -> str | None:
        """Return why an audience cannot be chosen by these answers; None if it can."""
        return f"nobody answers {self.label}: leave the key out"

    def answered_clause(self, wanted: bool | Sequence[str], parameter: ParameterOf) -> str:
        """Return the SQL condition that a person `p` has answered so.

        Args:
            wanted: whether they have answered at all; or answers, of which they have given one.
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
        """Record the dates some people have now, because their answers about another date may not count.

        Args:
            db: in the caller's transaction, which has locked none of their messages yet.
            campaign_id: the campaign whose messages name the dates.
            dates: each person's date.
            now: the time.
        """
        return

    async def finish(self, db: Connection, now: datetime) -> None:
        """Store the results that depend on messages, before the first messages move into the archive."""
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
        """Yield a warning sentence for each date that a template names although it is past when the message is sent."""
        return iter(())

    def warnings(self, template: Template) -> Iterator[str]:
        """Yield a warning sentence for each thing in a template of its campaigns that is seldom intended."""
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
