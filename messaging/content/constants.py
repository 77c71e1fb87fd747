"""Put values that are the same for all recipients into a template, and find what is the same in the compiled one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer


def with_constants(tree: nodes.Node, constants: Mapping[str, Any]) -> nodes.Node:
    """Return a template in which variables have been replaced by their values.

    Args:
        tree: a parsed template.
        constants: by name; a value may be a mapping of fields.
    """
    folded: nodes.Node = _Fold(constants).visit(tree)
    return folded


def texts_in(code: CodeType) -> frozenset[str]:
    """Return the texts that compiled code holds."""
    return frozenset(_texts(code))


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts(constant)


class _Fold(NodeTransformer):
    """Replaces names of constants by their values; Jinja's own optimiser then joins these to the text."""

    def __init__(self, constants: Mapping[str, Any]) -> None:
        self._constants = constants

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802  # Jinja's visitor looks for this name
        if isinstance(node.node, nodes.Name) and isinstance(owner := self._constants.get(node.node.name), Mapping):
            return _constant(str(owner.get(node.attr) or ""), node)
        return self.generic_visit(node)

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802
        value = self._constants.get(node.name)
        return _constant(value, node) if isinstance(value, str) and node.ctx == "load" else node


def _constant(value: str, node: nodes.Node) -> nodes.Node:
    return nodes.Const(value, lineno=node.lineno, environment=node.environment)
