"""Put an email into its layout: one responsive HTML document with inlined CSS, made once a step.

The layout is `messages/_layout/email.html` in a template folder (or `layout.html` beside one template). It has
`{{ content }}` and other `PLACES`, and may use the variables in `VARIABLES`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import unescape
from pathlib import Path
from typing import Final

import css_inline

from core.errors import TemplateError
from core.settings import TEMPLATES
from messaging.content import expressions
from messaging.content.expressions import TemplateSource
from messaging.content.front_matter import read_text
from messaging.content.markup import Placeholders

PLACES: Final = frozenset(
    {
        "content",
        "subject",
        "preheader",
        "why",
        "accent",
        "language",
        "direction",
        "contact_label",
        "preferences_label",
        "unsubscribe_label",
    }
)
"""Places in a layout: for parts of the template, the colour, the language, and the labels of the foot in it."""
VARIABLES: Final = frozenset({"organisation", "contact", "unsubscribe_link", "preferences_link"})
"""Variables that a layout may use; every message has them."""

_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_PLACE: Final = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
_STYLE: Final = re.compile(r"<style.*?</style>", re.DOTALL)
_TAG: Final = re.compile(r"(<[^>]*>)")
_LONG_LINE: Final = 480


def find_layout(folder: Path, roots: Sequence[Path]) -> str:
    """Find the layout for the template in a folder: its own, a template folder's, or Muster's.

    Raises:
        TemplateError: the layout cannot be used.
    """
    places = [folder / "layout.html", *(root / "messages" / "_layout" / "email.html" for root in roots)]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        return brought_layout()
    layout = read_text(path)
    _check(layout)
    return layout.text


@cache
def brought_layout() -> str:
    """Return Muster's own layout."""
    return read_text(TEMPLATES / "messages" / "_layout" / "email.html").text


def _check(source: TemplateSource) -> None:
    tree = expressions.parse(source)
    names = expressions.names(tree)
    for _, problem in expressions.misplaced_fields(source, tree, ()):
        raise TemplateError(problem)
    for name, line in names.items():
        if name not in PLACES | VARIABLES:
            raise TemplateError(f"{source.at(line)}: a layout cannot use “{name}”.")
    for needed in ("content", "unsubscribe_link"):
        if needed not in names:
            raise TemplateError(f"{source.file}: the layout must place {{{{ {needed} }}}}.")


def lay_out(layout: TemplateSource, parts: Mapping[str, str], accent: str) -> TemplateSource:
    """Put a template's parts into a layout.

    Args:
        layout: the layout.
        parts: HTML with expressions for every place except the colour.
        accent: `#rrggbb`, the colour of the organisation.

    Returns:
        The whole page with its expressions, CSS inlined, in ASCII (other characters as references, so that no transfer
        encoding is needed), in lines short enough for SMTP.

    Raises:
        TemplateError: the layout cannot be used.
    """
    _check(layout)
    if not _COLOUR.fullmatch(accent):
        raise TemplateError(f"“{accent}” is not a colour such as #1d4ed8.")
    placeholders = Placeholders(layout.text, *parts.values())
    page = "".join(
        _place(piece.text, parts, accent, placeholders)
        or (piece.text if piece.kind == "text" else placeholders.put(piece))
        for piece in expressions.pieces(layout)
    )
    inlined = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False).inline(page)
    if _words(inlined) != _words(page):  # an HTML parser moves text to another place if it may not stand there
        raise TemplateError(
            f"{layout.file}: an expression stands where HTML allows no text, such as between table rows."
        )
    if not all(style.isascii() for style in _STYLE.findall(inlined)):
        raise TemplateError(f"{layout.file}: write characters beyond ASCII in CSS as escapes, such as \\2192.")
    ascii_only = inlined.encode("ascii", "xmlcharrefreplace").decode()
    # a class may begin a line of a style sheet, and SMTP would have to double its dot in every email
    indented = _STYLE.sub(lambda style: style[0].replace("\n.", "\n ."), _in_short_lines(ascii_only))
    return TemplateSource(layout.file, placeholders.release(indented))


def _place(text: str, parts: Mapping[str, str], accent: str, placeholders: Placeholders) -> str:
    """Return the content for one expression of the layout; "" if the expression is not a place."""
    match = _PLACE.fullmatch(text)
    if match is None or match[1] not in PLACES:
        return ""
    if match[1] == "accent":
        return accent
    pieces = expressions.pieces(TemplateSource(match[1], parts[match[1]]))
    return "".join(piece.text if piece.kind == "text" else placeholders.put(piece) for piece in pieces) or " "


def _words(html: str) -> list[str]:
    return unescape(_TAG.sub(" ", _STYLE.sub(" ", html))).split()


def _in_short_lines(html: str) -> str:
    """Break long lines at spaces between words, which HTML does not show; tags are left as they are."""
    if "<pre" in html:
        return html
    column = 0
    parts = _TAG.split(html)
    for number, part in enumerate(parts):
        words = part.split(" ") if number % 2 == 0 else [part]
        for position, word in enumerate(words):
            end = word.rfind("\n")
            column = len(word) - end - 1 if end >= 0 else column + len(word) + 1
            if column > _LONG_LINE and position < len(words) - 1:
                words[position] = f"{word}\n"
                column = 0
        parts[number] = " ".join(words).replace("\n ", "\n")
    return "".join(parts)
