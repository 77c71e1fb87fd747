"""Read the mail relay's URL, and connect to the relay: aiosmtplib opens, encrypts and authenticates the connection."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from urllib.parse import parse_qs, quote, unquote, urlsplit

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPHeloError, SMTPResponseException

from core.errors import SettingsError
from core.http.http_answers import describe_failure
from core.sign_in_links import MASK
from messaging.channels.channel import Refused, Retry
from messaging.channels.smtp.codes import SmtpPhase, result_of
from messaging.channels.smtp.smtp_connection import SmtpConnection
from messaging.reasons import Reason

CONNECT_TIMEOUT: Final = 20.0
"""Seconds opening a connection may take."""


@dataclass(frozen=True, slots=True)
class SmtpTransport:
    """Address of the mail relay, from `MUSTER_SMTP_URL`.

    Attributes:
        tls: encrypted from the first byte (SMTPS).
        start_tls: True, always encrypted; None, encrypted if the relay offers it; False, never.
    """

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool
    start_tls: bool | None


def read_smtp_url(url: str) -> SmtpTransport:
    """Read `smtp://user:password@host:port?starttls=never|auto|always` or `smtps://…`.

    With `auto`, a relay with a password must offer STARTTLS: otherwise an attacker in between could remove the offer
    and read the password. To send a password in the clear, set `never`.

    Raises:
        SettingsError: the URL has another form; the error never repeats the password.
    """
    remedy = "It looks like smtp://user:password@host:587?starttls=always, or smtps://…; see docs/settings.md."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError("MUSTER_SMTP_URL has no port that is a number.", remedy=remedy) from error
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise SettingsError("MUSTER_SMTP_URL is not the address of a mail relay.", remedy=remedy)
    query = parse_qs(parts.query, keep_blank_values=True)
    if unknown := sorted(query.keys() - {"starttls"}):  # one that is misspelt must not lead to less security
        raise SettingsError(
            f"MUSTER_SMTP_URL has a parameter that Muster does not know: {', '.join(unknown)}.", remedy=remedy
        )
    if parts.path not in {"", "/"} or "#" in url or port == 0:
        raise SettingsError("MUSTER_SMTP_URL is not the address of a mail relay.", remedy=remedy)
    ways = {"never": False, "auto": True if parts.username else None, "always": True}
    starttls = query.get("starttls", ["auto"])[-1]
    if starttls not in ways:
        raise SettingsError(f"MUSTER_SMTP_URL says starttls={starttls}.", remedy=remedy)
    tls = parts.scheme == "smtps"
    return SmtpTransport(
        host=parts.hostname,
        port=port or (465 if tls else 25),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=tls,
        start_tls=False if tls else ways[starttls],
    )


def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """Return a TLS context that trusts the system's authorities or those in a file. Checks cannot be switched off.

    Args:
        ca_file: `MUSTER_SMTP_CA_FILE`, PEM.

    Raises:
        SettingsError: the URL cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an SSLError is an OSError
        raise SettingsError(
            f"MUSTER_SMTP_CA_FILE: {ca_file} cannot be used: {error.strerror or error}.",
            remedy="It holds certificates of authorities in PEM: -----BEGIN CERTIFICATE----- …",
        ) from error


async def connect(
    relay: SmtpTransport, context: ssl.SSLContext, local_name: str, setup_timeout: float
) -> SmtpConnection | Retry | Refused:
    """Open a connection that is ready for an email, or return why it cannot be opened.

    Args:
        relay: the relay's address.
        context: TLS context with the trusted authorities.
        local_name: our host name in EHLO.
        setup_timeout: seconds for everything.
    """
    smtp = SMTP(
        hostname=relay.host,
        port=relay.port,
        username=relay.username,
        password=relay.password,
        use_tls=relay.tls,
        start_tls=relay.start_tls,
        tls_context=context,
        local_hostname=local_name,
        timeout=None,
    )
    try:
        async with asyncio.timeout(min(CONNECT_TIMEOUT, setup_timeout)):
            await smtp.connect()
            if smtp.is_ehlo_or_helo_needed:
                await _greet(smtp)
    except BaseException as error:
        smtp.close()
        if isinstance(error, SMTPResponseException):
            return result_of(error.code, _without_credentials(error.message, relay), _phase(error))
        if isinstance(error, SMTPException | OSError | ValueError):
            return Retry(Reason.NOT_REACHED, reply=_without_credentials(_words(error), relay), slow=True)
        raise
    return SmtpConnection(cast("asyncio.Transport", smtp.transport), smtp.esmtp_extensions)


async def _greet(smtp: SMTP) -> None:
    try:
        await smtp.ehlo()
    except SMTPHeloError:  # a server that knows no extensions (RFC 5321, 3.2)
        await smtp.helo()


def _phase(error: SMTPResponseException) -> SmtpPhase:
    return SmtpPhase.AUTH if isinstance(error, SMTPAuthenticationError) else SmtpPhase.CONNECT


def _without_credentials(words: str, relay: SmtpTransport) -> str:
    """Mask our password where a relay quotes it, in clear or as AUTH sends it: its words are logged and shown."""
    user, password = relay.username or "", relay.password or ""
    packed = (base64.b64encode(text.encode()).decode() for text in (f"\0{user}\0{password}", password))
    for secret in (*packed, password, quote(password, safe="")) if password else ():
        words = words.replace(secret, MASK)
    return words


def _words(error: Exception) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"The relay's certificate is not trusted: {cause.verify_message}. Name its authority in"
            " MUSTER_SMTP_CA_FILE, or the right host in MUSTER_SMTP_URL; see docs/email.md."
        )
    return describe_failure(error)
