"""Tokens of links and sessions: 256 random bits, of which only a digest is stored."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """Make a token."""
    return secrets.token_urlsafe(32)


def is_token(text: str | None) -> bool:
    """Tell whether a text has the form of a token."""
    return text is not None and bool(_TOKEN.fullmatch(text))


def digest_of(token: str) -> bytes:
    """Digest a token to store it or look it up, so that the time of a look-up tells nothing about tokens."""
    return hashlib.sha256(token.encode()).digest()
