"""Rows of the inbound log for members' texts, the same whether a text came by webhook or from Twilio's list."""

from __future__ import annotations

from typing import Any, Final

from campaigns.replies.classification import Classification
from campaigns.replies.text_classification import to_json

INBOUND: Final = "twilio_inbound"


def inbox_row(form: dict[str, Any], read: Classification | None = None) -> dict[str, Any]:
    """Build the inbound log's row for a member's text.

    Args:
        form: the fields that Twilio posts; `MessageSid`, `From`, `To` and `Body` at least.
        read: its classification, where it was classified when it came.
    """
    return {
        "source": INBOUND,
        "dedupe_key": form["MessageSid"],
        "subject": f"phone:{form['From']}"[:200],
        "payload": {"form": form} | ({} if read is None else {"read": to_json(read)}),
    }
