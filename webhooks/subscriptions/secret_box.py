"""Encryption of webhook secrets with MUSTER_SECRET_KEY: a copy of the database is not enough to sign in our name."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from core.errors import SettingsError

_SIZE: Final = 32
"""Bytes of a secret; Standard Webhooks requires 24 to 64."""


def make_secret() -> SecretStr:
    """Make a new secret in the form that receivers get: `whsec_` and base64."""
    return SecretStr("whsec_" + base64.b64encode(secrets.token_bytes(_SIZE)).decode())


def encrypt(keys: Sequence[SecretStr], secret: SecretStr) -> bytes:
    """Encrypt a secret for storage.

    Args:
        keys: MUSTER_SECRET_KEY, newest first.
        secret: the secret.
    """
    return _box(keys).encrypt(secret.get_secret_value().encode())


def decrypt(keys: Sequence[SecretStr], encrypted: bytes) -> SecretStr:
    """Decrypt a stored secret with whichever key fits.

    Raises:
        SettingsError: no key fits.
    """
    try:
        return SecretStr(_box(keys).decrypt(encrypted).decode())
    except InvalidToken:
        raise SettingsError(
            "The secret of a webhook was encrypted with another MUSTER_SECRET_KEY.",
            remedy="Add the former key to the list again, or make a new secret: muster webhooks rotate NAME",
        ) from None


def _box(keys: Sequence[SecretStr]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key))) for key in keys])


def _derive(key: SecretStr) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"muster webhook secrets")
    return derived.derive(key.get_secret_value().encode())
