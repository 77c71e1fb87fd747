"""Names are the field's own, from modules to SQL aliases: none of an old private dialect comes back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from core.settings import ROOT
from tools.module_list import PACKAGES

MODULES: Final = frozenset(
    {
        "courier", "lanes", "lane", "presence", "journal", "record", "doubts", "pace", "domains", "held", "sweep",
        "seal", "dialogue", "relay", "signing", "outside", "setting_values", "gate", "assign", "checks", "hours",
        "reading", "rereading", "conversations", "door", "asked", "visits", "misses", "missed", "leftovers", "texting",
        "agents", "wording", "desk", "mailroom", "letter", "machines", "quotes", "sort", "outgoing", "ledgers",
        "milestones", "settled", "stream", "envelope", "sealing", "resend", "catalogue", "tide", "duty", "duties",
        "keeper", "attach", "lost", "garbage", "utils", "helpers", "models", "common", "misc",
    }
)  # fmt: skip
"""Old names of modules; ARCHITECTURE.md, *Where things are*, has the present ones."""
CLASSES: Final = frozenset(
    {
        "Courier", "Parcel", "Departure", "Mark", "Verdict", "Lane", "Lanes", "Desk", "InboundDesk", "Carrier",
        "Letter", "Misses", "Gate", "Way", "Tide", "Keeper", "Journal", "Presence", "Doubts", "Duty", "Duties", "Told",
        "Asked", "Sight", "StepChannel",
        "Held", "Said", "Hit", "Fault", "News", "Farewell", "Ear", "_Ear", "_Clerk",
    }
)  # fmt: skip
IDENTIFIERS: Final = frozenset(
    {
        "courier", "lane", "lanes", "parcel", "verdict", "verdicts", "presence", "tide", "keeper", "bell",
        "squash", "sweep", "swept", "seal", "unseal", "sealed", "dialogue", "clerk",
        "carrier", "purse", "luck", "duty", "duties", "foretold", "visits", "deeds", "milestones", "barred", "standing",
        "standings",
    }
)  # fmt: skip
"""Words of which no function, argument, variable, table, column or query is named, and which no log line has."""
VAGUE: Final = frozenset(
    {"one", "said", "found", "held", "told", "news", "stands", "stays", "gone", "asked", "way", "barred"}
)
"""Names that say nothing of what a variable, a field, a query or an alias of SQL holds."""
RIDDLES: Final = frozenset(
    {"all", "any", "done", "empty", "everybody", "everything", "go", "hold", "keep", "last", "meant", "meet", "note"}
    | {"recognise", "same", "stay", "tell"}
)
"""Names of queries without the noun that they are about."""
LIMITS: Final = frozenset(
    {"MOST", "LONGEST", "LARGEST", "FEWEST", "SHORTEST", "SMALLEST", "LEAST", "PATIENCE", "WITHIN"}
)
"""Words for the limits of something, which are named MAX_…, MIN_… and …_TIMEOUT."""
NAMED_BY_COMMANDS: Final = {"muster/cli/mailroom.py"}
"""Commands that other programs rely on."""
OF_THE_SANDBOX: Final = {"sandbox/record.py"}
"""The sandbox's record of what really happened."""
SEAL_THE_AUDIT: Final = {"core/audit.py", "core/audit.sql", "core/migrations/20261130100000_core.sql", "muster/jobs.py"}
"""An audit is sealed, as everybody calls it; sealing anything else is of the old dialect."""
OF_THE_SCHEMA: Final = {"messaging/reasons.py: HELD"}
"""A reason that is stored with messages, and that commands take."""
MAX_LINES: Final = 400


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(path)))


def modules() -> Iterator[Path]:
    return (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


def test_no_module_has_a_name_of_the_old_dialect() -> None:
    named = {str(path.relative_to(ROOT)) for path in modules() if path.stem in MODULES}
    named |= {str(path.relative_to(ROOT)) for path in modules() if set(path.relative_to(ROOT).parts[:-1]) & MODULES}
    assert named - NAMED_BY_COMMANDS - OF_THE_SANDBOX == set()


def test_no_class_has_a_name_of_the_old_dialect() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in modules()
        for node in nodes(path)
        if isinstance(node, ast.ClassDef) and node.name in CLASSES
    }
    assert found == set()


