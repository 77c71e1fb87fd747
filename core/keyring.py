"""Tokens in members' links: derived, never stored, so that a retry renders the same bytes.

A token of a text is 13 lowercase Crockford base32 characters, 65 bits of HMAC-SHA256 over the message's id and the
action. The database keeps a digest only, so that a reader of a backup cannot press anyone's link.

A token of an email is 32 of these characters and needs no row, since length costs nothing there: it says which message
and action it is for, encrypted and signed, as deterministic authenticated encryption does (SIV, RFC 5297) with keyed
BLAKE2b (RFC 7693) in place of AES. Its 160 bits are

    3 of the version, 5 that mark the secret | 80 of the signature | 72 encrypted: 8 of the action, 64 of the message

The signature is of the first 8 and the last 72 before encryption; the encryption adds a mask made from the signature.
Both keys are of this use and version alone. Nobody without the secret learns ids or numbers of messages from tokens.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from pydantic import SecretStr

from core.errors import SettingsError

LinkAction = Literal["confirm", "unsubscribe"]

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
TOKEN_LENGTH: Final = 13
"""Characters of a text's token, of five bits each."""
EMAIL_TOKEN_LENGTH: Final = 32
"""Characters of an email's token."""
TOKEN: Final = rf"(?:[{ALPHABET}]{{{EMAIL_TOKEN_LENGTH}}}|[{ALPHABET}]{{{TOKEN_LENGTH}}})"
"""Pattern of a token as we write it."""
_PAIRS: Final = tuple(first + second for first in ALPHABET for second in ALPHABET)
"""Pairs of characters, for ten bits at a time: half the steps of single characters."""
_READ_AS: Final = str.maketrans("oil", "011")
_TAG_LENGTH: Final = 8
_GLUED: Final = re.compile(
    rf"[^0-9A-Za-z]*(?P<token>[0-9A-Za-z]{{{EMAIL_TOKEN_LENGTH}}}|[0-9A-Za-z]{{{TOKEN_LENGTH}}})(?![0-9A-Za-z])"
)
"""Token, and what is glued to it: not a letter or digit, which might belong to the token."""
_TOKEN_VERSION: Final = 1
"""Version of emails' tokens, 1 to 7; none begins like the token of an example."""
_ACTIONS: Final[Mapping[LinkAction, int]] = {"confirm": 1, "unsubscribe": 2}
"""Number of each action in emails' tokens, up to 255; numbers that were sent keep their meaning."""
_ACTION_OF: Final[Mapping[int, LinkAction]] = {number: action for action, number in _ACTIONS.items()}
_SIGNATURE_SIZE: Final = 10
_BLOCK_SIZE: Final = 9
"""Bytes of an email's token that say what it is for: one of the action, eight of the message."""
_BASE_32: Final = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")
"""Digits as `int` reads them."""


@dataclass(frozen=True, slots=True)
class MemberLink:
    """Member's link, by what its token says.

    Attributes:
        digest: digest of a text's token, by which its row is found; None for an email's.
        message_id: the message of an email's token; 0, which no message has, if none of our secrets made it; None for
            a text's.
        action: what an email's link is for; None if it was not made by us, or by a version that knows other actions.
    """

    digest: bytes | None
    message_id: int | None = None
    action: LinkAction | None = None


