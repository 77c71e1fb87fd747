"""Compose a claimed message into an outbound message: rendered, addressed, with its links and its signed id.

A step is compiled once and kept; each message then costs microseconds. A transactional message has the contents that it
was queued with. Every try of a message composes to the same text and the same Message-ID.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

import asyncpg

from core.db import Connection, load_queries
from core.errors import InputError
from core.keyring import Keyring, digest
from core.settings import Settings
from messaging.channels.channel import OutboundEmail, OutboundMessage, OutboundText
from messaging.content.mime import Skeleton
from messaging.content.render import Branding, RenderedEmail, Renderer
from messaging.content.segments import count, sanitise
from messaging.content.templates import Template
from messaging.outbox.claim import ClaimedMessage, ClaimedTransactional
from messaging.outbox.concealment import Contents, reveal
from messaging.outbox.transactional import BY_MACHINE, FOR_STAFF

SQL: Final = load_queries(__file__)


@dataclass(slots=True)
class ComposedMessage:
    """Outbound message, and the digests of the links in it; those of an email say what they are for and need none.

    Attributes:
        outbound: the message.
        cost: tokens it takes from the sender's rate limit: its segments, or 1 for an email.
        confirm: digest of a text's confirm link's token; None if it has none.
        unsubscribe: digest of a text's unsubscribe link's token; None if it has none.
        send_before: its deadline.
        secrets: codes and links in it, which must not be stored in clear.
        may_have_left: whether a channel has been allowed to write it.
    """

    outbound: OutboundMessage
    cost: int
    confirm: bytes | None = None
    unsubscribe: bytes | None = None
    send_before: datetime | None = None
    secrets: tuple[str, ...] = ()
    may_have_left: bool = False


class Composer:
    """Composes one step's messages for one channel.

    Args:
        settings: has the public URL and the bounce domain.
        keyring: derives the tokens of links and signs ids.
        step: the row of the query `find_step`.
        channel: `sms` or `email`.
    """

    def __init__(self, settings: Settings, keyring: Keyring, step: asyncpg.Record, channel: str) -> None:
        template = Template.from_json(step["content"])
        self._send_before: Final[datetime | None] = step["send_before"]
        self._renderer = Renderer(template, step["constants"], Branding.of(settings))
        self._keyring = keyring
        self._secret: str = step["secret"]
        self._url = settings.public_url
        self._email = channel == "email"
        self._token = keyring.email_token if self._email else keyring.token
        versions = template.versions("email" if self._email else "sms").values()
        texts = "".join(
            f"{version.subject}{version.email}{version.why}" if self._email else version.sms or ""
            for version in versions
        )
        self._confirms = "confirm_link" in texts
        self._unsubscribes = self._email or "unsubscribe_link" in texts or "preferences_link" in texts
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

    def compose(self, message: ClaimedMessage, now: datetime) -> ComposedMessage:
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
            confirm = self._token(message.message_id, "confirm", secret=self._secret)
            variables["confirm_link"] = f"{self._url}/{confirm}"
        if self._unsubscribes:
            unsubscribe = self._token(message.message_id, "unsubscribe", secret=self._secret)
            variables["unsubscribe_link"] = f"{self._url}/u/{unsubscribe}"
            variables["preferences_link"] = f"{self._url}/p/{unsubscribe}"
        if self._email:
            return ComposedMessage(*self._mail(message, now), send_before=self._send_before)
        return ComposedMessage(
            *self._text(message),
            digest(confirm) if confirm else None,
            digest(unsubscribe) if unsubscribe else None,
            self._send_before,
        )

    def _text(self, message: ClaimedMessage) -> tuple[OutboundText, int]:
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

    def _mail(self, message: ClaimedMessage, now: datetime) -> tuple[OutboundEmail, int]:
        signed_id = self._keyring.sign_id(message.message_id, "bounce", secret=self._secret)
        content, has_no_dots = self._skeleton.build_encoded(
            message.address,
            self._renderer.encoded_email(message.variables),
            f"{signed_id}@{self._host}",
            message.variables["unsubscribe_link"],
            now,
            reply_to=self._mailbox_of("r", "reply", message),
            unsubscribe_mailbox=self._mailbox_of("u", "unsubscribe", message),
        )
        envelope = f"b+{signed_id}@{self._host}"
        return OutboundEmail(message.message_id, envelope, message.address, content, needs_no_stuffing=has_no_dots), 1

    def _mailbox_of(self, kind: str, purpose: str, message: ClaimedMessage) -> str:
        """Return the mailbox for replies to this message; "" if no reply domain is set."""
        if not self._replies:
            return ""
        return f"{kind}+{self._keyring.sign_id(message.message_id, purpose, secret=self._secret)}@{self._replies}"


class TransactionalComposer:
    """Composes the transactional messages of one sender.

    Args:
        settings: has the keys, the bounce domain and the reply domain.
        keyring: signs ids.
        sender: the row of the query `find_sender`.
        channel: `sms` or `email`.
    """

    def __init__(self, settings: Settings, keyring: Keyring, sender: asyncpg.Record, channel: str) -> None:
        self._settings = settings
        self._keyring = keyring
        self._from: str = sender["address"]
        self._name: str = sender["display_name"]
        self._email = channel == "email"

    def compose(self, message: ClaimedMessage, now: datetime) -> ComposedMessage:
        """Compose one message.

        Args:
            message: a claimed transactional message.
            now: time for an email's Date header.

        Raises:
            InputError: its contents have been erased.
            SettingsError: its contents were encrypted with a key that is no longer in the list.
            AddressError: the address cannot stand in a header.
        """
        assert isinstance(message, ClaimedTransactional)
        if message.content is None:
            raise InputError("What this message said has been erased.")
        contents = reveal(message.content, message.concealed, self._settings.secret_key)
        outbound, cost = self._mail(message, contents, now) if self._email else self._text(message, contents)
        return ComposedMessage(outbound, cost, send_before=message.send_before, secrets=contents.secrets)

    def _text(self, message: ClaimedMessage, contents: Contents) -> tuple[OutboundText, int]:
        body = sanitise(contents.text).text
        segments = count(body).segments
        signed_id = self._keyring.sign_id(message.message_id, "status")
        return OutboundText(message.message_id, self._from, message.address, body, signed_id, segments), segments

    def _mail(self, message: ClaimedTransactional, contents: Contents, now: datetime) -> tuple[OutboundEmail, int]:
        host, replies = self._settings.bounce_host, self._settings.reply_host
        signed_id = self._keyring.sign_id(message.message_id, "bounce")
        # a reply that quotes a sign-in mail must not come where staff read replies
        answered = message.kind not in FOR_STAFF
        reply_to = f"r+{self._keyring.sign_id(message.message_id, 'reply')}@{replies}" if answered and replies else ""
        skeleton = Skeleton(
            _mailbox(self._name, self._from),
            reply_to="" if replies or not answered else self._settings.email_reply_to or "",
            by_machine=message.kind in BY_MACHINE,
            in_reply_to=message.in_reply_to or "",
            thread=(message.thread or "").split(),
        )
        html = (contents.html or _as_html(contents.text)).encode("ascii", "xmlcharrefreplace").decode()
        rendered = RenderedEmail(" ".join(contents.subject.split()), contents.text, html)
        content = skeleton.build(message.address, rendered, f"{signed_id}@{host}", "", now, reply_to=reply_to)
        return OutboundEmail(message.message_id, f"b+{signed_id}@{host}", message.address, content), 1


AnyComposer = Composer | TransactionalComposer


class Composers:
    """Cache of the composers of compiled steps, and of senders of transactional messages.

    Args:
        settings: for the composers.
        keyring: for the composers.
    """

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self._settings = settings
        self._keyring = keyring
        self._kept: dict[tuple[int | None, int, str], AnyComposer] = {}

    async def get(self, db: Connection, step_id: int | None, channel: str, sender_id: int = 0) -> AnyComposer:
        """Return the composer of a step for a channel, or of a sender's transactional messages; compiled on first use.

        Raises:
            TemplateError, SettingsError: the step cannot be compiled.
        """
        key = (step_id, 0 if step_id is not None else sender_id, channel)
        composer = self._kept.get(key)
        if composer is None and step_id is None:
            sender = await db.fetchrow(SQL["find_sender"], sender_id)
            assert sender is not None
            composer = self._kept[key] = TransactionalComposer(self._settings, self._keyring, sender, channel)
        elif composer is None:
            step = await db.fetchrow(SQL["find_step"], step_id)
            assert step is not None
            composer = self._kept[key] = Composer(self._settings, self._keyring, step, channel)
        return composer


def _as_html(text: str) -> str:
    """Write plain text as HTML, with its line ends."""
    return f'<!doctype html><html><body><div style="white-space: pre-wrap">{escape(text)}</div></body></html>\n'


def _mailbox(name: str | None, address: str) -> str:
    if not name:
        return address
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'
