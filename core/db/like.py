"""Texts in patterns for LIKE."""

from __future__ import annotations

import re


def literal(text: str) -> str:
    """Write a text for LIKE, with nothing in it that means something else."""
    return re.sub(r"([\\%_])", r"\\\1", text)
