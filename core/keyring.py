"""Tokens in members' links: derived, never stored, so that a retry renders the same bytes.

A token is 13 lowercase Crockford base32 characters, 65 bits of HMAC-SHA256 over the message's id and the action.
The database keeps a digest only, so that a reader of a backup cannot press anyone's link.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, Literal
from urllib.parse import unquote

from pydantic import SecretStr

from core.errors import SettingsError

LinkAction = Literal["confirm", "unsubscribe"]

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
TOKEN_LENGTH: Final = 13
"""Characters of a token, of five bits each."""
_PAIRS: Final = tuple(first + second for first in ALPHABET for second in ALPHABET)
"""Pairs of characters, for ten bits at a time: half the steps of single characters."""
_READ_AS: Final = str.maketrans("oil", "011")
_TAG_LENGTH: Final = 8
_GLUED: Final = re.compile(rf"[^0-9A-Za-z]*(?P<token>[0-9A-Za-z]{{{TOKEN_LENGTH}}})(?![0-9A-Za-z])")
"""Token, and what is glued to it: not a letter or digit, which might belong to the token."""


class Keyring:
    """Secrets that links are derived with: the first signs, all verify.

    Args:
        secrets: `MUSTER_SECRET_KEY`, newest first.
    """

    __slots__ = ("_keys", "current")

    def __init__(self, secrets: Sequence[SecretStr]) -> None:
        if not secrets:
            raise SettingsError("MUSTER_SECRET_KEY is not set.", remedy="Members' links are derived from it.")
        self._keys = {key_fingerprint(key): key for key in (secret.get_secret_value().encode() for secret in secrets)}
        self.current: Final = next(iter(self._keys))

    def token(self, message_id: int, action: LinkAction, *, secret: str | None = None) -> str:
        """Derive the token of one message's link.

        Args:
            message_id: the message.
            action: what the link is for.
            secret: fingerprint of the secret to derive it with (`step.secret`); default the current one. A secret that
                was rotated out gives way to the current one.
        """
        bits = int.from_bytes(self._mac(secret, f"link:{message_id}:{action}")[:9], "big") >> 7
        return _base32(bits, TOKEN_LENGTH)

    def sign_id(self, message_id: int, purpose: str, *, secret: str | None = None) -> str:
        """Sign a message's id, so that it needs no look-up and cannot be forged: for bounce addresses, callbacks.

        Returns:
            `<id in base32>-<8 characters of HMAC>`, lowercase letters and digits, at most 22 characters.
        """
        return f"{_base32(message_id)}-{self._tag(message_id, purpose, secret)}"

    def verify_id(self, signed: str, purpose: str) -> int | None:
        """Return the message id in a signed one, or None if it was not signed with one of our secrets."""
        body, _, tag = signed.lower().partition("-")
        try:
            message_id = _number(body)
        except ValueError:
            return None
        known = [hmac.compare_digest(self._tag(message_id, purpose, name).encode(), tag.encode()) for name in self]
        return message_id if any(known) and message_id < 2**63 else None

    def sign(self, text: str) -> str:
        """Sign any text of ours with 40 hexadecimal characters of HMAC."""
        return self._mac(None, f"sign:{text}").hex()[:40]

    def verify(self, text: str, signature: str) -> bool:
        """Tell whether `sign` made this signature with any of the secrets; constant time."""
        made = [self._mac(name, f"sign:{text}").hex()[:40] for name in self]
        return any([hmac.compare_digest(expected.encode(), signature.encode()) for expected in made])  # noqa: C419  # all are compared

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def _tag(self, message_id: int, purpose: str, secret: str | None) -> str:
        return _base32(int.from_bytes(self._mac(secret, f"seal:{message_id}:{purpose}")[:5], "big"), _TAG_LENGTH)

    def _mac(self, secret: str | None, text: str) -> bytes:
        key = self._keys.get(secret or self.current) or self._keys[self.current]
        return hmac.digest(key, text.encode(), "sha256")


def example_token() -> str:
    """Return the token of links in previews and tests, as long as real ones; a page says that it was a test."""
    return "0123456789abc"


def read_token(text: str) -> str | None:
    """Read the token as a person may have typed it: any case, o for 0, i or l for 1. None if it cannot be one."""
    token = text.lower().translate(_READ_AS)
    return token if len(token) == TOKEN_LENGTH and all(char in ALPHABET for char in token) else None


def find_token(text: str) -> str | None:
    """Find the token in a part of a link, whatever was glued to it; None if there is none.

    Programs that guess where a link ends take the full stop, quotation mark, bracket or space after it as part of it.
    Messengers add invisible characters, also between the letters.

    Args:
        text: a part of a path, with its escapes resolved once.
    """
    if (token := read_token(text)) is not None:
        return token
    seen = "".join(char for char in unquote(text) if unicodedata.category(char) != "Cf")
    match = _GLUED.match(seen)
    return None if match is None else read_token(match["token"])


def digest(token: str) -> bytes:
    """Digest a token for the database: 16 bytes of SHA-256 (a token has 65 random bits, so it needs no salt)."""
    return hashlib.sha256(token.encode()).digest()[:16]


def key_fingerprint(key: bytes) -> str:
    """Name a secret without revealing it; the name is stored beside what is made with the secret."""
    return hashlib.sha256(b"fingerprint:" + key).hexdigest()[:12]


def _base32(number: int, length: int = 1) -> str:
    chars = ""
    while number:
        chars = _PAIRS[number & 1023] + chars
        number >>= 10
    return chars.lstrip("0").rjust(length, "0")


def _number(text: str) -> int:
    if not text or len(text) > TOKEN_LENGTH:
        raise ValueError(text)
    number = 0
    for char in text:
        number = number * 32 + ALPHABET.index(char)
    return number
