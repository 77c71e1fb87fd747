"""An organisation in which staff of one branch must not see the other's people."""

from __future__ import annotations

from dataclasses import dataclass

from core.access import ReadScope, Scope
from core.db import Pool
from people.scope import ScopedPools

WHOLE = ReadScope(Scope(is_everywhere=True), Scope(is_everywhere=True))


@dataclass(frozen=True, slots=True)
class Organisation:
    """A database with somebody in Leeds of whom every table speaks, somebody in York, and somebody of no unit."""

    url: str
    worker: Pool
    pools: ScopedPools
    staff_all: Pool
    leeds: ReadScope
    york: ReadScope


def of_unit(unit_id: int) -> ReadScope:
    return ReadScope(Scope(unit_ids=(unit_id,)), Scope(unit_ids=(unit_id,)))
