"""A mail's HTML as the text a person reads, without what they quote."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

import nh3

MOST_TAGS: Final = 4000
"""Tags that are read: lists in lists take the square of their number. An answer stands before what it quotes."""

_BLOCKS: Final = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "table", "ul", "ol", "hr", "pre"})
_QUOTES: Final = frozenset({"blockquote"})
_QUOTED: Final = re.compile(
    r"gmail_quote|gmail_extra|yahoo_quoted|moz-cite-prefix|protonmail_quote|divrplyfwdmsg|appendonsend|ms-outlook-mobile-reference",
    re.IGNORECASE,
)
"""How mail programs name what they quote."""
_SPACES: Final = re.compile(r"[ \t\xa0]+")
_GAPS: Final = re.compile(r"\n{3,}")


def text_of_html(html: str) -> str:
    """What HTML says, block by block, up to where the quoted mail begins.

    Args:
        html: of any kind; it is made well-formed first, and cut after so many tags.
    """
    clean = nh3.clean(
        "<".join(html.split("<", MOST_TAGS + 1)[: MOST_TAGS + 1]),
        tags=set(_BLOCKS | _QUOTES | {"span"}),
        attributes={"div": {"class", "id"}, "blockquote": {"class", "id"}, "span": {"class", "id"}},
        clean_content_tags={"script", "style", "title"},
        strip_comments=True,
        link_rel=None,
    )
    reader = _Reader()
    reader.feed(clean)
    reader.close()
    return _GAPS.sub("\n\n", "\n".join(_SPACES.sub(" ", line).strip() for line in reader.said.split("\n"))).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said = ""
        self._parts: list[str] = []
        self._done = False
        self._quoted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        marks = " ".join(value or "" for name, value in attrs if name in {"class", "id"})
        if tag in _QUOTES or _QUOTED.search(marks):
            self._done = bool("".join(self._parts).strip())  # who writes below the quote has said nothing yet
        self._quoted += tag in _QUOTES
        if tag in _BLOCKS:
            self.handle_data("\n")

    def handle_endtag(self, tag: str) -> None:
        self._quoted -= tag in _QUOTES
        if tag in _BLOCKS and tag != "br":
            self.handle_data("\n")

    def handle_data(self, data: str) -> None:
        if not self._done and not self._quoted:
            self._parts.append(data)

    def close(self) -> None:
        super().close()
        self.said = "".join(self._parts)
