"""Units by the names that people write: a name alone, or a path if several units have the same name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.db import Connection, load_queries
from core.errors import SpecError
from core.spec_errors import near_miss
from people.attributes import folded_name

SQL: Final = load_queries(__file__)


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
    by_name: dict[str, list[tuple[int, str]]] = {}
    for row in await db.fetch(SQL["list_unit_paths"]):
        for word in {folded_name(row["name"]), folded_name(row["path"])}:
            by_name.setdefault(word, []).append((row["unit_id"], row["path"]))
    problems: list[str] = []
    unit_ids: dict[str, int] = {}
    for name in names:
        fitting = by_name.get(folded_name(name), [])
        if len(fitting) == 1:
            unit_ids[name] = fitting[0][0]
        elif fitting:
            paths = ", ".join(sorted(path for _, path in fitting)[:4])
            problems.append(f"{key}: {name!r} fits {len(fitting)} units; write one of {paths}")
        else:
            problems.append(f"{key}: there is no unit {name!r}{near_miss(name, by_name)}")
    if problems:
        raise SpecError("The file names units that cannot be found.", problems=problems)
    return unit_ids