def identifiers(path: Path) -> Iterator[str]:
    """Names of functions, arguments, attributes and variables, and of the queries and tables of SQL."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        yield from re.findall(r"(?m)^(?:-- name:|create (?:table|view|function)) (\w+)", text)
        return
    for node in nodes(path):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def test_nothing_else_has_a_name_of_the_old_dialect() -> None:
    files = [*modules(), *(path for package in PACKAGES for path in (ROOT / package).rglob("*.sql"))]
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in identifiers(path)
        if set(name.lower().strip("_").split("_")) & IDENTIFIERS
        and not ("seal" in name.lower() and str(path.relative_to(ROOT)) in SEAL_THE_AUDIT)
    }
    assert found == set()


def sources(*kinds: str) -> Iterator[Path]:
    return (path for package in PACKAGES for kind in kinds for path in sorted((ROOT / package).rglob(f"*.{kind}")))


def aliases(sql: str) -> Iterator[str]:
    """Names that SQL gives to columns, tables, parts of a query and variables of a function; comments left out."""
    code = re.sub(r"--.*|'[^']*'", "", sql)
    yield from re.findall(r"\bas (?!materialized\b)(\w+)", code)
    yield from re.findall(r"(\w+) as (?:materialized )?\(", code)
    yield from re.findall(r"\) (\w+)$", code, re.MULTILINE)
    yield from re.findall(r"^ +(\w+) (?:text|bigint|integer|record|\w+range|boolean)\b", code, re.MULTILINE)


def bound(path: Path) -> Iterator[str]:
    """Names of variables, arguments, fields and functions."""
    for node in nodes(path):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name


def test_no_variable_has_a_name_that_says_nothing() -> None:
    vague = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("py")
        for name in bound(path)
        if name.strip("_").lower() in VAGUE
    }
    assert vague - OF_THE_SCHEMA == set()


def loop_names(path: Path) -> Iterator[str]:
    """Names of the variables of loops, and of the arguments of lambdas."""
    for node in nodes(path):
        match node:
            case ast.For(target=target) | ast.AsyncFor(target=target) | ast.comprehension(target=target):
                yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))
            case ast.Lambda(args=arguments):
                yield from (argument.arg for argument in arguments.args)


def test_a_loop_of_a_test_or_a_page_names_what_it_is_over() -> None:
    tests = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py") if "one" in set(loop_names(path))}
    pages = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "templates").rglob("*.html")
        if re.search(r"\bfor one in\b", path.read_text(encoding="utf-8"))
    }
    assert tests | pages == set()


def test_limits_are_max_and_min_and_timeouts_timeouts() -> None:
    otherwise = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("py")
        for name in bound(path)
        if name.isupper() and set(name.strip("_").split("_")) & LIMITS
    }
    assert otherwise == set()


def numbers(path: Path) -> Iterator[str]:
    """Names of arguments and fields that hold a number."""
    for node in nodes(path):
        match node:
            case (
                ast.arg(arg=name, annotation=ast.AST() as kind)
                | ast.AnnAssign(target=ast.Name(id=name), annotation=kind)
            ) if "float" in ast.unparse(kind) or "int" in ast.unparse(kind):
                yield name


def test_an_argument_that_limits_a_time_is_a_timeout() -> None:
    limits = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("py")
        for name, words in (
            *((name, {"patience"}) for name in bound(path)),
            *((name, {"within"}) for name in numbers(path)),
        )
        if set(name.strip("_").lower().split("_")) & words
    }
    assert limits == set()


def amounts(path: Path) -> Iterator[str]:
    """Constants of a module that are a number, or a length of time."""
    for node in tree(path).body:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.AST() as value)
                | ast.Assign(targets=[ast.Name(id=name)], value=value)
            ) if name.isupper() and is_amount(value):
                yield name


def is_amount(value: ast.AST) -> bool:
    match value:
        case ast.Constant(value=int() | float()) | ast.Call(func=ast.Name(id="timedelta")):
            return True
        case ast.BinOp(op=ast.Mult() | ast.Add(), left=left, right=right) if "'" not in ast.unparse(value):
            return is_amount(left) or is_amount(right)
    return False


def test_a_constant_says_what_it_counts() -> None:
    assert sum(1 for path in sources("py") for _ in amounts(path)) > 200
    bare = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("py")
        for name in amounts(path)
        if "_" not in name.strip("_")
    }
    assert bare == set()


def test_no_query_or_alias_of_sql_has_a_name_that_says_nothing() -> None:
    vague = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("sql")
        for text in [path.read_text(encoding="utf-8")]
        for words, names in (
            (VAGUE | RIDDLES, re.findall(r"(?m)^-- name: (\w+)", text)),
            (VAGUE, aliases(text)),
        )
        for name in names
        if name in words
    }
    assert vague == set()


def log_lines(path: Path) -> Iterator[str]:
    """First arguments of `log.info` and the like."""
    for node in nodes(path):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log"), attr="debug" | "info" | "warning" | "error" | "exception"),
                args=[ast.Constant(value=str(line)), *_],
            ):
                yield line


def test_no_log_line_has_a_word_of_the_old_dialect() -> None:
    assert sum(1 for path in sources("py") for _ in log_lines(path)) > 50
    old = {
        f"{path.relative_to(ROOT)}: {line}"
        for path in sources("py")
        for line in log_lines(path)
        if set(re.findall(r"[a-z_]+", line.lower())) & IDENTIFIERS
    }
    assert old == set()


def types(path: Path) -> Iterator[str]:
    """Classes and type aliases of a module that others can use."""
    for node in tree(path).body:
        match node:
            case ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript() | ast.BinOp()) if not name.isupper():
                yield name


def test_no_two_types_that_others_use_have_one_name() -> None:
    homes: dict[str, list[str]] = {}
    for path in modules():
        for name in types(path):
            if not name.startswith("_"):
                homes.setdefault(name, []).append(str(path.relative_to(ROOT)))
    twice = {name: paths for name, paths in homes.items() if len(paths) > 1}
    assert twice == {}


def named_paths(architecture: str) -> Iterator[str]:
    """The files and folders that *Where things are* names; a bare name is in the folder of the path before it."""
    for row in architecture.partition("## Where things are")[2].partition("\n## ")[0].splitlines():
        folder = Path()
        for name in re.findall(r"`([a-z0-9_./]+)`", row) if row.startswith("|") else ():
            folder = Path(name).parent if "/" in name else folder
            yield name if "/" in name else str(folder / name)


def test_the_architecture_names_modules_that_exist() -> None:
    named = list(named_paths((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")))
    assert len(named) > 100
    missing = {name for name in named if not any(Path(f"{ROOT / name}{suffix}").exists() for suffix in ("", ".py"))}
    assert missing == set()


def test_a_function_says_what_it_records_or_verifies() -> None:
    bare = {
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sources("py")
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name in {"record", "seal", "head", "verify"}
    }
    assert {name for name in bare if not name.startswith(("core/audit.py", "muster/cli/audit.py"))} == set()


def test_no_module_is_longer_than_one_noun_needs_and_no_file_of_tests_than_one_subject() -> None:
    files = [*modules(), *(ROOT / "tests").rglob("*.py")]
    long = {str(path.relative_to(ROOT)): count for path in files if (count := lines(path)) > MAX_LINES}
    assert long == {}


def lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def test_messaging_names_no_ballot() -> None:
    files = [path for kind in ("*.py", "*.sql") for path in (ROOT / "messaging").rglob(kind)]
    assert files
    assert [str(path) for path in files if "ballot" in path.read_text(encoding="utf-8").lower()] == []


def test_every_package_says_what_it_offers() -> None:
    for package in PACKAGES:
        init = ROOT / package / "__init__.py"
        assert init.is_file(), package
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), package


def test_a_test_imports_no_private_name_of_ours() -> None:
    private = {
        f"{path.relative_to(ROOT)}: {node.module}.{alias.name}"
        for path in (ROOT / "tests").rglob("*.py")
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in {*PACKAGES, "tests"}
        for alias in node.names
        if alias.name.startswith("_")
    }
    assert private == set()


def test_what_is_deleted_is_not_forgotten_dropped_or_wiped() -> None:
    """Rows are deleted; where a row stays and its contents go, it is emptied."""
    others = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (path for path in sources("py", "sql") if "migrations" not in path.parts)
        if path.relative_to(ROOT).parts[0] != "sandbox"
        for name in identifiers(path)
        if re.match(r"_?(?:forget|drop|wipe)_\w", name)
    }
    assert others == set()


def test_a_test_says_which_error_it_expects() -> None:
    anything = re.compile(r"raises\((?:Base)?Exception\b")
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert [str(path) for path in files if anything.search(path.read_text(encoding="utf-8"))] == []
