"""How many emails a second each recipient's mail provider is given: MUSTER_EMAIL_DOMAIN_PACE.

A provider that finds us too quick refuses for hours. Each group of domains has a bucket of its own beside the sender's,
shared by all workers; a message whose provider has had enough waits, and keeps none of the others waiting.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from core.domain_paces import EVERY_OTHER, DomainGroup
from messaging.outbox.rate_limits import RateLimits


class DomainLimits:
    """The groups, as one worker sees them.

    Args:
        groups: as `read_groups` gives them.
        pace: has the buckets.
    """

    def __init__(self, groups: Mapping[str, DomainGroup], pace: RateLimits) -> None:
        self._groups = groups
        self._every_other = groups.get(EVERY_OTHER)
        self._pace = pace
        self._slots: dict[str, float] = {}

    def group(self, address: str) -> DomainGroup | None:
        """Whose mailbox an address is; None where nobody limits it (a phone number, too)."""
        if not self._groups:
            return None
        _, at, domain = address.rpartition("@")
        if not at:
            return None
        if found := self._groups.get(domain):
            return found
        return DomainGroup(f"domain:{domain}", self._every_other.rate) if self._every_other else None

    def spend(self, group: DomainGroup) -> bool:
        """Use a token, if there is one."""
        return not self._pace.wait(group.key) and self._pace.spend(group.key, group.rate, 1)

    def wait(self, group: DomainGroup) -> float:
        """Seconds until it may be tried again."""
        return self._pace.wait(group.key)

    async def fill(self, group: DomainGroup, wanted: int) -> None:
        """Ask for tokens."""
        if not self._pace.wait(group.key):
            await self._pace.fill(group.key, group.rate, wanted)

    def most_held(self, group: DomainGroup, seconds: float) -> int:
        """How many messages this worker may keep for a group: its share of so many seconds."""
        return max(10, int(group.rate * seconds / self._pace.sharers))

    def slot(self, group: DomainGroup, seconds: float) -> float:
        """Seconds until there is room for one more than is kept; each call is one message."""
        now = time.monotonic()
        taken = max(self._slots.get(group.key, 0.0), now + seconds) + self._pace.sharers / group.rate
        self._slots[group.key] = taken
        return taken - now
