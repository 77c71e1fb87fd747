"""Access: who acts, what they are permitted to do, and in which units.

An `Actor` is passed to everything that changes or shows personal data, and the audit names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class ActorKind(StrEnum):
    """Kind of an actor."""

    OPERATOR = "operator"
    """A person at a shell of the server: `muster …`."""
    STAFF = "staff"
    """An account, signed in to the console."""
    KEY = "key"
    """An API key of another program."""
    MEMBER = "member"
    """A person who opened a link of theirs, or wrote to us."""
    SYSTEM = "system"
    """Muster itself: a worker's job, or a function of the database."""


class Permission(StrEnum):
    """Permission of a role: what an actor may do in the units of a grant.

    Pages ask for SEE, SEE_CONTACTS, LAUNCH and GRANT. Roles hold the others already, so that no grant has to be given
    again when their pages come: REPLY for replies, RECORD for calls, EDIT, EXPORT and ERASE for people, WRITE and
    APPROVE for campaigns, VET and INTERVIEW for applicants, CONFIGURE for settings, SEE_AUDIT for the audit.
    """

    SEE = "see"
    """See people, campaigns and lists, without their addresses."""
    SEE_CONTACTS = "see contacts"
    """See people's numbers, mailboxes and what was written to them."""
    RECORD = "record"
    """Record what people said: votes, calls, answers."""
    EDIT = "edit"
    """Change people's details, units and lists."""
    EXPORT = "export"
    """Take personal data out in files."""
    ERASE = "erase"
    """Erase people."""
    WRITE = "write"
    """Write templates, audiences and campaigns, up to the check page."""
    APPROVE = "approve"
    """Approve another's campaign, or send it back."""
    LAUNCH = "launch"
    """Launch, pause and cancel what is approved."""
    REPLY = "reply"
    """Answer conversations."""
    VET = "vet"
    """See and record findings about applicants."""
    INTERVIEW = "interview"
    """Keep slots, and see the candidates in them."""
    GRANT = "grant"
    """Give and take away access."""
    CONFIGURE = "configure"
    """Change settings, senders, keys and webhooks."""
    SEE_AUDIT = "see audit"
    """Read the audit."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Role of an account in a unit and everything below it.

    Attributes:
        role: its name.
        unit_id: the unit; None for the whole organisation.
        permissions: those of the role.
    """

    role: str
    unit_id: int | None = None
    permissions: frozenset[Permission] = frozenset()


@dataclass(frozen=True, slots=True)
class Scope:
    """Units in which an actor holds a permission.

    Attributes:
        is_everywhere: whether it is the whole organisation, people without a unit included.
        unit_ids: the units of the grants, each with everything below it; empty if `is_everywhere`.
    """

    is_everywhere: bool = False
    unit_ids: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is any unit at all."""
        return self.is_everywhere or bool(self.unit_ids)


@dataclass(frozen=True, slots=True)
class ReadScope:
    """Units in which somebody may see people, and contact details; readers with equal scopes can share what is read.

    Attributes:
        people: where they see people, and what belongs to people.
        contacts: where they see these people's addresses and replies.
        commands: whether pages show them commands of the server: it is for those who launch in the whole organisation.
    """

    people: Scope
    contacts: Scope
    commands: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Person or program that does something, as the audit names it.

    Attributes:
        kind: what it is.
        name: as it is shown: an account's mailbox, a key's name, what an operator calls themselves; empty for a member.
        actor_id: the account, key or person; None if there is no row of it.
        came_from: network address of a browser or program, or the system's account of an operator; empty for a member.
        grants: an account's grants that are in force.
    """

    kind: ActorKind
    name: str
    actor_id: int | None = None
    came_from: str = ""
    grants: tuple[Grant, ...] = ()

    def to_json(self) -> Mapping[str, Any]:
        """Return what the audit keeps: kind, name, id and came_from."""
        return {"kind": self.kind, "name": self.name, "id": self.actor_id, "came_from": self.came_from}

    def scope(self, permission: Permission) -> Scope:
        """Return the units in which an account or key holds a permission; none without grants."""
        units = {grant.unit_id for grant in self.grants if permission in grant.permissions}
        if None in units:
            return Scope(is_everywhere=True)
        return Scope(unit_ids=tuple(sorted(unit for unit in units if unit is not None)))

    def read_scope(self, permission: Permission = Permission.SEE) -> ReadScope:
        """Return what an account or key sees by a permission."""
        commands = self.scope(Permission.LAUNCH).is_everywhere
        return ReadScope(self.scope(permission), self.scope(Permission.SEE_CONTACTS), commands)


SYSTEM: Final = Actor(ActorKind.SYSTEM, "muster")
"""Muster itself."""


def member(person_id: int | None) -> Actor:
    """Return the actor for a person who answers, presses or writes; None if the person is not known."""
    return Actor(ActorKind.MEMBER, "", person_id)
