"""Parse and compile the expressions `{{ … }}` and `{% … %}` in message templates: a sandboxed subset of Jinja.

It has variables, filters, `if`, `for` and `set`; no calls, no arithmetic, no imports. So the variables a template needs
are known without rendering it, its cost is bounded (`budget`), and every mistake has a file, a line and a remedy.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from core.errors import TemplateError
from messaging.content.budget import (
    MAX_OUTPUT_LENGTH,
    CountedContext,
    count_filters,
    runs_free,
    too_long,
    with_counting,
)
from messaging.content.constants import texts_in, with_constants
from messaging.content.dates import CAMPAIGN_ZONE, DATE_FILTERS, with_reader
from messaging.content.languages import DEFAULT

FILTERS: Final = frozenset(
    {
        *DATE_FILTERS,
        "capitalize",
        "default",
        "first",
        "href",
        "join",
        "last",
        "length",
        "lower",
        "replace",
        "title",
        "trim",
        "truncate",
        "upper",
    }
)
"""Filters: names allowed after a `|`."""

_SPECIAL: Final = frozenset({"self", "super", "caller", "varargs", "kwargs"})
"""Names with a special meaning in Jinja."""
_SAFE_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})
_WEB_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:[/?#]|\Z)")
"""Matches nearly every link; these need no further check."""
_LANGUAGE: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Const, nodes.Filter, nodes.Test,
    nodes.If, nodes.For, nodes.Assign, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat,
    nodes.CondExpr, nodes.Tuple, nodes.List, nodes.Keyword,
)  # fmt: skip
_NOT_HERE: Final = {
    nodes.Call: "calls such as x.upper()",
    nodes.Include: "{% include %}",
    nodes.Import: "{% import %}",
    nodes.FromImport: "{% from %}",
    nodes.Extends: "{% extends %}",
    nodes.Macro: "{% macro %}",
    nodes.Block: "{% block %}",
    nodes.Getitem: "x[…]",
}
_FILTERS_INSTEAD: Final = "Filters do what methods do elsewhere: {{ first_name|upper }}."


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """Part of a template file.

    Attributes:
        file: its name, as errors show it: `feedback-request/email.md`.
        text: its text.
        line: the number of its first line in the file.
    """

    file: str
    text: str
    line: int = 1

    def at(self, line: int) -> str:
        """Return the place in the file of a line of the text, as errors show it."""
        return f"{self.file} line {self.line + line - 1}"


@dataclass(frozen=True, slots=True)
class Piece:
    """Piece of a template: plain text, a `{{ value }}` or a `{% statement %}` (or comment); `line` counts from 1."""

    kind: Literal["text", "value", "statement"]
    text: str
    line: int


def _environment(*, autoescape: bool) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=autoescape, cache_size=0)
    environment.globals.clear()
    known = environment.filters | {"href": href, **DATE_FILTERS}
    # urlencode and d are for internal use: an address around a variable, and Jinja's short name for default
    environment.filters = {name: known[name] for name in (*FILTERS, "urlencode", "d")}
    return environment


def href(value: object) -> str:
    """Return a variable's value as a link's address, or "" if its scheme is not allowed in a message."""
    address = str(value).strip()
    if _WEB_ADDRESS.match(address):
        return address
    try:
        scheme = urlsplit(address).scheme.lower()
    except ValueError:
        return ""
    return address if scheme in _SAFE_SCHEMES else ""


def _counted_environment(*, autoescape: bool) -> SandboxedEnvironment:
    environment = _environment(autoescape=autoescape)
    count_filters(environment)
    return environment


_PLAIN: Final = _environment(autoescape=False)
_HTML: Final = _environment(autoescape=True)
_COUNTED_PLAIN: Final = _counted_environment(autoescape=False)
_COUNTED_HTML: Final = _counted_environment(autoescape=True)


def parse(source: TemplateSource) -> nodes.Template:
    """Parse a template's expressions, and check that they use only what is allowed.

    Raises:
        TemplateError: they do not; the message names file and line.
    """
    tree = _read(source, _COUNTED_PLAIN)  # Jinja evaluates constants even when it only parses
    if raw := re.search(r"\{%[-+]?\s*raw\b", source.text):
        raise _not_here(source, source.text.count("\n", 0, raw.start()) + 1, "{% raw %}")
    for node in _walk(tree):
        if not isinstance(node, _LANGUAGE):
            what = _NOT_HERE.get(type(node), f"“{type(node).__name__.lower()}” expressions")
            raise _not_here(source, node.lineno, what)
        if isinstance(node, nodes.Filter) and node.name not in FILTERS and node.name != "d":
            raise TemplateError(
                f"{source.at(node.lineno)}: there is no filter “{node.name}”.{nearest(node.name, FILTERS)}",
                remedy=f"There are {', '.join(sorted(FILTERS))}.",
            )
        if isinstance(node, nodes.Filter) and node.name in DATE_FILTERS and (node.args or node.kwargs):
            raise _not_here(source, node.lineno, f"something in brackets after |{node.name}")
        if isinstance(node, nodes.Name) and node.name in _SPECIAL:
            raise _not_here(source, node.lineno, f"“{node.name}”")
        if isinstance(node, nodes.Getattr) and not isinstance(node.node, nodes.Name):
            raise TemplateError(f"{source.at(node.lineno)}: {_no_field(node)}.", remedy=_FILTERS_INSTEAD)
        if isinstance(node, nodes.Test) and node.name not in _PLAIN.tests:
            raise TemplateError(f"{source.at(node.lineno)}: there is no test “is {node.name}”.")
    return tree


def _read(source: TemplateSource, environment: SandboxedEnvironment) -> nodes.Template:
    try:
        return environment.parse(source.text)
    except TemplateSyntaxError as error:
        raise _syntax_error(source, error.lineno, error.message or "this cannot be read") from None
    except RecursionError:
        raise _too_deep(source) from None


def _no_field(node: nodes.Getattr) -> str:
    return f"“.{node.attr}” cannot be used here"


def _not_here(source: TemplateSource, line: int, what: str) -> TemplateError:
    return TemplateError(
        f"{source.at(line)}: {what} cannot be used in a message template.",
        remedy="Use variables, filters such as |upper, and {% if %}; see docs/templates.md.",
    )


def _syntax_error(source: TemplateSource, line: int, message: str) -> TemplateError:
    return TemplateError(
        f"{source.at(line)}: {message.rstrip('.')}.",
        remedy="Every {{ closes with }}, every {% if %} with {% endif %}; see docs/templates.md.",
    )


def _too_deep(source: TemplateSource) -> TemplateError:
    return TemplateError(
        f"{source.file}: too much is nested in each other.", remedy="Take out loops in loops and brackets in brackets."
    )


def _walk(tree: nodes.Node) -> Iterator[nodes.Node]:
    yield tree
    for child in tree.iter_child_nodes():
        yield from _walk(child)


def pieces(source: TemplateSource) -> list[Piece]:
    """Split a template that `parse` accepted into plain text, values and statements; `{%-` and `-%}` are applied."""
    pieces_found: list[Piece] = []
    tag, opened = "", 0
    for line, kind, text in _PLAIN.lex(source.text):
        if kind in {"variable_begin", "block_begin"}:
            tag, opened = text.rstrip("-+"), line
        elif kind in {"variable_end", "block_end"}:
            value = kind == "variable_end"
            pieces_found.append(Piece("value" if value else "statement", tag + ("}}" if value else "%}"), opened))
            tag = ""
        elif tag:
            tag += text
        elif kind == "data":
            pieces_found.append(Piece("text", text, line))
        elif kind == "comment":
            pieces_found.append(Piece("statement", "{# #}", line))
    return pieces_found


def by_line(all_pieces: Iterable[Piece]) -> Iterator[tuple[list[Piece], bool]]:
    """Yield the pieces of each line, and whether it has only statements: such a line is not a line of text."""
    lines: list[list[Piece]] = [[]]
    for piece in all_pieces:
        if piece.kind != "text":
            lines[-1].append(piece)
            continue
        first, *rest = piece.text.split("\n")
        lines[-1].append(Piece("text", first, piece.line))
        lines.extend([Piece("text", text, piece.line)] for text in rest)
    for line in lines:
        kinds = {piece.kind for piece in line if piece.text.strip()}
        yield line, kinds == {"statement"}


def _without_empty_lines(source: TemplateSource) -> str:
    text = ""
    for line, statements_only in by_line(pieces(source)):
        joined = "".join(literal(piece.text) if piece.kind == "text" else piece.text for piece in line)
        text += joined.strip() if statements_only else f"{joined}\n"
    return text


def names(tree: nodes.Template) -> dict[str, int]:
    """Return the variables a template uses, each with the line of its first use."""
    undeclared = meta.find_undeclared_variables(tree)
    lines: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in undeclared and node.ctx == "load":
            lines[node.name] = min(node.lineno, lines.get(node.name, node.lineno))
    return lines


def texts(tree: nodes.Template) -> list[tuple[str, int]]:
    """Return the texts that expressions write themselves, each with its line."""
    return [(node.value, node.lineno) for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]


def fields(tree: nodes.Template, name: str) -> list[tuple[str | None, int]]:
    """Return the fields of one variable that a template uses: `(field, line)`; field None if it names none."""
    used_fields: list[tuple[str | None, int]] = [
        (node.attr, node.lineno)
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name) and node.node.name == name
    ]
    bare = sum(1 for node in tree.find_all(nodes.Name) if node.name == name) - len(used_fields)
    return [*used_fields, (None, names(tree).get(name, 1))] if bare else used_fields


def misplaced_fields(
    source: TemplateSource, tree: nodes.Template, owners: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield each variable that is used with a field and has none, and a sentence that says so.

    Args:
        source: a template.
        tree: the same, as `parse` returned it.
        owners: the variables that have fields.
    """
    but = f"; only {' and '.join(sorted(owners))} has fields" if owners else ""
    for node in tree.find_all(nodes.Getattr):
        if isinstance(node.node, nodes.Name) and node.node.name not in {*owners, "loop"}:
            yield node.node.name, f"{source.at(node.lineno)}: {_no_field(node)}{but}. {_FILTERS_INSTEAD}"


