"""The way to PostgreSQL: a pool, named queries, migrations."""

from messaging.db.pool import Connection, Pool, connect, open_pool
from messaging.db.queries import load_queries

__all__ = ["Connection", "Pool", "connect", "load_queries", "open_pool"]
