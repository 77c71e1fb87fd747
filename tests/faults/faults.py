"""The faults: each one's actions and their times, and the effects it may have on a campaign."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from campaigns.campaigns import pause, resume
from core.db import Connection
from messaging.goals import meet_goal
from messaging.reasons import Reason
from messaging.suppression import suppress
from muster.operator import operator
from sandbox.postmaster import MailConditions
from sandbox.twilio import TwilioConfig
from tests.faults import hosts
from tests.faults.environment import Environment
from tests.faults.reconciliation import AllowedOutcomes
from tests.faults.scale import SHORT, Scale
from tests.faults.servers import CAMPAIGN


def _share(scale: Scale, share: float) -> int:
    """At most so many of one channel's messages meet what befalls that share of tries, with room for luck."""
    return int(3 * share * max(scale.emails, scale.texts)) + 5


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: short, for tables and `--only`.
        what: what is done, in words.
        inject: does it, once workers are at work (they may have sent nothing yet).
        allowed: what it may do.
        workers: how many are at work at the start.
        web: whether the web server is up and receipts come.
        launched: whether the campaign is launched before it begins.
        paced: whether the senders have a pace.
        skips_waits: whether waits that it is not about are skipped.
        only_full: takes minutes of waiting: not run in little.
        mail: what goes wrong with emails.
        texts: what goes wrong with texts.
    """

    name: str
    what: str
    inject: Callable[[Environment], Awaitable[None]]
    allowed: Callable[[Scale], AllowedOutcomes] = lambda _scale: AllowedOutcomes()
    workers: int = 2
    web: bool = False
    launched: bool = True
    paced: bool = False
    skips_waits: bool = True
    only_full: bool = False
    mail: Callable[[Scale], Mapping[str, Any]] = lambda _scale: {}
    texts: Callable[[Scale], Mapping[str, Any]] = lambda _scale: {}
    needs: Callable[[], str] = field(default=lambda: "")

    @property
    def on_hosts(self) -> bool:
        """Tell whether its workers have hosts of their own."""
        return self.inject in {hosts.cut_off, hosts.cut_off_from_postgres}

    @property
    def unwell(self) -> bool:
        """Tell whether some tries must go wrong."""
        slow = {"callout", "latency"}
        return bool({*self.mail(SHORT), *self.texts(SHORT)} - slow) and not self.web

    def conditions(self, scale: Scale) -> tuple[MailConditions, TwilioConfig]:
        """What the providers are told."""
        mail: dict[str, Any] = {"latency": scale.latency[0], **self.mail(scale)}
        texts: dict[str, Any] = {
            "latency": (scale.latency[1], scale.latency[1]), "late": 0.0, "repeated": 0.0, "shuffled": 0.0,
            "lost": 0.0 if self.web else 1.0, **self.texts(scale),
        }  # fmt: skip
        return MailConditions(**mail), TwilioConfig(**texts)


# workers


async def _kill_one(environment: Environment) -> None:
    await environment.until_taken(0.3)
    await environment.kill(environment.workers[0])
    environment.over()


async def _kill_all(environment: Environment) -> None:
    await environment.until_taken(0.3)
    for worker in list(environment.workers):
        await environment.kill(worker)
    environment.over()
    await environment.add_workers(2)


async def _freeze_one(environment: Environment) -> None:
    await environment.until_taken(0.1)  # soon: texts are quicker than a slow relay's mails
    worker = environment.workers[0]
    worker.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(environment.scale.frozen)
    finally:
        worker.send_signal(signal.SIGCONT)
    environment.over()


async def _kill_web(environment: Environment) -> None:
    await environment.until_taken(0.3)
    assert environment.web is not None
    environment.web.kill()
    await environment.web.wait()
    await environment.start_web()
    environment.over()


async def _drain(environment: Environment) -> None:
    await environment.until_taken(0.3)
    for worker in list(environment.workers):
        await environment.terminate(worker)
    environment.over()
    await environment.add_workers(1)


async def _nothing(_environment: Environment) -> None:
    """What goes wrong does so by itself."""


# servers


async def _restart_postgres(environment: Environment) -> None:
    await environment.until_taken(0.3)
    await asyncio.to_thread(environment.servers.restart_postgres)
    environment.over()


async def _kill_postgres(environment: Environment) -> None:
    await environment.until_taken(0.3)
    await asyncio.to_thread(environment.servers.kill_postgres)
    await asyncio.to_thread(environment.servers.start_postgres)
    environment.over()


async def _take_postgres_away(environment: Environment) -> None:
    await environment.until_taken(0.3)
    await asyncio.to_thread(environment.servers.kill_postgres)
    try:
        await asyncio.sleep(environment.scale.long_away)
    finally:
        await asyncio.to_thread(environment.servers.start_postgres)
    environment.over()


async def _freeze_postgres(environment: Environment) -> None:
    await environment.until_taken(0.05)  # soon: with a slow provider the other channel has long finished its part
    family = await asyncio.to_thread(environment.servers.freeze_postgres)
    try:
        await asyncio.sleep(environment.scale.long_away)
    finally:
        environment.servers.thaw_postgres(family)
    environment.over()


async def _refuse_writes(environment: Environment) -> None:
    await environment.until_taken(0.2)
    await environment.servers.refuse_writes()
    try:
        await asyncio.sleep(environment.scale.away)
    finally:
        await environment.servers.take_writes()
    environment.over()


async def _flush_redis(environment: Environment) -> None:
    for share in (0.2, 0.4, 0.6):
        await environment.until_taken(share)
        await asyncio.to_thread(environment.servers.redis.flushall)
    environment.over()


async def _restart_redis(environment: Environment) -> None:
    await environment.until_taken(0.3)
    await asyncio.to_thread(environment.servers.stop_valkey)
    await asyncio.to_thread(environment.servers.start_valkey)
    environment.over()


async def _take_redis_away(environment: Environment) -> None:
    await environment.until_taken(0.3)
    await asyncio.to_thread(environment.servers.kill_valkey)
    try:
        await asyncio.sleep(environment.scale.away)
    finally:
        await asyncio.to_thread(environment.servers.start_valkey)
    environment.over()


# providers


async def _take_relay_away(environment: Environment) -> None:
    await environment.until_taken(0.3)
    await asyncio.to_thread(environment.providers.close_relay)
    await asyncio.sleep(environment.scale.away)
    await asyncio.to_thread(environment.providers.open_relay)
    environment.over()


def _in_flight(scale: Scale) -> AllowedOutcomes:
    """A relay that hangs up may do so after any mail's final dot: one a connection."""
    return AllowedOutcomes(ambiguous={"email": scale.smtp_connections, "sms": 0})


