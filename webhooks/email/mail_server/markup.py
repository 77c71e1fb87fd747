"""Conversion of a mail's HTML to the text a person sees, without what they quote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final

import nh3

from core.control_characters import without_controls

MOST_TAGS: Final = 4000
"""Tags that are read: nested lists take time quadratic in their number. An answer stands before what it quotes."""

_BLOCKS: Final = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "table", "ul", "ol", "hr", "pre"})
_EMPTY: Final = frozenset({"br", "hr"})
_STRUCK: Final = frozenset({"s", "strike", "del"})
"""Tags of text that is struck through: taken back by its writer."""
_INLINE: Final = frozenset(
    {"span", "a", "b", "i", "em", "strong", "u", "font", "small", "big", "center", "section", "td", "th"}
)
"""Further tags that are kept, because they may be hidden."""
_QUOTED: Final = re.compile(
    r"gmail_attr|yahoo_quoted|moz-cite-prefix|protonmail_quote|zmail_extra|tutanota_quote", re.IGNORECASE
)
"""Class names that mail programs give to a quotation; what stands after it is not quoted."""
_WRAPPED: Final = re.compile(r"gmail_quote|gmail_extra", re.IGNORECASE)
"""… those they give to what wraps a quotation, where a person may write below it, too …"""
_BEGINS: Final = re.compile(
    r"divrplyfwdmsg|appendonsend|ms-outlook-mobile-reference|olk_src_body_section", re.IGNORECASE
)
"""… and those of what stands before a quotation: all that follows is quoted."""
_HIDDEN: Final = re.compile(
    r"(?:^|;)(?:display:none|visibility:(?:hidden|collapse)|mso-hide:all"
    r"|(?:opacity|font-size|max-height):0?(?:\.0\d*)?[a-z%]{0,3}(?:!important)?(?=;|$)"
    r"|font-size:(?:[12](?:\.\d*)?(?:px|pt|%)|0?\.[012]\d*(?:px|pt|r?em))(?:!important)?(?=;|$)"
    r"|(?:text-indent|left|top|margin-left):-\d{3,}|color:transparent\b"
    r"|text-decoration(?:-line)?:[a-z-]{0,20}line-through)",
    re.IGNORECASE,
)
"""Styles, without spaces, that hide a text or strike it through."""
_COLOUR: Final = re.compile(r"(?:^|;)color:([^;!]{1,40})", re.IGNORECASE)
_GROUND: Final = re.compile(r"(?:^|;)background(?:-color)?:([^;!]{1,40})", re.IGNORECASE)
_SPACES: Final = re.compile(r"[ \t\r\n\f\xa0]+")
_GAPS: Final = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Shown:
    """Visible text of a mail's HTML.

    Attributes:
        text: the text, without what is marked as quoted.
        marks: whether anything is marked as quoted.
    """

    text: str
    marks: bool


def read_html(html: str) -> Shown:
    """Read a mail's HTML as a person sees it, and leave out what it marks as quoted.

    Args:
        html: of any kind; it is made well-formed first, and cut after `MOST_TAGS` tags.
    """
    clean = nh3.clean(
        "<".join(html.split("<", MOST_TAGS + 1)[: MOST_TAGS + 1]),
        tags=set(_BLOCKS | _INLINE | _STRUCK | {"blockquote"}),
        attributes={"*": {"style", "hidden"}} | {name: {"class", "id"} for name in ("div", "blockquote", "span")},
        clean_content_tags={"script", "style", "title", "template"},
        strip_comments=True,
        link_rel=None,
    )
    reader = _Reader()
    reader.feed(clean)
    reader.close()
    lines = without_controls("".join(reader.parts)).split("\n")
    # control characters are removed only now: a reference such as &#27; has just become one
    return Shown(_GAPS.sub("\n\n", "\n".join(line.strip() for line in lines)).strip(), reader.marks)


class _Reader(HTMLParser):
    """Collects the text that is not quoted; expects well-formed tags.

    Attributes:
        parts: the pieces of the text.
        marks: whether anything is quoted.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.marks = False
        self._done = False
        self._said = False
        # open tags: name, whether quoted, and, where it wraps a quotation, what had been read before it
        self._open: list[tuple[str, bool, tuple[int, int] | None]] = []
        self._quotations = 0
        self._quoted = 0
        self._exact = 0
        self._hidden: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        marks = " ".join(value or "" for name, value in attrs if name in {"class", "id"})
        if _BEGINS.search(marks) and not self._quoted:
            self.marks = True
            self._done = self._done or self._said  # a person who writes below the quotation has said nothing yet
        if tag in _BLOCKS:
            self._add("\n")
        if tag in _EMPTY:
            return
        self._hidden.append(tag in _STRUCK or _is_hidden(dict(attrs)))
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
            self._quoted -= quoted
            self._exact -= name == "pre"
            if wraps is not None and wraps[1] == self._quotations:  # everything in it is the quotation
                del self.parts[wraps[0] :]
            if name == tag:
                break
        if tag in _BLOCKS:
            self._add("\n")

    def handle_data(self, data: str) -> None:
        self._add(data if self._exact else _SPACES.sub(" ", data))

    def _add(self, text: str) -> None:
        if not self._done and not self._quoted and not any(self._hidden):
            self.parts.append(text)
            self._said = self._said or not text.isspace()


def _is_hidden(attributes: Mapping[str, str | None]) -> bool:
    """Tell whether a tag's content is invisible: by its style, by `hidden`, or by a text colour like the background.

    White text alone hides nothing: programs with a black background send it.
    """
    style = "".join((attributes.get("style") or "").split())
    colour, ground = _COLOUR.search(style), _GROUND.search(style)
    unseen = colour is not None and ground is not None and colour[1].casefold() == ground[1].casefold()
    return "hidden" in attributes or unseen or _HIDDEN.search(style) is not None
