"""One step's message, compiled once, said to each person in microseconds.

Whatever is the same for everybody (Markdown, layout, CSS, the ballot's dates) is worked out when the step is compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from messaging.content.expressions import Source, compiled, literal, pieces
from messaging.content.layout import brought_layout, lay_out
from messaging.content.markup import convert
from messaging.content.segments import Replacement, Segments, count, sanitise
from messaging.content.templates import Template
from messaging.errors import TemplateError
from messaging.settings import Settings

_FOOT: Final = """
-- \n{{ why }}
{% if contact %}
Contact us: {{ contact }}
{% endif %}
Choose what we send you: {{ preferences_link }}
Stop these emails: {{ unsubscribe_link }}
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
    """A step's template, ready for one person after another.

    Args:
        template: what to say.
        constants: what is the same for everybody in the step: `organisation`, `contact`, `ballot` (a mapping).
        branding: stands in for what the constants leave out.

    Raises:
        TemplateError: the template cannot be compiled.
    """

    def __init__(self, template: Template, constants: Mapping[str, Any], branding: Branding | None = None) -> None:
        brand = branding or Branding()
        same = {"organisation": brand.organisation, "contact": brand.contact} | dict(constants)
        self.template: Final = template
        if template.sms is not None:
            self._sms = compiled(template.sms_source(), same)
        if template.email is not None:
            self._compile_email(template, same, brand.accent)

    def _compile_email(self, template: Template, same: Mapping[str, Any], accent: str) -> None:
        file = f"{template.name}/email.md"
        body = convert(template.email_source())
        parts = {"subject": template.subject or "", "preheader": template.preheader, "why": template.why}
        page = lay_out(
            Source("layout", template.layout or brought_layout()),
            {"content": body.html} | {name: _escaped(text) for name, text in parts.items()},
            accent,
        )
        foot = _FOOT.replace("{{ why }}", template.why)
        self._subject = compiled(Source(file, template.subject or ""), same)
        self._text = compiled(Source(file, f"{body.text.strip()}\n{foot}"), same)
        self._html = compiled(Source(file, page.text), same, html=True)

    def sms(self, variables: Mapping[str, Any]) -> RenderedSms:
        """The text one person gets.

        Raises:
            TemplateError: a variable is missing, or the template has no SMS.
        """
        if self.template.sms is None:
            raise TemplateError(f"The template {self.template.name} has no sms.txt.")
        said = sanitise(self._sms(variables).strip())
        return RenderedSms(said.text, count(said.text), said.replaced)

    def email(self, variables: Mapping[str, Any]) -> RenderedEmail:
        """The email one person gets.

        Raises:
            TemplateError: a variable is missing, or the template has no email.
        """
        if self.template.email is None:
            raise TemplateError(f"The template {self.template.name} has no email.md.")
        html = self._html(variables)
        if not html.isascii():
            html = html.encode("ascii", "xmlcharrefreplace").decode()
        # a line break in a name must not become one in a header
        return RenderedEmail(" ".join(self._subject(variables).split()), self._text(variables), html)


def _escaped(text: str) -> str:
    """Plain text with expressions as HTML with expressions."""
    return "".join(
        literal(escape(piece.text)) if piece.kind == "text" else piece.text for piece in pieces(Source("", text))
    )