def _emails_unknown(scale: Scale) -> AllowedOutcomes:
    return AllowedOutcomes(ambiguous={"email": _share(scale, scale.bad), "sms": 0})


def _texts_unknown(scale: Scale) -> AllowedOutcomes:
    return AllowedOutcomes(ambiguous={"email": 0, "sms": _share(scale, scale.bad)})


# people at the console


async def _launch_five_times(environment: Environment) -> None:
    statuses = await asyncio.gather(*(environment.command("campaign", "launch", CAMPAIGN, "--yes") for _ in range(5)))
    if 0 not in statuses:
        environment.wrong.append(f"no launch succeeded: {statuses}")


async def _two_schedulers(environment: Environment) -> None:
    statuses = await asyncio.gather(*(environment.command("campaign", "launch", CAMPAIGN, "--yes") for _ in range(2)))
    if 0 not in statuses:
        environment.wrong.append(f"no launch succeeded: {statuses}")
    environment.steps = 2
    await environment.fetch("update step set after = '0 seconds' where position = 2")  # due now: both workers launch it
    await environment.until_found("select from step where position = 2 and launched_at is not null")


async def _pause_and_resume(environment: Environment) -> None:
    luck = random.Random(7)
    for turn in range(5):
        await environment.until_taken(0.1 + 0.12 * turn)
        await asyncio.sleep(luck.uniform(0, 0.1))
        await environment.ask(lambda db: _in_one(db, pause(db, CAMPAIGN, operator("the harness"), "to see")))
        paused_at = time.time()
        await asyncio.sleep(luck.uniform(0.3, 1.0))
        environment.paused.append((paused_at, time.time()))
        await environment.ask(lambda db: _in_one(db, resume(db, CAMPAIGN, operator("the harness"), "")))
    environment.over()


async def _in_one(db: Connection, work: Awaitable[Any]) -> None:
    async with db.transaction():
        await work


async def _jump(environment: Environment) -> None:
    environment.employ(await environment.start("-m", "tests.faults.clock_worker"))


# members


async def _answer(environment: Environment) -> None:
    async def commit(db: Connection, people: list[Any]) -> None:
        for person in people:
            await meet_goal(db, person["goal_id"], person["person_id"], source="link")

    await _beat_once(environment, commit)


async def _opt_out(environment: Environment) -> None:
    async def commit(db: Connection, people: list[Any]) -> None:
        for person in people:
            await suppress(
                db, channel=person["channel"], address=person["address"], reason=Reason.OPTED_OUT, source="link"
            )

    await _beat_once(environment, commit)


async def _beat_once(environment: Environment, commit: Callable[[Connection, list[Any]], Awaitable[None]]) -> None:
    """Three times, a tenth of everybody says so in one transaction; the moment of its commit is kept."""
    for turn, share in enumerate((0.1, 0.3, 0.5)):
        await environment.until_taken(share)
        people = await environment.fetch(
            "select m.message_id, m.person_id, m.channel, m.address, s.goal_id"
            " from message m join step s using (step_id) where m.person_id % 10 = $1", turn,
        )  # fmt: skip

        async def say(db: Connection, people: list[Any] = people) -> float:
            async with db.transaction():
                await commit(db, people)
            return time.time()

        environment.answered.append((await environment.ask(say), {person["message_id"] for person in people}))
    environment.over()