class Keyring:
    """Secrets that links are derived with: the first signs, all verify.

    Args:
        secrets: `MUSTER_SECRET_KEY`, newest first.
    """

    __slots__ = ("_email_keys", "_keys", "current")

    def __init__(self, secrets: Sequence[SecretStr]) -> None:
        if not secrets:
            raise SettingsError("MUSTER_SECRET_KEY is not set.", remedy="Members' links are derived from it.")
        self._keys = {key_fingerprint(key): key for key in (secret.get_secret_value().encode() for secret in secrets)}
        self.current: Final = next(iter(self._keys))
        self._email_keys = {name: _EmailKey(key) for name, key in self._keys.items()}

    def token(self, message_id: int, action: LinkAction, *, secret: str | None = None) -> str:
        """Derive the token of one text's link.

        Args:
            message_id: the message.
            action: what the link is for.
            secret: fingerprint of the secret to derive it with (`step.secret`); default the current one. A secret that
                was rotated out gives way to the current one.
        """
        bits = int.from_bytes(self._mac(secret, f"link:{message_id}:{action}")[:9], "big") >> 7
        return _base32(bits, TOKEN_LENGTH)

    def email_token(self, message_id: int, action: LinkAction, *, secret: str | None = None) -> str:
        """Derive the token of one email's link, which says what it is for and needs no row.

        Args:
            message_id: the message.
            action: what the link is for.
            secret: as `token` takes it.
        """
        key = self._email_keys.get(secret or self.current) or self._email_keys[self.current]
        return key.encode(_ACTIONS[action], message_id)

    def read_link(self, token: str) -> MemberLink:
        """Read what a token says: an email's says which message and action, a text's has to be looked up.

        A token that was forged, or made with a secret that is no longer in the list, comes to a link that leads
        nowhere; looking that up takes as long as for any other.

        Args:
            token: as `read_token` returns it.
        """
        if len(token) == TOKEN_LENGTH:
            return MemberLink(digest(token))
        raw = int(token.translate(_BASE_32), 32).to_bytes(1 + _SIGNATURE_SIZE + _BLOCK_SIZE, "big")
        # where no secret has the mark, the current one is tried: it does not fit either, but takes as long
        keys = [key for key in self._email_keys.values() if key.mark == raw[:1]]
        decoded = [key.decode(raw) for key in keys or (self._email_keys[self.current],)]
        number, message_id = next((pair for pair in decoded if pair is not None), (0, 0))
        return MemberLink(None, message_id, _ACTION_OF.get(number))

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


class _EmailKey:
    """Keys of links in emails, derived from one secret.

    Args:
        secret: one of `MUSTER_SECRET_KEY`.

    Attributes:
        mark: the first byte of their tokens: the version, and five bits that tell secrets apart.
    """

    __slots__ = ("_masks", "_signatures", "mark")

    def __init__(self, secret: bytes) -> None:
        mark, signatures, masks = (
            hmac.digest(secret, f"links in emails, version {_TOKEN_VERSION}: {use}".encode(), "sha256")
            for use in ("mark", "signature", "encryption")
        )
        self.mark: Final = bytes([_TOKEN_VERSION << 5 | mark[0] & 31])
        self._signatures = hashlib.blake2b(key=signatures, digest_size=_SIGNATURE_SIZE)
        self._masks = hashlib.blake2b(key=masks, digest_size=_BLOCK_SIZE)

    def encode(self, number: int, message_id: int) -> str:
        """Return the token for an action, by its number, and a message."""
        block = number << 64 | message_id
        head = self.mark + self._sign(block.to_bytes(_BLOCK_SIZE, "big"))
        return _base32(int.from_bytes(head, "big") << 8 * _BLOCK_SIZE | block ^ self._mask(head), EMAIL_TOKEN_LENGTH)

    def decode(self, raw: bytes) -> tuple[int, int] | None:
        """Return the number of the action and the message that a token is for; None if this key did not make it."""
        head, encrypted = raw[:-_BLOCK_SIZE], raw[-_BLOCK_SIZE:]
        block = int.from_bytes(encrypted, "big") ^ self._mask(head)
        expected = self.mark + self._sign(block.to_bytes(_BLOCK_SIZE, "big"))
        return (block >> 64, block & 2**64 - 1) if hmac.compare_digest(expected, head) else None

    def _sign(self, block: bytes) -> bytes:
        signing = self._signatures.copy()
        signing.update(self.mark + block)
        return signing.digest()

    def _mask(self, head: bytes) -> int:
        masking = self._masks.copy()
        masking.update(head)
        return int.from_bytes(masking.digest(), "big")


def example_token() -> str:
    """Return the token of links in previews and tests, as long as those of texts; a page says that it was a test."""
    return "0123456789abc"


def read_token(text: str) -> str | None:
    """Read the token as a person may have typed it: any case, o for 0, i or l for 1. None if it cannot be one."""
    token = text.lower().translate(_READ_AS)
    is_long_enough = len(token) in {TOKEN_LENGTH, EMAIL_TOKEN_LENGTH}
    return token if is_long_enough and all(char in ALPHABET for char in token) else None


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
    """Digest a text's token for the database: 16 bytes of SHA-256 (it has 65 random bits, so it needs no salt)."""
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
