"""Sign email with DKIM (RFC 6376, RFC 8463), by dkimpy, if the relay does not.

A relay that signs (OpenDKIM, Rspamd, any provider) is many times faster: this module is for small relays that cannot
sign.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

import dkim
from dkim.crypto import UnparsableKeyError, parse_pem_private_key

from core.errors import AddressError, SettingsError
from core.settings import Settings
from messaging.content.mime import ascii_domain

_SIGNED: Final = (
    *(b"from", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id", b"mime-version", b"content-type"),
    *(b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id"),
)
"""Headers with the sender, the recipient and the content, and headers by which mailbox providers judge bulk mail."""
HEADERS: Final = _SIGNED + _SIGNED
"""Signed headers: each is named once more than it occurs, so that adding another breaks the signature."""
MIN_KEY_SIZE: Final = 1024
"""Fewest bits of an RSA key that receivers accept (RFC 8301)."""
_ED25519_PKCS8: Final = bytes.fromhex("302e020100300506032b657004220420")
"""Bytes before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410), as OpenSSL writes it."""
_PEM: Final = re.compile(rb"-----BEGIN [A-Z ]+-----\s+(.+?)-----END", re.DOTALL)
_PROBE: Final = b"From: a@example.org\r\n\r\nHello\r\n"
_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE)


class Signer:
    """Signs emails with one key.

    Args:
        domain: `d=`; DMARC wants it to be the domain of From, or a parent domain.
        selector: `s=`; where in DNS the public key is.
        key: as in the file: PEM with an RSA or Ed25519 key, or an Ed25519 key's 32 bytes in base64.

    Raises:
        SettingsError: the key, the domain or the selector cannot be used.
    """

    def __init__(self, domain: str, selector: str, key: bytes) -> None:
        try:
            self._domain = ascii_domain(domain).encode("ascii")
        except (AddressError, UnicodeError) as error:
            raise SettingsError(f"MUSTER_DKIM_DOMAIN: “{domain}” is not a domain.") from error
        for name, value in (("DOMAIN", self._domain.decode()), ("SELECTOR", selector)):
            if not _HOST.fullmatch(value):
                raise SettingsError(f"MUSTER_DKIM_{name}: “{value}” cannot be part of a DNS name.")
        self._selector = selector.encode("ascii")
        self._algorithm, self._key = _read(key)
        try:
            self.sign(_PROBE)
        except (dkim.DKIMException, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise _bad_key("is not a private key that can sign") from error

    def sign(self, content: bytes) -> bytes:
        """Return the email with a signature over its headers and its text, both relaxed.

        Args:
            content: as it will be sent: ASCII throughout, so that no relay has a reason to convert it.
        """
        signer = dkim.DKIM(content, signature_algorithm=self._algorithm)
        header: bytes = signer.sign(
            self._selector,
            self._domain,
            self._key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=HEADERS,
        )
        return header + content


def open_signer(settings: Settings) -> Signer | None:
    """Return the signer that the settings configure, or None.

    Raises:
        SettingsError: one of the three settings is missing, or the key cannot be used.
    """
    given = {
        "MUSTER_DKIM_DOMAIN": settings.dkim_domain,
        "MUSTER_DKIM_SELECTOR": settings.dkim_selector,
        "MUSTER_DKIM_KEY_FILE": settings.dkim_key_file,
    }
    missing = [name for name, value in given.items() if not value]
    if len(missing) == len(given):
        return None
    if missing or not (settings.dkim_domain and settings.dkim_selector and settings.dkim_key_file):
        raise SettingsError(
            f"Emails cannot be signed: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.",
            remedy="DKIM needs all three settings, or none; see docs/email.md.",
        )
    try:
        key = settings.dkim_key_file.read_bytes()
    except OSError as error:
        raise _bad_key(f"cannot be read ({error.strerror})") from error
    return Signer(settings.dkim_domain, settings.dkim_selector, key)


def _read(key: bytes) -> tuple[bytes, bytes]:
    """Return the algorithm of a key, and the key in the form that dkimpy takes."""
    pem = _PEM.search(key)
    try:
        raw = base64.b64decode(b"".join((pem[1] if pem else key).split()), validate=True)
    except binascii.Error as error:
        raise _bad_key("holds no key in PEM or base64") from error
    if raw.startswith(_ED25519_PKCS8) or (pem is None and len(raw) == 32):
        return b"ed25519-sha256", base64.b64encode(raw[-32:])
    key = b"\n".join(key.split(b"\r\n"))
    try:
        bits = parse_pem_private_key(key)["modulus"].bit_length()
    except (UnparsableKeyError, LookupError, TypeError, ValueError) as error:
        raise _bad_key("is neither an RSA nor an Ed25519 private key without a password") from error
    if bits < MIN_KEY_SIZE:
        raise _bad_key(f"is an RSA key of {bits} bits, which receivers no longer accept")
    return b"rsa-sha256", key


def _bad_key(what: str) -> SettingsError:
    return SettingsError(
        f"The file MUSTER_DKIM_KEY_FILE names {what}.",
        remedy="Make one with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out dkim.pem",
    )
