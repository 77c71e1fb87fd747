"""Write Markdown as plain text, for mail programs without HTML and for screen readers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markdown_it.token import Token

_RULE_LINE: Final = "-" * 40


def plain_text(tokens: Sequence[Token]) -> str:
    """Write parsed Markdown as plain text: blocks separated by an empty line, links with their addresses."""
    writer = _Writer()
    for position, token in enumerate(tokens):
        writer.take(token, tokens[position - 1] if position else token)
    return writer.text()


class _Writer:
    """Writes blocks with a margin: list items are indented below their marker, quotations begin with `>`."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._margin: list[str] = []
        self._marker = ""
        self._numbers: list[int | None] = []
        self._cells: list[str] = []

    def text(self) -> str:
        return "\n".join(self._lines).strip("\n") + "\n"

    def take(self, token: Token, before: Token) -> None:
        match token.type:
            case "inline" if before.type in {"td_open", "th_open"}:
                self._cells.append(_words(token.children or ()))
            case "inline":
                self._block(_words(token.children or ()), apart=not before.hidden)
                if before.type == "heading_open" and before.tag in {"h1", "h2"}:
                    self._lines[-1:] = [f"{''.join(self._margin)}{_RULE_LINE}", ""]
            case "tr_close":
                self._block(" | ".join(self._cells), apart=False)
                self._cells.clear()
            case "fence" | "code_block":
                self._block(token.content.rstrip("\n"))
            case "hr":
                self._block(_RULE_LINE)
            case "html_block":  # statements, see markup.py
                self._block(token.content.strip(), apart=False)
            case _:
                self._enter_or_leave(token)

    def _enter_or_leave(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self._numbers.append(None)
            case "ordered_list_open":
                self._numbers.append(int(token.attrGet("start") or 1))
            case "list_item_open":
                number = self._numbers[-1]
                self._marker = "- " if number is None else f"{number}. "
                self._numbers[-1] = None if number is None else number + 1
                self._margin.append(" " * len(self._marker))
            case "blockquote_open":
                self._margin.append("> ")
            case "list_item_close" | "blockquote_close":
                self._margin.pop()
            case "bullet_list_close" | "ordered_list_close":
                self._numbers.pop()
                if not self._numbers:
                    self._end_block()
            case "table_close":
                self._end_block()

    def _block(self, text: str, *, apart: bool = True) -> None:
        rest = "".join(self._margin)
        first = "".join(self._margin[:-1]) + self._marker if self._marker else rest
        self._marker = ""
        for number, line in enumerate(text.split("\n")):
            self._lines.append(f"{rest if number else first}{line}")
        if apart:
            self._end_block()

    def _end_block(self) -> None:
        if self._lines and self._lines[-1]:
            self._lines.append("")


def _words(tokens: Sequence[Token]) -> str:
    words, address = "", ""
    for token in tokens:
        match token.type:
            case "text" | "code_inline" | "image":
                words += token.content
            case "softbreak":
                words += " "
            case "hardbreak":
                words += "\n"
            case "link_open":
                address = "" if token.info == "auto" else str(token.attrGet("href") or "")
                if token.attrGet("class") == "button":
                    address = f":\n{address}"
                elif address:
                    address = f" <{address}>"
            case "link_close":
                words += address
    return words
