"""Conversion of a mail's HTML to the text a person sees, without what they quote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final

import nh3

from core.control_characters import without_controls
from webhooks.email.inbound_mail.styles import (
    Colour,
    colour_of,
    ground_of,
    hides,
    is_pale,
    is_tiny,
    is_unseen,
    make_plain_style,
    styles_of_classes,
)

MAX_TAGS: Final = 4000
"""Tags that are read: nested lists take time quadratic in their number. An answer stands before what it quotes."""

_BLOCKS: Final = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "table", "ul", "ol", "hr", "pre"})
_EMPTY: Final = frozenset({"br", "hr"})
_STRUCK: Final = frozenset({"s", "strike", "del"})
"""Tags of text that is struck through: taken back by its writer."""
_CLASSED: Final = frozenset({"div", "blockquote", "span"})
"""Tags whose class or id may mark a quotation."""
_INLINE: Final = frozenset(
    {"span", "a", "b", "i", "em", "strong", "u", "font", "small", "big", "center", "section", "td", "th"}
)
"""Further tags that are kept, because they may be hidden."""
_QUOTED: Final = re.compile(
    r"gmail_attr|yahoo_quoted|moz-cite-prefix|protonmail_quote|zmail_extra|tutanota_quote", re.IGNORECASE
)
"""Class names that mail programs give to a quotation; text after it is not quoted."""
_WRAPPED: Final = re.compile(r"gmail_quote|gmail_extra", re.IGNORECASE)
"""… names of elements around a quotation, in which a person may write below it, too …"""
_BEGINS: Final = re.compile(
    r"divrplyfwdmsg|appendonsend|ms-outlook-mobile-reference|olk_src_body_section", re.IGNORECASE
)
"""… and names of elements before a quotation: everything that follows is quoted."""
_BODY: Final = re.compile(r"<body\b([^>]{0,1000})>", re.IGNORECASE)
_BODY_COLOUR: Final = re.compile(r"bgcolor\s?=\s?[\"']?([#\w]{3,20})", re.IGNORECASE)
_STYLED: Final = re.compile(r"\bstyle\s?=\s?(?:\"([^\"]{0,600})\"|'([^']{0,600})')", re.IGNORECASE)
_SPACES: Final = re.compile(r"[ \t\r\n\f\xa0]+")
_GAPS: Final = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class VisibleText:
    """Visible text of a mail's HTML.

    Attributes:
        text: the text, without what is marked as quoted.
        marks: whether anything is marked as quoted.
    """

    text: str
    marks: bool


def read_html(html: str) -> VisibleText:
    """Read a mail's HTML as a person sees it, and leave out what it marks as quoted.

    Args:
        html: of any kind; it is made well-formed first, and cut after `MAX_TAGS` tags.
    """
    clean = nh3.clean(
        "<".join(html.split("<", MAX_TAGS + 1)[: MAX_TAGS + 1]),
        tags=set(_BLOCKS | _INLINE | _STRUCK | {"blockquote"}),
        attributes={"*": {"style", "hidden", "class", "bgcolor", "color"}} | {name: {"id"} for name in _CLASSED},
        clean_content_tags={"script", "style", "title", "template"},
        strip_comments=True,
        link_rel=None,
    )
    reader = _Reader(styles_of_classes(html), _ground_of_body(html))
    reader.feed(clean)
    reader.close()
    lines = without_controls(reader.seen()).split("\n")
    # control characters are removed only now: a reference such as &#27; has just become one
    return VisibleText(_GAPS.sub("\n\n", "\n".join(line.strip() for line in lines)).strip(), reader.marks)


class _Reader(HTMLParser):
    """Collects the text that is not quoted; expects well-formed tags.

    Attributes:
        parts: the pieces of the text.
        marks: whether anything is quoted.
    """

    def __init__(self, classes: Mapping[str, str], ground: Colour | None) -> None:
        super().__init__(convert_charrefs=True)
        self._classes = classes
        # of each open tag: text colour and background, its own or inherited
        # of the letters in each open tag: colour, background, and whether they are too small to see
        self._looks: list[tuple[Colour | None, Colour | None, bool]] = [(None, ground, False)]
        self._pale: list[bool] = []
        self.parts: list[str] = []
        self.marks = False
        self._done = False
        self._has_text = False
        # open tags: name, whether quoted, and, if it wraps a quotation, what had been read before it
        self._open: list[tuple[str, bool, tuple[int, int] | None]] = []
        self._quotations = 0
        self._quoted = 0
        self._exact = 0
        self._hidden: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        marks = " ".join(value or "" for name, value in attrs if name in {"class", "id"}) if tag in _CLASSED else ""
        if _BEGINS.search(marks) and not self._quoted:
            self.marks = True
            self._done = self._done or self._has_text  # a person who writes below the quotation has said nothing yet
        if tag in _BLOCKS:
            self._add("\n")
        if tag in _EMPTY:
            return
        self._hidden.append(self._hides(dict(attrs)) or tag in _STRUCK)
        quoted = tag == "blockquote" or _QUOTED.search(marks) is not None
        wraps = (len(self.parts), self._quotations) if _WRAPPED.search(marks) and not self._quoted else None
        self._open.append((tag, quoted, wraps))
        self._quoted += quoted
        self._quotations += tag == "blockquote"
        self._exact += tag == "pre"
        self.marks = self.marks or quoted or wraps is not None

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            name, quoted, wraps = self._open.pop()
            self._hidden.pop()
            self._looks.pop()
            self._quoted -= quoted
            self._exact -= name == "pre"
            if wraps is not None and wraps[1] == self._quotations:  # everything in it is the quotation
                del self.parts[wraps[0] :]
                del self._pale[wraps[0] :]
            if name == tag:
                break
        if tag in _BLOCKS:
            self._add("\n")

    def handle_data(self, data: str) -> None:
        self._add(data if self._exact else _SPACES.sub(" ", data))

    def seen(self) -> str:
        """Return the text that can be seen.

        Text as pale as paper is left out only beside darker text, because programs with a black background send all
        text so.
        """
        is_all_pale = all(pale or part.isspace() for part, pale in zip(self.parts, self._pale, strict=True))
        return "".join(part for part, pale in zip(self.parts, self._pale, strict=True) if is_all_pale or not pale)

    def _add(self, text: str) -> None:
        colour, ground, tiny = self._looks[-1]
        if not self._done and not self._quoted and not (tiny or is_unseen(colour, ground) or any(self._hidden)):
            self.parts.append(text)
            self._pale.append(ground is None and is_pale(colour) and not text.isspace())
            self._has_text = self._has_text or not text.isspace()

    def _hides(self, attributes: Mapping[str, str | None]) -> bool:
        """Tell whether a tag hides all of its content, and note the colours and size of the letters that it begins."""
        of_classes = (self._classes.get(name, "") for name in (attributes.get("class") or "").split())
        style = ";".join(
            (f"color:{attributes.get('color') or ''}", *of_classes, make_plain_style(attributes.get("style") or ""))
        )
        colour, ground = colour_of(style), ground_of(f"{style};background:{attributes.get('bgcolor') or ''}")
        tiny, (past_colour, past_ground, was_tiny) = is_tiny(style), self._looks[-1]
        self._looks.append((colour or past_colour, ground or past_ground, was_tiny if tiny is None else tiny))
        return "hidden" in attributes or hides(style)


def _ground_of_body(html: str) -> Colour | None:
    """Return the background colour of the whole mail, if it names one."""
    body = _BODY.search(html)
    if body is None:
        return None
    coloured, styled = _BODY_COLOUR.search(body[1]), _STYLED.search(body[1])
    style = make_plain_style((styled[1] or styled[2] or "") if styled is not None else "")
    return ground_of(f"background:{coloured[1]};{style}" if coloured is not None else style)
