"""Every table is in the list of who sees what (docs/access.md), and the database agrees with the list."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from core.db import Connection
from core.db.logins import Login
from core.settings import ROOT
from tests.support.table_access import EVERYONE, TABLES, listed

READERS: Final = (Login.STAFF, Login.STAFF_ALL)
OWN: Final = "by unit"
OF_PERSON: Final = "by unit, of the person"
WITH_CONTACTS: Final = "by unit, with *see contacts*"
WHOLE: Final = "whole organisation only"
WHOLE_WITH_CONTACTS: Final = "whole organisation only, with *see contacts*"
ASKS: Final = {
    OWN: {Login.STAFF: "scope_units", Login.STAFF_ALL: "scope_is_everywhere"},
    OF_PERSON: {Login.STAFF: "exists", Login.STAFF_ALL: "scope_is_everywhere"},
    WITH_CONTACTS: {Login.STAFF: "contact_units", Login.STAFF_ALL: "contacts_are_everywhere"},
    WHOLE_WITH_CONTACTS: {Login.STAFF: "contacts_are_everywhere", Login.STAFF_ALL: "contacts_are_everywhere"},
    WHOLE: {Login.STAFF: "scope_is_everywhere", Login.STAFF_ALL: "scope_is_everywhere"},
}
"""What the policies of each kind of table ask."""
OWNERS_FUNCTIONS: Final = {
    "signed_scope",
    "find_people",
}
"""Functions with their owner's rights that staff may call: what policies ask, and the search."""


@cache
def for_no_staff() -> frozenset[str]:
    text = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
    return frozenset(re.findall(r"`(\w+)`", text.partition("For no staff:")[2].partition(".")[0]))


async def test_every_table_is_listed_and_every_listed_table_exists(db: Connection) -> None:
    tables = {row["name"] for row in await db.fetch(TABLES, Login.STAFF)}
    assert tables - set(listed()) - for_no_staff() == set(), "say in docs/access.md who sees a new table"
    assert set(listed()) | for_no_staff() == tables
    assert set(listed()) & for_no_staff() == set()


async def test_staff_read_what_the_list_says_and_write_nothing(db: Connection) -> None:
    for login in READERS:
        for table in await db.fetch(TABLES, login):
            assert not table["writable"], (login, table["name"])
            line = listed().get(table["name"])
            assert table["readable"] == (line is not None), (login, table["name"])
            if line is not None:
                assert tuple(table["hidden"]) == line.hidden, (login, table["name"])


async def test_nobody_else_may_read_a_table(db: Connection) -> None:
    open_to_all = await db.fetch(
        "select c.relname from pg_class c cross join aclexplode(c.relacl) a"
        " where c.relnamespace = 'public'::regnamespace and a.grantee = 0"
        " and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')"
    )
    assert open_to_all == []
    for table in await db.fetch(TABLES, Login.REPORTS):
        assert not table["readable"], table["name"]
        assert not table["writable"], table["name"]


async def test_the_policies_are_those_of_the_list(db: Connection) -> None:
    guarded = {row["name"] for row in await db.fetch(TABLES, Login.STAFF) if row["guarded"]}
    assert guarded == {name for name, line in listed().items() if line.rows != EVERYONE}
    for name in guarded:
        policies = await db.fetch(
            "select roles::text[], permissive, cmd, lower(qual) as asks, with_check"
            " from pg_policies where tablename = $1",
            name,
        )
        for login in (Login.WORKER, *READERS):
            (policy,) = [policy for policy in policies if login in policy["roles"]]
            assert policy["permissive"] == "PERMISSIVE"
            if login is Login.WORKER:
                assert (policy["cmd"], policy["asks"], policy["with_check"]) == ("ALL", "true", "true"), name
            else:
                assert policy["cmd"] == "SELECT", name
                assert ASKS[listed()[name].rows][login] in policy["asks"], (name, login)
        assert {role for policy in policies for role in policy["roles"]} == {Login.WORKER, *READERS}, name


async def test_views_read_with_the_rights_of_whoever_asks(db: Connection) -> None:
    loose = await db.fetch(
        "select relname from pg_class c where relkind in ('v', 'm') and relnamespace = 'public'::regnamespace"
        " and not coalesce('security_invoker=true' = any (reloptions), false)"
        " and relname not like 'report\\_%'"  # of totals, and for reports alone: test_reports.py
        " and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')"
    )
    assert loose == [], "with (security_invoker = true), or policies do not hold behind it"


async def test_staff_call_few_functions_with_the_owners_rights(db: Connection) -> None:
    for login in READERS:
        called = await db.fetch(
            "select proname from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
            " and has_function_privilege($1, oid, 'execute')", login,
        )  # fmt: skip
        assert {row["proname"] for row in called} == OWNERS_FUNCTIONS
    assert not await db.fetchval(
        "select count(*) from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
        " and has_function_privilege($1, oid, 'execute')", Login.REPORTS,
    )  # fmt: skip
