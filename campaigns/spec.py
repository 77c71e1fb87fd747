"""Campaign files: TOML written by people, read with errors in plain words.

One file may hold a `[campaign]` with its `[campaign.audience]` and `[[campaign.steps]]`, or what it asks about (a
`[ballot]` …), or both; docs/campaigns.md explains every key. Nothing here reads the database: what a file names is
checked when it is created.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, StrictBool, field_validator, model_validator

from campaigns.sending_windows import NIGHT, Days, Duration, OpenHours, QuietHours, StepCaps
from campaigns.subjects.kinds import KINDS
from core.errors import SpecError
from core.spec_file import Moment, Name, OneOrMore, SpecTable, Text, read_document, read_many, read_table
from messaging.states import ChannelName


@dataclass(frozen=True, slots=True)
class Quiet:
    """Quiet hours: times in each recipient's own time zone when nothing is sent.

    Attributes:
        start: when they begin.
        end: when they end; may be after midnight.
        channels: the channels they apply to; None for all channels of the step.
    """

    start: time
    end: time
    channels: tuple[ChannelName, ...] | None


class Filter(SpecTable):
    """Audience filter: every key that is given must hold; a list means "one of". See docs/campaigns.md."""

    all: tuple[Filter, ...] | None = Field(None, min_length=1)
    any: tuple[Filter, ...] | None = Field(None, min_length=1)
    not_: Filter | None = Field(None, alias="not")
    unit: OneOrMore | None = None
    attribute: dict[str, StrictBool | OneOrMore] | None = Field(None, min_length=1)
    has: Annotated[tuple[ChannelName, ...], BeforeValidator(read_many), Field(min_length=1)] | None = None
    language: OneOrMore | None = None
    answered: StrictBool | OneOrMore | None = None
    members: OneOrMore | None = None
    received: Annotated[tuple[int, ...], BeforeValidator(read_many), Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _no_empty_branches(self) -> Self:
        inner = (*(self.all or ()), *(self.any or ()), *((self.not_,) if self.not_ else ()))
        if any(branch == Filter() for branch in inner):
            raise ValueError("holds an empty filter, which would mean everybody")
        return self

    def to_json(self) -> dict[str, Any]:
        """Convert to the form stored in the database; `Filter.model_validate` reads it back."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class When(SpecTable):
    """Start of a step: at a time, some time after the step before, or (neither) with the launch.

    With `of`, each message is due before or after a date of its person, an attribute, and the step starts with the
    launch.
    """

    at: Moment | None = None
    after: Duration | None = None
    before: Duration | None = None
    of: Text | None = None

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if self.at is not None and self.after is not None:
            raise ValueError("after: say either at or after, not both")
        if self.before is not None and (self.at is not None or self.after is not None):
            raise ValueError("before: say either that or at or after, not both")
        if self.before is not None and self.of is None:
            raise ValueError('before: says before what with of, an attribute: { before = "24 hours", of = "visit_at" }')
        if self.of is not None and self.before is self.after is None:
            raise ValueError('of: says how long before or after it: { before = "24 hours", of = "visit_at" }')
        if self.before is not None and not self.before:
            raise ValueError("before: is no time at all")
        return self

    @property
    def dated(self) -> Literal["before", "after"] | None:
        """Return the side of a person's date on which messages are due; None if they do not go by dates."""
        return None if self.of is None else "after" if self.before is None else "before"


class Window(SpecTable):
    """`[campaign.window]`, or a step's `window`: the days, hours and time in which it may be sent."""

    days: Days | None = None
    hours: OpenHours | None = None
    zone: str | None = None
    from_: Moment | None = Field(None, alias="from")
    until: Moment | None = None

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value in KINDS:
            raise ValueError(f'write "subject" for the time zone of the {value}')
        if value not in {None, "recipient", "subject"}:
            try:
                ZoneInfo(str(value))
            except (KeyError, ValueError, OSError):
                raise ValueError(
                    f'{value} is neither "recipient" nor "subject" nor a time zone such as Europe/London'
                ) from None
        return value

    def within(self, other: Window) -> Window:
        """Return this window with the keys it leaves out taken from `other`."""
        own = {name: getattr(self, name) for name in type(self).model_fields if getattr(self, name) is not None}
        return other.model_copy(update=own)


class StepSpec(SpecTable):
    """Step: one of the `[[campaign.steps]]`, in the order of the file."""

    template: Text
    channels: Annotated[tuple[ChannelName, ...], BeforeValidator(read_many), Field(min_length=1)]
    when: When = When()
    send_before: Moment | None = None
    quiet_hours: QuietHours | Literal["none"] | None = None
    window: Window = Window()
    frequency_cap: StepCaps | None = None
    priority: int = Field(0, ge=-100, le=100)
    audience: Filter | None = None

    @field_validator("channels")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("names a channel twice")
        return value


class Senders(SpecTable):
    """`[campaign.senders]`: the senders of its messages, if they differ from those in the settings."""

    sms: str | None = None
    email: str | None = None


class Pace(SpecTable):
    """`[campaign.pace]`: most segments (SMS) or mails (email) a second by this campaign's senders."""

    sms: float | None = Field(None, gt=0)
    email: float | None = Field(None, gt=0)


class Price(SpecTable):
    """`[campaign.price]`: what messages cost, for the estimate before a launch."""

    sms_segment: float = Field(0, ge=0)
    email: float = Field(0, ge=0)
    currency: str = "GBP"


