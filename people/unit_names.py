"""Units by the names that people write: a name alone, or a path if several units have the same name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from core.db import Connection, load_queries
from core.errors import InputError, SpecError
from core.spec_errors import names_instead, near_miss
from people.attributes import folded_name

SQL: Final = load_queries(__file__)

_MAX_LISTED: Final = 4


async def find_units(db: Connection, names: Sequence[str], *, key: str) -> dict[str, int]:
    """Find the ids of units by name, or by path (`North/Leeds`) if a name alone fits several. Case does not matter.

    Args:
        db: a connection.
        names: as people wrote them.
        key: the key in the file, for the error.

    Raises:
        SpecError: with a line for each name that fits no unit, or several.
    """
    if not names:
        return {}
    by_name, known = await _by_name(db)
    problems: list[str] = []
    unit_ids: dict[str, int] = {}
    for name in names:
        fitting = by_name.get(folded_name(name), [])
        if len(fitting) == 1:
            unit_ids[name] = fitting[0][0]
        elif fitting:
            problems.append(f"{key}: “{name}” fits {len(fitting)} units; write one of {_paths(fitting)}")
        else:
            problems.append(f"{key}: there is no unit “{name}”{near_miss(name, known)}")
    if problems:
        raise SpecError("The file names units that cannot be found.", problems=problems)
    return unit_ids


async def find_unit(db: Connection, name: str) -> tuple[int, str]:
    """Find one unit by its name or path, as somebody typed it; return its id and its path.

    Args:
        db: a connection.
        name: as it was typed; case does not matter.

    Raises:
        InputError: there is no such unit, or there are several.
    """
    by_name, known = await _by_name(db)
    fitting = by_name.get(folded_name(name), [])
    if len(fitting) == 1:
        unit_id, path = fitting[0]
        return unit_id, " / ".join(path.split("/"))
    if fitting:
        raise InputError(f"“{name}” fits {len(fitting)} units.", remedy=f"Write one of {_paths(fitting)}.")
    remedy = names_instead(name, sorted(known)) if len(known) <= _MAX_LISTED or near_miss(name, known) else ""
    raise InputError(f"There is no unit “{name}”.", remedy=remedy if known else "Units come with the member file.")


async def paths_by_id(db: Connection, unit_ids: Collection[int]) -> dict[int, str]:
    """Return the paths of units, as `North / Leeds`, by their ids; ids that no unit has are left out.

    Args:
        db: a connection.
        unit_ids: which.
    """
    rows = await db.fetch(SQL["list_unit_paths"]) if unit_ids else []
    return {row["unit_id"]: " / ".join(row["path"].split("/")) for row in rows if row["unit_id"] in unit_ids}


async def _by_name(db: Connection) -> tuple[dict[str, list[tuple[int, str]]], set[str]]:
    """Return the ids and paths of units by their folded names and paths, and these as they are written."""
    by_name: dict[str, list[tuple[int, str]]] = {}
    known: set[str] = set()
    for row in await db.fetch(SQL["list_unit_paths"]):
        known |= {row["name"], row["path"]}
        for word in {folded_name(row["name"]), folded_name(row["path"])}:
            by_name.setdefault(word, []).append((row["unit_id"], row["path"]))
    return by_name, known


def _paths(fitting: Sequence[tuple[int, str]]) -> str:
    return ", ".join(sorted(path for _, path in fitting)[:_MAX_LISTED])
