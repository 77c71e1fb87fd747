"""One step's message, compiled once, said to each person in microseconds.

Whatever is the same for everybody (Markdown, layout, CSS, the ballot's dates) is worked out when the step is compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from core.errors import TemplateError
from core.settings import Settings
from messaging.content.expressions import TemplateSource, compiled, literal, pieces
from messaging.content.languages import direction, spoken
from messaging.content.layout import brought_layout, lay_out
from messaging.content.markup import convert
from messaging.content.segments import Replacement, Segments, count, sanitise
from messaging.content.templates import Channel, Template
from messaging.content.translations import wording

_FOOT: Final = """
-- \n{{{{ why }}}}
{{% if contact %}}
{foot_contact} {{{{ contact }}}}
{{% endif %}}
{foot_choose}: {{{{ preferences_link }}}}
{foot_stop}: {{{{ unsubscribe_link }}}}
"""


@dataclass(frozen=True, slots=True)
class Branding:
    """How an organisation looks to its members.

    Attributes:
        organisation: who is asking.
        contact: how to reach them; "" where there is none.
        accent: `#rrggbb`; dark enough for white words on it.
    """

    organisation: str = ""
    contact: str = ""
    accent: str = "#1e40af"

    @classmethod
    def of(cls, settings: Settings) -> Branding:
        """The branding in the settings."""
        return cls(settings.organisation, settings.contact)


@dataclass(frozen=True, slots=True)
class RenderedSms:
    """A text as it is sent: what it costs, and what was replaced in it."""

    text: str
    segments: Segments
    replaced: tuple[Replacement, ...]


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """An email's subject (one line), text part and HTML part; the HTML is ASCII, other characters are references."""

    subject: str
    text: str
    html: str


class Renderer:
    """A step's template, ready for one person after another, each in their language.

    Args:
        template: what to say.
        constants: what is the same for everybody in the step: `organisation`, `contact`, `ballot` (a mapping); under
            `languages`, what is not the same in the template's other languages.
        branding: stands in for what the constants leave out.

    Raises:
        TemplateError: the template cannot be compiled.
    """

    def __init__(self, template: Template, constants: Mapping[str, Any], branding: Branding | None = None) -> None:
        brand = branding or Branding()
        same = {"organisation": brand.organisation, "contact": brand.contact} | dict(constants)
        by_language = same.pop("languages", {})

        def known(language: str) -> dict[str, Any]:
            return {**same, **by_language.get(language, {})}

        self.template: Final = template
        self._texts: Final = {
            language: compiled(one.sms_source(), known(language)) for language, one in template.versions("sms").items()
        }
        self._emails: Final = {
            language: _Email(one, known(language), template.layout, brand.accent)
            for language, one in template.versions("email").items()
        }

    def language(self, channel: Channel, variables: Mapping[str, Any]) -> str:
        """The language one person gets it in by a channel.

        Raises:
            TemplateError: the template cannot go by that channel.
        """
        return self._said_in(self._texts if channel == "sms" else self._emails, variables)

    def sms(self, variables: Mapping[str, Any]) -> RenderedSms:
        """The text one person gets, in the language that their `language` says, or else in the template's own.

        Raises:
            TemplateError: a variable is missing, or the template has no SMS.
        """
        said = sanitise(self._texts[self._said_in(self._texts, variables)](variables).strip())
        return RenderedSms(said.text, count(said.text), said.replaced)

    def email(self, variables: Mapping[str, Any]) -> RenderedEmail:
        """The email one person gets, in their language as a text.

        Raises:
            TemplateError: a variable is missing, or the template has no email.
        """
        return self._emails[self._said_in(self._emails, variables)].to(variables)

    def _said_in(self, versions: Mapping[str, object], variables: Mapping[str, Any]) -> str:
        if not versions:
            missing = "email.md" if versions is self._emails else "sms.txt"
            raise TemplateError(f"The template {self.template.name} has no {missing}.")
        if len(versions) == 1:
            return self.template.language
        return spoken(str(variables.get("language", "")), versions) or self.template.language


class _Email:
    """An email in one language, compiled: subject, text part and HTML part."""

    def __init__(self, template: Template, same: Mapping[str, Any], layout: str, accent: str) -> None:
        source = template.email_source()
        body, words = convert(source), wording(template.language)
        parts = {
            "subject": template.subject or "",
            "preheader": template.preheader,
            "why": template.why,
            "contact_label": words["foot_contact"],
            "preferences_label": words["foot_choose"],
            "unsubscribe_label": words["foot_stop"],
            "language": template.language,
            "direction": direction(template.language),
        }
        page = lay_out(
            TemplateSource("layout", layout or brought_layout()),
            {"content": body.html} | {name: _escaped(text) for name, text in parts.items()},
            accent,
        )
        foot = _FOOT.format(**words).replace("{{ why }}", template.why)
        self._subject: Final = compiled(
            TemplateSource(source.file, template.subject or "", template.head_lines.get("subject", 1)), same
        )
        self._text: Final = compiled(TemplateSource(source.file, f"{body.text.strip()}\n{foot}"), same)
        self._html: Final = compiled(TemplateSource(source.file, page.text), same, html=True)

    def to(self, variables: Mapping[str, Any]) -> RenderedEmail:
        """What one person gets."""
        html = self._html(variables)
        if not html.isascii():
            html = html.encode("ascii", "xmlcharrefreplace").decode()
        # a line break in a name must not become one in a header
        return RenderedEmail(" ".join(self._subject(variables).split()), self._text(variables), html)


def _escaped(text: str) -> str:
    """Plain text with expressions as HTML with expressions."""
    return "".join(
        literal(escape(piece.text)) if piece.kind == "text" else piece.text
        for piece in pieces(TemplateSource("", text))
    )
