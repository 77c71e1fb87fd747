"""Webhook secrets, sealed with MUSTER_SECRET_KEY: who reads the database or a backup of it cannot sign in our name."""

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
"""Bytes of a secret; Standard Webhooks asks for 24 to 64."""


def make_secret() -> SecretStr:
    """A new secret as receivers are given it: `whsec_` and base64."""
    return SecretStr("whsec_" + base64.b64encode(secrets.token_bytes(_SIZE)).decode())


def seal(keys: Sequence[SecretStr], secret: SecretStr) -> bytes:
    """A secret as it is stored.

    Args:
        keys: MUSTER_SECRET_KEY, newest first.
        secret: what to store.
    """
    return _box(keys).encrypt(secret.get_secret_value().encode())


def unseal(keys: Sequence[SecretStr], sealed: bytes) -> SecretStr:
    """What was sealed with any of the keys.

    Raises:
        SettingsError: with none of them.
    """
    try:
        return SecretStr(_box(keys).decrypt(sealed).decode())
    except InvalidToken:
        raise SettingsError(
            "The secret of a webhook was sealed with another MUSTER_SECRET_KEY.",
            remedy="Add the former key to the list again, or make a new secret: muster webhooks rotate NAME",
        ) from None


def _box(keys: Sequence[SecretStr]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key))) for key in keys])


def _derive(key: SecretStr) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"muster webhook secrets")
    return derived.derive(key.get_secret_value().encode())
