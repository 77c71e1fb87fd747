"""Settings of sessions with PostgreSQL: what each login is given, and the check that its sessions have it.

They are given once (`alter role … set`), and none is asked for on connecting: a pooler such as PgBouncer refuses a
client that asks for settings it does not know, and hands one session to many clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import SettingsError

SQL: Final = load_queries(__file__)

SESSION_SETTINGS: Final[Mapping[str, str]] = {
    # everything that we acknowledged to a member or a provider survives a crash
    "synchronous_commit": "on",
    # statements look for rows again after a lock, and are not tried again when another transaction was quicker
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "default_transaction_read_only": "off",
    # each place sets the limit that it needs; the server's own would end imports, and locks held for a launch
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # our statements are many and short: compiling one took 300 ms, once a second
    "jit": "off",
    # Tables grow from nothing to a hundred thousand rows within seconds, and prepared plans outlive the statistics they
    # were made from. So cheap, an index is read even where a table is small as yet; a plan that reads the whole table
    # would be quadratic a moment later.
    "random_page_cost": "0.1",
    # a prepared plan is used again and again; making one costs more than most of our statements
    "plan_cache_mode": "auto",
}
"""Settings of every session, whatever the server's own defaults are: what we promise and what we cost go by them."""
OWNER_SETTINGS: Final[Mapping[str, str]] = {
    **SESSION_SETTINGS,
    # short, because every statement that comes after a migration waits as long for the table; then it is tried again
    "lock_timeout": "3s",
}
"""The same for the tables' owner, who migrates while others work."""


async def check_session(db: Connection) -> None:
    """Check that sessions of a login have the settings that it was given.

    Raises:
        SettingsError: one is missing; it names it, and who can mend it.
    """
    rows = await db.fetch(SQL["effective"], list(SESSION_SETTINGS))
    wrong = [row for row in rows if row["value"] != SESSION_SETTINGS[row["name"]]]
    if not wrong:
        return
    login = wrong[0]["login"]
    have = ", ".join(f"{row['name']} = {row['value']}" for row in wrong)
    sql = " ".join(f"alter role {login} set {row['name']} = '{SESSION_SETTINGS[row['name']]}';" for row in wrong)
    raise SettingsError(
        f"Sessions of {login} have settings of PostgreSQL with which Muster cannot keep its promises: {have}.",
        remedy=f"Run `muster migrate` with MUSTER_ADMIN_DATABASE_URL, or as an administrator: {sql} Behind a pooler, "
        "reconnect it afterwards (docs/logins.md).",
    )
