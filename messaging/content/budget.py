"""Limit the rendering of one message, in steps and in characters, against nested loops and texts that grow.

Most templates cannot run away: each of their expressions is evaluated once, and none makes its text longer. Templates
with a loop, `~`, `|join`, `|replace`, a list or very many comparisons are compiled so that every turn of a loop, every
filter and every comparison is counted against a budget. It counts steps, not time, so a message is refused on every
machine or on none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from jinja2 import nodes, pass_context
from jinja2.environment import Environment
from jinja2.runtime import Context, Undefined, markup_join, str_join
from jinja2.visitor import NodeTransformer

from core.errors import TemplateError

MAX_STEPS: Final = 10_000
"""Most steps in one rendering: turns of loops, filters, compared values, and each 100 characters read."""
MAX_SOURCE_LENGTH: Final = 100_000
"""Most bytes of a template's file."""
MAX_VALUE_LENGTH: Final = 16 * 1024
"""Most characters in the result of `~`, `|join`, `|replace` or a list."""
MAX_OUTPUT_LENGTH: Final = 256 * 1024
"""Most characters of a whole text, subject or page."""

_A_STEP: Final = 100
_FREE_COMPARISONS: Final = 50
"""Comparisons that need no budget in a template without a loop, because each is made once."""
_ROUNDS, _JOINED, _LISTED, _READ = (
    "in rounds",
    "joined up",
    "in a list",
    "read through",
)  # no template can name filters with a space
_GROWS: Final = frozenset({"join", "replace"})


class RunawayError(TemplateError):
    """A template exceeded its budget."""

    def __init__(self, what: str) -> None:
        super().__init__(what, remedy="Take out loops in loops, and texts that are put together from themselves.")


def too_long(file: str) -> TemplateError:
    """Return the error for a text that is too long."""
    return RunawayError(f"{file}: it comes to more than {MAX_OUTPUT_LENGTH:,} characters")


def runs_free(tree: nodes.Template) -> bool:
    """Tell whether a template cannot run away, so that it needs no budget."""
    if sum(1 for _ in tree.find_all((nodes.Compare, nodes.Test))) > _FREE_COMPARISONS:
        return False
    return not any(
        isinstance(node, nodes.For | nodes.Concat | nodes.Tuple | nodes.List)
        or (isinstance(node, nodes.Filter) and node.name in _GROWS)
        for node in tree.find_all(nodes.Node)
    )


@dataclass(slots=True)
class _Budget:
    """Remaining steps of one rendering."""

    file: str
    left: int = MAX_STEPS

    def pay(self, characters: int = 0) -> None:
        self.left -= 1 + characters // _A_STEP
        if self.left < 0:
            raise RunawayError(f"{self.file}: it takes more than {MAX_STEPS:,} steps")

    def pay_for(self, characters: int) -> None:
        """Count the characters of a text that is about to be made."""
        if characters > MAX_VALUE_LENGTH:
            raise RunawayError(f"{self.file}: a value in it comes to more than {MAX_VALUE_LENGTH:,} characters")
        self.pay(characters)


class CountedContext(Context):
    """Jinja context of one rendering, with a budget."""

    def __init__(self, environment: Environment, parent: dict[str, Any], name: str, blocks: dict[str, Any]) -> None:
        super().__init__(environment, parent, name, blocks)
        self.budget = _Budget(name)


def count_filters(environment: Environment) -> None:
    """Make an environment's filters count characters; its templates must then be rendered in a `CountedContext`."""
    environment.filters = {name: _paid(name, function) for name, function in environment.filters.items()}
    environment.filters |= {_ROUNDS: _rounds, _JOINED: _joined, _LISTED: _listed, _READ: _read_through}


class _Counted(NodeTransformer):
    """Transformer that makes loops, `~`, lists and comparisons count their steps."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.iter = _filter(cast("nodes.Expr", node.iter), _ROUNDS)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(nodes.List(node.nodes, lineno=node.lineno, environment=node.environment), _JOINED)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _filter(node.expr, _READ)
        for operand in node.ops:
            operand.expr = _filter(operand.expr, _READ)
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.node = _filter(node.node, _READ)
        node.args = [_filter(arg, _READ) for arg in node.args]
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, _LISTED)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, _LISTED) if node.ctx == "load" else node


def with_counting(tree: nodes.Node, environment: Environment) -> nodes.Node:
    """Return a template in which every step is counted; for an environment that is `counted`."""
    transformed: nodes.Node = _Counted().visit(tree)
    return transformed.set_environment(environment)


def _filter(node: nodes.Expr, name: str) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)


def _budget(context: Context) -> _Budget:
    return cast("CountedContext", context).budget


@pass_context
def _rounds(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    budget = _budget(context)
    for value in values:
        budget.pay()
        yield value


@pass_context
def _joined(context: Context, values: Sequence[Any]) -> str:
    texts = [value if isinstance(value, str | Undefined) else str(value) for value in values]
    _budget(context).pay_for(sum(len(str(text)) for text in texts))
    return markup_join(texts) if context.eval_ctx.autoescape else str_join(texts)


@pass_context
def _listed(context: Context, values: Sequence[Any]) -> Sequence[Any]:
    _budget(context).pay_for(_weight(values))
    return values


@pass_context
def _read_through(context: Context, value: Any) -> Any:
    _budget(context).pay(_weight(value))
    return value


def _weight(value: object) -> int:
    """Return the characters in a value; each list was counted when it was made, so this is bounded."""
    if isinstance(value, str):
        return len(value) + 1
    return 1 + sum(map(_weight, value)) if isinstance(value, list | tuple) else 1


def _paid(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that counts the characters of its input, and of its result if that may be longer."""
    wanted = getattr(getattr(function, "jinja_pass_arg", None), "name", "")  # as pass_context and its kind leave it

    @pass_context
    def filter_(context: Context, value: Any, *args: Any, **named: Any) -> Any:
        _budget(context).pay_for(_weight(value) if name not in _GROWS else _grown(name, value, args, named))
        first = {"eval_context": (context.eval_ctx,), "environment": (context.environment,)}.get(wanted, ())
        return function(*first, value, *args, **named)

    return filter_


def _grown(name: str, value: Any, args: tuple[Any, ...], named: dict[str, Any]) -> int:
    """Return an upper limit for the length of the result of `|replace` or `|join`."""
    given = dict(zip(("old", "new", "count") if name == "replace" else ("d", "attribute"), args, strict=False)) | named
    if name == "replace":
        text, old, new = (str(piece) for piece in (value, given.get("old", ""), given.get("new", "")))
        times, most = text.count(old), given.get("count")
        return len(text) + (min(times, most) if isinstance(most, int) and most >= 0 else times) * len(new)
    parts = list(value) if isinstance(value, str | list | tuple) else []
    return _weight(parts) + len(parts) * len(str(given.get("d", "")))
