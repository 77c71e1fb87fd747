"""Masks of addresses for pages: recognisable to their owner, of no use to anybody else."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def mask(address: str) -> str:
    """Mask an address so that it can be recognised but not used: `+44 ••• 123`, `a•••@union.example`."""
    if "@" in address:
        mailbox, _, host = address.partition("@")
        return f"{mailbox[:1]}•••@{host}"
    return f"{address[:3]} ••• {address[-3:]}" if len(address) > 8 else "•••"


def mask_apart(addresses: Collection[str]) -> dict[str, str]:
    """Mask the addresses of one person so that they can be told apart.

    Those that would look alike show as many of their last characters as it takes: `m•••x@union.example` and
    `m•••2@union.example`. Addresses that no part tells apart are shown whole, as can happen with four of two letters.

    Args:
        addresses: normalised; each has a mask of its own.
    """
    shown = {address: mask(address) for address in addresses}
    for kept in range(1, 1 + max(map(len, addresses), default=0)):
        shown |= {address: _mask_but(address, kept) for address in _alike(shown)}
    return shown | {address: address for address in _alike(shown)}


def _alike(shown: Mapping[str, str]) -> list[str]:
    """List the addresses whose mask another address shares."""
    return [address for address, masked in shown.items() if list(shown.values()).count(masked) > 1]


def _mask_but(address: str, kept: int) -> str:
    """Mask an address but for some last characters, and its beginning where that leaves anything between them."""
    mailbox, at, host = address.partition("@")
    begun, gap = (1, "•••") if at else (3, " ••• ")
    if kept >= len(mailbox):
        return mask(address)
    beginning = mailbox[:begun] if begun + kept < len(mailbox) else ""
    return f"{beginning}{gap}{mailbox[-kept:]}".strip() + at + host
