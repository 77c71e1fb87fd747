"""Checks that providers' requests have in common: the age of a signature, and the fields that must be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

SIGNATURE_AGE: Final = timedelta(hours=26)
"""Maximum age of a signed request. Providers retry for a day with the first signature; within this time a repetition is
recognised by its id, which the inbound log keeps for two days at least."""


def missing_fields(values: Mapping[str, Any], required: Sequence[str]) -> list[str]:
    """Return the required fields that are missing, empty or not strings."""
    return [name for name in required if not isinstance(values.get(name), str) or not values[name]]
