"""Purpose of an inbound mail, by the address it was sent to.

| address | purpose |
| --- | --- |
| `b+<signed id>@MUSTER_BOUNCE_DOMAIN` | a message bounced |
| `r+<signed id>@MUSTER_REPLY_DOMAIN` | somebody answers a message |
| `u+<signed id>@MUSTER_REPLY_DOMAIN` | somebody wants no more emails |
| `complaints@MUSTER_BOUNCE_DOMAIN` | mailbox providers' complaints |
| `postmaster@` and `abuse@` both domains; `postmaster` | those who run other mail servers (RFC 5321, RFC 2142) |
| the mailboxes of MUSTER_EMAIL_FROM and MUSTER_EMAIL_REPLY_TO | a mail to the organisation |

Anything else is not for us. An address with an id that we did not sign is not one of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Final, Literal

from core.keyring import Keyring
from core.settings import Settings

Purpose = Literal["bounce", "reply", "unsubscribe", "complaint", "conversation"]

COMPLAINTS: Final = "complaints"
POSTMASTER: Final = "postmaster"
_REQUIRED: Final = (POSTMASTER, "abuse")
"""Mailboxes that every domain has that takes mail."""
_SIGNED: Final[Mapping[str, Purpose]] = {"b": "bounce", "r": "reply", "u": "unsubscribe"}


def purpose_of(address: str) -> Purpose | None:
    """Return an address's purpose by its form alone, with any domain; None if it has no form of ours.

    Args:
        address: in any case.
    """
    local, _ = _halves(address)
    return "complaint" if local == COMPLAINTS else _parts(local)[0]


@dataclass(frozen=True, slots=True)
class Destination:
    """Destination of an inbound mail.

    Attributes:
        purpose: the purpose of its address.
        message_id: the message it is about, if the address names one.
    """

    purpose: Purpose
    message_id: int | None = None


def read_destination(settings: Settings, keyring: Keyring, address: str) -> Destination | None:
    """Return the destination that a recipient's address stands for; None if it is not one of ours.

    Args:
        settings: our domains and mailboxes.
        keyring: verifies signed ids.
        address: from RCPT TO, in any case.
    """
    local, domain = _halves(address)
    address = f"{local}@{domain}"
    purpose, signed_id = _parts(local)
    if purpose is not None:
        host = settings.bounce_host if purpose == "bounce" else settings.reply_host
        if domain == (host or "").lower():
            message_id = keyring.verify_id(signed_id, purpose)
            return None if message_id is None else Destination(purpose, message_id)
    if address == f"{COMPLAINTS}@{settings.bounce_host}".lower():
        return Destination("complaint")
    hosts = {host.lower() for host in (settings.bounce_host, settings.reply_host) if host}
    if (local in _REQUIRED and domain in hosts) or (domain == POSTMASTER and not local):  # also without any domain
        return Destination("conversation")
    ours = {parseaddr(mailbox or "")[1].lower() for mailbox in (settings.email_from, settings.email_reply_to)}
    return Destination("conversation") if address in ours - {""} else None


def _halves(address: str) -> tuple[str, str]:
    """Split an address into its local part and its domain."""
    local, _, domain = address.strip("<> \t\r\n").lower().rpartition("@")
    return local, domain


def _parts(local: str) -> tuple[Purpose | None, str]:
    """Split a local part into the purpose of its prefix, and its signed id."""
    kind, plus, signed_id = local.partition("+")
    return (_SIGNED.get(kind) if plus else None), signed_id
