"""Population of a subject: the people its campaigns may ask, as the base query of their audiences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ParameterOf = Callable[[object], str]
"""Function that adds a value to a query's parameters and returns its number there, "$3"."""


@dataclass(frozen=True, slots=True)
class Population:
    """People a campaign may ask.

    Attributes:
        source: the tables of an SQL query; the person is `p`.
        clause: an SQL condition, with numbered parameters.
        parameters: their values, in order.
    """

    source: str = "person p"
    clause: str = "true"
    parameters: tuple[Any, ...] = ()
