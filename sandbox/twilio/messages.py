"""Message resources of a simulated Twilio account."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from sandbox.twilio.refusals import ENDINGS

Direction = Literal["outbound-api", "outbound-reply", "inbound"]

FINAL: Final = frozenset({"delivered", "undelivered", "failed", "canceled", "received", "read"})
PRICE_PER_SEGMENT: Final = 0.0463
"""Dollars that a segment costs."""


class MessageStage(NamedTuple):
    """Status that a message reaches at a time (seconds since 1970), with its error code."""

    at: float
    status: str
    code: int | None = None


@dataclass(slots=True)
class Message:
    """Inbound or outbound message.

    Its whole journey is planned when it is accepted; its status is computed from the time of the request, so that a
    message without requests costs nothing.

    Attributes:
        sid: `SM…`.
        direction: outbound by the API, outbound as an answer, or inbound.
        to: recipient.
        sender: `From`; with a messaging service, the number it is sent from.
        service: `MG…`, or None.
        body: the text; empty once redacted.
        segments: how many parts it is sent in.
        callback: URL to which its status is posted.
        journey: its stages, from the one it was created with.
        updated: when it was last changed by the API; 0 if never.
    """

    sid: str
    direction: Direction
    to: str
    sender: str
    service: str | None
    body: str
    segments: int
    callback: str | None
    journey: list[MessageStage]
    updated: float = 0.0
    num_media: str = field(default="0", init=False)

    @property
    def created(self) -> float:
        """Return when it was created."""
        return self.journey[0].at

    @property
    def channel_key(self) -> str:
        """Return the key that an opt-out applies to: the messaging service, or the number."""
        return self.service or self.sender

    def stage(self, now: float) -> MessageStage:
        """Return its stage at a time."""
        for stage in reversed(self.journey):
            if stage.at <= now:
                return stage
        return self.journey[0]

    def sent_at(self, now: float) -> float | None:
        """Return when it was sent, or None before."""
        for stage in self.journey:
            if stage.status in {"sent", "received", "failed"} and stage.at <= now:
                return stage.at
        return None

    def to_json(self, account: str, now: float) -> dict[str, object]:
        """Return the resource as https://www.twilio.com/docs/messaging/api/message-resource describes it."""
        stage, sent = self.stage(now), self.sent_at(now)
        uri = f"/2010-04-01/Accounts/{account}/Messages/{self.sid}"
        # a messaging service picks the sender, and so counts the segments, only once it queues the message
        waiting = self.service is not None and stage.status in {"accepted", "scheduled"}
        return {
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": rfc2822(int(self.created)),
            "date_sent": None if sent is None else rfc2822(int(sent)),
            "date_updated": rfc2822(int(max(stage.at, self.updated))),
            "direction": self.direction,
            "error_code": stage.code,
            "error_message": None if stage.code is None else ENDINGS.get(stage.code, "Unknown error"),
            "from": None if waiting else self.sender,
            "messaging_service_sid": self.service,
            "num_media": self.num_media,
            "num_segments": "0" if waiting else str(self.segments),
            "price": None if sent is None else f"-{self.segments * PRICE_PER_SEGMENT:.5f}",
            "price_unit": "USD",
            "sid": self.sid,
            "status": stage.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to,
            "uri": f"{uri}.json",
        }


@lru_cache(maxsize=4096)
def rfc2822(second: int) -> str:
    """Format a time as Twilio does: `Thu, 24 Aug 2023 05:01:45 +0000`."""
    return formatdate(second, usegmt=False).replace("-0000", "+0000")


def new_sid(kind: str = "SM") -> str:
    """Make an identifier that is unique, even among sandboxes with the same seed."""
    return f"{kind}{secrets.token_hex(16)}"


class MessageStore:
    """Store of every message of the account."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Message] = {}
        self._by_to: dict[str, list[Message]] = {}

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._by_sid.values())

    def add(self, message: Message) -> None:
        """Store a new message."""
        self._by_sid[message.sid] = message
        self._by_to.setdefault(message.to, []).append(message)

    def get(self, sid: str) -> Message | None:
        """Return the message with that SID, or None."""
        return self._by_sid.get(sid)

    def delete(self, message: Message) -> None:
        """Delete a message."""
        del self._by_sid[message.sid]
        self._by_to[message.to].remove(message)

    def newest(self) -> Iterator[Message]:
        """Iterate over all messages, newest first."""
        return reversed(self._by_sid.values())

    def to(self, phone: str) -> Iterator[Message]:
        """Iterate over the messages to one number, newest first."""
        return reversed(self._by_to.get(phone, ()))

    def about(self, phone: str) -> list[Message]:
        """List the whole conversation with one number, oldest first."""
        return [message for message in self if phone in (message.to, message.sender)]

    def counts(self, now: float) -> dict[str, dict[str, int]]:
        """Count messages by direction, then by status (with its error code)."""
        tally: dict[str, Counter[str]] = {}
        for message in self:
            stage = message.stage(now)
            words = stage.status if stage.code is None else f"{stage.status} {stage.code}"
            tally.setdefault(message.direction, Counter())[words] += 1
        return {direction: dict(counter) for direction, counter in tally.items()}
