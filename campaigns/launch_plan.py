"""Launch plan: what launching a campaign now would do, step by step; `preview` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from campaigns.date_plan import DatePlan
from campaigns.languages import LanguagePlan
from campaigns.spec import Quiet
from messaging.states import ChannelName


@dataclass(frozen=True, slots=True)
class Example:
    """Example of a text or email as somebody would get it.

    Attributes:
        channel: `sms` or `email`.
        language: its language.
        messages: how many get it by this channel in this language.
        text: the whole text; an email's begins with its subject.
    """

    channel: ChannelName
    language: str
    messages: int
    text: str


@dataclass(frozen=True, slots=True)
class StepPlan:
    """Preview of launching one step now.

    Attributes:
        position: its number in the campaign.
        template: its name.
        channels: in order of preference.
        due_at: when it starts, if it has a time.
        after: how long after the step before, if it follows one.
        starts_at: when that is, as far as is known now; in the subject's time zone, like the next two.
        opens_at: when its first message may be sent in the subject's time zone, if that is after its start.
        opens: when the first message of each channel may be sent; None if its hours leave no time at all.
        never: whether its hours leave no time at all in which it may be sent.
        quiet: quiet hours of some of its channels, in each recipient's time zone; None if there are none.
        at_night: texts that recipients would get at night, if sent as soon as the step's hours allow.
        audience: people the filter finds.
        by_channel: messages, by channel.
        not_sent: people who would get nothing, by reason.
        capped_wait: how many recipients are at a frequency cap, so that their message waits first.
        capped_out: how many would get their message too late because of a frequency cap, and so get nothing.
        segments: SMS segments of all texts.
        rendered: texts rendered for that number; less than all of them means it is an estimate.
        ucs2: of those rendered, texts with characters that make a segment hold 70 instead of 160.
        ucs2_segments: the segments of these.
        non_gsm_characters: those characters, each once.
        cost: by the prices in the file; None if it names none.
        currency: of the cost.
        languages: the same for the people of each language, the most spoken first.
        warnings: things about its template that are allowed but seldom intended.
        examples: one message of each channel and language, the one most people get first.
        dates: when the messages are due, if the step goes by dates of people.
    """

    position: int
    template: str
    channels: tuple[str, ...]
    due_at: datetime | None
    after: timedelta | None
    starts_at: datetime
    opens_at: datetime | None
    opens: Mapping[str, datetime | None]
    never: bool
    quiet: Quiet | None
    at_night: int
    audience: int
    by_channel: Mapping[str, int]
    not_sent: Mapping[str, int]
    capped_wait: int
    capped_out: int
    segments: int
    rendered: int
    ucs2: int
    ucs2_segments: int
    non_gsm_characters: str
    cost: float | None
    currency: str
    languages: tuple[LanguagePlan, ...]
    warnings: tuple[str, ...]
    examples: tuple[Example, ...]
    dates: DatePlan | None = None

    @property
    def exact(self) -> bool:
        """Tell whether every text was rendered."""
        return self.rendered == self.by_channel.get("sms", 0)


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """Preview of launching a campaign now, step by step."""

    campaign_id: int
    steps: tuple[StepPlan, ...]
