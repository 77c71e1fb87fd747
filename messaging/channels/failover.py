"""Send texts by several providers behind one channel: by the cheapest that works, and never by two for one message.

The provider is chosen before a message is recorded as on the wire, and recorded with that intent. In this try only that
provider gets it, and if no answer comes only that provider is asked. A message it certainly did not send goes back to
the queue and may leave by another provider at once, with an intent of its own: otherwise, if the worker died, it would
not be known which provider to ask.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from messaging.channels.breaker import Breaker
from messaging.channels.channel import (
    Accepted,
    Channel,
    OutboundMessage,
    OutboundText,
    Refused,
    Retry,
    Route,
    SendResult,
    StatusReport,
    Trace,
    Unknown,
    Withheld,
)
from messaging.states import Reason, sentence

THE_PROVIDERS: Final = frozenset({Reason.ACCOUNT_REFUSED, Reason.SENDER_REFUSED})
"""Reasons of refusals that concern only one provider."""
REMEMBERED: Final = 10_000
"""Messages for which the providers that declined them are remembered."""


@dataclass(slots=True)
class Member:
    """One of the providers.

    Attributes:
        channel: sends its messages.
        cost: of a segment, in any currency; only compared.
        sent_from: the number it sends from; None: the step's sender.
        breaker: its circuit breaker.
        proven: it has accepted a text since this worker started.
    """

    channel: Channel
    cost: float = 0.0
    sent_from: str | None = None
    breaker: Breaker = field(init=False)
    proven: bool = field(default=False, init=False)

    @property
    def name(self) -> str:
        """Its name in events."""
        return self.channel.provider


class FailoverChannel:
    """Channel for texts with several providers.

    Args:
        members: the providers, in order of preference where they cost the same.
        clock: returns monotonic seconds, for the breakers; replaced in tests.
    """

    name: Final = "sms"
    provider: Final = "sms"

    def __init__(self, members: Sequence[Member], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._members = sorted(members, key=lambda one: one.cost)  # stable: equals stay in order
        self._by_name = {one.name: one for one in self._members}
        self._declined: dict[int, set[str]] = {}
        self._news: list[StatusReport] = []
        self.connections: Final = max(one.channel.connections for one in members)
        for one in members:
            one.breaker = Breaker(clock)

    def route(self, parcel: OutboundMessage) -> Route:
        """Choose the cheapest provider that works; one that has failed gets a single message as a probe."""
        assert isinstance(parcel, OutboundText)
        chosen = self._choose(parcel.message_id)
        if not chosen.breaker.closed:
            chosen.breaker.probe_with(parcel.message_id)
        parcel.route = Route(chosen.name, chosen.sent_from)
        parcel.sender = chosen.sent_from or parcel.sender
        return parcel.route

    async def send(self, parcel: OutboundMessage) -> SendResult:
        """Send a text by the provider that `route` chose."""
        assert isinstance(parcel, OutboundText)
        assert parcel.route is not None
        member = self._by_name[parcel.route.provider]
        if not member.breaker.lets_through(parcel.message_id) and self._other(parcel.message_id, member):
            # it failed after this one was routed: nothing has been sent, so another may have it without risk
            return Retry(Reason.NOT_REACHED, reply=f"{member.name} is left out for now.", elsewhere=True)
        return self._judge(member, parcel.message_id, await member.channel.send(parcel))

    async def trace(self, parcel: OutboundMessage, since: datetime) -> list[Trace] | None:
        """Ask the provider that had the text, or all of them where that was not recorded.

        Returns:
            Its records; None where a provider that may have it cannot say.

        Raises:
            Unavailable: one that may have it could not be asked.
        """
        assert isinstance(parcel, OutboundText)
        if parcel.route is not None:
            member = self._by_name.get(parcel.route.provider)
            return await member.channel.trace(parcel, since) if member is not None else None
        found: list[Trace] = []
        certain = True
        for one in self._members:
            traces = await one.channel.trace(parcel, since)
            certain = certain and traces is not None
            found += traces or []
        return found if found or certain else None

    def news(self) -> list[StatusReport]:
        """Return which providers were left out or are used again since the last call."""
        news, self._news = self._news, []
        return news

    async def close(self) -> None:
        """Close every provider's channel."""
        for one in self._members:
            await one.channel.close()

    def _choose(self, message_id: int) -> Member:
        declined = self._declined.get(message_id, ())
        willing = [one for one in self._members if one.name not in declined] or self._members
        for one in willing:
            if one.breaker.wants_probe:
                return one
        well = [one for one in willing if one.breaker.closed] or [one for one in self._members if one.breaker.closed]
        # where none works, the one that has been left out longest: this message is its probe
        return well[0] if well else min(willing, key=lambda one: one.breaker.open_until or 0.0)

    def _other(self, message_id: int, member: Member) -> Member | None:
        """Return another provider that works and has not declined this message."""
        declined = self._declined.get(message_id, ())
        for one in self._members:
            if one is not member and one.name not in declined and (one.breaker.closed or one.breaker.wants_probe):
                return one
        return None

    def _judge(self, member: Member, message_id: int, outcome: SendResult) -> SendResult:
        """Update the provider's breaker by a result, and decide whether another provider may have the message."""
        if isinstance(outcome, Withheld):  # it says nothing about the provider
            return outcome
        if isinstance(outcome, Unknown):
            # it may have been accepted: it stays with this provider until that provider, or a receipt, says more
            self._failed(member, message_id, Reason.NO_ANSWER)
            return outcome
        if isinstance(outcome, Accepted) or (isinstance(outcome, Refused) and outcome.reason not in THE_PROVIDERS):
            self._declined.pop(message_id, None)
            # the first time, too: a worker that has ended since may have raised an alert
            if member.breaker.went_well() or not member.proven:
                member.proven = True
                self._news.append(StatusReport(member.name, None))
            return outcome
        self._decline(member, message_id)
        self._failed(member, message_id, outcome.reason)
        if self._other(message_id, member) is None:
            self._declined.pop(message_id, None)
            return outcome
        return Retry(outcome.reason, outcome.code, outcome.reply, elsewhere=True)

    def _decline(self, member: Member, message_id: int) -> None:
        self._declined.setdefault(message_id, set()).add(member.name)
        if len(self._declined) > REMEMBERED:
            del self._declined[next(iter(self._declined))]

    def _failed(self, member: Member, message_id: int, reason: Reason) -> None:
        if member.breaker.failed(message_id):
            self._news.append(self._left_out(member, reason))

    def _left_out(self, member: Member, reason: Reason) -> StatusReport:
        name = member.name.capitalize()
        others = [one.name.capitalize() for one in self._members if one is not member and one.breaker.closed]
        if others:
            title = f"{name} is not used. {sentence(reason)} Texts go by {' and '.join(others)}."
        else:
            title = f"{name} does not accept texts. {sentence(reason)} No other provider works, so texts wait."
        return StatusReport(
            member.name,
            "error" if reason in THE_PROVIDERS else "warning",
            title,
            f"It is tried again by itself, with one text every few minutes. If this lasts, look at {name}'s console: "
            "the account, its balance and the sender.",
        )
