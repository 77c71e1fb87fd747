"""Outage of a channel's provider in one worker's log: its beginning, a line a minute while it lasts, and its end."""

from __future__ import annotations

import time
from typing import Final

import structlog

from messaging.channels.channel import Retry, SendResult, Unknown
from messaging.reasons import Reason

REMIND_EVERY: Final = 60.0
"""Seconds between two log lines while a provider stays away."""

log = structlog.get_logger(__name__)


class ProviderOutage:
    """Outage of the relay, or of the provider of texts, of one channel.

    Args:
        channel: `sms` or `email`.
    """

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._began: float | None = None
        self._said_at = 0.0
        self._tries = 0

    def note(self, result: SendResult) -> None:
        """Note what came of handing a message over.

        Args:
            result: the channel's; its words name no member.
        """
        if isinstance(result, Retry) and result.reason is Reason.NOT_REACHED:
            if not result.elsewhere:  # then another provider takes it, and the breaker tells of the first
                self._note_not_reached(result.reply)
        elif not isinstance(result, Unknown):
            self._note_reached()

    def _note_not_reached(self, error: str) -> None:
        now = time.monotonic()
        self._tries += 1
        if self._began is None:
            self._began = self._said_at = now
            log.warning(
                "the provider cannot be reached", channel=self._channel, error=error,
                meanwhile="messages wait, and nothing is lost",
            )  # fmt: skip
        elif now - self._said_at >= REMIND_EVERY:
            self._said_at = now
            log.warning(
                "the provider still cannot be reached", channel=self._channel, error=error,
                seconds=round(now - self._began), tries=self._tries,
            )  # fmt: skip

    def _note_reached(self) -> None:
        if self._began is not None:
            seconds = round(time.monotonic() - self._began)
            log.info("the provider is reached again", channel=self._channel, seconds=seconds, tries=self._tries)
            self._began, self._tries = None, 0
