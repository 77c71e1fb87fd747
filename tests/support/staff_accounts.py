"""Accounts of staff for tests."""

from __future__ import annotations

from typing import Final

EVERYDAY_ROLE: Final = "campaigner"
"""Role that opens every page of the console by a link alone: it needs no second factor."""
