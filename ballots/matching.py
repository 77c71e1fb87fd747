"""Match rows of a list to electors: by membership number, or by an address that leads to exactly one member."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ballots.lists import TurnoutEntry
from core.db import Connection, load_queries
from core.files.row_problems import Problem

SQL: Final = load_queries(__file__)

AMBIGUOUS: Final = frozenset({"several", "two_answers"})
UNMATCHED: Final = frozenset({"unmatched", "no_elector"})
"""Codes of problems as a report groups them; a row with any other code is unreadable."""

_NOBODY: Final = "No member has this membership number, phone number or mailbox."
_SEVERAL: Final = "Several members have this phone number or mailbox, and no name says which: add a membership number."
_NO_ELECTOR: Final = "This member is not in the electorate of the ballot."

ChannelAddress = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Holder:
    person_id: int
    names: tuple[str, str]


async def match(
    db: Connection, ballot_id: int, entries: Sequence[TurnoutEntry]
) -> tuple[dict[int, int], list[Problem]]:
    """Match each entry to one elector.

    A membership number decides alone. Without one, an address must lead to one member; if several share it, the name
    in the row must fit exactly one of them.

    Args:
        db: a connection.
        ballot_id: only its electors count.
        entries: the rows that could be read.

    Returns:
        The person id by line, and a problem for each line that cannot be matched for certain.
    """
    numbers = await _numbers(db, entries)
    holders = await _holders(db, entries)
    person_by_line: dict[int, int] = {}
    problems = []
    for entry in entries:
        people = {numbers[entry.member_id]} if entry.member_id in numbers else set()
        if not entry.member_id:
            people = _people(entry, holders)
        if len(people) == 1:
            person_by_line[entry.line] = people.pop()
        else:
            code, words = ("several", _SEVERAL) if people else ("unmatched", _NOBODY)
            problems.append(Problem(entry.line, "", code, words, member_id=entry.member_id))
    rows = await db.fetch(SQL["find_electors"], ballot_id, list(set(person_by_line.values())))
    electors = {row["person_id"] for row in rows}
    problems += [
        Problem(entry.line, "", "no_elector", _NO_ELECTOR, member_id=entry.member_id)
        for entry in entries
        if entry.line in person_by_line and person_by_line[entry.line] not in electors
    ]
    return {line: person for line, person in person_by_line.items() if person in electors}, problems


def _people(entry: TurnoutEntry, holders: Mapping[ChannelAddress, Sequence[_Holder]]) -> set[int]:
    addresses = [*(("sms", contact) for contact in entry.phones), *(("email", contact) for contact in entry.emails)]
    everybody = [holder for address in addresses for holder in holders.get(address, ())]
    people = {holder.person_id for holder in everybody}
    if len(people) > 1 and any(entry.names):
        named = {holder.person_id for holder in everybody if _fits(entry.names, holder.names)}
        return named if len(named) == 1 else people
    return people


def _fits(given: tuple[str, str], known: tuple[str, str]) -> bool:
    return all(mine == theirs for mine, theirs in zip(given, known, strict=True) if mine)


async def _numbers(db: Connection, entries: Sequence[TurnoutEntry]) -> dict[str, int]:
    wanted = {entry.member_id for entry in entries if entry.member_id}
    return {row["external_id"]: row["person_id"] for row in await db.fetch(SQL["find_by_number"], list(wanted))}


async def _holders(db: Connection, entries: Sequence[TurnoutEntry]) -> dict[ChannelAddress, list[_Holder]]:
    wanted = {
        address
        for entry in entries
        if not entry.member_id
        for address in (
            *(("sms", contact) for contact in entry.phones),
            *(("email", contact) for contact in entry.emails),
        )
    }
    holders: dict[ChannelAddress, list[_Holder]] = defaultdict(list)
    channels, addresses = [place[0] for place in wanted], [place[1] for place in wanted]
    for row in await db.fetch(SQL["find_by_address"], channels, addresses):
        names = (row["first_name"].casefold(), row["last_name"].casefold())
        holders[row["channel"], row["address"]].append(_Holder(row["person_id"], names))
    return holders
