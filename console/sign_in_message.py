"""Message with a sign-in link, by mail or text, for a worker to send; the link is a credential, so no copy stays."""

from __future__ import annotations

from datetime import datetime
from email.utils import parseaddr

from console.rendering import environment
from core.db import Connection
from core.settings import Settings
from messaging.outbox.concealment import Contents
from messaging.outbox.senders import use_sender
from messaging.outbox.transactional import MessageKind, NewMessage, send_to
from messaging.states import ChannelName


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
    display, mailbox = parseaddr(sender) if channel == "email" else ("", sender)
    message = NewMessage(
        MessageKind.SIGN_IN, channel, address, await use_sender(db, channel, mailbox, name=display),
        compose(settings, channel, name=name, link=link, minutes=minutes), by, send_before=until,
    )  # fmt: skip
    return await send_to(db, message, at=now, keys=settings.secret_key)


def compose(settings: Settings, channel: ChannelName, *, name: str, link: str, minutes: int) -> Contents:
    """Compose the message: for a text one sentence, for a mail text and HTML."""
    where = f"{settings.organisation_name} on Muster" if settings.organisation_name else "Muster"
    time = in_words(minutes)
    if channel == "sms":
        return Contents(f"Sign in to {where}: {link} It works once, for {time}. Pass it on to nobody.", secrets=(link,))
    text = (
        f"Hello {name},\n\nsign in to {where} here:\n\n{link}\n\n"
        f"The link works once, for {time}. Nobody but you should have it: do not pass this mail on.\n\n"
        "If you did not expect it, leave it alone; nothing happens until the link is opened and the button pressed.\n"
    )
    html = environment().get_template("sign_in_message.html").render(where=where, name=name, link=link, time=time)
    return Contents(text, f"Sign in to {where}", html, (link,))


def in_words(minutes: int) -> str:
    """Put a link's lifetime in words: `15 minutes`, `one hour`."""
    hours, rest = divmod(minutes, 60)
    if rest or not hours:
        return f"{minutes} minutes" if minutes != 1 else "one minute"
    return f"{hours} hours" if hours != 1 else "one hour"
