"""No statement changes a session's settings: the pool of workers is not reset, and the next user would inherit them.

`set local` and `set_config(…, true)` end with their transaction. The role of a session is never changed, not even for a
transaction: any statement could change it back, so that it is no wall.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from core.settings import ROOT
from tools.module_list import PACKAGES

EXCEPTIONS: Final = {
    "muster/embedded/roles.py: set client_min_messages = warning": "psql has a session of its own, which ends with it",
    "core/db/login_script.sql: alter role %I set %I to %L": "gives the logins the settings of their sessions",
    "core/db/session_settings.py: alter role x set x =": "tells an administrator what to do",
    "core/db/pool.py: reset all": "puts the settings back before the next reader of staff's pools",
}
"""Statements that may stay as they are, each with the reason."""

_START: Final = r"(?:^|;|\$\w*\$|\b(?:begin|then|else|loop)\b|')\s*"
_SESSION: Final = [
    re.compile(rf"{_START}((?:set|SET)\s+(?:(?:session|SESSION)\s+)?[a-z_.]+\s*(?:=|to\b|TO\b)\s*[^\s;]+)"),
    re.compile(rf"{_START}((?:set|SET)\s+(?:session|SESSION|time\s+zone|TIME\s+ZONE|names|NAMES)\b[^;]*)"),
    re.compile(rf"{_START}((?:reset|RESET)\s+(?:[a-z_.]+|ALL))\s*(?:;|'|$)"),
    re.compile(rf"{_START}((?:discard|DISCARD)\s+(?:all|ALL|temp|TEMP|plans|PLANS|sequences|SEQUENCES)\b)"),
    re.compile(rf"{_START}((?:set|SET)\s+(?:local\s+|LOCAL\s+)?(?:role|ROLE|session\s+authorization)\b[^;]*)"),
    re.compile(r"\b(alter\s+(?:role|user|database|system)\s+[^;']*?\s+set\s+[^;']*)", re.IGNORECASE),
]
_SET_CONFIG: Final = re.compile(r"set_config\s*\(", re.IGNORECASE)


def session_changes(sql: str) -> Iterator[str]:
    """What in a piece of SQL would outlive its transaction."""
    sql = re.sub(r"--.*", "", sql)
    for pattern in _SESSION:
        for found in pattern.finditer(sql):
            yield " ".join(found[1].split())
    for found in _SET_CONFIG.finditer(sql):
        call = sql[found.start() : _closing(sql, found.end())]
        if not re.search(r",\s*true\s*\)$", call):
            yield " ".join(call.split())


def _closing(sql: str, after: int) -> int:
    """Where the bracket that was opened just before is closed."""
    depth = 1
    for place in range(after, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[place], 0)
        if depth == 0:
            return place + 1
    return len(sql)


def pieces(path: Path) -> Iterator[str]:
    """The SQL of a file; of a module each text in it but its docstrings, for any may be SQL."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield text
        return
    tree = ast.parse(text)
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare | inside:
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        for suffix in ("*.py", "*.sql"):
            yield from sorted((ROOT / package).rglob(suffix))


def test_no_code_changes_the_settings_of_a_session() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {change}"
        for path in sources()
        for piece in pieces(path)
        for change in session_changes(piece)
    }
    assert found - set(EXCEPTIONS) == set(), "use set local, or set_config(…, true), in the transaction"
    assert set(EXCEPTIONS) - found == set(), "this exception is needed no more"


def test_the_sources_are_read() -> None:
    read = list(sources())
    assert {path.suffix for path in read} == {".py", ".sql"}
    assert len(read) > 400
    kept = [piece for path in read for piece in pieces(path) if "set_config" in piece]
    assert len(kept) > 4, "otherwise nothing was looked at"


@pytest.mark.parametrize(
    "sql",
    [
        "select set_config('muster.actor', $1, false)", "select set_config('a', coalesce($1, (select 'x')), $2)",
        "set role muster_owner", "SET ROLE x", "set local role muster_owner", "set session authorization x",
        "reset role", "RESET ALL", "select 1; reset search_path;", "set enable_seqscan = off", "set work_mem to '1GB'",
        "set session characteristics as transaction read only", "SET TIME ZONE 'UTC'", "discard all",
        "do $$ begin set search_path = x; end $$", "begin if a then set work_mem = 1; end if; end",
        "execute 'set role ' || name", "alter role muster_worker set work_mem = '1GB'",
        "alter database muster set search_path = x",
    ],
)  # fmt: skip
def test_a_change_of_a_session_is_found(sql: str) -> None:
    assert list(session_changes(sql)) != []


@pytest.mark.parametrize(
    "sql",
    [
        "set local lock_timeout = '2s'", "select set_config('lock_timeout', $1, true)",
        "perform set_config('muster.erasing', 'on', true);", "update person set first_name = $1 where person_id = 2",
        "create function f() returns int language sql set search_path = public, pg_temp as $$ select 1 $$",
        "insert into a (b) values (1) on conflict (b) do update set b = 2", "Set MUSTER_HOME to a folder of your own.",
        "-- set role would be no wall\nselect 1", "set constraints all immediate",
        "update a\nset b = 1", "alter table a alter column b set default 1",
    ],
)  # fmt: skip
def test_what_ends_with_its_transaction_is_not(sql: str) -> None:
    assert list(session_changes(sql)) == []
