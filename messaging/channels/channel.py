"""Interface between the outbox and a provider, which sends one outbound message and returns one of five results.

A new provider is a folder with a class that has `Channel`'s methods, and its description in `provider.py`. The
provider's own codes stay in its code table; its class returns results with our own reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from messaging.reasons import Reason


@dataclass(frozen=True, slots=True)
class Route:
    """Provider of an outbound message; recorded before it is on the wire.

    Attributes:
        provider: its name in events: `twilio`, `smtp`.
        sent_from: the number it leaves from, if the provider has a number of its own; None for the step's sender.
    """

    provider: str
    sent_from: str | None = None


def always() -> bool:
    """Return True: the default of `still_ours`, for a message that no worker has claimed."""
    return True


@dataclass(slots=True)
class OutboundText:
    """One SMS, ready to send.

    Attributes:
        message_id: our id.
        sender: a number, an alphanumeric name or a messaging service `MG…`.
        to: E.164.
        body: its text, sanitised.
        signed_id: our signed id, which the provider returns with its receipts; empty for a text without a row in the
            outbox.
        segments: tokens it takes from the sender's rate limit.
        route: its provider, once a channel with several has chosen.
        still_ours: tells whether it may be sent; called right before its request is written.
    """

    message_id: int
    sender: str
    to: str
    body: str
    signed_id: str
    segments: int
    route: Route | None = None
    still_ours: Callable[[], bool] = always


def nothing_follows() -> OutboundEmail | None:
    """Return None: the default of `following`, for an email after which none is known."""
    return None


@dataclass(slots=True)
class OutboundEmail:
    """One email, ready to send.

    Attributes:
        message_id: our id.
        envelope: the envelope sender, where bounces go (VERP).
        to: the recipient's mailbox.
        content: the complete message: RFC 5322 bytes with CRLF line ends.
        still_ours: tells whether it may be sent; called right before its text is written.
        following: returns the email that will be sent right after it by the same caller, if there is one, and the same
            one when it is called again; called right before its text is written, by a channel that is an `Announcer`.
        needs_no_stuffing: SMTP carries its content as it is: every CR and LF in it is part of a CRLF, one of which ends
            it, and no line begins with a dot.
    """

    message_id: int
    envelope: str
    to: str
    content: bytes
    still_ours: Callable[[], bool] = always
    following: Callable[[], OutboundEmail | None] = nothing_follows
    needs_no_stuffing: bool = False


OutboundMessage = OutboundText | OutboundEmail


@dataclass(slots=True)
class Accepted:
    """Result: the provider accepted it.

    Attributes:
        reply: the provider's words, for the history.
        provider_id: its id for the message, if it gives one.
        segments: the segments it counted, if it says so.
    """

    reply: str
    provider_id: str | None = None
    segments: int | None = None


@dataclass(slots=True)
class Retry:
    """Result: it was certainly not sent, and may be tried again.

    Attributes:
        reason: why not now.
        code: the provider's code.
        reply: its words.
        slow: the sender as a whole should slow down (429, 421, no connection).
        after: seconds the provider asked to wait.
        elsewhere: another provider may send it at once.
    """

    reason: Reason
    code: str = ""
    reply: str = ""
    slow: bool = False
    after: float | None = None
    elsewhere: bool = False


@dataclass(slots=True)
class Refused:
    """Result: it was certainly not sent, and another try would not change that.

    `OUR_FAULT` says which reasons are ours.

    Attributes:
        reason: why.
        code: the provider's code.
        reply: its words.
        soft: the refusal counts against the address, and enough of them suppress the address.
    """

    reason: Reason
    code: str = ""
    reply: str = ""
    soft: bool = False


@dataclass(slots=True)
class Unknown:
    """Result: unknown whether it was sent; it was handed over and no answer came."""

    reply: str = ""


@dataclass(slots=True)
class Withheld:
    """Result: it was certainly not sent, because this worker no longer held it; another may have claimed it."""

    reply: str = "It was not handed over."


SendResult = Accepted | Retry | Refused | Unknown | Withheld


@dataclass(frozen=True, slots=True)
class Trace:
    """Provider's own record of a message of unknown outcome."""

    provider_id: str
    segments: int | None = None


class Channel(Protocol):
    """One channel to send messages by.

    Attributes:
        name: `sms` or `email`.
        provider: its name as the source of events: `twilio`, `smtp`.
        connections: how many messages it can send at once.
    """

    @property
    def name(self) -> Literal["sms", "email"]: ...  # noqa: D102

    @property
    def provider(self) -> str: ...  # noqa: D102

    @property
    def connections(self) -> int: ...  # noqa: D102

    async def send(self, outbound: OutboundMessage) -> SendResult:
        """Send one message. Never raises for anything the provider or the network does."""
        ...

    async def trace(self, outbound: OutboundMessage, since: datetime) -> list[Trace] | None:
        """Look up a message that was handed over after `since` in the provider's own list, newest first.

        Returns:
            None if the provider keeps no list.

        Raises:
            Unavailable: it could not be asked.
        """
        ...

    async def close(self) -> None:
        """Close all connections; messages in flight end as `Unknown`."""
        ...


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Report that a provider was left out, or is used again.

    Attributes:
        severity: of the alert to raise; None to resolve it.
        title: the event, in one sentence.
        remedy: the next step for staff.
    """

    provider: str
    severity: Literal["warning", "error"] | None
    title: str = ""
    remedy: str = ""


@runtime_checkable
class Router(Channel, Protocol):
    """Channel with several providers, which chooses one before the message is recorded as on the wire."""

    def route(self, outbound: OutboundMessage) -> Route:
        """Choose a provider; `send` gives the message to this provider and no other."""
        ...

    def status_reports(self) -> Sequence[StatusReport]:
        """Return the reports since the last call."""
        ...


@runtime_checkable
class Announcer(Channel, Protocol):
    """Channel that tells its provider about the next message together with the present one (`OutboundEmail.following`).

    What was announced has not been sent: `send` looks at it once more, like at any other.
    """

    def give_up_announced(self, outbound: OutboundMessage) -> None:
        """Give up a message that `following` returned and that will not be sent, if it was announced."""
        ...
