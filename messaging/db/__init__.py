"""The way to PostgreSQL: a pool, named queries, migrations."""

from messaging.db.pool import Connection, Pool, atomic, connect, exclusive, open_pool
from messaging.db.queries import load_queries

__all__ = ["Connection", "Pool", "atomic", "connect", "exclusive", "load_queries", "open_pool"]
