"""Channel with several SMS providers: a text goes by the cheapest that works, and never by two.

The provider is chosen before a message is recorded as on the wire, and recorded with that intent. In this try only that
provider gets it, and if no answer comes only that provider is asked. A message it certainly did not send goes back to
the queue and may leave by another provider at once, with an intent of its own. Without that, nobody would know which
provider to ask if the worker died.
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
from messaging.reasons import Reason, sentence

PROVIDER_REASONS: Final = frozenset({Reason.ACCOUNT_REFUSED, Reason.SENDER_REFUSED})
"""Reasons of refusals that concern only one provider."""
MAX_REMEMBERED_MESSAGES: Final = 10_000
"""Messages for which the providers that declined them are remembered."""


@dataclass(slots=True)
class TextProvider:
    """One of the providers.

    Attributes:
        channel: sends its messages.
        cost: of a segment, in any currency; only compared.
        sent_from: the number it sends from; None for the step's sender.
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
        candidates: the providers, in order of preference if they cost the same.
        sms_from: the sender of texts for providers without one of their own, instead of a number that another one owns.
        clock: returns monotonic seconds, for the breakers; replaced in tests.
    """

    name: Final = "sms"
    provider: Final = "sms"

    def __init__(
        self,
        candidates: Sequence[TextProvider],
        *,
        sms_from: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sms_from = sms_from
        self._candidates = sorted(candidates, key=lambda candidate: candidate.cost)  # stable: equals stay in order
        self._by_name = {candidate.name: candidate for candidate in self._candidates}
        self._declined: dict[int, set[str]] = {}
        self._status_reports: list[StatusReport] = []
        self.connections: Final = max(candidate.channel.connections for candidate in candidates)
        for candidate in candidates:
            candidate.breaker = Breaker(clock)

    def route(self, outbound: OutboundMessage) -> Route:
        """Choose the cheapest provider that works; one that has failed gets a single message as a probe.

        A text from a number that one provider owns, such as an answer to a text to that number, goes by this provider
        while it works.
        """
        assert isinstance(outbound, OutboundText)
        owner = next((candidate for candidate in self._candidates if candidate.sent_from == outbound.sender), None)
        if owner and owner.breaker.closed and owner.name not in self._declined.get(outbound.message_id, ()):
            chosen = owner
        else:
            chosen = self._choose(outbound.message_id)
        if not chosen.breaker.closed:
            chosen.breaker.probe_with(outbound.message_id)
        sent_from = chosen.sent_from or (self._sms_from if owner else None)
        outbound.route = Route(chosen.name, sent_from)
        outbound.sender = sent_from or outbound.sender
        return outbound.route

    async def send(self, outbound: OutboundMessage) -> SendResult:
        """Send a text by the provider that `route` chose."""
        assert isinstance(outbound, OutboundText)
        assert outbound.route is not None
        candidate = self._by_name[outbound.route.provider]
        if not candidate.breaker.lets_through(outbound.message_id) and self._other(outbound.message_id, candidate):
            # the provider failed after this message was routed: nothing was sent, so another may have it without risk
            return Retry(Reason.NOT_REACHED, reply=f"{candidate.name} is left out for now.", elsewhere=True)
        return self._note_result(candidate, outbound.message_id, await candidate.channel.send(outbound))

    async def trace(self, outbound: OutboundMessage, since: datetime) -> list[Trace] | None:
        """Ask the provider that had the text, or all of them if that was not recorded.

        Returns:
            Its records; None if a provider that may have it cannot say.

        Raises:
            Unavailable: a provider that may have it could not be asked.
        """
        assert isinstance(outbound, OutboundText)
        if outbound.route is not None:
            candidate = self._by_name.get(outbound.route.provider)
            return await candidate.channel.trace(outbound, since) if candidate is not None else None
        all_traces: list[Trace] = []
        certain = True
        for candidate in self._candidates:
            traces = await candidate.channel.trace(outbound, since)
            certain = certain and traces is not None
            all_traces += traces or []
        return all_traces if all_traces or certain else None

    def status_reports(self) -> list[StatusReport]:
        """Return which providers were left out or are used again since the last call."""
        status_reports, self._status_reports = self._status_reports, []
        return status_reports

    async def close(self) -> None:
        """Close every provider's channel."""
        for candidate in self._candidates:
            await candidate.channel.close()

    def _choose(self, message_id: int) -> TextProvider:
        declined = self._declined.get(message_id, ())
        willing = [candidate for candidate in self._candidates if candidate.name not in declined] or self._candidates
        for candidate in willing:
            if candidate.breaker.wants_probe:
                return candidate
        well = [candidate for candidate in willing if candidate.breaker.closed] or [
            candidate for candidate in self._candidates if candidate.breaker.closed
        ]
        # if none works, take the provider that was left out longest: this message is its probe
        return well[0] if well else min(willing, key=lambda candidate: candidate.breaker.open_until or 0.0)

    def _other(self, message_id: int, candidate: TextProvider) -> TextProvider | None:
        """Return another provider that works and has not declined this message."""
        declined = self._declined.get(message_id, ())
        for other in self._candidates:
            if (
                other is not candidate
                and other.name not in declined
                and (other.breaker.closed or other.breaker.wants_probe)
            ):
                return other
        return None

    def _note_result(self, candidate: TextProvider, message_id: int, result: SendResult) -> SendResult:
        """Update the provider's breaker by a result, and decide whether another provider may have the message."""
        if isinstance(result, Withheld):  # this result says nothing about the provider
            return result
        if isinstance(result, Unknown):
            # the text may have been accepted: it stays with this provider until the provider, or a receipt, says more
            self._failed(candidate, message_id, Reason.NO_ANSWER)
            return result
        if isinstance(result, Accepted) or (isinstance(result, Refused) and result.reason not in PROVIDER_REASONS):
            self._declined.pop(message_id, None)
            # the first time, too: a worker that has ended since may have raised an alert
            if candidate.breaker.went_well() or not candidate.proven:
                candidate.proven = True
                self._status_reports.append(StatusReport(candidate.name, None))
            return result
        self._decline(candidate, message_id)
        self._failed(candidate, message_id, result.reason)
        if self._other(message_id, candidate) is None:
            self._declined.pop(message_id, None)
            return result
        return Retry(result.reason, result.code, result.reply, elsewhere=True)

    def _decline(self, candidate: TextProvider, message_id: int) -> None:
        self._declined.setdefault(message_id, set()).add(candidate.name)
        if len(self._declined) > MAX_REMEMBERED_MESSAGES:
            del self._declined[next(iter(self._declined))]

    def _failed(self, candidate: TextProvider, message_id: int, reason: Reason) -> None:
        if candidate.breaker.failed(message_id):
            self._status_reports.append(self._left_out(candidate, reason))

    def _left_out(self, candidate: TextProvider, reason: Reason) -> StatusReport:
        name = candidate.name.capitalize()
        others = [
            other.name.capitalize() for other in self._candidates if other is not candidate and other.breaker.closed
        ]
        if others:
            title = f"{name} is not used. {sentence(reason)} Texts go by {' and '.join(others)}."
        else:
            title = f"{name} does not accept texts. {sentence(reason)} No other provider works, so texts wait."
        return StatusReport(
            candidate.name,
            "error" if reason in PROVIDER_REASONS else "warning",
            title,
            f"It is tried again by itself, with one text every few minutes. If this lasts, look at {name}'s console: "
            "the account, its balance and the sender.",
        )
