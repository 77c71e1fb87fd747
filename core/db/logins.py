"""Logins to PostgreSQL: the names of the five that Muster uses, each with only the rights that its work needs."""

from __future__ import annotations

from enum import StrEnum


class Login(StrEnum):
    """Name of a login. None is a superuser or may make others, and none passes by row-level security."""

    OWNER = "muster_owner"
    """Owns the tables and changes them: `muster migrate`."""
    WORKER = "muster_worker"
    """Reads and writes all rows: workers, members' pages, webhooks and commands. It owns nothing."""
    STAFF = "muster_staff"
    """Reads and writes what an actor may, by row-level security: pages and API for staff."""
    STAFF_ALL = "muster_staff_all"
    """Like `STAFF`, for staff whose grant is the whole organisation."""
    REPORTS = "muster_reports"
    """Reads views of totals only."""
