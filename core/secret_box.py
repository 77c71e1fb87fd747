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

    __slots__ = ("_box",)

    def __init__(self, keys: Sequence[SecretStr], use: str) -> None:
        self._box = MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key, use))) for key in keys])

    def encrypt(self, secret: SecretStr) -> bytes:
        """Encrypt a secret for storage."""
        return self._box.encrypt(secret.get_secret_value().encode())

    def decrypt(self, encrypted: bytes) -> SecretStr:
        """Decrypt a stored secret with whichever key fits.

        Raises:
            InvalidToken: no key fits.
        """
        return SecretStr(self._box.decrypt(encrypted).decode())


def _derive(key: SecretStr, use: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_LENGTH, salt=None, info=use.encode()).derive(
        key.get_secret_value().encode()
    )
