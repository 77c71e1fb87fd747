"""An address as somebody types it: a phone number or a mailbox, told apart by its @."""

from __future__ import annotations

from typing import Literal

from core.addresses import normalise_email, normalise_phone
from core.errors import AddressError


def read_address(text: str, region: str) -> tuple[Literal["sms", "email"], str]:
    """Return the channel and the normalised address of what somebody types.

    Raises:
        AddressError: the text is neither a number nor a mailbox.
    """
    try:
        if "@" in text:
            return "email", normalise_email(text)
        return "sms", normalise_phone(text, region=region, mobile=False)
    except AddressError as error:
        remedy = "Write the mailbox, or the phone number in full, such as +447700900123."
        raise AddressError(error.code, error.message, remedy=remedy) from None
