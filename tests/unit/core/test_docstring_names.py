"""Docstrings name only what exists: a name in backticks is a function, module, column or word of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

from core.settings import ROOT
from messaging.settings import AllSettings
from tools.module_list import PACKAGES

IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
QUOTED = re.compile(r"(?<!`)`(?P<name>[A-Za-z_]\w*(?:\.\w+)*)(?P<called>\([^`]*\))?`(?!`)", re.ASCII)
CODE = re.compile(r"[a-z0-9.]+|\w*_[\w.]*|[A-Z][a-z]+[A-Z]\w*|\w*[a-z]\w*\.\w+", re.ASCII)
"""Lower case, with an underscore, in camel case, or dotted; anything else (`North`, `P3D`) is an example."""
EXAMPLES = frozenset(
    {
        *("foo.py", "foo.sql", "pigeon_key", "pay_band_2026", "very_good"),  # names that a reader replaces by their own
        *("jjjj", "jjjjmmtt", "_x000D_", "mk_k3x7q2ab_", "column_7", "appointment_2_at", "MacRoman"),  # words in files
        *("antispam", "securitypay", "OFR_416", "UserSearch"),  # words of strangers' servers and programs
        *("messages.create_async", "RequestValidator", "tcpi_bytes_acked"),  # Twilio's, and the kernel's
    }
)
NAMED_ENOUGH = frozenset({"core/db/pool.py: OLDEST_SERVER"})
"""Numbers that are no amounts: a version."""


def test_a_name_that_does_not_exist_is_found() -> None:
    text = "A connection from `nolock`, see `RateLimit`, `RateLimits.nonesuch` and `load_queries(file)`."
    assert list(unknown_in(text)) == ["nolock", "RateLimits.nonesuch"]


def test_every_name_in_a_docstring_exists() -> None:
    stale = {f"{place}: `{name}`" for place, text in docstrings() for name in unknown_in(text)}
    assert stale == set()


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    """One phrase for one thing: `Tell whether`; and a noun before every "who"."""
    odd = {
        f"{place}: {text.partition('.')[0]}"
        for place, text in docstrings()
        if re.match(r"(Return whether|Whether|Whoever|Who|Whose|That which|What)\b", text)
    }
    assert odd == set()


def amounts_without_unit() -> Iterator[str]:
    """Numbers and lengths of time that other modules can use, without a docstring that says what they count."""
    for path in sources():
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for node, behind in pairwise([*body, ast.Pass()]):
            match node, behind:
                case _, ast.Expr(value=ast.Constant(value=str())):
                    pass
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.AST() as value), _:
                    if name.isupper() and not name.startswith("_") and is_amount(value):
                        yield f"{path.relative_to(ROOT)}: {name}"
                case _:
                    pass


def is_amount(value: ast.AST) -> bool:
    match value:
        case ast.Constant(value=int() | float()) | ast.Call(func=ast.Name(id="timedelta")):
            return True
        case ast.BinOp(left=left, right=right):
            return is_amount(left) or is_amount(right)
    return False


def test_a_number_says_what_it_counts_and_in_which_unit() -> None:
    assert set(amounts_without_unit()) - NAMED_ENOUGH == set()


def unknown_in(text: str) -> Iterator[str]:
    for quoted in QUOTED.finditer(text):
        name = quoted["name"]
        is_code = quoted["called"] is not None or CODE.fullmatch(name) is not None
        if is_code and name not in EXAMPLES and not set(name.split(".")) <= known_names():
            yield name


def docstrings() -> Iterator[tuple[str, str]]:
    """The docstrings of modules, classes, functions and constants, each with its place."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value.value


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@cache
def known_names() -> frozenset[str]:
    """Names of the code, its files, tables and keys: whatever a docstring may mean by a name in backticks."""
    names = {"py", "sql", "toml", "md", "html", "txt", *(f"MUSTER_{name.upper()}" for name in AllSettings.model_fields)}
    for path in sources():
        names.update(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                    names.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    names.add(name)
                case ast.alias(name=name):
                    names.update(name.split("."))
                case ast.Constant(value=str(text)) if len(text) < 200 and " " not in text:
                    names.update(IDENTIFIER.findall(text))
                case _:
                    pass
    for package in (*PACKAGES, "templates"):
        for path in (ROOT / package).rglob("*"):
            if path.suffix in {".sql", ".toml", ".html", ".txt", ".md"}:
                names.add(path.stem)
                code = re.sub(
                    r"(?m)--.*$" if path.suffix == ".sql" else r"(?m)^\s*#.*$", "", path.read_text(encoding="utf-8")
                )
                names.update(IDENTIFIER.findall(code))
    return frozenset(names)
