"""Rows of the inbound log for members' texts, the same whether a text came by webhook or from Twilio's list."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

INBOUND: Final = "twilio_inbound"


def inbound_row(form: dict[str, Any], decided: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """Build the inbound log's row for a member's text.

    Args:
        form: the fields that Twilio posts; `MessageSid`, `From`, `To` and `Body` at least.
        decided: its classification and automatic answer, where these were decided when it came.
    """
    return {
        "source": INBOUND,
        "dedupe_key": form["MessageSid"],
        "subject": f"phone:{form['From']}"[:200],
        "payload": {"form": form, **decided},
    }
