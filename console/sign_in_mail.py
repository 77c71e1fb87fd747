"""Mail with a sign-in link: composed, sent to the relay at once, and not stored, because the link is a credential."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr

from console.rendering import environment
from core.errors import SettingsError, Unavailable
from core.settings import Settings
from messaging.channels.channel import Accepted, OutboundEmail, Unknown, Withheld
from messaging.channels.smtp.channel import SmtpChannel
from messaging.content.mime import ascii_domain


async def send_sign_in_link(
    settings: Settings, *, name: str, email: str, link: str, minutes: int, now: datetime
) -> bool:
    """Mail a member of staff their sign-in link.

    Args:
        settings: has the relay and the sender of mails.
        name: the name in the greeting.
        email: their mailbox.
        link: the whole URL.
        minutes: how long it works.
        now: the time, aware.

    Returns:
        Whether the relay confirmed that it took the mail; it may have taken one without confirming.

    Raises:
        SettingsError: no usable relay is configured.
        Unavailable: the relay did not take it.
    """
    if not settings.has_email:
        raise SettingsError("No mail relay is set up.", remedy="Set MUSTER_SMTP_URL, or leave out --send.")
    _, sender = parseaddr(settings.email_from)
    content = compose(settings, name=name, email=email, link=link, minutes=minutes, now=now)
    channel = SmtpChannel(settings)
    try:
        outcome = await channel.send(OutboundEmail(0, ascii_domain(sender), email, content))
    finally:
        await channel.close()
    if isinstance(outcome, Accepted | Unknown):
        return isinstance(outcome, Accepted)
    assert not isinstance(outcome, Withheld)  # only messages that a worker has claimed can be withheld
    raise Unavailable(
        f"The mail relay did not accept the mail to {email}: {outcome.reply or outcome.reason}.",
        remedy="Check MUSTER_SMTP_URL, or leave out --send to have the link printed.",
    )


def compose(settings: Settings, *, name: str, email: str, link: str, minutes: int, now: datetime) -> bytes:
    """Compose the complete mail, in text and HTML."""
    where = f"{settings.named} on Muster" if settings.named else "Muster"
    said = {"where": where, "name": name, "link": link, "time": in_words(minutes)}
    mail = EmailMessage(policy=SMTP)
    mail["From"] = settings.email_from
    mail["To"] = email
    mail["Subject"] = " ".join(f"Sign in to {where}".split())
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = make_msgid("sign-in", settings.bounce_host)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: stops automatic replies
    mail.set_content(
        "Hello {name},\n\nsign in to {where} here:\n\n{link}\n\n"
        "The link works once, for {time}. Nobody but you should have it: do not pass this mail on.\n\n"
        "If you did not expect it, leave it alone; nothing happens until the link is opened and the button pressed.\n"
        .format_map(said),
        cte="quoted-printable",
    )  # fmt: skip
    html = environment().get_template("sign_in_mail.html").render(**said)
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail.as_bytes()


def in_words(minutes: int) -> str:
    """Put a link's lifetime in words: `15 minutes`, `one hour`."""
    hours, rest = divmod(minutes, 60)
    if rest or not hours:
        return f"{minutes} minutes" if minutes != 1 else "one minute"
    return f"{hours} hours" if hours != 1 else "one hour"
