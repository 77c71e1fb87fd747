"""Audience of a campaign: a filter over the people its subject may be asked of, compiled to one SQL query.

Every part of a filter is a fixed piece of SQL; values from the file reach PostgreSQL as parameters only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from campaigns.launching_step import LaunchingStep
from campaigns.spec import Filter
from campaigns.subjects.asking import Asking
from core.db import Connection, load_queries
from core.errors import SpecError
from people.attributes import missing_attributes, unheld_attributes, unheld_values
from people.unit_names import find_units

SQL: Final = load_queries(__file__)


_EVERYBODY: Final = "true"


@dataclass(frozen=True, slots=True)
class Audience:
    """Audience: a compiled filter.

    Attributes:
        source: the tables of the population; the person is `p`.
        clause: an SQL condition on them, with numbered parameters.
        parameters: their values, in order.
    """

    source: str
    clause: str
    parameters: tuple[Any, ...]

    async def page(self, db: Connection, *, after: int, limit: int) -> list[int]:
        """Return the next person ids of the audience, in ascending order.

        Args:
            db: a connection.
            after: the last id of the page before; 0 for the first.
            limit: most ids to return.
        """
        n = len(self.parameters)
        rows = await db.fetch(
            f"select p.person_id from {self.source}"  # noqa: S608  # fixed pieces only
            f" where p.struck_off_at is null and p.person_id > ${n + 1} and {self.clause}"
            f" order by p.person_id limit ${n + 2}",
            *self.parameters,
            after,
            limit,
        )
        return [row["person_id"] for row in rows]

    async def among(self, db: Connection, people: Sequence[int]) -> list[int]:
        """Return the ids, of some people's, that are in the audience, in ascending order."""
        n = len(self.parameters)
        rows = await db.fetch(
            f"select p.person_id from {self.source}"  # noqa: S608  # fixed pieces only
            f" where p.struck_off_at is null and p.person_id = any (${n + 1}::bigint[]) and {self.clause}"
            " order by p.person_id",
            *self.parameters,
            people,
        )
        return [row["person_id"] for row in rows]

    async def size(self, db: Connection) -> int:
        """Count the people in the audience."""
        sql = f"select count(*) from {self.source} where p.struck_off_at is null and {self.clause}"  # noqa: S608  # as above
        return int(await db.fetchval(sql, *self.parameters))

    async def languages(self, db: Connection) -> dict[str, int]:
        """Count the people in the audience by language."""
        sql = (
            f"select p.language, count(*) as n from {self.source}"  # noqa: S608  # as above
            f" where p.struck_off_at is null and {self.clause} group by p.language order by n desc, p.language"
        )
        return {row["language"]: row["n"] for row in await db.fetch(sql, *self.parameters)}


async def compile_audience(
    db: Connection, *filters: Filter, subject: Asking, campaign_id: int | None = None
) -> Audience:
    """Compile filters, which must all hold, to an audience.

    Args:
        db: a connection, to look up units.
        filters: the filters of the file.
        subject: what is asked about; its population is filtered.
        campaign_id: the campaign whose steps `received` refers to; None while it is not created yet.

    Raises:
        SpecError: a unit does not exist, or its name fits several.
    """
    names = [name for condition in filters for name in _unit_names(condition)]
    units = await find_units(db, names, key="audience.unit") if names else {}
    population = subject.population()
    compiler = _Compiler(units, subject, population.parameters, campaign_id)
    clause = f"{population.clause} and {compiler.every(filters)}"
    return Audience(population.source, clause, tuple(compiler.parameters))


async def step_audience(db: Connection, step: LaunchingStep) -> Audience:
    """Compile the audience of a step: the campaign's, narrowed by the step's own.

    Args:
        db: a connection, to look up units.
        step: the step.
    """
    own = step.spec["steps"][step.position - 1].get("audience")
    filters = [Filter.model_validate(parts) for parts in (step.audience, own) if parts]
    return await compile_audience(db, *filters, subject=step.subject, campaign_id=step.campaign_id)


async def check_audience(db: Connection, condition: Filter, subject: Asking, *, key: str = "audience") -> list[str]:
    """List the units, attributes, members and answers that a filter names and that do not exist.

    Returns:
        One line for each, naming the key; empty when all is well.
    """
    problems: list[str] = []
    for part in _parts(condition):
        problems += await missing_attributes(db, part.attribute or {}, key=key)
        if part.answered is not None and (why := subject.refuse_answered(part.answered)):
            problems.append(f"{key}.answered: {why}")
        problems += [line for line, only_spelt in await _unheld_languages(db, part, key=key) if only_spelt]
        if part.members:
            unknown = [row["wanted"] for row in await db.fetch(SQL["list_unknown_members"], list(part.members))]
            problems += [f"{key}.members: there is no member {member}" for member in unknown]
    try:
        await find_units(db, list(_unit_names(condition)), key=f"{key}.unit")
    except SpecError as error:
        problems += error.problems
    return problems


