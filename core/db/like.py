"""Literal text in LIKE patterns."""

from __future__ import annotations

import re


def literal(text: str) -> str:
    """Escape a text for LIKE, so that no character of it is a wildcard."""
    return re.sub(r"([\\%_])", r"\\\1", text)
