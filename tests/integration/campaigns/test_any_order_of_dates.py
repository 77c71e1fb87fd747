"""Any order of imports, edits, a launch, pauses and killed jobs leaves each person at most one message, on time."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from campaigns import campaigns as lifecycle
from campaigns.date_changes import follow_dates
from campaigns.launch import launch
from core.runtime import Runtime
from messaging.outbox.reconcile import reconcile
from muster.operator import operator
from tests.support.appointments import REMINDER, add_visit, loader, made, send_due
from tests.support.clocks import FixedClock
from tests.support.electorate import NOW, at_noon, connected

PEOPLE: Final = 3
BEFORE: Final = timedelta(hours=24)
HORIZON: Final = 120
"""Hours that an example covers; every appointment is over by then."""

STRIDE: Final = 10

_numbers = count(1)

who = st.integers(0, PEOPLE - 1)
hours = st.one_of(st.none(), st.just("garbled"), st.integers(-5, 100))
dates = st.lists(st.tuples(who, hours), min_size=1, max_size=PEOPLE, unique_by=lambda said: said[0])
moves = st.lists(
    st.one_of(
        st.tuples(st.just("file"), dates),
        st.tuples(st.just("edit"), who, hours),
        st.tuples(st.just("edit"), who, st.integers(10, 100)),
        st.tuples(st.just("wait"), st.integers(1, 30)),
        st.tuples(st.just("killed"), st.integers(1, 4)),
        st.tuples(st.just("compare")),
        st.tuples(st.just("pause"), st.integers(1, 12)),
    ),
    min_size=4,
    max_size=8,
)
first_dates = st.lists(hours, min_size=PEOPLE - 1, max_size=PEOPLE - 1)


class KilledError(Exception):
    """The job is stopped in the middle."""


@dataclass
class World:
    """One campaign, its people, and what should have become of them."""

    runtime: Runtime
    clock: FixedClock
    folder: Path
    number: int
    name: str
    campaign_id: int = 0
    step_id: int = 0
    launched: bool = False

    def __post_init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.dates: dict[int, datetime | None] = {}
        self.expected: dict[int, tuple[datetime, str]] = {}
        self.sent: dict[int, list[tuple[datetime, str]]] = {}

    def member(self, person: int) -> str:
        return f"M{self.number}-{person}"

    def say(self, person: int, date: int | str | None) -> str:
        """The date of a person, as it is written from now on."""
        at = NOW + timedelta(hours=date, minutes=7) if isinstance(date, int) else None
        self.dates[person], self.texts[person] = at, f"{at:%d/%m/%Y %H:%M}" if at else str(date or "")
        return self.texts[person]

    async def file(self, *dates: tuple[int, int | str | None]) -> None:
        phones = {person: f"+4477{self.number:06}{person:02}" for person, _ in dates}
        await loader(self.runtime, self.folder)(
            *(
                f"{self.member(person)},Ann,{phones[person]},,UTC,,{self.say(person, date)},{self.name}"
                for person, date in dates
            )
        )

    async def edit(self, person: int, date: int | str | None) -> None:
        """Any other way in which somebody's details change."""
        if person in self.texts:
            await self.runtime.pool.execute(
                "update person set attributes = attributes || jsonb_build_object('appointment_at', $2::text)"
                " where external_id = $1",
                self.member(person), self.say(person, date),
            )  # fmt: skip

    async def tick(self) -> None:
        """What workers do each second, and what the law says of this moment."""
        await follow_dates(self.runtime)
        await self.leave_to_notes()
        now = self.clock.now
        if self.launched:
            for person, date in self.dates.items():
                if person not in self.expected and date is not None and date - BEFORE <= now < date:
                    self.expected[person] = now, self.texts[person]
        for person_id, text in (await send_due(self.runtime, self.step_id)).items():
            number = await self.runtime.pool.fetchval("select external_id from person where person_id = $1", person_id)
            self.sent.setdefault(int(number.rpartition("-")[2]), []).append((now, text))

    async def leave_to_notes(self) -> None:
        """The hourly look, which would make good for a lost note, comes only where a move says so."""
        await self.runtime.pool.execute("update dated_step set compared_at = 'infinity'")

    async def wait(self, hours_: int) -> None:
        self.clock.now += timedelta(hours=hours_)
        await self.tick()

    async def launch(self) -> None:
        if not self.launched:
            await self.leave_to_notes()
            await launch(self.runtime, self.campaign_id, operator("staff"))
            self.launched = True
            await self.tick()

    async def killed(self, after: int) -> None:
        """A job that dies at its nth look at the clock: in its transaction, or between two."""
        looks = count(1)

        def clock() -> datetime:
            if next(looks) >= after:
                raise KilledError
            return self.clock.now

        with contextlib.suppress(KilledError):
            await follow_dates(replace(self.runtime, clock=clock))

    async def compare(self) -> None:
        """The hourly look comes due."""
        await self.runtime.pool.execute(
            "update dated_step set compared_at = $2 where step_id = $1", self.step_id, NOW - timedelta(days=1)
        )
        await self.tick()

    async def pause(self, hours_: int) -> None:
        """Nothing is sent for some hours; what was due then goes afterwards, unless its date is past."""
        if not self.launched:
            return
        async with connected(self.runtime) as db:
            await lifecycle.pause(db, self.name, operator("staff"))
        self.clock.now += timedelta(hours=hours_)
        await follow_dates(self.runtime)
        await reconcile(self.runtime, dispatcher_id=None)
        assert await send_due(self.runtime, self.step_id) == {}
        async with connected(self.runtime) as db:
            await lifecycle.resume(db, self.name, operator("staff"))
        await self.tick()


@pytest.fixture
async def world(runtime: Runtime) -> Runtime:
    async with connected(runtime) as db:
        await add_visit(db)
    return at_noon(runtime)


@settings(
    max_examples=12,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(first=first_dates, moves=moves, launched_after=st.integers(0, 3))
async def test_any_order_leaves_one_message_at_the_right_time(
    world: Runtime, tmp_path: Path, first: list[int | str | None], moves: list[Any], launched_after: int
) -> None:
    clock, number = FixedClock(NOW), next(_numbers)
    here = replace(world, clock=clock)
    one = World(here, clock, tmp_path, number, f"c{number}")
    await one.file((0, 50))  # a campaign needs somebody whom it reaches
    await one.file(*enumerate(first))  # the last comes later, or never
    campaign = await made(here, REMINDER, name=one.name, audience={"attribute": {"place": one.name}})
    one.campaign_id = campaign.campaign_id
    one.step_id = await world.pool.fetchval("select step_id from step where campaign_id = $1", campaign.campaign_id)
    for done, (name, *arguments) in enumerate(moves):
        if done == launched_after:
            await one.launch()
        await (one.file(*arguments[0]) if name == "file" else getattr(one, name)(*arguments))
        if one.launched:
            await one.tick()
    for _ in range(HORIZON // STRIDE):
        await one.wait(STRIDE)
    assert one.sent == {person: [when] for person, when in one.expected.items()}
    async with connected(here) as db:
        await lifecycle.cancel(db, one.name, operator("staff"))
        assert await db.fetchval("select count(*) from date_change where step_id = $1", one.step_id) == 0
