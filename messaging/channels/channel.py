"""What delivery knows of a provider: a way to hand over one parcel, and five things that can come of it.

A new provider is one file with a class that has `Channel`'s methods, and a line in `open_channels`. The provider's own
codes stay in its code table; what leaves its file are outcomes with reasons from our vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from messaging.states import Reason


@dataclass(frozen=True, slots=True)
class Route:
    """By which provider a parcel goes; written down before it is on the wire.

    Attributes:
        provider: what events call it: `twilio`, `smtp`.
        sent_from: the number it leaves from, where the provider has one of its own; None: the step's sender.
    """

    provider: str
    sent_from: str | None = None


def always() -> bool:
    """Say that a parcel may be handed over: it belongs to whoever made it."""
    return True


@dataclass(slots=True)
class OutboundText:
    """One SMS, ready to hand over.

    Attributes:
        message_id: ours.
        sender: a number, an alphanumeric name or a messaging service `MG…`.
        to: E.164.
        body: what it says, sanitised.
        seal: our sealed id, for the provider to give back with its receipts; empty for a text that has no row.
        segments: what it counts against the sender's pace.
        route: by which provider it goes, once a channel of several has chosen.
        still_ours: whether it may be handed over, asked right before its request is written.
    """

    message_id: int
    sender: str
    to: str
    body: str
    seal: str
    segments: int
    route: Route | None = None
    still_ours: Callable[[], bool] = always


@dataclass(slots=True)
class OutboundEmail:
    """One email, ready to hand over.

    Attributes:
        message_id: ours.
        envelope: where bounces go (VERP).
        to: the recipient's mailbox.
        content: the complete message: RFC 5322 bytes with CRLF line ends.
        still_ours: whether it may be handed over, asked right before its text is written.
    """

    message_id: int
    envelope: str
    to: str
    content: bytes
    still_ours: Callable[[], bool] = always


OutboundMessage = OutboundText | OutboundEmail


@dataclass(slots=True)
class Accepted:
    """The provider took it.

    Attributes:
        reply: its words, for the record.
        provider_id: its id for the message, if it gives one.
        segments: what it counted, if it says.
    """

    reply: str
    provider_id: str | None = None
    segments: int | None = None


@dataclass(slots=True)
class Retry:
    """It was certainly not sent, and may be later.

    Attributes:
        reason: why not now.
        code: the provider's code.
        reply: its words.
        slow: the sender as a whole should slow down (429, 421, nothing answers).
        after: seconds the provider asked to wait.
        elsewhere: another provider may have it at once.
    """

    reason: Reason
    code: str = ""
    reply: str = ""
    slow: bool = False
    after: float | None = None
    elsewhere: bool = False


@dataclass(slots=True)
class Refused:
    """It was certainly not sent, and never will be like this. The reason says whose fault it is: see `OUR_FAULT`.

    Attributes:
        reason: why.
        code: the provider's code.
        reply: its words.
        soft: it counts against the address, and enough of them suppress it.
    """

    reason: Reason
    code: str = ""
    reply: str = ""
    soft: bool = False


@dataclass(slots=True)
class Unknown:
    """Nobody can say whether it was sent: it was handed over and no answer came."""

    reply: str = ""


@dataclass(slots=True)
class Withheld:
    """It was certainly not sent, for at the last moment it was no longer this worker's: others may have it."""

    reply: str = "It was not handed over."


SendResult = Accepted | Retry | Refused | Unknown | Withheld


@dataclass(frozen=True, slots=True)
class Trace:
    """The provider's own record of a message of unknown outcome."""

    provider_id: str
    segments: int | None = None


class Channel(Protocol):
    """One way to reach people.

    Attributes:
        name: `sms` or `email`.
        provider: what events call the source: `twilio`, `smtp`.
        connections: how many parcels it can hand over at once.
    """

    @property
    def name(self) -> Literal["sms", "email"]: ...  # noqa: D102

    @property
    def provider(self) -> str: ...  # noqa: D102

    @property
    def connections(self) -> int: ...  # noqa: D102

    async def send(self, parcel: OutboundMessage) -> SendResult:
        """Hand over one parcel. Never raises for anything the provider or the network does."""
        ...

    async def trace(self, parcel: OutboundMessage, since: datetime) -> list[Trace] | None:
        """What the provider's own list shows of a parcel handed over after `since`, newest first.

        Returns:
            None where the provider keeps no list.

        Raises:
            Unavailable: it could not be asked.
        """
        ...

    async def close(self) -> None:
        """Close what is open; parcels in flight end as `Unknown`."""
        ...


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A provider was left out, or taken up again.

    Attributes:
        severity: of the alert; None where there is nothing to be alarmed about any more.
        title: what happened, one sentence.
        remedy: what to do about it.
    """

    provider: str
    severity: Literal["warning", "error"] | None
    title: str = ""
    remedy: str = ""


@runtime_checkable
class Router(Channel, Protocol):
    """A channel of several providers. It says who gets a parcel before that parcel is marked as on the wire."""

    def route(self, parcel: OutboundMessage) -> Route:
        """Choose a provider; `send` hands the parcel to that one and to no other."""
        ...

    def news(self) -> Sequence[StatusReport]:
        """What has changed since it was last asked."""
        ...
