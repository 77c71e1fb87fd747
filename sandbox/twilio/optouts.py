"""Opt-outs as Twilio keeps them: per sender (or messaging service) and phone."""

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
"""Texts that Twilio itself sends back."""


def keyword(body: str) -> OptOutType | None:
    """Return the keyword a text consists of; None if it holds anything else."""
    return _KEYWORDS.get(body.strip().upper())


class OptOuts:
    """Phones that have opted out, by sender or messaging service."""

    def __init__(self) -> None:
        self._out: set[tuple[str, str]] = set()

    def __contains__(self, pair: tuple[str, str]) -> bool:
        return pair in self._out

    def __len__(self) -> int:
        return len(self._out)

    def heard(self, sender: str, phone: str, body: str) -> OptOutType | None:
        """Process a text from a phone to one of our senders.

        Args:
            sender: the number, or the messaging service it belongs to.
            phone: the member's number.
            body: the text.

        Returns:
            Its keyword, or None for any other text, which changes nothing.
        """
        word = keyword(body)
        if word == "STOP":
            self._out.add((sender, phone))
        elif word == "START":
            self._out.discard((sender, phone))
        return word
