"""Launch of a step: turns its audience into rows in the outbox.

A step is launched page by page: `decide` chooses what the next people of the audience get, and one `INSERT … SELECT`
writes a row for every one of them, also for those who get nothing, so that there is always an answer to "why did this
person get nothing?". A page and its cursor are one transaction: if killed at any point, the next launch continues where
this one stopped. Nothing is sent before the last page is written.

- People who have met the goal are `skipped: answered`; people who may not be written to are `suppressed`, with the
  reason. Changes between launch and sending are caught by the last eligibility check, right before a message is sent.
- An advisory lock for each step, held by a connection and not on a row, prevents two launches at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import structlog

from ballots.leavers import strike_off
from campaigns.addressing import Decision, decide
from campaigns.audience import step_audience
from campaigns.campaigns import reopen_campaigns
from campaigns.step_lock import lock_step, raise_step_alert
from campaigns.step_messages import PlacedStep, find_placed_step, place_messages, used_variables
from core.access import SYSTEM, Actor
from core.alerts import resolve_alert
from core.audit import AuditAction, record
from core.db import Connection, load_queries
from core.errors import Conflict, MusterError, NotFound, Unavailable
from core.runtime import Runtime
from messaging.outbox.enqueue import analyze_outbox, begin_page, begin_step, end_step, set_constants
from people.people_lock import lock_people_shared

SQL: Final = load_queries(__file__)
log = structlog.get_logger(__name__)

_CONNECTION_TIMEOUT: Final = 60.0
"""Seconds a launch waits for its second connection before it gives up; it is resumed later."""
_NOT_LAUNCHED: Final = "A step of a campaign could not be launched"


@dataclass(frozen=True, slots=True)
class LaunchResult:
    """Result of launching a step.

    Attributes:
        step_id: the step.
        position: its number in the campaign.
        by_channel: messages queued, by channel.
        not_sent: people who get nothing, by reason.
    """

    step_id: int
    position: int
    by_channel: Mapping[str, int]
    not_sent: Mapping[str, int]


async def launch(runtime: Runtime, campaign_id: int, actor: Actor) -> list[LaunchResult]:
    """Start a campaign: launch every step that is due now; the worker launches the others when their time comes.

    A launch that was killed is resumed by the next one, or by the worker.

    Args:
        runtime: the runtime.
        campaign_id: the campaign.
        actor: who launches it, for the audit.

    Returns:
        The steps launched now, in order.

    Raises:
        NotFound: no such campaign.
        Conflict: it is being launched by somebody else right now, has been launched, is paused, cancelled or finished.
    """
    now = runtime.clock()
    async with runtime.pool.acquire() as db:
        async with db.transaction():
            name = await db.fetchval(SQL["start_campaign"], campaign_id, now)
            if name is not None:
                await record(db, actor, AuditAction.CAMPAIGN_LAUNCHED, f"campaign {name}")
        due = [row["step_id"] for row in await db.fetch(SQL["list_due_steps"], now, campaign_id)]
        if name is None:
            await _refuse_second_launch(db, campaign_id, due)
    # a worker may see the campaign running, and launch a step, before we do: then we return its result
    launched = [await _launch_step(runtime, step_id, actor, wait=name is not None) for step_id in due]
    await runtime.wake("deliver")
    return launched


async def launch_step_now(runtime: Runtime, campaign_id: int, position: int, *, actor: Actor) -> LaunchResult:
    """Launch one step of a running campaign before its time.

    Args:
        runtime: the runtime.
        campaign_id: the campaign.
        position: the step's number, from 1.
        actor: who does it, for the audit.

    Raises:
        NotFound: no such campaign or step.
        Conflict: the campaign is not running, the step was launched already or is being launched.
    """
    async with runtime.pool.acquire() as db:
        step = await db.fetchrow(SQL["find_step"], campaign_id, position)
        if step is None:
            raise NotFound(f"There is no campaign {campaign_id}.")
        name = step["name"]
        if step["step_id"] is None:
            raise NotFound(f"The campaign {name} has no step {position}.")
        if step["campaign_state"] != "running":
            raise _not_running(name, step["campaign_state"])
        if step["state"] not in {"planned", "launching"}:
            raise Conflict(f"Step {position} of {name} has been launched already; it is {step['state']}.")
    launched = await _launch_step(runtime, step["step_id"], actor)
    await runtime.wake("deliver")
    return launched


async def launch_due_steps(runtime: Runtime) -> int:
    """Launch every step whose time has come, and finish campaigns that are over; the worker's tick calls this.

    A step that cannot be launched raises an alert and does not delay the others.

    Returns:
        How many steps were launched.
    """
    now = runtime.clock()
    async with runtime.pool.acquire() as db:
        due = [row["step_id"] for row in await db.fetch(SQL["list_due_steps"], now, None)]
        await reopen_campaigns(db)
        for row in await db.fetch(SQL["finish_campaigns"], now, SYSTEM.to_json()):
            log.info("campaign finished", campaign=row["name"])
    done = 0
    for step_id in due:
        try:
            await _launch_step(runtime, step_id, SYSTEM)
        except Conflict:
            continue  # another worker is launching it
        except MusterError as error:
            await raise_step_alert(runtime, f"launch:{step_id}", _NOT_LAUNCHED, error)
            continue
        except asyncpg.PostgresError as error:
            log.exception("a step could not be launched", step_id=step_id)
            trouble = Unavailable(
                f"The database reported: {error or type(error).__name__}.", remedy="It is tried again."
            )
            await raise_step_alert(runtime, f"launch:{step_id}", _NOT_LAUNCHED, trouble)
            continue
        done += 1
    if done:
        await runtime.wake("deliver")
    return done


async def _launch_step(runtime: Runtime, step_id: int, actor: Actor, *, wait: bool = False) -> LaunchResult:
    async with lock_step(runtime, step_id, wait=wait) as db:
        step = await find_placed_step(db, step_id)
        if await _begin(db, step, actor):
            await _note_past_dates(db, step, runtime.clock())
            await strike_off(db, runtime.clock())
            await step.subject.prepare(db)
            complete = await _fill(runtime, db, step)
            await analyze_outbox(db)
            if complete and await end_step(db, step_id, runtime.clock()):
                await resolve_alert(db, f"launch:{step_id}")
                log.info("step launched", campaign=step.campaign, step=step.position)
        return await _launched(db, step)


async def _begin(db: Connection, step: PlacedStep, actor: Actor) -> bool:
    """Begin or resume the launch of a step; only while its campaign runs. The audit names who began it."""
    async with db.transaction():
        if await db.fetchval(SQL["lock_running"], step.step_id) is None:
            return False
        before = await begin_step(db, step.step_id)
        if before == "planned":
            await record(db, actor, AuditAction.STEP_LAUNCHED, f"campaign {step.campaign}", {"step": step.position})
        return before is not None


async def _note_past_dates(db: Connection, step: PlacedStep, now: datetime) -> None:
    """Set the step's constants that say which dates of the subject are past when its first message may be sent."""
    at = max(now, step.send_after or now)
    await set_constants(db, step.step_id, step.subject.constants_at(step.constants, at))


