"""Roles of the staff, as data: a role is a named set of permissions, which a grant gives in a unit and below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from core.access import Permission
from core.errors import InputError
from core.spec_errors import names_instead

ADMINISTRATOR: Final = "administrator"
"""Role of which the organisation always has one."""
_GUARDED: Final = frozenset({Permission.APPROVE, Permission.EXPORT, Permission.GRANT, Permission.VET})
"""Permissions for which a sign-in link alone is not enough."""
_P = Permission


@dataclass(frozen=True, slots=True)
class Role:
    """Named set of permissions.

    Attributes:
        name: as grants and commands name it.
        purpose: what it is for.
        console: the pages that the console has for it today.
        permissions: the permissions; none if it shows aggregated figures only.
    """

    name: str
    purpose: str
    console: str
    permissions: frozenset[Permission]

    @property
    def needs_second_factor(self) -> bool:
        """Tell whether its holder must prove a second factor."""
        return bool(self.permissions & _GUARDED)


_FIGURES: Final = "ballots and campaigns, in figures"
_REPLIES: Final = f"{_FIGURES}; the newest replies"
_NOTHING: Final = "their own account alone"

_ALL: Final = (
    Role(
        ADMINISTRATOR, "everything, and who may do what; not the findings of vetting", f"{_REPLIES}; problems",
        frozenset(_P) - {_P.VET},
    ),
    Role(
        "campaigner", "audiences, templates and campaigns", _REPLIES,
        frozenset({_P.SEE, _P.SEE_CONTACTS, _P.WRITE, _P.LAUNCH}),
    ),
    Role("approver", "approval of campaigns of others", _FIGURES, frozenset({_P.SEE, _P.APPROVE})),
    Role(
        "coordinator", "a region, its people and reps", _REPLIES,
        frozenset({_P.SEE, _P.SEE_CONTACTS, _P.RECORD, _P.EDIT, _P.EXPORT}),
    ),
    Role("rep", "a branch and its people", _REPLIES, frozenset({_P.SEE, _P.SEE_CONTACTS, _P.RECORD})),
    Role("caller", "calls, one person at a time", _NOTHING, frozenset({_P.RECORD})),
    Role(
        "replier", "conversations with people of its units", _REPLIES,
        frozenset({_P.SEE, _P.SEE_CONTACTS, _P.REPLY}),
    ),
    Role("vetter", "vetting, and its findings", _NOTHING, frozenset({_P.VET})),
    Role("interviewer", "interviews", _NOTHING, frozenset({_P.INTERVIEW})),
    Role(
        "service manager", "a service: its appointments and questions", _REPLIES,
        frozenset({_P.SEE, _P.SEE_CONTACTS, _P.RECORD, _P.EDIT, _P.REPLY}),
    ),
    Role("viewer", "figures, without contact details", _FIGURES, frozenset({_P.SEE})),
    Role("reporter", "totals alone", _NOTHING, frozenset()),
)  # fmt: skip
ROLES: Final[Mapping[str, Role]] = MappingProxyType({role.name: role for role in _ALL})
"""Every role by its name, in the order of the documentation."""


def role_name(typed: str) -> str:
    """Return the name of a role as Muster writes it: `service manager` for `Service-Manager`."""
    return " ".join(typed.lower().replace("-", " ").replace("_", " ").split())


def find_role(name: str) -> Role:
    """Find a role by its name; case does not matter, and a hyphen stands for a space.

    Raises:
        InputError: there is none of that name.
    """
    role = ROLES.get(role_name(name))
    if role is None:
        hint, everything = names_instead(name, tuple(ROLES)), f"The roles are: {', '.join(ROLES)}."
        raise InputError(
            f"There is no role “{name}”.",
            remedy=f"{hint} {everything}" if hint.startswith("Did you mean") else everything,
        )
    return role


def permissions_of(name: str) -> frozenset[Permission]:
    """Return the permissions of a role; none for a name that this version of Muster does not know."""
    role = ROLES.get(name)
    return role.permissions if role is not None else frozenset()
