"""Messages about accounts, by mail or text, for a worker to send; their words are in `templates/accounts/`.

A link is a credential, so no copy of it stays.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parseaddr
from enum import StrEnum
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import jinja2

from core.db import Connection
from core.settings import TEMPLATES, Settings
from core.times_in_words import moment_in_words
from messaging.outbox.concealment import Contents
from messaging.outbox.senders import use_sender
from messaging.outbox.transactional import MessageKind, NewMessage, send_to
from messaging.states import ChannelName
from staff.browsers import network_in_words

_NOTICE_LASTS: Final = timedelta(days=2)
"""How long a notice may wait while no mail can be sent; later it is no longer worth sending."""


class AccountNotice(StrEnum):
    """Notice to the owner of an account that something was changed; the values are the words of the mail."""

    APP_ADDED = "An authenticator app was set up"
    APP_REMOVED = "The authenticator app was removed"
    PASSKEY_ADDED = "A passkey was added"
    PASSKEY_REMOVED = "A passkey was removed"
    PASSKEY_COPIED = "A passkey was refused, because there may be a copy of it,"
    RECOVERY_CODE_USED = "A recovery code was used"
    RECOVERY_CODES_MADE = "New recovery codes were made"


async def queue_sign_in_link(
    db: Connection,
    settings: Settings,
    *,
    channel: ChannelName,
    sender: str,
    address: str,
    name: str,
    link: str,
    minutes: int,
    until: datetime,
    by: str,
    now: datetime,
) -> int:
    """Queue the message with a sign-in link, in the transaction that made the link; an expired link is not sent.

    Args:
        db: in the caller's transaction.
        settings: has the organisation's name and the keys.
        channel: `email` or `sms`.
        sender: what it comes from: `Name <address>`, or a number.
        address: the mailbox or phone of the member of staff.
        name: the name in the greeting.
        link: the whole URL.
        minutes: how long it works.
        until: when it stops working.
        by: who lets them in.
        now: the time, aware.

    Returns:
        The id of the message.
    """
    contents = _contents(settings, "sign_in", channel, (link,), name=name, link=link, time=lifetime_in_words(minutes))
    return await _queue(db, settings, MessageKind.SIGN_IN, channel, sender, address, contents, by, now, until)


async def queue_invitation(
    db: Connection,
    settings: Settings,
    *,
    address: str,
    name: str,
    grant: str,
    link: str,
    days: int,
    until: datetime,
    by: str,
    now: datetime,
) -> int:
    """Queue the mail with an invitation, in the transaction that made it; return the id of the message.

    Args:
        db: in the caller's transaction.
        settings: has the organisation's name, its mailbox and the keys.
        address: the mailbox of the person who is invited.
        name: the name in the greeting.
        grant: what they will be, where, and until when, in words.
        link: the whole URL.
        days: how long it works.
        until: when it stops working; it is not sent later.
        by: who invites them.
        now: the time, aware.
    """
    lasts = f"{days} days" if days != 1 else "one day"
    ends = moment_in_words(until, ZoneInfo(settings.time_zone))
    contents = _contents(
        settings, "invitation", "email", (link,), name=name, link=link, lasts=lasts, ends=ends, grant=grant, by=by,
        organisation=settings.organisation_name, contact=settings.contact,
    )  # fmt: skip
    return await _queue(
        db, settings, MessageKind.ACCOUNT, "email", settings.email_from, address, contents, by, now, until
    )


async def queue_reset_notice(
    db: Connection,
    settings: Settings,
    *,
    channel: ChannelName,
    sender: str,
    address: str,
    name: str,
    by: str,
    now: datetime,
) -> int:
    """Queue the message that somebody's second factors were reset; return its id.

    Args:
        db: in the transaction that reset them.
        settings: has the organisation's name.
        channel: `email` or `sms`.
        sender: what it comes from: `Name <address>`, or a number.
        address: the mailbox or phone of the member of staff.
        name: the name in the greeting.
        by: who did it.
        now: the time, aware.
    """
    contents = _contents(settings, "reset", channel, (), name=name, by=by)
    return await _queue(db, settings, MessageKind.ACCOUNT, channel, sender, address, contents, by, now, None)


async def queue_notice(
    db: Connection,
    settings: Settings,
    notice: AccountNotice,
    *,
    address: str,
    name: str,
    came_from: str,
    now: datetime,
    signed_out: int = 0,
) -> int:
    """Queue the mail that tells the owner of an account what was changed about it; return the id of the message.

    Args:
        db: in the transaction that changes it.
        settings: has the organisation's name, its mailbox and its time zone.
        notice: what was changed.
        address: their mailbox.
        name: the name in the greeting.
        came_from: network of the browser that did it.
        now: the time, aware.
        signed_out: how many other sessions ended with it.
    """
    local = now.astimezone(ZoneInfo(settings.time_zone))
    network = network_in_words(came_from).replace("unknown", "an unknown")
    contents = _contents(
        settings, "changed", "email", (), name=name, what=notice.rstrip(","), sentence=notice[0].lower() + notice[1:],
        time=f"{local.day} {local:%B %Y, %H:%M %Z}", network=network, ended=signed_out,
    )  # fmt: skip
    return await _queue(
        db, settings, MessageKind.ACCOUNT, "email", settings.email_from, address, contents, "muster", now,
        now + _NOTICE_LASTS,
    )  # fmt: skip


def lifetime_in_words(minutes: int) -> str:
    """Put a link's lifetime in words: `15 minutes`, `one hour`."""
    hours, rest = divmod(minutes, 60)
    if rest or not hours:
        return f"{minutes} minutes" if minutes != 1 else "one minute"
    return f"{hours} hours" if hours != 1 else "one hour"


def _contents(
    settings: Settings, message: str, channel: ChannelName, secrets: tuple[str, ...], **context: Any
) -> Contents:
    """Fill in a message: a text is one sentence; the first line of a mail is its subject, and some have HTML too."""
    context["where"] = f"{settings.organisation_name} on Muster" if settings.organisation_name else "Muster"
    if channel == "sms":
        return Contents(_render(f"{message}.sms.txt", context).strip(), secrets=secrets)
    subject, _, text = _render(f"{message}.txt", context).partition("\n\n")
    html = _render(f"{message}.html", context) if f"{message}.html" in _environment().list_templates() else ""
    return Contents(text, subject, html, secrets)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES / "accounts"),
        autoescape=jinja2.select_autoescape(("html",)),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )


def _render(name: str, context: dict[str, Any]) -> str:
    return _environment().get_template(name).render(context)


async def _queue(
    db: Connection,
    settings: Settings,
    kind: MessageKind,
    channel: ChannelName,
    sender: str,
    address: str,
    contents: Contents,
    by: str,
    now: datetime,
    until: datetime | None,
) -> int:
    display, mailbox = parseaddr(sender) if channel == "email" else ("", sender)
    message = NewMessage(
        kind, channel, address, await use_sender(db, channel, mailbox, name=display), contents, by, send_before=until
    )
    return await send_to(db, message, at=now, keys=settings.secret_key)
