"""Recognise the placeholder that replaces the address of a message whose person was erased."""

from __future__ import annotations


def is_erased(message_id: int, address: str | None) -> bool:
    """Tell whether the address of a message is the placeholder of an erased one."""
    return address == f"erased-{message_id}"
