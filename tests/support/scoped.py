"""Transactions that see what a member of staff may, on a test's own database."""

from __future__ import annotations

from core.runtime import Runtime
from people.scope import ScopedPools


def scoped_pools(runtime: Runtime) -> ScopedPools:
    """The pools of a runtime's logins."""
    return ScopedPools(runtime.pool, runtime.staff_pool, runtime.staff_all_pool)