async def unheld_in_audience(db: Connection, condition: Filter, *, key: str = "audience") -> list[str]:
    """List attribute values and languages in a filter that nobody has, one line each, with similar ones."""
    lines: list[str] = []
    for part in _parts(condition):
        unheld = await unheld_attributes(db, part.attribute or {}, key=key)
        lines += [line for line, _ in (*unheld, *await _unheld_languages(db, part, key=key))]
    return lines


async def _unheld_languages(db: Connection, part: Filter, *, key: str) -> list[tuple[str, bool]]:
    if not part.language:
        return []
    known = [row["value"] for row in await db.fetch(SQL["list_languages"])]
    return unheld_values(part.language, known, key=f"{key}.language")


def _parts(condition: Filter) -> Iterable[Filter]:
    """Yield a filter and every filter inside it."""
    yield condition
    for inner in (*(condition.all or ()), *(condition.any or ()), *((condition.not_,) if condition.not_ else ())):
        yield from _parts(inner)


def _unit_names(condition: Filter) -> Iterable[str]:
    return (name for part in _parts(condition) for name in part.unit or ())


class _Compiler:
    """Compiler of filters to SQL; collects the parameters."""

    def __init__(
        self, units: Mapping[str, int], subject: Asking, parameters: Iterable[Any], campaign_id: int | None
    ) -> None:
        self.parameters: list[Any] = [*parameters]
        self._units = units
        self._subject = subject
        self._campaign_id = campaign_id

    def every(self, filters: Collection[Filter]) -> str:
        return _join(" and ", [self.condition(part) for part in filters])

    def condition(self, part: Filter) -> str:
        """Compile all keys of one table, each to a condition that is true or false, never null."""
        conditions = [
            *((self.every(part.all),) if part.all else ()),
            *((_join(" or ", [self.condition(inner) for inner in part.any]),) if part.any else ()),
            *((f"not {self.condition(part.not_)}",) if part.not_ else ()),
            *((self._unit(part.unit),) if part.unit else ()),
            *(self._attribute(name, wanted) for name, wanted in (part.attribute or {}).items()),
            *((self._has(part.has),) if part.has else ()),
            *((f"p.language = any ({self._value(list(part.language))}::text[])",) if part.language else ()),
            *((self._subject.answered_clause(part.answered, self._value),) if part.answered is not None else ()),
            *((f"p.external_id = any ({self._value(list(part.members))}::text[])",) if part.members else ()),
            *((self._received(part.received),) if part.received else ()),
        ]
        return _join(" and ", conditions)

    def _value(self, value: object) -> str:
        self.parameters.append(value)
        return f"${len(self.parameters)}"

    def _unit(self, names: Iterable[str]) -> str:
        ids = self._value([self._units[name] for name in names])
        inside = f"select u.unit_id from unit u where u.lineage && {ids}::bigint[]"  # noqa: S608  # a parameter's number
        return f"coalesce(p.unit_id in ({inside}), false)"

    def _attribute(self, name: str, wanted: bool | tuple[str, ...]) -> str:
        value = f"coalesce(p.attributes ->> {self._value(name)}, '')"
        if isinstance(wanted, bool):
            return f"{value} {'<>' if wanted else '='} ''"
        return f"{value} = any ({self._value(list(wanted))}::text[])"

    def _has(self, channels: Iterable[str]) -> str:
        wanted = self._value(list(channels))
        return f"exists (select from address a where a.person_id = p.person_id and a.channel = any ({wanted}::text[]))"

    def _received(self, positions: Iterable[int]) -> str:
        steps = (
            f"select s.step_id from step s where s.campaign_id = {self._value(self._campaign_id)}::bigint"  # noqa: S608
            f" and s.position = any ({self._value(list(positions))}::smallint[])"
        )
        return (
            f"exists (select from message m where m.person_id = p.person_id and m.step_id in ({steps})"
            f" and is_received(m.state))"
        )


def _join(word: str, conditions: Sequence[str]) -> str:
    return f"({word.join(conditions)})" if conditions else _EVERYBODY
