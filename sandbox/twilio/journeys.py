"""Journey of a message: when it reaches each status, and when and in which order status callbacks are posted."""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple
from zlib import crc32

from sandbox.delays import Delay
from sandbox.twilio.config import TwilioConfig
from sandbox.twilio.magic import Receipts, Trick
from sandbox.twilio.messages import MessageStage

_DEAD_CODES: Final = (30003, 30005, 30006, 30008)
_SOON_DELAY: Final[Delay] = (0.0, 0.02)


class Notice(NamedTuple):
    """Status callback: the stage it reports, and when it is posted (seconds since 1970)."""

    at: float
    stage: MessageStage


def plan_journey(  # the parameters of a create
    *, to: str, service: bool, trick: Trick, starts: float | None, now: float, config: TwilioConfig, rng: Random
) -> list[MessageStage]:
    """Plan every status of a message.

    Args:
        to: the recipient; a share of numbers is unreachable.
        service: whether it goes through a messaging service.
        trick: the trick of its number.
        starts: when it is scheduled for, or None for now.
        now: seconds since 1970.
        config: has the ranges of delays.
        rng: draws the delays.
    """
    stages = [MessageStage(now, "scheduled" if starts is not None else "accepted" if service else "queued")]
    at = starts if starts is not None else now
    if stages[0].status != "queued":
        at += rng.uniform(*_SOON_DELAY)
        stages.append(MessageStage(at, "queued"))
    at += rng.uniform(*config.sent_after)
    ending, code = trick.ending or _fate(to, config)
    if ending != "failed":
        stages.append(MessageStage(at, "sent"))
        at += rng.uniform(*config.delivered_after)
    stages.append(MessageStage(at, ending, code))
    return stages


def _fate(to: str, config: TwilioConfig) -> tuple[str, int | None]:
    """Return the last status and error code of a message to a number; the same numbers are always unreachable."""
    draw = crc32(f"{config.seed}:unreachable:{to}".encode())
    if draw / 2**32 < config.unreachable:
        return "undelivered", _DEAD_CODES[draw % len(_DEAD_CODES)]
    return "delivered", None


def plan_notices(journey: list[MessageStage], receipts: Receipts, config: TwilioConfig, rng: Random) -> list[Notice]:
    """Plan the status callbacks of a journey: usually one each, soon and in order; sometimes late, twice or shuffled.

    The status a message was created with is never posted.
    """
    stages = journey[1:]
    if receipts == "none" or not stages:
        return []
    if receipts == "early":
        # the first was already posted, before the response to the create
        stages = stages[1:]
    moments = [stage.at + rng.uniform(*_SOON_DELAY) for stage in stages]
    if receipts == "reversed" or (receipts == "usual" and rng.random() < config.shuffled):
        # no callback may come before its event, so a shuffle moves all of them after the last stage
        last = max(moments)
        order = list(range(len(stages)))
        if receipts == "usual":
            rng.shuffle(order)
        else:
            order.reverse()
        moments = [last + 0.05 * order.index(place) for place in range(len(stages))]
    notices = []
    for stage, moment in zip(stages, moments, strict=True):
        if config.lost and rng.random() < config.lost:
            continue
        late = receipts == "late" or rng.random() < config.late
        at = moment + (rng.uniform(*config.late_after) if late else 0.0)
        notices.append(Notice(at, stage))
        if receipts == "twice" or rng.random() < config.repeated:
            notices += [Notice(at + rng.uniform(*config.delivered_after), stage) for _ in range(config.repeats)]
    return notices
