"""Render a step's template for each person in microseconds, after compiling it once.

Everything that is the same for all recipients (Markdown, layout, CSS, the subject's dates) is rendered at compile time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from core.errors import TemplateError
from core.settings import Settings
from messaging.content.encoded_parts import EncodedPart, PartEncoder
from messaging.content.expressions import TemplateSource, compiled, literal, pieces
from messaging.content.languages import closest_language, direction
from messaging.content.layout import brought_layout, lay_out
from messaging.content.markup import convert
from messaging.content.segments import Replacement, Segments, count, sanitise
from messaging.content.templates import Template
from messaging.content.translations import wording
from messaging.states import ChannelName

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
    """Branding of an organisation in its messages.

    Attributes:
        organisation: its name.
        contact: how to reach it; "" if there is none.
        accent: its colour, `#rrggbb`; dark enough for white text on it.
    """

    organisation: str = ""
    contact: str = ""
    accent: str = "#1e40af"

    @classmethod
    def of(cls, settings: Settings) -> Branding:
        """Return the branding in the settings."""
        return cls(settings.organisation, settings.contact)


@dataclass(frozen=True, slots=True)
class RenderedSms:
    """Rendered SMS: its text as it is sent, its segments, and the characters that were replaced."""

    text: str
    segments: Segments
    replaced: tuple[Replacement, ...]


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """Rendered email: subject (one line), text part and HTML part in ASCII, other characters as references."""

    subject: str
    text: str
    html: str


@dataclass(slots=True)
class EncodedEmail:
    """Rendered email, its parts encoded for MIME."""

    subject: str
    text: EncodedPart
    html: EncodedPart


class Renderer:
    """Renders a step's template for each recipient, in the recipient's language.

    Args:
        template: the template.
        constants: variables that are the same for all recipients: `organisation`, `contact`, and the
            subject, a mapping of its fields; the key `languages` has the values that differ in the template's other
            languages, and `zone` the campaign's time zone.
        branding: used for variables that the constants leave out.

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
            language: compiled(version.sms_source(), known(language), language=language)
            for language, version in template.versions("sms").items()
        }
        self._emails: Final = {
            language: _Email(version, known(language), template.layout, brand.accent)
            for language, version in template.versions("email").items()
        }

    def language(self, channel: ChannelName, variables: Mapping[str, Any]) -> str:
        """Return the language in which one person gets the template by a channel.

        Raises:
            TemplateError: the template has no text for that channel.
        """
        return self._said_in(self._texts if channel == "sms" else self._emails, variables)

    def sms(self, variables: Mapping[str, Any]) -> RenderedSms:
        """Render the SMS for one person, in the language of their variable `language`, or else in the template's own.

        Raises:
            TemplateError: a variable is missing, or the template has no SMS.
        """
        cleaned = sanitise(self._texts[self._said_in(self._texts, variables)](variables).strip())
        return RenderedSms(cleaned.text, count(cleaned.text), cleaned.replaced)

    def email(self, variables: Mapping[str, Any]) -> RenderedEmail:
        """Render the email for one person; the language is chosen as for `sms`.

        Raises:
            TemplateError: a variable is missing, or the template has no email.
        """
        return self._emails[self._said_in(self._emails, variables)].to(variables)

    def encoded_email(self, variables: Mapping[str, Any]) -> EncodedEmail:
        """Render the email for one person as `email` does, and encode its parts.

        Raises:
            TemplateError: a variable is missing, or the template has no email.
        """
        return self._emails[self._said_in(self._emails, variables)].encoded(variables)

    def _said_in(self, versions: Mapping[str, object], variables: Mapping[str, Any]) -> str:
        if not versions:
            missing = "email.md" if versions is self._emails else "sms.txt"
            raise TemplateError(f"The template {self.template.name} has no {missing}.")
        if len(versions) == 1:
            return self.template.language
        return closest_language(str(variables.get("language", "")), versions) or self.template.language


class _Email:
    """Compiled email in one language: subject, text part and HTML part."""

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
            TemplateSource(source.file, template.subject or "", template.head_lines.get("subject", 1)),
            same,
            language=template.language,
        )
        self._text: Final = compiled(
            TemplateSource(source.file, f"{body.text.strip()}\n{foot}"), same, language=template.language
        )
        self._html: Final = compiled(
            TemplateSource(source.file, page.text), same, html=True, language=template.language
        )
        self._text_encoder: Final = PartEncoder(self._text)
        self._html_encoder: Final = PartEncoder(self._html, html=True)

    def to(self, variables: Mapping[str, Any]) -> RenderedEmail:
        """Render the email for one person."""
        html = self._html(variables)
        if not html.isascii():
            html = html.encode("ascii", "xmlcharrefreplace").decode()
        return RenderedEmail(self._line(variables), self._text(variables), html)

    def encoded(self, variables: Mapping[str, Any]) -> EncodedEmail:
        """Render and encode the email for one person."""
        return EncodedEmail(
            self._line(variables), self._text_encoder.encode(variables), self._html_encoder.encode(variables)
        )

    def _line(self, variables: Mapping[str, Any]) -> str:
        # a line break in a name must not become one in a header
        return " ".join(self._subject(variables).split())


def _escaped(text: str) -> str:
    """Turn plain text with expressions into HTML with expressions."""
    return "".join(
        literal(escape(piece.text)) if piece.kind == "text" else piece.text
        for piece in pieces(TemplateSource("", text))
    )
