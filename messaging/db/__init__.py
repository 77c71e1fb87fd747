"""The way to PostgreSQL: a pool, named queries, migrations."""

from messaging.db.away import AWAY
from messaging.db.kept import KeptConnection
from messaging.db.pool import Connection, Pool, atomic, connect, exclusive, open_pool, probe
from messaging.db.queries import load_queries

__all__ = [
    "AWAY",
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
