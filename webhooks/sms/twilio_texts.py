"""Rows of the inbound log for members' texts, the same whether a text came by webhook or from Twilio's list."""

from __future__ import annotations

from typing import Any, Final

INBOUND: Final = "twilio_inbound"


def inbox_row(form: dict[str, Any]) -> dict[str, Any]:
    """Build the inbound log's row for a member's text.

    Args:
        form: the fields that Twilio posts; `MessageSid`, `From`, `To` and `Body` at least.
    """
    return {
        "source": INBOUND,
        "dedupe_key": form["MessageSid"],
        "subject": f"phone:{form['From']}"[:200],
        "payload": {"form": form},
    }
