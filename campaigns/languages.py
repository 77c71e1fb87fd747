"""Messages and segments of a step, by the languages of the recipients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from campaigns.subjects.subject import Subject
from campaigns.variables import example_variables
from core.db import Connection, load_queries
from core.plurals import plural
from messaging.content.languages import DEFAULT, closest_language, language_name
from messaging.content.render import RenderedSms, Renderer
from messaging.content.segments import beyond_gsm7
from messaging.content.templates import Template
from messaging.content.translations import languages
from messaging.states import ChannelName

SQL: Final = load_queries(__file__)

_MIN_PART: Final = 10
"""Each language gets at least this fraction (one part in so many) of a sample, so that a few Welsh texts are not
guessed from one."""


@dataclass(frozen=True, slots=True)
class LanguagePlan:
    """Preview of a step's messages to people of one language.

    Attributes:
        language: the recipients' language.
        messages: how many they get, by channel.
        first: the person id of one of them, by channel.
        said_in: the language of their messages, by channel; another than their own if the template lacks it.
        segments: SMS segments of all their texts.
        rendered: texts rendered for that number; less than all of them means it is an estimate.
        ucs2: of those rendered, texts with characters that make a segment hold 70 instead of 160.
        ucs2_segments: the segments of these.
        non_gsm_characters: those characters, each once.
    """

    language: str
    messages: Mapping[ChannelName, int]
    first: Mapping[ChannelName, int]
    said_in: Mapping[ChannelName, str]
    segments: int
    rendered: int
    ucs2: int
    ucs2_segments: int
    non_gsm_characters: str

    @property
    def missing(self) -> Mapping[ChannelName, str]:
        """Return the channels for which the template lacks their language, each with the language used instead."""
        return {
            channel: language
            for channel, language in self.said_in.items()
            if closest_language(self.language, (language,)) is None
        }

    @property
    def page_in(self) -> str | None:
        """Return the language of the page behind their link, if that is another than their own."""
        return DEFAULT if closest_language(self.language, languages()) is None else None


async def plan_languages(
    db: Connection,
    renderer: Renderer,
    people: Sequence[int],
    texts: Sequence[int],
    public_url: str,
    *,
    letters: Mapping[int, str],
    sample: int,
) -> tuple[LanguagePlan, ...]:
    """Count a step's messages by language, and render its texts, or a sample of them.

    Args:
        db: a connection.
        renderer: of the step.
        people: ids of the recipients.
        texts: ids of those who get a text.
        public_url: the beginning of members' links.
        letters: the letter behind the digits of each person whose text has one.
        sample: about how many texts to render at most; with more, each language gets its share, evenly spread.

    Returns:
        The languages of these people, the most spoken first.

    Raises:
        TemplateError: a text cannot be rendered for somebody.
    """
    by_text = set(texts)
    plans = []
    for language, theirs in await db.fetch(SQL["group_by_language"], people):
        in_texts = [person for person in theirs if person in by_text]
        by_channel: dict[ChannelName, list[int]] = {
            "sms": in_texts,
            "email": [person for person in theirs if person not in by_text],
        }
        looked_at = _spread(in_texts, len(by_text), sample)
        looked_up = await example_variables(db, looked_at, public_url, letters)
        rendered = [renderer.sms(variables) for variables in looked_up]
        plans.append(_plan(renderer, language, {name: some for name, some in by_channel.items() if some}, rendered))
    return tuple(plans)


def _plan(
    renderer: Renderer, language: str, people: Mapping[ChannelName, Sequence[int]], rendered: Sequence[RenderedSms]
) -> LanguagePlan:
    each = sum(text.segments.segments for text in rendered) / len(rendered) if rendered else 0
    return LanguagePlan(
        language=language,
        messages={channel: len(theirs) for channel, theirs in people.items()},
        first={channel: theirs[0] for channel, theirs in people.items()},
        said_in={channel: renderer.language(channel, {"language": language}) for channel in people},
        segments=round(each * len(people.get("sms", ()))),
        rendered=len(rendered),
        ucs2=sum(text.segments.encoding == "ucs2" for text in rendered),
        ucs2_segments=sum(text.segments.segments for text in rendered if text.segments.encoding == "ucs2"),
        non_gsm_characters="".join(sorted({char for text in rendered for char in beyond_gsm7(text.text)})),
    )


def _spread(texts: Sequence[int], total: int, sample: int) -> Sequence[int]:
    if total <= sample:
        return texts
    wanted = max(min(len(texts), sample // _MIN_PART), round(sample * len(texts) / total))
    return [texts[n * len(texts) // wanted] for n in range(wanted)]


def untranslated(subject: Subject, template: Template, people: Mapping[str, int]) -> Iterator[str]:
    """Warn of people whose language a subject's own words lack, though the page or the message has it.

    Args:
        subject: the subject.
        template: of the message.
        people: how many people have each language.
    """
    lacking: Counter[str] = Counter()
    for language, n in people.items():
        known = closest_language(language, (*languages(), *template.languages))
        if known is not None and closest_language(language, subject.own_languages) is None:
            lacking[known] += n
    if subject.own_languages:
        for language, n in lacking.items():
            yield (
                f"{plural(n, 'person has', 'people have')} the language {language_name(language)}, which"
                f" {subject.label} is not in: they read its title, its question and its answers in English. Put these"
                f" under [{subject.kind}.translations.{language}] in its file before it is asked."
            )


async def people_by_language(db: Connection) -> dict[str, int]:
    """Count people by language, the most spoken first."""
    return {row["language"]: row["n"] for row in await db.fetch(SQL["count_languages"])}
