"""Simulated Vonage account: accepts texts, moves them through their statuses, posts receipts and members' texts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from uuid import uuid4
from zlib import crc32

from messaging.content import segments
from sandbox.twilio.magic import Trick
from sandbox.vonage.config import VonageConfig
from sandbox.vonage.magic import TO, problem
from sandbox.vonage.webhooks import VonageWebhooks

PLAIN: Final = Trick("an ordinary number")


@dataclass(frozen=True, slots=True)
class VonageMessage:
    """Inbound or outbound text.

    Attributes:
        uuid: Vonage's id.
        direction: `outbound` or `inbound`.
        to: recipient, E.164.
        sender: a number, E.164, or a name.
        body: the text.
        segments: how many parts it is sent in.
        client_ref: the caller's reference, repeated in its receipts.
        webhook: URL to which its status is posted; None: nowhere.
        created: seconds since 1970.
        ending: the last status, and its error code.
    """

    uuid: str
    direction: str
    to: str
    sender: str
    body: str
    segments: int
    client_ref: str | None
    webhook: str | None
    created: float
    ending: tuple[str, int | None] = ("delivered", None)


class Vonage:
    """Account of the simulated Vonage, without its HTTP API.

    Args:
        config: its configuration; it may be replaced while it runs.
    """

    def __init__(self, config: VonageConfig) -> None:
        self.config = config
        self.inbound_url = config.inbound_url
        self.messages: list[VonageMessage] = []
        self.webhooks = VonageWebhooks(config)
        self.rng = Random(config.seed)  # noqa: S311  # random failures, not secrets
        self._tried: Counter[str] = Counter()

    async def idle(self) -> None:
        """Wait until every webhook has been posted."""
        await self.webhooks.agenda.idle()

    async def close(self) -> None:
        """Stop posting."""
        await self.webhooks.close()

    def sent_to(self, phone: str) -> list[VonageMessage]:
        """List the texts to a number, oldest first."""
        return [message for message in self.messages if message.direction == "outbound" and message.to == phone]

    def trick(self, to: str) -> Trick:
        """Return the trick of a number for this request; `once` tricks affect the first of every two tries."""
        trick = TO.get(to, PLAIN)
        if trick.once:
            self._tried[to] += 1
            return trick if self._tried[to] % 2 else PLAIN
        return trick

    def create(self, parameters: Mapping[str, Any], trick: Trick) -> VonageMessage:
        """Accept a text whose parameters have been checked."""
        to, body = f"+{parameters['to']}", parameters["text"]
        message = VonageMessage(
            str(uuid4()),
            "outbound",
            to,
            _plus(parameters["from"]),
            body,
            segments.count(body).segments,
            parameters.get("client_ref"),
            parameters.get("webhook_url"),
            time.time(),
            trick.ending or self._fate(to),
        )
        self.messages.append(message)
        self._set_out(message, trick)
        return message

    def _fate(self, to: str) -> tuple[str, int | None]:
        """Return the last status and error code of a text to a number; the same numbers are always unreachable."""
        draw = crc32(f"{self.config.seed}:unreachable:{to}".encode()) / 2**32
        return ("undeliverable", 1180) if draw < self.config.unreachable else ("delivered", None)

    def _set_out(self, message: VonageMessage, trick: Trick) -> None:
        """Schedule a text's receipts."""
        if not message.webhook or trick.receipts == "none":
            return
        config, rng = self.config, self.rng
        first = rng.uniform(*config.submitted_after)
        last = first + rng.uniform(*config.delivered_after)
        notices: list[tuple[float, str, int | None]] = [(last, *message.ending)]
        if trick.receipts == "reversed":
            notices.append((last + 0.05, "submitted", None))
        elif trick.receipts != "early":  # then it is posted before the response to the create
            notices.insert(0, (first, "submitted", None))
        for at, status, code in notices:
            late = rng.uniform(*config.late_after) if trick.receipts == "late" else 0.0
            for _ in range(2 if trick.receipts == "twice" or rng.random() < config.repeated else 1):
                self.webhooks.agenda.later(at + late, self.notify, message, status, code)

    async def notify(self, message: VonageMessage, status: str, code: int | None = None) -> None:
        """Post a text's status."""
        if message.webhook is None:
            return
        receipt: dict[str, object] = {
            "message_uuid": message.uuid,
            "to": message.to.removeprefix("+"),
            "from": message.sender.removeprefix("+"),
            "timestamp": stamp(time.time()),
            "status": status,
            "channel": "sms",
            "client_ref": message.client_ref,
            "usage": {"currency": "EUR", "price": f"{0.0333 * message.segments:.4f}"},
            "sms": {"count_total": str(message.segments)},
        }
        if code is not None:
            receipt["error"] = problem(code, message.uuid)
        await self.webhooks.post(message.webhook, receipt)

    async def receive(self, phone: str, to: str, body: str) -> bool:
        """Send a member's text to one of the account's numbers.

        Args:
            phone: the member's number.
            to: the number texted.
            body: the text.

        Returns:
            Whether our webhook accepted it; true if none is configured.
        """
        size = segments.count(body).segments
        message = VonageMessage(str(uuid4()), "inbound", to, phone, body, size, None, None, time.time())
        self.messages.append(message)
        if not self.inbound_url:
            return True
        return await self.webhooks.post(self.inbound_url, inbound(message))

    def to_record(self, message: VonageMessage) -> dict[str, object]:
        """Return a text as the Reports API shows it."""
        return {
            "account_id": self.config.api_key,
            "message_id": message.uuid,
            "client_ref": message.client_ref,
            "direction": message.direction,
            "from": message.sender.removeprefix("+"),
            "to": message.to.removeprefix("+"),
            "date_received": stamp(message.created),
            "status": message.ending[0],
            "channel": "sms",
        }


def inbound(message: VonageMessage) -> dict[str, object]:
    """Make the webhook body for a member's text."""
    return {
        "message_uuid": message.uuid,
        "to": message.to.removeprefix("+"),
        "from": message.sender.removeprefix("+"),
        "timestamp": stamp(message.created),
        "channel": "sms",
        "message_type": "text",
        "text": message.body,
        "sms": {"num_messages": str(message.segments), "keyword": (message.body.split() or [""])[0].upper()},
        "usage": {"currency": "EUR", "price": "0.0000"},
    }


def stamp(at: float) -> str:
    """Format a time as Vonage does: `2026-02-03T12:14:25Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plus(sender: str) -> str:
    return f"+{sender}" if sender.isdigit() else sender
