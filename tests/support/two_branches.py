"""An organisation in which staff of one branch must not see the other's people."""

from __future__ import annotations

from dataclasses import dataclass

from core.access import Scope, Sight
from core.db import Pool
from people.scope import ScopedPools

WHOLE = Sight(Scope(is_everywhere=True), Scope(is_everywhere=True))


@dataclass(frozen=True, slots=True)
class Organisation:
    """A database with somebody in Leeds of whom every table speaks, somebody in York, and somebody of no unit."""

    url: str
    worker: Pool
    pools: ScopedPools
    staff_all: Pool
    leeds: Sight
    york: Sight


def of_unit(unit_id: int) -> Sight:
    return Sight(Scope(unit_ids=(unit_id,)), Scope(unit_ids=(unit_id,)))
