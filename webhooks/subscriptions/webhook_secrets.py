"""Secrets of webhooks, encrypted: a copy of the database is not enough to sign in our name."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Final

from pydantic import SecretStr

from core.errors import SettingsError
from core.secret_box import InvalidToken, SecretBox

_SECRET_SIZE: Final = 32
"""Bytes of a secret; Standard Webhooks requires 24 to 64."""
_USE: Final = "muster webhook secrets"


def make_secret() -> SecretStr:
    """Make a new secret in the form that receivers get: `whsec_` and base64."""
    return SecretStr("whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_SIZE)).decode())


def encrypt(keys: Sequence[SecretStr], secret: SecretStr) -> bytes:
    """Encrypt a secret for storage.

    Args:
        keys: MUSTER_SECRET_KEY, newest first.
        secret: the secret.
    """
    return SecretBox(keys, _USE).encrypt(secret)


def renew(keys: Sequence[SecretStr], encrypted: bytes | None) -> bytes | None:
    """Encrypt a stored secret with the newest key; None if it is, or if no key fits."""
    return None if encrypted is None else SecretBox(keys, _USE).renew(encrypted)


def decrypt(keys: Sequence[SecretStr], encrypted: bytes) -> SecretStr:
    """Decrypt a stored secret with whichever key fits.

    Raises:
        SettingsError: no key fits.
    """
    try:
        return SecretBox(keys, _USE).decrypt(encrypted)
    except InvalidToken:
        raise SettingsError(
            "The secret of a webhook was encrypted with another MUSTER_SECRET_KEY.",
            remedy="Add the former key to the list again, or make a new secret: muster webhooks rotate NAME",
        ) from None