FAULTS: Final = (
    Fault("worker killed", "SIGKILL to one of two workers", _kill_one),
    Fault("all workers killed", "SIGKILL to both workers; two new ones", _kill_all),
    Fault(
        "heart stopped",
        "SIGKILL to the only worker; a new one waits until it is declared gone, and nothing is sent before",
        _kill_all, workers=1, skips_waits=False, only_full=True,
    ),
    Fault(
        "worker frozen", "one of two stands still for longer than its lease; the relay takes 0.3 s for a recipient",
        _freeze_one, hosts.allowed, skips_waits=False, only_full=True, mail=lambda _scale: {"callout": 0.3},
    ),
    Fault("web killed", "SIGKILL to the web server while receipts come; started again", _kill_web, web=True),
    Fault("workers drained", "SIGTERM to both workers; a new one", _drain),
    Fault("PostgreSQL restarted", "a fast shutdown, and up again", _restart_postgres),
    Fault("PostgreSQL killed", "SIGKILL to the postmaster and all its children; up again", _kill_postgres),
    Fault("PostgreSQL away", "SIGKILL; up again after longer than a worker's lease, and no wait is cut short",
          _take_postgres_away, skips_waits=False, only_full=True),
    Fault("PostgreSQL hung", "every process of it stands still for longer than a lease, and no wait is cut short",
          _freeze_postgres, skips_waits=False, only_full=True),
    Fault("PostgreSQL hung, slow Twilio", "the same while Twilio takes 2 s for a text", _freeze_postgres,
          skips_waits=False, only_full=True, texts=lambda _scale: {"latency": (2.0, 2.0)}),
    Fault("PostgreSQL read-only", "it takes no writes for a while, as a standby that is not yet the primary",
          _refuse_writes),
    Fault("Redis flushed", "FLUSHALL, three times", _flush_redis, paced=True, workers=1),
    Fault("Redis restarted", "stopped, and up again", _restart_redis, paced=True, workers=1),
    Fault("Redis away", "SIGKILL; up again after a while", _take_redis_away, paced=True),
    Fault("relay away", "the mail relay hangs up and refuses connections for a while", _take_relay_away, _in_flight,
          workers=1),
    Fault(
        "relay unwell", "421 and 451 to some tries, 550 to as many", _nothing,
        lambda _scale: AllowedOutcomes(failed={Reason.RECIPIENT_REFUSED, Reason.HARD_BOUNCED}),
        workers=1, mail=lambda scale: {"busy": scale.bad / 2, "deferred": scale.bad / 2, "refused": scale.bad},
    ),
    Fault(
        "relay silent", "takes some mails and never answers the final dot", _nothing, _emails_unknown,
        workers=1, mail=lambda scale: {"silent": scale.bad, "silence": scale.silence[0]},
    ),
    Fault(
        "relay cuts", "drops some connections in the middle of DATA", _nothing, _emails_unknown,
        workers=1, mail=lambda scale: {"cut": scale.bad},
    ),
    Fault("Twilio busy", "429 to some requests", _nothing, workers=1, texts=lambda scale: {"busy": scale.bad}),
    Fault("Twilio broken", "500 to some requests, nothing stored", _nothing, _texts_unknown,
          workers=1, texts=lambda scale: {"broken": scale.bad}),
    Fault(
        "Twilio silent", "takes some texts and never answers", _nothing, _texts_unknown,
        workers=1, texts=lambda scale: {"silent": scale.bad, "silence": scale.silence[1]},
    ),
    Fault(
        "receipts in disorder", "half shuffled, all three times, a tenth lost, a tenth late", _nothing, web=True,
        workers=1,
        texts=lambda _scale: {"shuffled": 0.5, "repeated": 1.0, "repeats": 2, "lost": 0.1, "late": 0.1},
    ),
    Fault("two schedulers", "two launches at once, then two workers launch the next step", _two_schedulers,
          launched=False),
    Fault("launched five times", "five launches at once", _launch_five_times, launched=False),
    Fault("four workers", "nothing else", _nothing, workers=4),
    Fault("paused and resumed", "five times, at random", _pause_and_resume),
    Fault("a clock jumps", "one of two workers is an hour late, right and an hour early, by turns", _jump, workers=1),
    Fault("answers", "a tenth of everybody answers in one transaction, three times", _answer,
          lambda _scale: AllowedOutcomes(withdrawn={Reason.ANSWERED})),
    Fault("opt-outs", "a tenth of everybody opts out in one transaction, three times", _opt_out,
          lambda _scale: AllowedOutcomes(withdrawn={Reason.OPTED_OUT})),
    Fault("a host cut off", "two workers in network namespaces of their own; one loses its network for a while",
          hosts.cut_off, hosts.allowed, workers=0, needs=hosts.missing),
    Fault("a host cut off, slow relay", "the same while the relay takes 0.1 s for a recipient",
          hosts.cut_off, hosts.allowed, workers=0, needs=hosts.missing, skips_waits=False, only_full=True,
          mail=lambda _scale: {"callout": 0.1}),
    Fault("a host without PostgreSQL",
          "one of two hosts has no way to it for a while, in which the relay takes 5 s for a recipient",
          hosts.cut_off_from_postgres, hosts.allowed, workers=0, needs=hosts.missing, skips_waits=False,
          only_full=True),
)  # fmt: skip
