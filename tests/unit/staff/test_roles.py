"""Roles are data: the documentation's table is made of them, and each permission has a holder."""

from __future__ import annotations

import re

import pytest

from core.access import Permission
from core.errors import InputError
from core.settings import ROOT
from staff.roles import ADMINISTRATOR, ROLES, find_role, permissions_of


def table() -> str:
    """The table in docs/staff.md."""
    lines = ["| role | for | in the console today | permissions | second factor |", "| --- | --- | --- | --- | --- |"]
    for role in ROLES.values():
        held = ", ".join(permission.value for permission in Permission if permission in role.permissions)
        needed = "needed" if role.needs_second_factor else "if set up"
        lines.append(f"| {role.name} | {role.purpose} | {role.console} | {held or 'none'} | {needed} |")
    return "\n".join(lines)


def test_the_documentation_has_every_role_as_it_is() -> None:
    text = (ROOT / "docs" / "staff.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- roles: .* -->\n(.*?)\n<!-- end of roles -->", text, re.DOTALL)
    assert found is not None
    assert found[1] == table(), f"docs/staff.md should have:\n{table()}"


def test_a_role_that_sees_nobody_is_promised_no_page() -> None:
    for role in ROLES.values():
        assert (role.console == "their own account alone") == (Permission.SEE not in role.permissions), role.name
        assert ("replies" in role.console) == (Permission.SEE_CONTACTS in role.permissions), role.name


def test_every_permission_belongs_to_a_role() -> None:
    assert frozenset().union(*(role.permissions for role in ROLES.values())) == frozenset(Permission)


def test_who_gives_access_sees_no_findings() -> None:
    assert ROLES[ADMINISTRATOR].permissions == frozenset(Permission) - {Permission.VET}
    assert [role.name for role in ROLES.values() if Permission.GRANT in role.permissions] == [ADMINISTRATOR]
    both = {Permission.WRITE, Permission.APPROVE}
    assert [role.name for role in ROLES.values() if both <= role.permissions] == [ADMINISTRATOR]


def test_what_weighs_most_needs_a_second_factor() -> None:
    assert {role.name for role in ROLES.values() if role.needs_second_factor} == {
        "administrator", "approver", "coordinator", "vetter",
    }  # fmt: skip


def test_a_role_is_found_however_it_is_typed() -> None:
    for typed in (" Service  MANAGER ", "service-manager", "Service_Manager"):
        assert find_role(typed).name == "service manager"
    with pytest.raises(InputError, match=r"no role “repliers”\. Did you mean replier\?"):
        find_role("repliers")
    assert permissions_of("a role of a later version") == frozenset()
