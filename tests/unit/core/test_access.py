"""What an account may do, and where, by its grants."""

from __future__ import annotations

from core.access import Actor, ActorKind, Grant, Permission, Scope

SEES = frozenset({Permission.SEE})


def account(*grants: Grant) -> Actor:
    return Actor(ActorKind.STAFF, "rosa@union.example", 1, "192.0.2.1", grants)


def test_no_grant_reaches_nowhere() -> None:
    assert account().scope(Permission.SEE) == Scope()
    assert not account().scope(Permission.SEE)


def test_a_grant_reaches_its_unit_for_what_its_role_permits() -> None:
    rosa = account(Grant("viewer", 7, SEES), Grant("viewer", 3, SEES), Grant("replier", 9, frozenset()))
    assert rosa.scope(Permission.SEE) == Scope(unit_ids=(3, 7))
    assert not rosa.scope(Permission.EXPORT)


def test_a_grant_without_a_unit_reaches_everywhere() -> None:
    rosa = account(Grant("viewer", None, SEES), Grant("viewer", 3, SEES))
    assert rosa.scope(Permission.SEE) == Scope(is_everywhere=True)
    assert rosa.scope(Permission.SEE)
