"""Convert Markdown with expressions to an HTML part and a text part, once, before any person's data is filled in.

The expressions are replaced by placeholders while Markdown is parsed, and put back into the HTML and the text. Values
of variables are filled in after that, so a member called `*Ann*` or `[x](http://evil)` or `<b>Ann</b>` is shown exactly
so in both parts: no value is ever parsed as Markdown, and in HTML every value is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from core.errors import TemplateError
from messaging.content.expressions import Piece, TemplateSource, by_line, compiled, literal, parse, pieces
from messaging.content.plaintext import plain_text

_TAGS: Final = {
    "a", "b", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p",
    "pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES: Final = {
    "a": {"href", "title", "class"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
    "td": {"style"},
    "th": {"style"},
}
_SCHEMES: Final = {"http", "https", "mailto", "tel"}
_LINK_VARIABLE: Final = re.compile(r"\{\{\s*[a-z][a-z0-9_]*_link\s*\}\}")
_STATEMENT: Final = re.compile(r"\{%\s*([a-z]+)")
_OPENS: Final = {"if": "endif", "for": "endfor"}
_BETWEEN: Final = frozenset({"elif", "else"})


@dataclass(frozen=True, slots=True)
class Markup:
    """Text in two forms, still with its expressions: `html`, sanitised, and `text`."""

    html: str
    text: str


class Placeholders:
    """Expressions that are replaced by placeholders in a text while it is parsed.

    A placeholder is one lower-case word, which Markdown, link normalisation, HTML parsers and CSS inliners leave alone.

    Args:
        texts: texts in which no placeholder may occur by chance.
    """

    def __init__(self, *texts: str) -> None:
        stem = "held"
        while any(stem in text.lower() for text in texts):
            stem += "x"
        self._stem = stem
        self._pieces: list[Piece] = []
        self._pattern = re.compile(rf"{stem}(\d+)z")
        self._around = re.compile(rf"({stem}\d+z)")

    def put(self, piece: Piece) -> str:
        """Keep an expression; return its placeholder."""
        self._pieces.append(piece)
        return f"{self._stem}{len(self._pieces) - 1}z"

    def inside(self, text: str) -> Iterator[Piece]:
        """Return the expressions whose placeholders are in a text."""
        return (self._pieces[int(match[1])] for match in self._pattern.finditer(text))

    def cut(self, text: str) -> list[str]:
        """Split a text: every other piece, from the second on, is a placeholder."""
        return self._around.split(text)

    def only_statements(self, text: str) -> bool:
        """Tell whether a text has only placeholders of statements."""
        kinds = {piece.kind for piece in self.inside(text)}
        return kinds == {"statement"} and not self._pattern.sub("", text).strip()

    def release(self, text: str) -> str:
        """Return the text as a template: every expression back in its place, and everything else literal."""
        parts = (
            "".join(piece.text for piece in self.inside(part)) if number % 2 else literal(part)
            for number, part in enumerate(self.cut(text))
        )
        return "".join(parts)


def convert(source: TemplateSource) -> Markup:
    """Convert Markdown with expressions to its two parts.

    Raises:
        TemplateError: as `expressions.parse`; or a statement opens in one paragraph and closes in another, or is part
            of an address.
    """
    parse(source)
    placeholders = Placeholders(source.text)
    markdown = "".join(_with_placeholders(pieces(source), placeholders))
    reader = (
        MarkdownIt("commonmark", {"html": False}).enable("table").disable("code")
    )  # lines indented inside an {% if %} are not meant as code blocks
    tokens = list(_lift_statements(reader.parse(markdown), placeholders))
    _check_balance(source, tokens, placeholders)
    for token in tokens:
        if token.type == "inline":
            token.children = _Inline(source, placeholders).finish(token.children or [])
    html = nh3.clean(
        reader.renderer.render(tokens, reader.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        filter_style_properties={"text-align"},
        url_schemes=_SCHEMES,
        link_rel=None,
    )
    markup = Markup(html=placeholders.release(html), text=placeholders.release(plain_text(tokens)))
    for text, is_html in ((markup.html, True), (markup.text, False)):
        compiled(TemplateSource(source.file, text), {}, html=is_html)  # Markdown may have swallowed a statement
    return markup


def _with_placeholders(source_pieces: Sequence[Piece], placeholders: Placeholders) -> Iterator[str]:
    """Yield the Markdown with placeholders; statements on lines of their own become blocks of their own."""
    for line, statements_only in by_line(source_pieces):
        text = "".join(piece.text if piece.kind == "text" else placeholders.put(piece) for piece in line)
        yield f"\n{text}\n\n" if statements_only else f"{text}\n"


def _lift_statements(tokens: Sequence[Token], placeholders: Placeholders) -> Iterator[Token]:
    """Replace paragraphs that have only statements by these statements."""
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.type == "paragraph_open":
            inline = tokens[position + 1]
            if placeholders.only_statements(inline.content):
                yield Token("html_block", "", 0, content=f"{inline.content}\n")
                position += 3
                continue
        yield token
        position += 1


def _word(piece: Piece) -> str:
    match = _STATEMENT.match(piece.text)
    return match[1] if match and piece.kind == "statement" else ""


def _check_balance(source: TemplateSource, tokens: Sequence[Token], placeholders: Placeholders) -> None:
    """Refuse statements that would leave half an element: an {% if %} opened in one paragraph and closed in another."""
    opened: list[tuple[Literal["element", "statement"], str, int]] = []
    for token in _flat(tokens):
        if token.nesting == 1:
            opened.append(("element", token.type, 0))
        elif token.nesting == -1:
            if opened and opened[-1][0] == "statement":
                raise _unbalanced(source, opened[-1][1], opened[-1][2])
            opened.pop()
        for piece in placeholders.inside(token.content if token.type != "inline" else ""):
            word = _word(piece)
            if word in _OPENS:
                opened.append(("statement", word, piece.line))
            elif word in _BETWEEN or word in _OPENS.values():
                if not opened or opened[-1][0] == "element":
                    raise _unbalanced(source, word, piece.line)
                if word not in _BETWEEN:
                    opened.pop()


def _flat(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        if token.type in {"fence", "code_inline"}:
            yield from (Token("code_open", "code", 1), token, Token("code_close", "code", -1))
        elif token.type != "image":  # its text is an attribute, see _Inline
            yield token
            yield from _flat(token.children or ())


def _unbalanced(source: TemplateSource, word: str, line: int) -> TemplateError:
    return TemplateError(
        f"{source.at(line)}: {{% {word} %}} opens in one paragraph, list or emphasis and ends in another.",
        remedy="Put {% if %}, {% else %} and {% endif %} on lines of their own, or keep all of them inside one line.",
    )


class _Inline:
    """Finishes the inline tokens of one block: addresses of links, and links without a label."""

    def __init__(self, source: TemplateSource, placeholders: Placeholders) -> None:
        self._source = source
        self._placeholders = placeholders
        self._in_link = False

    def finish(self, tokens: Sequence[Token]) -> list[Token]:
        finished: list[Token] = []
        for token in tokens:
            if token.type in {"link_open", "link_close"}:
                self._in_link = token.type == "link_open"
            for name in ("href", "src"):
                if address := token.attrGet(name):
                    token.attrSet(name, self._address(str(address)))
            for words in (token.attrGet("title"), token.content if token.type == "image" else None):
                self._refuse_statements(str(words or ""))
            finished += self._links(token) if token.type == "text" and not self._in_link else [token]
        if _is_one_link(finished) and finished[0].info != "auto":
            finished[0].attrSet("class", "button")
        return finished

    def _links(self, token: Token) -> Iterator[Token]:
        """Turn `{{ confirm_link }}` in a text into a link that shows its address."""
        for part in self._placeholders.cut(token.content):
            label = Token("text", "", 0, content=part)
            expressions = list(self._placeholders.inside(part))
            if expressions and _LINK_VARIABLE.fullmatch(expressions[0].text):
                yield Token("link_open", "a", 1, attrs={"href": self._address(part)}, info="auto")
                yield label
                yield Token("link_close", "a", -1, info="auto")
            elif part:
                yield label

    def _address(self, address: str) -> str:
        """Return an address whose variables are encoded so that they cannot break out of it."""
        self._refuse_statements(address)
        parts = self._placeholders.cut(address)
        for number in range(1, len(parts), 2):
            parts[number] = self._as_address(parts[number], whole=number == 1 and not parts[0])
        return "".join(parts)

    def _as_address(self, placeholder: str, *, whole: bool) -> str:
        (piece,) = self._placeholders.inside(placeholder)
        inner = piece.text.removeprefix("{{").removesuffix("}}").strip()
        safe = "href" if whole else "urlencode"
        return self._placeholders.put(Piece("value", f"{{{{ ({inner})|{safe} }}}}", piece.line))

    def _refuse_statements(self, text: str) -> None:
        for piece in self._placeholders.inside(text):
            if piece.kind == "statement":
                raise TemplateError(
                    f"{self._source.at(piece.line)}: a statement cannot stand inside a link's address or a title.",
                    remedy="Write the whole link once in each branch of the {% if %}.",
                )


def _is_one_link(tokens: Sequence[Token]) -> bool:
    types = [token.type for token in tokens if token.content.strip() or token.type != "text"]
    return types[:1] == ["link_open"] and types[-1:] == ["link_close"] and types.count("link_open") == 1
