"""Embedded servers: real PostgreSQL and real Valkey (Redis), from installed packages."""
