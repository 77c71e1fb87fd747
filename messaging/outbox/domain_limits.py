"""Limit the emails a second to each recipient's mail provider: MUSTER_EMAIL_DOMAIN_PACE.

A provider that finds us too fast may refuse mail for hours. Each group of domains has a token bucket beside the
sender's, shared by all workers; a message whose provider has reached its limit waits and delays no other.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from core.domain_groups import EVERY_OTHER, DomainGroup
from messaging.outbox.rate_limits import RateLimits


class DomainLimits:
    """Rate limits of mail providers in one worker.

    Args:
        groups: as `read_groups` returns them.
        rate_limits: holds the buckets.
    """

    def __init__(self, groups: Mapping[str, DomainGroup], rate_limits: RateLimits) -> None:
        self._groups = groups
        self._every_other = groups.get(EVERY_OTHER)
        self._rate_limits = rate_limits
        self._slots: dict[str, float] = {}

    def group(self, address: str) -> DomainGroup | None:
        """Return the group that an address belongs to; None if it has no limit, such as a phone number."""
        if not self._groups:
            return None
        _, at, domain = address.rpartition("@")
        if not at:
            return None
        if group := self._groups.get(domain):
            return group
        return DomainGroup(f"domain:{domain}", self._every_other.rate) if self._every_other else None

    def spend(self, group: DomainGroup) -> bool:
        """Use a token and return True, if there is one."""
        return not self._rate_limits.wait(group.key) and self._rate_limits.spend(group.key, group.rate, 1)

    def wait(self, group: DomainGroup) -> float:
        """Return the seconds until a group may be tried again."""
        return self._rate_limits.wait(group.key)

    async def fill(self, group: DomainGroup, wanted: int) -> None:
        """Take tokens from a group's bucket."""
        if not self._rate_limits.wait(group.key):
            await self._rate_limits.fill(group.key, group.rate, wanted)

    def most_waiting(self, group: DomainGroup, seconds: float) -> int:
        """Return how many messages this worker may hold for a group: its share of that many seconds of sending."""
        return max(10, int(group.rate * seconds / self._rate_limits.sharers))

    def slot(self, group: DomainGroup, seconds: float) -> float:
        """Return the seconds until there is room for one more message; each call counts one message."""
        now = time.monotonic()
        taken = max(self._slots.get(group.key, 0.0), now + seconds) + self._rate_limits.sharers / group.rate
        self._slots[group.key] = taken
        return taken - now
