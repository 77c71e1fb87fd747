"""The scale of the suite: full size, or the same in little."""

from __future__ import annotations

from dataclasses import dataclass

ASKED = 3
"""One person of so many is asked the question, all others about the ballot."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes and durations; nothing else differs between the two.

    Attributes:
        name: `full` or `short`.
        emails: messages by email.
        texts: messages by SMS.
        smtp_connections: of each worker.
        sms_connections: of each worker.
        latency: seconds the relay takes for an email, and Twilio for a text, so that connections are busy when a fault
            comes.
        pace: a sender's pace where one matters, as the share of its messages that it sends in a second.
        away: seconds a server or provider is gone.
        long_away: seconds a server is gone or stands still where that is to outlast a worker's lease.
        frozen: seconds a worker stands still.
        cut_off: seconds a host has no network, or no way to PostgreSQL.
        silence: seconds a provider says nothing after taking an email, and after taking a text.
        bad: share of tries that go wrong where a provider is unwell.
        end_timeout: seconds until everything must have its end.
        pause: seconds between two messages to one person that staff and their sign-in page want sent.
    """

    name: str
    emails: int
    texts: int
    smtp_connections: int
    sms_connections: int
    latency: tuple[float, float]
    pace: float
    away: float
    long_away: float
    frozen: float
    cut_off: float
    silence: tuple[float, float]
    bad: float
    end_timeout: float
    pause: float

    def messages(self, steps: int) -> int:
        """What the campaigns have to send: so many steps of the ballot's, and one of the question's to a third."""
        people = self.emails + self.texts
        return (people - people // ASKED) * steps + people // ASKED


FULL = Scale(
    "full", emails=3000, texts=3000, smtp_connections=16, sms_connections=32, latency=(0.1, 0.2), pace=0.022,
    away=30, long_away=50, frozen=40, cut_off=30, silence=(75.0, 40.0), bad=0.01, end_timeout=900, pause=0.5,
)  # fmt: skip
SHORT = Scale(
    "short", emails=120, texts=120, smtp_connections=4, sms_connections=4, latency=(0.04, 0.04), pace=0.2,
    away=3, long_away=18, frozen=18, cut_off=5, silence=(0.4, 0.4), bad=0.08, end_timeout=120, pause=0.15,
)  # fmt: skip
