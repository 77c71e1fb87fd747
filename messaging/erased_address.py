"""The address of a message whose person was erased: it leads nowhere, and says which message it was."""

from __future__ import annotations


def is_erased(message_id: int, address: str | None) -> bool:
    """Whether a message was emptied: its address says so."""
    return address == f"erased-{message_id}"
