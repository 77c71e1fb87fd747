"""Progress of a running demo: what happens now, and on what, for a display."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from campaigns.campaigns import Campaign
from sandbox.demo.environment import Environment


@dataclass(slots=True)
class DemoProgress:
    """State of the running demo.

    Attributes:
        say: called with the title of each phase as it begins.
        title: the current phase's title.
        environment: the environment it runs on; None before the servers are up.
        campaigns: those that were made so far.
        rows: rows of the member file read so far, and in all if that is known.
        seconds: duration of each finished phase.
    """

    say: Callable[[str], None]
    title: str = ""
    environment: Environment | None = None
    campaigns: list[Campaign] = field(default_factory=list)
    rows: tuple[int, int | None] = (0, None)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, title: str) -> Iterator[None]:
        """Run one phase, and measure its time."""
        self.title = title
        self.say(title)
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 2)
