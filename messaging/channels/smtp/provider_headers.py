"""Add the header in which an email provider carries our id, so that its events name the message.

A provider replaces our envelope sender by its own, so bounces go to the provider and not to us.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from core.settings import Settings

NAME: Final = "muster"
"""Name of our id in custom arguments, variables, metadata and tags."""

_LINES: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        # https://www.twilio.com/docs/sendgrid/for-developers/sending-email/unique-arguments
        "sendgrid": lambda seal: f"X-SMTPAPI: {json.dumps({'unique_args': {NAME: seal}})}",
        # https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-smtp
        "mailgun": lambda seal: f"X-Mailgun-Variables: {json.dumps({NAME: seal})}",
        # https://postmarkapp.com/support/article/1125-custom-metadata-faq
        "postmark": lambda seal: f"X-PM-Metadata-{NAME}: {seal}\r\nX-PM-KeepID: true",
        # https://docs.aws.amazon.com/ses/latest/dg/event-publishing-send-email.html
        "ses": lambda seal: f"X-SES-MESSAGE-TAGS: {NAME}={seal}",
    }
)


def reference_header(settings: Settings) -> Callable[[str], bytes] | None:
    """Return a function that makes a provider's header lines from an envelope sender; None where none is named.

    Args:
        settings: MUSTER_EMAIL_PROVIDER, and SES's configuration set.
    """
    if not settings.email_provider:
        return None
    line = _LINES[settings.email_provider]
    more = ""
    if settings.email_provider == "ses" and settings.ses_configuration_set:
        more = f"X-SES-CONFIGURATION-SET: {settings.ses_configuration_set}\r\n"

    def header(envelope: str) -> bytes:
        seal = envelope.partition("@")[0].removeprefix("b+")
        return f"{line(seal)}\r\n{more}".encode("ascii")

    return header
