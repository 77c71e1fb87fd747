"""Messages about accounts, for a worker to send: an invitation, and that second factors were reset."""

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


async def queue_invitation(
    db: Connection,
    settings: Settings,
    *,
    address: str,
    name: str,
    link: str,
    days: int,
    until: datetime,
    by: str,
    now: datetime,
) -> int:
    """Queue the message with an invitation, in the transaction that made it; return the id of the message.

    Args:
        db: in the caller's transaction.
        settings: has the organisation's name, its mailbox and the keys.
        address: the mailbox of whoever is invited.
        name: the name in the greeting.
        link: the whole URL.
        days: how long it works.
        until: when it stops working; it is not sent later.
        by: who invites them.
        now: the time, aware.
    """
    where = _where(settings)
    lasts = f"{days} days" if days != 1 else "one day"
    text = (
        f"Hello {name},\n\nyou are invited to {where}. Accept it here:\n\n{link}\n\n"
        f"The link works once, for {lasts}. Nobody but you should have it: do not pass this mail on.\n\n"
        "If you did not expect it, leave it alone; nothing happens until the link is opened and the button pressed.\n"
    )
    html = environment().get_template("invitation_message.html").render(where=where, name=name, link=link, lasts=lasts)
    contents = Contents(text, f"Your invitation to {where}", html, (link,))
    return await _queue(db, settings, "email", settings.email_from, address, contents, by, now, until)


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
    where = _where(settings)
    if channel == "sms":
        contents = Contents(
            f"{where}: your second factors were reset, and you were signed out everywhere. "
            "Was it not you who asked? Tell an administrator at once."
        )
    else:
        contents = Contents(
            f"Hello {name},\n\n{by} has reset the second factors of your account at {where}: authenticator app,"
            " passkeys and recovery codes work no longer, and you were signed out everywhere. When you sign in next,"
            " you set up new ones.\n\nIf you did not ask for this, tell an administrator at once: somebody may be"
            " trying to get into your account.\n",
            f"Your second factors at {where} were reset",
        )
    return await _queue(db, settings, channel, sender, address, contents, by, now, None)


async def _queue(
    db: Connection,
    settings: Settings,
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
        MessageKind.SIGN_IN, channel, address, await use_sender(db, channel, mailbox, name=display), contents, by,
        send_before=until,
    )  # fmt: skip
    return await send_to(db, message, at=now, keys=settings.secret_key)


def _where(settings: Settings) -> str:
    return f"{settings.organisation_name} on Muster" if settings.organisation_name else "Muster"
