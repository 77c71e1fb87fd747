"""PostgreSQL access: a pool, named queries, migrations."""

from core.db.away import AWAY
from core.db.kept import KeptConnection
from core.db.pool import (
    STAFF_SETTINGS,
    STATEMENT_TIMEOUT,
    Connection,
    Pool,
    atomic,
    connect,
    exclusive,
    open_pool,
    probe,
)
from core.db.queries import load_queries

__all__ = [
    "AWAY",
    "STAFF_SETTINGS",
    "STATEMENT_TIMEOUT",
    "Connection",
    "KeptConnection",
    "Pool",
    "atomic",
    "connect",
    "exclusive",
    "load_queries",
    "open_pool",
    "probe",
]
