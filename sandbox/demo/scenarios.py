"""Scenarios that a demo can play, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sandbox.demo.ballot import BallotScenario
from sandbox.demo.question import QuestionScenario
from sandbox.demo.scenario import Scenario

SCENARIOS: Final[Mapping[str, type[Scenario]]] = MappingProxyType(
    {scenario.name: scenario for scenario in (BallotScenario, QuestionScenario)}
)