def nearest(word: str, known: Collection[str]) -> str:
    """Return ` Did you mean “…”?`, or "" if no known word is similar."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f" Did you mean “{near[0]}”?" if near else ""


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """Template that was compiled once, to be rendered for each recipient.

    Attributes:
        file: its name, as errors show it.
        render: renders it, in pieces; a function of the variables that differ between recipients. It raises
            TemplateError if a variable is missing or of the wrong type.
        constants: pieces that are the same for every recipient.
    """

    file: str
    render: Callable[[Mapping[str, Any]], list[str]]
    constants: frozenset[str]

    def __call__(self, variables: Mapping[str, Any]) -> str:
        """Render it as one text.

        Raises:
            TemplateError: a variable is missing or of the wrong type, or the text is too long.
        """
        text = "".join(self.render(variables))
        if len(text) > MAX_OUTPUT_LENGTH:
            raise too_long(self.file)
        return text


def compiled(
    source: TemplateSource, constants: Mapping[str, Any], *, html: bool = False, language: str = DEFAULT
) -> CompiledTemplate:
    """Compile a template once; variables that are the same for all recipients are filled in here.

    Args:
        source: a template that `parse` accepts.
        constants: variables with the same value for all recipients; a value may be a mapping of fields. The key
            `CAMPAIGN_ZONE` has the campaign's time zone, which is no variable.
        html: escape the values of variables; in plain text instead, a line with only statements leaves no empty line.
        language: the language of dates.

    Raises:
        TemplateError: its syntax is wrong.
    """
    environment = _HTML if html else _PLAIN
    tree = _read(source if html else replace(source, text=_without_empty_lines(source)), environment)
    assigned = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "store"}
    free = runs_free(tree)
    dated = with_reader(tree, language, str(constants.get(CAMPAIGN_ZONE, "")))
    assigned.add(CAMPAIGN_ZONE)
    folded = with_constants(dated, {name: value for name, value in constants.items() if name not in assigned})
    if not free:
        environment = _COUNTED_HTML if html else _COUNTED_PLAIN
        folded = with_counting(folded, environment)
    try:
        template = environment.from_string(cast("nodes.Template", folded))
    except (SyntaxError, RecursionError):  # Python nests no more than twenty loops
        raise _too_deep(source) from None
    root, blocks = template.root_render_func, template.blocks
    context = Context if free else CountedContext

    def render(variables: Mapping[str, Any]) -> list[str]:
        try:
            # the mapping itself is the context, without Jinja's globals, which no template can use: copying it for each
            # message would cost as much as the rendering
            rendered_pieces = root(context(environment, cast("dict[str, Any]", variables), source.file, blocks))
            return list(rendered_pieces if free else _in_measure(rendered_pieces, source.file))
        except UndefinedError as error:
            raise TemplateError(f"{source.file}: {error.message}.") from error
        except (
            JinjaError,
            TypeError,
            ValueError,
            AssertionError,
            LookupError,
            AttributeError,
            RecursionError,
        ) as error:
            raise TemplateError(f"{source.file}: {error}.") from error

    return CompiledTemplate(source.file, render, texts_in(root.__code__))


def _in_measure(pieces_of_text: Iterable[str], file: str) -> Iterator[str]:
    """Yield the pieces, until they are longer than `MAX_OUTPUT_LENGTH`."""
    length = 0
    for piece in pieces_of_text:
        length += len(piece)
        if length > MAX_OUTPUT_LENGTH:
            raise too_long(file)
        yield piece


_OPENER: Final = re.compile(r"\{(?=[{%#]|\Z)")


def literal(text: str) -> str:
    """Escape plain text so that a template shows it unchanged."""
    return _OPENER.sub("{{ '{' }}", text)