async def _fill(runtime: Runtime, db: Connection, step: PlacedStep) -> bool:
    """Write a step's rows from its cursor on, one page per transaction.

    Returns:
        Whether everybody has a row; False if the step was paused or cancelled meanwhile.
    """
    now = runtime.clock()
    used = await used_variables(db, step)
    audience = await step_audience(db, step)
    async with (
        runtime.pool.acquire(timeout=_CONNECTION_TIMEOUT) as reader,
        aclosing(decide(reader, step, audience, after=step.launch_cursor, written=True, now=now)) as pages,
        aclosing(_one_ahead(pages)) as ready,
    ):
        async for decisions in ready:
            async with db.transaction():
                await lock_people_shared(db)
                if not await begin_page(db, step.step_id, decisions[-1].person_id):
                    return False
                await place_messages(db, step, decisions, used, now)
    return True


async def _one_ahead(pages: AsyncGenerator[list[Decision], None]) -> AsyncGenerator[list[Decision], None]:
    """Yield the same pages, deciding the next one while one is written."""

    async def following() -> list[Decision] | None:
        return await anext(pages, None)

    coming = asyncio.create_task(following())
    try:
        while (page := await coming) is not None:
            coming = asyncio.create_task(following())
            yield page
    finally:
        coming.cancel()
        await asyncio.wait([coming])


async def _launched(db: Connection, step: PlacedStep) -> LaunchResult:
    by_channel: Counter[str] = Counter()
    not_sent: Counter[str] = Counter()
    for row in await db.fetch(SQL["count_launched"], step.step_id):
        if row["channel"]:
            by_channel[row["channel"]] += row["n"]
        else:
            not_sent[row["reason"]] += row["n"]
    return LaunchResult(step.step_id, step.position, by_channel, not_sent)


async def _refuse_second_launch(db: Connection, campaign_id: int, due: list[int]) -> None:
    step = await db.fetchrow(SQL["find_step"], campaign_id, 1)
    if step is None:
        raise NotFound(f"There is no campaign {campaign_id}.")
    if step["campaign_state"] != "running":
        raise _not_running(step["name"], step["campaign_state"])
    if not due:
        raise Conflict(
            f"The campaign {step['name']} has been launched already.",
            remedy=f"See how it goes with: muster campaign status {step['name']}",
        )


def _not_running(name: str, state: str) -> Conflict:
    remedies = {
        "draft": f"Launch it first: muster campaign launch {name}",
        "paused": f"Resume it first: muster campaign resume {name}",
    }
    return Conflict(
        f"The campaign {name} is {state}.",
        remedy=remedies.get(state, "Make a new campaign for the people to ask now."),
    )