def _examples() -> str:
    """Say what `about` may be: `{ ballot = "…" } or { question = "…" } or "notice"`."""
    return " or ".join(
        f'{{ {kind} = "…" }}' if subject.is_named_in_files else f'"{kind}"' for kind, subject in KINDS.items()
    )


def _read_about(value: object) -> object:
    """Check what a campaign is about: `{kind: name}`, or a kind whose subjects have no names."""
    if isinstance(value, str) and value in KINDS and not KINDS[value].is_named_in_files:
        return value
    if isinstance(value, dict) and len(value) == 1:
        ((kind, name),) = value.items()
        if kind in KINDS and KINDS[kind].is_named_in_files and isinstance(name, str) and name:
            return value
    raise ValueError(f"say what it is about: {_examples()}")


About = Annotated[dict[str, str] | str, BeforeValidator(_read_about)]
"""Subject of a campaign: `{kind: name}`, or only the kind if its subjects have no names."""


class CampaignSpec(SpecTable):
    """Contents of a `[campaign]` table and the tables inside it."""

    name: Name
    title: Text
    about: About = Field("", validate_default=True)  # "" is refused in words
    quiet_hours: QuietHours | Literal["none"] | None = None
    window: Window = Window()
    frequency_cap: StepCaps | None = None
    audience: Filter = Filter()
    steps: Annotated[tuple[StepSpec, ...], Field(min_length=1)]
    senders: Senders = Senders()
    pace: Pace = Pace()
    price: Price | None = None

    @model_validator(mode="after")
    def _first_step_leads(self) -> Self:
        if self.steps[0].when.after is not None and self.steps[0].when.of is None:
            raise ValueError("steps[1].when.after: the first step has none before it; use at, or neither")
        for position, step in enumerate(self.steps, start=1):
            for received in _received(step.audience, self.audience):
                if not 1 <= received < position:
                    raise ValueError(f"steps[{position}].audience.received: there is no step {received} before it")
        return self

    @property
    def subject(self) -> tuple[str, str]:
        """Return the kind and name of its subject; a subject without a name goes by the campaign's."""
        if isinstance(self.about, str):
            return self.about, self.name
        ((kind, name),) = self.about.items()
        return kind, name

    def quiet(self, step: StepSpec) -> Quiet | None:
        """Return the quiet hours of a step: its own, or the campaign's, or the night for texts."""
        hours = step.quiet_hours if step.quiet_hours is not None else self.quiet_hours
        if isinstance(hours, tuple):
            return Quiet(*hours, channels=None)
        return Quiet(*NIGHT, channels=("sms",)) if hours is None and "sms" in step.channels else None


def _received(*filters: Filter | None) -> Iterable[int]:
    for part in filters:
        if part is not None:
            yield from part.received or ()
            yield from _received(*(part.all or ()), *(part.any or ()), part.not_)


def load_campaign_spec(path: Path) -> CampaignSpec:
    """Read the `[campaign]` of a file and the tables inside it. It is about the file's own subject if it names none.

    Raises:
        SpecError: the file cannot be read, has no such table, or something in it is wrong; each problem names its key.
    """
    document = _document(path)
    table = document.get("campaign")
    if not isinstance(table, dict):
        raise SpecError(f"{path} has no [campaign].", remedy="docs/campaigns.md shows a complete file.")
    if renamed := [kind for kind in KINDS if kind in table]:
        about = f'{{ {renamed[0]} = "{table[renamed[0]]}" }}'
        raise SpecError(
            f"{path} cannot be used.", problems=[f"campaign.{renamed[0]}: is not a key here; write about = {about}"]
        )
    return read_table(CampaignSpec, {**_own_subject(path, document), **table}, path, "campaign")


def load_campaign_file(path: Path) -> tuple[CampaignSpec, SpecTable | None]:
    """Read the `[campaign]` of a file and, if the file has one, the table of its subject.

    Raises:
        SpecError: see `load_campaign_spec`; the problems of all tables are reported together.
    """
    problems: list[str] = []
    own: dict[str, SpecTable] = {}
    campaign = None
    document = _document(path)  # a file that cannot be read at all is reported once
    for kind, subject_class in KINDS.items():
        try:
            if kind in document:
                own[kind] = subject_class.load(path)
        except SpecError as error:
            problems += error.problems or [error.message]
    try:
        campaign = load_campaign_spec(path)
    except SpecError as error:
        if not problems:
            raise
        problems += error.problems or [error.message]
    if problems or campaign is None:
        raise SpecError(f"{path} cannot be used.", problems=problems)
    return campaign, own.get(campaign.subject[0])


def _own_subject(path: Path, document: dict[str, Any]) -> dict[str, Any]:
    """Return the key `about` for the one subject that a file holds, for a campaign without that key."""
    named = [kind for kind in KINDS if kind in document]
    if "about" in document["campaign"] or not named:
        return {}
    if len(named) > 1:
        raise SpecError(
            f"{path} cannot be used.",
            problems=[f"campaign.about: is missing, and the file holds a {' and a '.join(named)}; write {_examples()}"],
        )
    (kind,) = named
    if not KINDS[kind].is_named_in_files:
        return {"about": kind}
    name = document[kind].get("name") if isinstance(document[kind], dict) else None
    return {"about": {kind: name}} if isinstance(name, str) else {}


def _document(path: Path) -> dict[str, Any]:
    keys = {kind: subject_class.table.model_fields for kind, subject_class in KINDS.items()}
    return read_document(path, {"campaign": CampaignSpec.model_fields, **keys})
