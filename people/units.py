"""Units: the organisation as a tree of regions, branches and workplaces; created when files name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from core.db import STATEMENT_TIMEOUT, Connection, load_queries

SQL: Final = load_queries(__file__)

UNIT_KINDS: Final = ("region", "branch", "workplace")
"""The kinds of unit a member file can name, from the root down."""

Path = tuple[str, str, str]
"""Names of region, branch and workplace; empty if the file does not say."""


class AmbiguousNameError(LookupError):
    """Several units have that name, and nothing says which is meant."""


@dataclass(frozen=True, slots=True)
class UnitReach:
    """Number of people in a unit and below, and how they can be reached.

    Attributes:
        name: the unit's; empty for people who are in none of that kind.
        people, sms, email, unreachable: people in all; with a mobile; with an email address; with neither.
    """

    name: str
    people: int
    sms: int
    email: int
    unreachable: int


class UnitTree:
    """Units by name.

    Names are compared without regard to case and spacing. A unit keeps its first spelling, except that a name without
    any capital gives way to one that has some.

    Attributes:
        respelt: the better names of units that are there already, by id.
    """

    def __init__(self) -> None:
        self._ids: dict[tuple[int | None, str, str], int] = {}
        self._by_name: dict[tuple[str, str], set[int]] = {}
        self._names: dict[int, str] = {}
        self.respelt: dict[int, str] = {}

    def add(self, unit_id: int, parent_id: int | None, kind: str, name: str) -> None:
        """Add a unit."""
        self._ids[parent_id, kind, _key(name)] = unit_id
        self._by_name.setdefault((kind, _key(name)), set()).add(unit_id)
        self._names[unit_id] = name

    def see(self, unit_id: int, name: str) -> None:
        """Remember the spelling of a unit that was found."""
        if better_spelling(self._names[unit_id], name) != self._names[unit_id]:
            self._names[unit_id] = self.respelt[unit_id] = name

    def find(self, parent_id: int | None, kind: str, name: str) -> int | None:
        """Find the unit of that name below a parent. Without a parent: the root of that name, or else the only one.

        Raises:
            AmbiguousNameError: without a parent, and several units are called so.
        """
        unit_id = self._ids.get((parent_id, kind, _key(name)))
        if unit_id is not None or parent_id is not None:
            return unit_id
        anywhere = self._by_name.get((kind, _key(name)), set())
        if len(anywhere) > 1:
            raise AmbiguousNameError(name)
        return next(iter(anywhere), None)


async def load_tree(db: Connection) -> UnitTree:
    """Read the tree of units."""
    tree = UnitTree()
    for row in await db.fetch(SQL["list_units"]):
        tree.add(row["unit_id"], row["parent_id"], row["kind"], row["name"])
    return tree


async def find_or_create_units(db: Connection, paths: Iterable[Path]) -> dict[Path, int | None]:
    """Find the unit each path ends in, creating those that are missing.

    Args:
        db: in a transaction.
        paths: names from the root down; a level left empty is skipped. A branch named without its region is the one
            branch of that name, wherever it is.

    Returns:
        The unit's id by path; None for the path of nothing but empty names. A path that could mean several units is
        left out.
    """
    tree = await load_tree(db)
    reached: dict[Path, int | None] = dict.fromkeys(paths)
    for level, kind in enumerate(UNIT_KINDS):
        # paths with a known parent first: a path without one may mean a unit that another path is about to make
        for with_parent in (True, False):
            here = [path for path, parent in reached.items() if path[level] and (parent is not None) is with_parent]
            await _step_down(db, tree, kind, level, here, reached)
    if tree.respelt:
        await db.execute(SQL["respell_units"], [*tree.respelt], [*tree.respelt.values()], timeout=STATEMENT_TIMEOUT)
    return reached


async def _step_down(
    db: Connection, tree: UnitTree, kind: str, level: int, here: list[Path], reached: dict[Path, int | None]
) -> None:
    missing: dict[tuple[int | None, str], str] = {}
    waiting: list[tuple[Path, int | None]] = []
    for path in here:
        parent, name = reached[path], path[level]
        try:
            unit_id = tree.find(parent, kind, name)
        except AmbiguousNameError:
            del reached[path]
            continue
        if unit_id is None:
            known = missing.setdefault((parent, _key(name)), name)
            missing[parent, _key(name)] = better_spelling(known, name)
            waiting.append((path, parent))
        else:
            tree.see(unit_id, name)
            reached[path] = unit_id
    if missing:
        await _make(db, tree, kind, missing)
    for path, parent in waiting:
        reached[path] = tree.find(parent, kind, path[level])


async def _make(db: Connection, tree: UnitTree, kind: str, missing: dict[tuple[int | None, str], str]) -> None:
    parents, names = [parent for parent, _ in missing], list(missing.values())
    rows = await db.fetch(SQL["add_units"], kind, parents, names, timeout=STATEMENT_TIMEOUT)
    for row in rows:
        tree.add(row["unit_id"], row["parent_id"], kind, row["name"])


async def count_by_unit(db: Connection, kind: str) -> list[UnitReach]:
    """Count people by the unit of one kind they are in; those in none come last.

    Units of one name, such as the branch Leeds of two regions, are named with the unit above them.
    """
    rows = await db.fetch(SQL["count_units"], kind)
    names = Counter(_key(row["name"] or "") for row in rows)

    def called(row: asyncpg.Record) -> str:
        name: str = row["name"] or ""
        return f"{row['above']} / {name}" if row["above"] and names[_key(name)] > 1 else name

    return [UnitReach(called(row), row["people"], row["sms"], row["email"], row["unreachable"]) for row in rows]


async def unit_names(db: Connection, unit_id: int | None) -> dict[str, str]:
    """Return the names of a unit and those above it, by kind, from the root down."""
    return {row["kind"]: row["name"] for row in await db.fetch(SQL["list_lineage"], unit_id)}


async def unit_paths(db: Connection, unit_ids: Sequence[int]) -> list[str]:
    """Return where units are, as `North / Leeds`, by name."""
    return [row["path"] for row in await db.fetch(SQL["list_paths"], unit_ids)]


def better_spelling(known: str, name: str) -> str:
    """Choose the first of two spellings of a name, unless only the second has capitals: Swansea rather than swansea."""
    has_capitals = any(map(str.isupper, name)) and not any(map(str.isupper, known))
    return name if has_capitals and name.lower() == known.lower() else known


def _key(name: str) -> str:
    return " ".join(name.casefold().split())
