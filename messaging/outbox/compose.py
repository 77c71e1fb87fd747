"""Compose a claimed message into an outbound message: rendered, addressed, with its links and its signed id.

A step is compiled once and kept; each message then costs microseconds. Every try of a message composes to the same text
and the same Message-ID.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from core.db import Connection
from core.keyring import Keyring, digest
from core.settings import Settings
from messaging.channels.channel import OutboundEmail, OutboundMessage, OutboundText
from messaging.content.mime import Skeleton
from messaging.content.render import Branding, Renderer
from messaging.content.templates import Template
from messaging.outbox.claim import SQL, Claimed


@dataclass(slots=True)
class Composed:
    """Outbound message, and the digests of the links in it.

    Attributes:
        outbound: the message.
        cost: tokens it takes from the sender's rate limit: its segments, or 1 for an email.
        confirm: digest of its confirm link's token; None where it has none.
        unsubscribe: digest of its unsubscribe link's token; None where it has none.
    """

    outbound: OutboundMessage
    cost: int
    confirm: bytes | None
    unsubscribe: bytes | None


class Composer:
    """Composes one step's messages for one channel.

    Args:
        settings: has the public URL and the bounce domain.
        keyring: derives the tokens of links and signs ids.
        step: the row of the query `step`.
        channel: `sms` or `email`.
    """

    def __init__(self, settings: Settings, keyring: Keyring, step: asyncpg.Record, channel: str) -> None:
        template = Template.from_json(step["content"])
        self.send_before: Final[datetime | None] = step["send_before"]
        self._renderer = Renderer(template, step["constants"], Branding.of(settings))
        self._keyring = keyring
        self._secret: str = step["secret"]
        self._url = settings.public_url
        self._email = channel == "email"
        versions = template.versions("email" if self._email else "sms").values()
        said = "".join(f"{one.subject}{one.email}{one.why}" if self._email else one.sms or "" for one in versions)
        self._confirms = "confirm_link" in said
        self._unsubscribes = self._email or "unsubscribe_link" in said or "preferences_link" in said
        self._host = settings.bounce_host
        self._replies = settings.reply_host
        if self._email:
            self._skeleton = Skeleton(
                _mailbox(step["email_name"], step["email_from"]),
                f"campaign-{step['campaign_id']}.{self._host}",
                feedback_id=f"step{step['step_id']}:campaign{step['campaign_id']}:email:muster",
                reply_to="" if self._replies else settings.email_reply_to or "",
            )
        else:
            self._sender: str = step["sms_from"]

    def compose(self, message: Claimed, now: datetime) -> Composed:
        """Compose one message.

        Args:
            message: a claimed message.
            now: time for an email's Date header.

        Raises:
            TemplateError: the template cannot be rendered with this message's variables.
            AddressError: the address cannot stand in a header.
        """
        variables = message.variables
        confirm = unsubscribe = ""
        if self._confirms:
            confirm = self._keyring.token(message.message_id, "confirm", secret=self._secret)
            variables["confirm_link"] = f"{self._url}/{confirm}"
        if self._unsubscribes:
            unsubscribe = self._keyring.token(message.message_id, "unsubscribe", secret=self._secret)
            variables["unsubscribe_link"] = f"{self._url}/u/{unsubscribe}"
            variables["preferences_link"] = f"{self._url}/p/{unsubscribe}"
        outbound, cost = self._mail(message, now) if self._email else self._text(message)
        return Composed(
            outbound, cost, digest(confirm) if confirm else None, digest(unsubscribe) if unsubscribe else None
        )

    def _text(self, message: Claimed) -> tuple[OutboundText, int]:
        rendered = self._renderer.sms(message.variables)
        signed_id = self._keyring.sign_id(message.message_id, "status")
        segments = rendered.segments.segments
        text = OutboundText(
            message.message_id,
            self._sender,
            message.address,
            rendered.text,
            signed_id,
            segments,
        )
        return text, segments

    def _mail(self, message: Claimed, now: datetime) -> tuple[OutboundEmail, int]:
        signed_id = self._keyring.sign_id(message.message_id, "bounce", secret=self._secret)
        content = self._skeleton.build(
            message.address,
            self._renderer.email(message.variables),
            f"{signed_id}@{self._host}",
            message.variables["unsubscribe_link"],
            now,
            reply_to=self._mailbox_of("r", "reply", message),
            unsubscribe_mailbox=self._mailbox_of("u", "unsubscribe", message),
        )
        return OutboundEmail(message.message_id, f"b+{signed_id}@{self._host}", message.address, content), 1

    def _mailbox_of(self, kind: str, purpose: str, message: Claimed) -> str:
        """Return the mailbox for answers to this message; "" where no reply domain is set."""
        if not self._replies:
            return ""
        return f"{kind}+{self._keyring.sign_id(message.message_id, purpose, secret=self._secret)}@{self._replies}"


class Composers:
    """Cache of the composers of compiled steps.

    Args:
        settings: for the composers.
        keyring: for the composers.
    """

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self._settings = settings
        self._keyring = keyring
        self._kept: dict[tuple[int, str], Composer] = {}

    async def get(self, db: Connection, step_id: int, channel: str) -> Composer:
        """Return the composer of a step for a channel; compile it on first use.

        Raises:
            TemplateError, SettingsError: the step cannot be compiled.
        """
        composer = self._kept.get((step_id, channel))
        if composer is None:
            step = await db.fetchrow(SQL["step"], step_id)
            assert step is not None
            composer = self._kept[step_id, channel] = Composer(self._settings, self._keyring, step, channel)
        return composer


def _mailbox(name: str | None, address: str) -> str:
    if not name:
        return address
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'
