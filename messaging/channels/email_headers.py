"""How our id travels through a provider of email, so that its events name it: a header of the provider's own each.

A provider puts an envelope sender of its own in place of ours, so bounces come to it and not to us.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from messaging.settings import Settings

NAME: Final = "muster"
"""What our id is called in custom arguments, variables, metadata and tags."""

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
    """Makes the header lines a provider needs from an email's envelope sender; None where no provider is named.

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


def read_public_key(text: str) -> EllipticCurvePublicKey:
    """A P-256 public key as SendGrid shows it: base64 of DER, without the lines of PEM.

    Raises:
        ValueError: it is none.
    """
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise ValueError("it is not a public key as SendGrid shows it (base64, begins with MFkw…)") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("it is not a public key of the kind SendGrid signs with (P-256)")  # noqa: TRY004
    return key
