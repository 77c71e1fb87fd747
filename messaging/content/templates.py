"""Message templates, for all channels and languages.

A template is checked before a campaign exists, and kept with its step (`to_json`): editing a file later does not change
the step.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, cast, get_args

from core.control_characters import refused_control
from core.errors import TemplateError
from messaging.content import expressions
from messaging.content.advice import advice, cannot_be_answered
from messaging.content.dates import needed_for_dates
from messaging.content.expressions import TemplateSource, nearest
from messaging.content.languages import DEFAULT, closest_language
from messaging.content.translations import wording
from messaging.content.vocabulary import CONSTANTS, LINKS, WELL_KNOWN, SubjectVariable
from messaging.states import ChannelName, MessagePurpose

_SAMPLES: Final = ("Sample", "", "Sample words " * 80)
"""Values of variables for test renderings: some words, nothing, and a very long text."""


def usual_reason(language: str) -> str:
    """Return the reason why somebody gets an email, for templates that give no reason."""
    return str(wording(language)["foot_why"]).format(organisation="{{ organisation }}")


@dataclass(frozen=True, slots=True)
class Template:
    """Template of a message, for all its channels and languages.

    Attributes:
        name: of its folder.
        purpose: `service` (neutral information) or `marketing` (promotes something; needs consent).
        sms: the text, with its expressions; None if it has no SMS.
        subject: of the email, with its expressions.
        email: Markdown, with its expressions; None if it has no email.
        menu: the digits the SMS offers as replies, and the meaning of each: `{"1": "voted"}`.
        preheader: the line mail programs show after the subject.
        why: the line in an email's foot with the reason why the recipient gets it.
        layout: the HTML layout of its email; "" for Muster's own.
        lines: the line of `sms.txt` and of `email.md` where the text itself starts.
        head_lines: the line of `email.md` on which the subject, the preheader and the reason at its foot begin.
        language: the language it is written in.
        translations: the template in other languages, by their codes; each may lack a channel, for which this one is
            used instead.
        suffix: the part of its files' names before the extension: `.cy` of a translation.
    """

    name: str
    purpose: MessagePurpose
    sms: str | None = None
    subject: str | None = None
    email: str | None = None
    menu: Mapping[str, str] = field(default_factory=dict)
    preheader: str = ""
    why: str = usual_reason(DEFAULT)
    layout: str = ""
    lines: tuple[int, int] = (1, 1)
    head_lines: Mapping[str, int] = field(default_factory=dict)
    language: str = DEFAULT
    translations: Mapping[str, Template] = field(default_factory=dict)
    suffix: str = ""

    @property
    def channels(self) -> tuple[ChannelName, ...]:
        """Channels it has a text for."""
        return tuple(cast("ChannelName", name) for name in get_args(ChannelName) if getattr(self, name) is not None)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages it is written in, its own first."""
        return (self.language, *sorted(self.translations))

    @property
    def variables(self) -> frozenset[str]:
        """All variables it uses, including `language` if it has translations, and `time_zone` if it has dates."""
        trees = map(expressions.parse, self.sources())
        names = {name for tree in trees for name in (*expressions.names(tree), *needed_for_dates(tree))}
        return frozenset(names | {"language"} if self.translations else names)

    def versions(self, channel: ChannelName) -> Mapping[str, Template]:
        """Return the versions that have a channel, by language; its own first."""
        by_language = {self.language: self, **dict(sorted(self.translations.items()))}
        return {
            language: template for language, template in by_language.items() if getattr(template, channel) is not None
        }

    def version(self, channel: ChannelName, wanted: str) -> Template:
        """Return the version for a channel in the wanted language, or else in its own."""
        versions = self.versions(channel)
        return versions[closest_language(wanted, versions) or self.language]

    def sources(self) -> Iterator[TemplateSource]:
        """Yield every part that may have expressions."""
        if self.sms is not None:
            yield self.sms_source()
        if self.email is not None:
            yield self.email_source()
            file = self.email_source().file
            head = {"subject": self.subject, "preheader": self.preheader, "why": self.why}
            yield from (TemplateSource(file, text, self.head_lines.get(key, 1)) for key, text in head.items() if text)
        for translation in self.translations.values():
            yield from translation.sources()

    def sms_source(self) -> TemplateSource:
        """Return the text of the SMS, with its place in the file."""
        return TemplateSource(f"{self.name}/sms{self.suffix}.txt", self.sms or "", self.lines[0])

    def email_source(self) -> TemplateSource:
        """Return the Markdown of the email, with its place in the file."""
        return TemplateSource(f"{self.name}/email{self.suffix}.md", self.email or "", self.lines[1])

    def check(
        self, known: Collection[str], *, subjects: Collection[SubjectVariable] = (), sms_from: str | None = None
    ) -> None:
        """Check the template for anything that would fail for some recipient.

        Args:
            known: all variables there are; constants, links and subjects need not be in it.
            subjects: the variables with fields that it may use.
            sms_from: sender of texts, as in MUSTER_SMS_FROM; None if that is not known yet.

        Raises:
            TemplateError: with one line for each problem.
        """
        names = frozenset(known) | CONSTANTS | LINKS | WELL_KNOWN | {subject.name for subject in subjects}
        problems = [problem for source in self.sources() for problem in _controls(source)]
        problems += [problem for source in self.sources() for problem in _unknown(source, names, subjects)]
        if not problems:
            problems += [problem for source in self.sources() for problem in _fails(source, self.variables, subjects)]
        if sms_from and cannot_be_answered(sms_from):
            problems += [
                line for version in self.versions("sms").values() for line in _problems_of_a_name(version, sms_from)
            ]
        if problems:
            raise TemplateError(
                f"The template {self.name} cannot be used.",
                problems=problems,
                remedy="“muster template check” lists the variables there are.",
            )

    def warnings(
        self,
        *,
        subjects: Collection[SubjectVariable] = (),
        sms_from: str | None = None,
        meanings: Collection[str] | None = None,
        language: str | None = None,
        channels: Collection[str] | None = None,
    ) -> tuple[str, ...]:
        """Return warnings of things that are allowed but seldom intended, one sentence each.

        Args:
            subjects: those that recipients can answer about.
            sms_from: sender of texts.
            meanings: meanings of a menu's digits that are understood as answers; None to leave menus unchecked.
            language: check only this one.
            channels: check only these; None for all it has.
        """
        looked_at = self.channels if channels is None else channels
        return tuple(
            advice(self, subjects=subjects, sms_from=sms_from, meanings=meanings, language=language, channels=looked_at)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the template in the form kept with a step, so that a step sends the version that was approved."""
        kept = asdict(self) | {"menu": dict(self.menu), "lines": list(self.lines), "head_lines": dict(self.head_lines)}
        return kept | {
            "translations": {language: translation.to_json() for language, translation in self.translations.items()}
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Template:
        """Return the template that `to_json` made."""
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in kept.items() if key in known}
        translations = {
            language: cls.from_json(translation) for language, translation in kept.get("translations", {}).items()
        }
        return cls(**values | {"lines": tuple(kept.get("lines", (1, 1))), "translations": translations})


def _problems_of_a_name(template: Template, sms_from: str) -> Iterator[str]:
    file = template.sms_source().file
    if template.menu:
        yield f"{file}: it offers digits to reply with, but texts from “{sms_from}” cannot be answered."
    used = expressions.names(expressions.parse(template.sms_source())).keys()
    has_number = re.search(r"\d{5,}", (template.sms or "").replace(" ", ""))
    if not used & {*LINKS, "contact"} and not has_number:
        yield (
            f"{file}: texts from “{sms_from}” cannot be answered with STOP, and it says no other way to opt out. "
            "Add {{ unsubscribe_link }} or a number."
        )


def _controls(source: TemplateSource) -> Iterator[str]:
    """Yield the lines that have a control character, also one that an expression writes by its number."""
    for number, line in enumerate(source.text.split("\n"), start=1):
        if control := refused_control(line):
            yield f"{source.at(number)}: there is a control character that nobody sees, {control}; delete it."
    for text, line_number in expressions.texts(expressions.parse(source)):
        if control := refused_control(text):
            yield f"{source.at(line_number)}: an expression writes a control character, {control}; delete it."


def _unknown(source: TemplateSource, known: frozenset[str], subjects: Collection[SubjectVariable]) -> Iterator[str]:
    tree = expressions.parse(source)
    missing = {name: line for name, line in expressions.names(tree).items() if name not in known}
    for name, line in sorted(missing.items(), key=lambda item: item[1]):
        yield f"{source.at(line)}: there is no variable “{name}”.{nearest(name, known)}"
    for name, problem in expressions.misplaced_fields(source, tree, [subject.name for subject in subjects]):
        if name not in missing:
            yield problem
    for subject in subjects:
        for used_field, line in expressions.fields(tree, subject.name):
            if used_field is None:
                yield f"{source.at(line)}: “{subject.name}” needs a field, such as {subject.name}.{subject.example}."
            elif used_field not in subject.fields:
                wrong = f"there is no “{subject.name}.{used_field}”.{nearest(used_field, subject.fields)}"
                yield f"{source.at(line)}: {wrong}"


def _fails(source: TemplateSource, variables: Collection[str], subjects: Collection[SubjectVariable]) -> Iterator[str]:
    """Render a source with sample values, and yield the first error."""
    constants = dict.fromkeys(CONSTANTS, "") | {subject.name: dict.fromkeys(subject.fields, "") for subject in subjects}
    for value in _SAMPLES:
        try:
            expressions.compiled(source, constants)(dict.fromkeys(variables, value))
        except TemplateError as error:
            yield f"{error.message} ({error.remedy or 'variables are texts: compare them with texts'})"
            return
