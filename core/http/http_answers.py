"""Responses of other web servers: the wait that they ask for, and descriptions of failed requests."""

from __future__ import annotations

import math
from typing import Final

_MAX_WAIT: Final = 1_000_000.0
"""Seconds, eleven days; a longer wait must be a mistake."""


def read_retry_after(text: str | None) -> float | None:
    """Read the seconds of a `Retry-After` (RFC 9110, 10.2.3); None if there is none, or a date."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) and seconds < _MAX_WAIT else None


def describe_failure(error: BaseException) -> str:
    """Describe how a request failed, for the history of what it carried."""
    return f"{type(error).__name__}: {error}"[:200]
