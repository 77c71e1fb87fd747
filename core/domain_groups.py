"""Email rates for each mailbox provider, in emails a second, as MUSTER_EMAIL_DOMAIN_PACE sets them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

EVERY_OTHER: Final = "*"
_GROUP: Final = re.compile(r"(?P<domains>\*|[a-z0-9.-]+(?:\+[a-z0-9.-]+)*):(?P<rate>\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class DomainGroup:
    """Domains of one mailbox provider, which share a rate.

    Attributes:
        key: name of its rate-limit bucket.
        rate: emails a second.
    """

    key: str
    rate: float


def read_groups(text: str) -> dict[str, DomainGroup]:
    """Read groups by domain, from `gmail.com+googlemail.com:50,outlook.com:20,*:100`.

    Raises:
        ValueError: the text is malformed; the message is for people.
    """
    groups: dict[str, DomainGroup] = {}
    for part in filter(None, (piece.strip().lower() for piece in text.split(","))):
        match = _GROUP.fullmatch(part)
        if match is None or float(match["rate"]) <= 0:
            raise ValueError(f"“{part}” is not like gmail.com+googlemail.com:50 (emails a second)")
        domains = match["domains"].split("+")
        group = DomainGroup(f"domain:{domains[0]}", float(match["rate"]))
        for domain in domains:
            if domain in groups:
                raise ValueError(f"{domain} has two paces")
            groups[domain] = group
    return groups
