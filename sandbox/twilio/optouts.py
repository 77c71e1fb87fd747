"""Who has texted STOP to whom, as Twilio keeps it: per sender (or messaging service) and phone."""

from __future__ import annotations

from typing import Final, Literal

OptOutType = Literal["STOP", "START", "HELP"]

_KEYWORDS: Final[dict[str, OptOutType]] = {
    **dict.fromkeys(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"), "STOP"),
    **dict.fromkeys(("START", "YES", "UNSTOP"), "START"),
    **dict.fromkeys(("HELP", "INFO"), "HELP"),
}

ANSWERS: Final[dict[OptOutType, str]] = {
    "STOP": (
        "You have successfully been unsubscribed. You will not receive any more messages from this number. "
        "Reply START to resubscribe."
    ),
    "START": "You have successfully been re-subscribed to messages from this number. Reply STOP to unsubscribe.",
    "HELP": "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}
"""What Twilio itself texts back."""


def keyword(body: str) -> OptOutType | None:
    """The keyword a text is, if it is nothing else."""
    return _KEYWORDS.get(body.strip().upper())


class OptOuts:
    """The numbers that may not be texted."""

    def __init__(self) -> None:
        self._out: set[tuple[str, str]] = set()

    def __contains__(self, pair: tuple[str, str]) -> bool:
        return pair in self._out

    def __len__(self) -> int:
        return len(self._out)

    def heard(self, sender: str, phone: str, body: str) -> OptOutType | None:
        """Take note of a text from a phone to one of our senders.

        Args:
            sender: the number, or the messaging service it belongs to.
            phone: the member's number.
            body: what it says.

        Returns:
            The keyword it is, or None for any other text, which changes nothing.
        """
        word = keyword(body)
        if word == "STOP":
            self._out.add((sender, phone))
        elif word == "START":
            self._out.discard((sender, phone))
        return word
