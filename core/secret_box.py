"""Encryption with MUSTER_SECRET_KEY: a copy of the database alone opens nothing that is stored like this."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

__all__ = ["InvalidToken", "SecretBox"]

_KEY_LENGTH: Final = 32
"""Bytes of a key that Fernet takes."""


class SecretBox:
    """Encrypts and decrypts secrets of one kind.

    Args:
        keys: MUSTER_SECRET_KEY, newest first: the first encrypts, all decrypt.
        use: what the secrets are for; each use has keys of its own.
    """

    __slots__ = ("_box", "_newest")

    def __init__(self, keys: Sequence[SecretStr], use: str) -> None:
        each = [Fernet(base64.urlsafe_b64encode(_derive(key, use))) for key in keys]
        self._box, self._newest = MultiFernet(each), each[0]

    def encrypt(self, secret: SecretStr) -> bytes:
        """Encrypt a secret for storage."""
        return self._box.encrypt(secret.get_secret_value().encode())

    def decrypt(self, encrypted: bytes) -> SecretStr:
        """Decrypt a stored secret with whichever key fits.

        Raises:
            InvalidToken: no key fits.
        """
        return SecretStr(self._box.decrypt(encrypted).decode())

    def renew(self, encrypted: bytes) -> bytes | None:
        """Encrypt a stored secret with the newest key; None if it is, or if no key fits."""
        try:
            self._newest.decrypt(encrypted)
        except InvalidToken:
            try:
                return self._box.rotate(encrypted)
            except InvalidToken:
                return None
        return None


def _derive(key: SecretStr, use: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_LENGTH, salt=None, info=use.encode()).derive(
        key.get_secret_value().encode()
    )
