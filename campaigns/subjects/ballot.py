"""Ballot as a subject: its electorate is asked whether they have voted, and answers become claims."""

# ruff: noqa: ARG003  # what one kind need not know, another does

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final

from ballots.ballots import ballot_names, create_ballot, enrol, get_ballot
from ballots.claims import ClaimKind, ClaimSource, find_claim_by_link, record_claim, retract_claim
from ballots.counts import finish_contacted
from ballots.past_dates import Dates, constants_at, past_dates
from ballots.score import find_score
from ballots.spec import BallotSpec, load_ballot_spec
from ballots.template_fields import BALLOT, example_fields, fields_of
from campaigns.subjects import ballot_page
from campaigns.subjects.answer import Answer, AnswerChannel, RetractableAnswer, SubjectStatus
from campaigns.subjects.page import OTHERS, MemberPage, PageReader
from campaigns.subjects.population import ParameterOf, Population
from campaigns.subjects.subject import Subject
from core.access import Actor
from core.db import Connection
from core.errors import Conflict
from core.plurals import verb
from core.settings import Settings
from core.spec_file import SpecTable
from messaging.content.languages import DEFAULT
from messaging.content.templates import Template

_SOURCES: Final[Mapping[AnswerChannel, ClaimSource]] = MappingProxyType(
    {"link": ClaimSource.LINK, "sms": ClaimSource.SMS_REPLY, "email": ClaimSource.EMAIL_REPLY}
)
_OF_A_VOTE: Final = re.compile(
    r"\b(?:ballot|vot(?:e|es|ed|ing)|referendum|\w*pleidlais|\w*pleidleisi\w*)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class BallotSubject(Subject):
    """Ballot that campaigns ask about; `details` has the dates members are asked to act before."""

    kind: ClassVar = "ballot"
    variable: ClassVar = BALLOT
    table: ClassVar = BallotSpec
    common_meanings: ClassVar = frozenset({"voted", "not_voted", "will_vote", "no_ballot_paper"})
    needs_staff: ClassVar = frozenset({"no_ballot_paper"})
    common_presses: ClassVar = MappingProxyType(
        {"voted": "voted", "not_yet": "not_voted", "no_ballot_paper": "no_ballot_paper"}
    )
    further_requests: ClassVar = OTHERS

    @property
    def last_posting_at(self) -> datetime | None:
        """Return the last safe moment to post a paper."""
        return self._date("last_posting_at")

    @property
    def replacement_by(self) -> datetime | None:
        """Return the last moment to ask for another paper."""
        return self._date("replacement_by")

    @property
    def dates(self) -> Dates:
        """Return the dates that members are asked to act before."""
        return {"last_posting": self.last_posting_at, "replacement_by": self.replacement_by}

    @classmethod
    def load(cls, path: Path) -> SpecTable:
        """Read the `[ballot]` of a file."""
        return load_ballot_spec(path)

    @classmethod
    async def find(cls, db: Connection, name: str) -> int:
        """Find a ballot by its name; return its id."""
        return (await get_ballot(db, name)).ballot_id

    @classmethod
    async def ensure(
        cls,
        db: Connection,
        own: SpecTable | None,
        settings: Settings,
        *,
        name: str,
        title: str,
        actor: Actor,
        now: datetime,
    ) -> None:
        """Make the file's ballot, or check that the one of that name is the same."""
        if not isinstance(own, BallotSpec) or own.name != name:
            return
        if name not in await ballot_names(db):
            await create_ballot(db, own, actor=actor, time_zone=settings.time_zone)
        elif not (await get_ballot(db, name)).is_made_from(own, time_zone=settings.time_zone):
            raise Conflict(
                f"There is already a ballot {name}, with other dates or another threshold than in the file.",
                remedy=f"Compare with: muster ballot show {name}; correct the file or rename its ballot.",
            )

    @classmethod
    def example(cls) -> dict[str, Any]:
        """Return example values of a ballot's fields."""
        return example_fields()

    def population(self) -> Population:
        """Return its electorate."""
        return Population("elector e join person p using (person_id)", "e.ballot_id = $1", (self.subject_id,))

    @property
    def outside_population(self) -> str:
        """Return the end of a sentence about somebody who is no elector."""
        return f"not in the electorate of {self.name}"

    @property
    def nobody_found(self) -> str:
        """Return why an audience may have nobody in it."""
        return "the filter finds nobody in the electorate of the ballot"

    @property
    def population_hint(self) -> str:
        """Return how to see its electorate."""
        return f"See who may vote with: muster ballot show {self.name}; whom you have with: muster people count"

    def refuse_answered(self, wanted: bool | Sequence[str]) -> str | None:
        """Return why an audience cannot be chosen by these answers: one of them is no member's status."""
        unknown = [] if isinstance(wanted, bool) else [word for word in wanted if word not in set(ClaimKind)]
        kinds = [f"'{kind}'" for kind in ClaimKind]
        return f"{unknown[0]!r} is not one of {', '.join(kinds[:-1])} or {kinds[-1]}" if unknown else None

    def answered_clause(self, wanted: bool | Sequence[str], parameter: ParameterOf) -> str:
        """Return the condition: true and false refer to having voted, a list to members' statuses."""
        kinds = parameter([ClaimKind.VOTED] if isinstance(wanted, bool) else list(wanted))
        ballot_state = (
            f"exists (select from claim_status s where s.ballot_id = {parameter(self.subject_id)}::bigint"
            f" and s.person_id = p.person_id and s.kind = any ({kinds}::text[]))"
        )
        return f"not {ballot_state}" if wanted is False else ballot_state

    async def prepare(self, db: Connection) -> None:
        """Enrol everybody entitled to vote who is not enrolled yet."""
        await enrol(db, self.subject_id)

    async def finish(self, db: Connection, now: datetime) -> None:
        """Count the people contacted for the last time, while all their messages are still in the outbox."""
        await finish_contacted(db, self.subject_id, now)

    def constants(self, settings: Settings, languages: Sequence[str] = (DEFAULT,)) -> dict[str, Any]:
        """Return the constants with the ballot's fields; in other languages than the first its dates differ."""
        base, *others = languages
        return {
            **Subject.constants(self, settings),
            "ballot": fields_of(self, base),
            **({"languages": {other: {"ballot": fields_of(self, other)} for other in others}} if others else {}),
        }

    def constants_at(self, constants: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        """Return the constants with the dates that are past at a moment."""
        return constants_at(constants, self.dates, at)

    def past_dates(
        self, template: Template, constants: Mapping[str, Any], at: datetime, channels: Sequence[str]
    ) -> Iterator[str]:
        """Yield a warning for each date that a template names though it is past."""
        return past_dates(template, constants, self.dates, at, channels)

    def warnings(self, template: Template) -> Iterator[str]:
        """Warn of a template that mentions neither a ballot nor a vote."""
        text = " ".join(source.text for source in template.sources())
        if "ballot" in template.variables or self.meanings & set(template.menu.values()) or _OF_A_VOTE.search(text):
            return
        yield f"The template {template.name} says nothing of a ballot or a vote. Is it the one you mean?"

    async def record(self, db: Connection, answer: Answer) -> int:
        """Record an answer as a claim; return the claim's id."""
        return await record_claim(
            db, ballot_id=self.subject_id, person_id=answer.person_id, kind=answer.meaning,
            source=_SOURCES[answer.channel], recorder=answer.recorder, confidence=answer.confidence,
            message_id=answer.message_id, at=answer.at,
        )  # fmt: skip

    @classmethod
    async def retract(cls, db: Connection, answer_id: int, *, recorder: str, channel: AnswerChannel) -> None:
        """Retract a claim."""
        await retract_claim(db, answer_id, recorder=recorder, source=_SOURCES[channel])

    async def retractable_answer(self, db: Connection, message_id: int, person_id: int) -> RetractableAnswer | None:
        """Return the latest claim by a message's link that nobody has retracted."""
        claim = await find_claim_by_link(db, ballot_id=self.subject_id, person_id=person_id, message_id=message_id)
        return None if claim is None else RetractableAnswer(claim["claim_id"], claim["at"])

    @classmethod
    def unknown_remedy(cls, reply_id: int) -> str:
        """Return how to record an answer that belongs to no message of ours."""
        return (
            "If you know the ballot, record the answer from a file with: muster turnout import BALLOT FILE"
            f" --source import --apply; then: muster replies close {reply_id}"
        )

    @classmethod
    def history_line(cls, name: str) -> str:
        """Return the beginning of a line of a member's history."""
        return f"In the ballot {name} they are"

    def page(self, reader: PageReader, now: datetime, *, note: str | None = None) -> MemberPage:
        """Return the question, or what the member has answered."""
        return ballot_page.question(reader, self.phase(now), can_post=_ahead(self.last_posting_at, now), note=note)

    def answered_page(self, reader: PageReader, now: datetime, press: str) -> MemberPage:
        """Return the page after an answer."""
        return ballot_page.answered(
            reader, self.phase(now), press,
            can_post=_ahead(self.last_posting_at, now), can_replace=_ahead(self.replacement_by, now),
        )  # fmt: skip

    def times(self) -> Mapping[str, datetime | None]:
        """Return the times its pages may name."""
        return {
            "opens": self.opens_at,
            "closes": self.closes_at,
            "last_posting": self.last_posting_at,
            "replacement_by": self.replacement_by,
        }

    async def status(self, db: Connection, now: datetime, campaign_id: int) -> SubjectStatus:  # noqa: ARG002
        """Return its turnout, as far as it is known."""
        turnout = await find_score(db, self.subject_id, now)
        return SubjectStatus(
            {"turnout": turnout},
            f"{turnout.confirmed:,} of {turnout.electorate:,} {verb(turnout.confirmed, 'says', 'say')} they have voted;"
            f" the estimate is {turnout.estimate:,}"
            f" ({turnout.low:,} to {turnout.high:,}) of {turnout.target:,} needed.",
        )

    def _date(self, name: str) -> datetime | None:
        at: str | None = self.details[name]
        return None if at is None else datetime.fromisoformat(at)


def _ahead(at: datetime | None, now: datetime) -> bool:
    return at is not None and now < at
