"""Servers that Muster brings along: real PostgreSQL and real Valkey (Redis), from installed packages."""
