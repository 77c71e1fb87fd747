"""Encode the text and HTML of a step's emails: what is the same in all of them once, the values of each person anew.

Encoding a whole part for each recipient would cost more than rendering it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from messaging.content.budget import MAX_OUTPUT_LENGTH, too_long
from messaging.content.expressions import CompiledTemplate

CRLF: Final = b"\r\n"


@dataclass(slots=True)
class EncodedPart:
    """Part of an email as bytes.

    Attributes:
        data: in UTF-8, or in ASCII with references in HTML; every line end is CRLF, and there is no other CR or LF.
        has_no_dots: no line begins with a dot, so that SMTP changes none.
    """

    data: bytes
    has_no_dots: bool


class _UnusualError(Exception):
    """A person's value cannot be encoded apart from what is around it."""


class PartEncoder:
    """Encodes one part of a step's emails.

    Args:
        template: the part, compiled.
        html: write characters beyond ASCII as references.
    """

    def __init__(self, template: CompiledTemplate, *, html: bool = False) -> None:
        self._template = template
        self._html = html
        texts = [text for text in template.constants if "\r" not in text]
        self._known = {text: _bytes(text, html=html).replace(b"\n", CRLF) for text in texts}
        self._may_have_dots = any(text.startswith(".") or "\n." in text for text in texts)

    def encode(self, variables: Mapping[str, Any]) -> EncodedPart:
        """Render and encode the part for one person.

        Raises:
            TemplateError: a variable is missing or of the wrong type, or the text is too long.
        """
        pieces = self._template.render(variables)
        known, value = self._known, self._value
        try:
            data = b"".join([known.get(text) or value(text) for text in pieces])
        except _UnusualError:
            part = encoded_part("".join(pieces), html=self._html)
        else:
            part = EncodedPart(data, not self._may_have_dots or _has_no_dots(data))
        if len(part.data) > MAX_OUTPUT_LENGTH and sum(map(len, pieces)) > MAX_OUTPUT_LENGTH:
            raise too_long(self._template.file)
        return part

    def _value(self, text: str) -> bytes:
        """Encode a piece that differs between people: one line that does not begin with a dot, as nearly all are."""
        if not text.isprintable() or text.startswith("."):
            raise _UnusualError
        return _bytes(text, html=self._html)


def encoded_part(text: str, *, html: bool = False) -> EncodedPart:
    """Encode a whole part.

    Args:
        text: with line ends of any kind.
        html: write characters beyond ASCII as references.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    data = _bytes(text, html=html)
    return EncodedPart(data.replace(b"\n", CRLF), _has_no_dots(data))


def _has_no_dots(data: bytes) -> bool:
    return not (data.startswith(b".") or b"\n." in data)


def _bytes(text: str, *, html: bool) -> bytes:
    return text.encode("ascii", "xmlcharrefreplace") if html else text.encode("utf-8", "replace")
