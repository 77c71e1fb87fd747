"""Made-up member file: people in a tree of units, with typical errors, and counts of each kind of error in it.

Nobody can be reached by accident. Emails are at subdomains of example.org and example.com (RFC 2606). Of UK mobile
numbers Ofcom reserves only 07700 900000 to 900999 for drama, and the sandbox uses those for its tricks. The rest of
07700 9 and all of 07700 2, 4, 5 and 6 belong to no operator: half a million numbers that ring nowhere, and still have
the shape of mobiles. Landlines are from Ofcom's drama ranges.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from core.files.guarded_csv import GuardedCsv

_FIRST_NAMES: Final = (
    "Amy", "Bob", "Carys", "Dafydd", "Siân", "Zoë", "Renée", "José", "Aoife", "Niamh", "Søren", "Łukasz",
    "Agnieszka", "Priya", "Rajesh", "Fatima", "Omar", "Chidi", "Ngozi", "Emma", "Oliver", "Grace", "Harry", "Isla",
    "Jack", "Lily", "Noah", "Sophie", "Thomas", "Ruby", "George", "Ella", "James", "Freya", "Daniel", "Megan",
    "Rhys", "Gwen", "Huw", "Ffion", "Iwan", "Angharad", "Llŷr", "Mari", "Owain", "Eleri", "Gareth", "Catrin",
    "Alun", "Bethan", "Müge", "Chloë", "André", "Björn", "Hélène", "Wei", "Mei", "Yusuf", "Aisha", "Kofi", "Ama",
    "Tomasz", "Ewa", "Piotr", "Maria", "Elena", "Luca", "Giulia", "Sinéad", "Ciarán", "Mary-Ann", "Jean-Luc",
)  # fmt: skip
_LAST_NAMES: Final = (
    "Jones", "Williams", "Davies", "Evans", "Thomas", "Roberts", "Lewis", "Hughes", "Morgan", "Griffiths", "Wŷn",
    "Tŷhen", "Bŵlch", "Smith", "Brown", "Taylor", "Wilson", "Johnson", "Walker", "White", "Green", "Hall", "Wood",
    "Martin", "Clarke", "Hill", "Scott", "Cooper", "Ward", "Turner", "Carter", "Phillips", "Mitchell", "Patel",
    "Khan", "Ahmed", "Hussain", "Singh", "Kaur", "Begum", "O\u2019Neill", "O'Brien", "McDonald", "MacLeòd", "Müller",
    "García", "Núñez", "Kowalski", "Nowak", "Wiśniewska", "Okafor", "Mensah", "Adeyemi", "Chen", "Wang", "Nguyen",
    "Rossi", "Ferrari", "Dubois", "Lefèvre", "D\u2019Souza", "Fernandes", "Pereira", "Smith-Jones",
)  # fmt: skip
_HOSTS: Final = tuple(
    f"{host}.example.{end}" for host in ("mail", "post", "home", "work", "inbox") for end in ("org", "com")
)

_WITH_MOBILE, _WITH_LANDLINE, _WITH_BAD_PHONE = 0.62, 0.66, 0.68  # the rest have no phone in the file
_WITH_EMAIL, _WITH_BAD_EMAIL = 0.60, 0.62
_SHARED_PHONE: Final = 0.06  # of those with a mobile: shared with the previous member, who gets the same surname
_BOUNCING_SHARE: Final = 0.01  # of those with an email
_REPEATED, _CONTRADICTED, _NAMELESS = 0.005, 0.007, 0.0075

_BAD_PHONES: Final = (
    ("07700 9012", "too_short"), ("07700 901 234 56", "too_long"), ("ask Amy", "not_a_number"),
    ("ask at work", "not_a_number"), ("7.7009E+09", "lost_digits"), ("0800 001066", "not_a_mobile"),
    ("07700 901234 / 07700 901235", "several"),
)  # fmt: skip
_BAD_EMAILS: Final = (
    ("amy.jones", "not_an_email"), ("no email yet", "not_an_email"), ("amy jones@mail.example.org", "not_an_email"),
    ("amy@", "bad_domain"), ("amy@example", "bad_domain"), ("amy@mail.example.org; bob@mail.example.org", "several"),
    ("amy@home.local", "reserved_domain"),
)  # fmt: skip
_LANDLINES: Final = ("020 7946 0{:03d}", "0117 496 0{:03d}", "(029) 2018 0{:03d}", "+44 161 496 0{:03d}")
_MOBILES: Final = ("0{0} {1}", "0{0}{1}", "+44 {0} {1}", "+44 (0){0} {1}", "0044 {0}-{1}", "{0}{1}", "{0}{1}.0")
_BLOCKS: Final = ((77009, 1000), (77006, 0), (77005, 0), (77004, 0), (77002, 0))
_BLOCK_SIZE: Final = 100_000

MAGIC_PHONES: Final = (
    "07700 900904", "07700 900953", "07700 900955", "07700 900956", "07700 900961", "07700 900962",
)  # fmt: skip
"""Numbers that misbehave in the sandbox: opted out before, handset off, unknown, unreachable, receipts in reverse and
twice. One member has each, if there are enough members."""
_A_TRICK_EVERY: Final = 97


@dataclass(frozen=True, slots=True)
class Workplace:
    """Workplace or ward that people of a made-up file are in.

    Attributes:
        region: its region or area.
        unit: its branch or ward.
        sites: the parts of a unit, if the file has them.
        welsh: whether some people there want messages in Welsh.
    """

    region: str
    unit: str
    sites: tuple[str, ...] = ()
    welsh: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of a made-up member file.

    Attributes:
        header: its columns; the first five are a number, the two names, a phone and a mailbox.
        places: where people are; the first ones are the largest.
        cells: makes the cells after the first five, from somebody's number, place and language, and a random generator.
    """

    header: Sequence[str]
    places: Sequence[Workplace]
    cells: Callable[[int, Workplace, str, Random], list[str]]


@dataclass(frozen=True, slots=True)
class MemberFile:
    """Counts of a written member file, errors included, so that its import can be checked to the last row.

    Attributes:
        path: the file.
        rows: rows below the header.
        people: distinct members.
        units: distinct branches or wards they are in.
        with_mobile, with_email: people with a usable mobile, email address.
        unreachable: people with neither.
        shared_phone: people whose mobile another member has, too.
        bouncing: people whose mailbox the sandbox bounces.
        magic: people whose mobile misbehaves in the sandbox.
        repeated: rows that repeat an earlier one.
        rejected: rows that cannot be used: without membership number, or contradicting an earlier one.
        problems: rows and cells an import reports, by code.
    """

    path: Path
    rows: int
    people: int
    units: int
    with_mobile: int
    with_email: int
    unreachable: int
    shared_phone: int
    bouncing: int
    magic: int
    repeated: int
    rejected: int
    problems: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "path"} | {"path": str(self.path)}


def write_members(path: Path, people: int, layout: Layout, seed: int = 1) -> MemberFile:
    """Write a made-up member file.

    Args:
        path: the file to write; UTF-8 with a byte-order mark, as Excel writes it.
        people: how many people; the file has a few rows more.
        layout: its columns, and where the people are.
        seed: the same seed writes the same file.
    """
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        sheet = GuardedCsv(file)
        sheet.writerow(layout.header)
        writer = _Writer(Random(seed), layout)  # noqa: S311  # made-up data, not secrets
        for number in range(people):
            sheet.writerows(writer.member(number))
        sheet.writerows(writer.leftovers())
    return writer.summary(path, people)


@dataclass(slots=True)
class _Count:
    rows: int = 0
    with_mobile: int = 0
    with_email: int = 0
    unreachable: int = 0
    bouncing: int = 0
    magic: int = 0
    repeated: int = 0
    rejected: int = 0
    problems: Counter[str] = field(default_factory=Counter)


class _Writer:
    """Writer that makes up one member after the other, and counts what it wrote."""

    def __init__(self, dice: Random, layout: Layout) -> None:
        self._dice = dice
        self._layout = layout
        self._count = _Count()
        self._used_units: set[str] = set()
        self._phones: Counter[str] = Counter()
        self._before = ("", "")  # surname and number of the last member with a mobile
        self._again: list[tuple[list[str], list[str]]] = []  # rows to be repeated later, with their problems
        self._numbers = 0

    def member(self, number: int) -> list[list[str]]:
        """Make the rows of one member: one, or more if the office typed them twice."""
        dice, problems = self._dice, list[str]()
        first, last = dice.choice(_FIRST_NAMES), dice.choice(_LAST_NAMES)
        mobile, last, has_mobile = self._mobile(number, last, problems)
        email, has_email = self._email(number, first, last, problems)
        self._count.with_mobile += has_mobile
        self._count.with_email += has_email
        self._count.unreachable += not (has_mobile or has_email)
        places = self._layout.places
        place = places[int(len(places) * dice.random() ** 1.7)]
        self._used_units.add(place.unit)
        language = "Welsh" if place.welsh and number % 5 == 0 else "English" if number % 3 else ""
        row = [
            str(200_000 + 3 * number), first, last, mobile, email, *self._layout.cells(number, place, language, dice),
        ]  # fmt: skip
        rows = [self._written(row, problems)]
        self._mess_up(dice.random(), row, problems, rows)
        if number % 1000 == 0:
            rows += self.leftovers()
        return rows

    def leftovers(self) -> list[list[str]]:
        """Return the repeated rows that are still to be written."""
        rows = [self._written(row, problems) for row, problems in self._again]
        self._again.clear()
        return rows

    def summary(self, path: Path, members: int) -> MemberFile:
        """Return the counts of what was written."""
        count = self._count
        return MemberFile(
            path=path,
            rows=count.rows,
            people=members,
            units=len(self._used_units),
            with_mobile=count.with_mobile,
            with_email=count.with_email,
            unreachable=count.unreachable,
            shared_phone=sum(people for people in self._phones.values() if people > 1),
            bouncing=count.bouncing,
            magic=count.magic,
            repeated=count.repeated,
            rejected=count.rejected,
            problems=dict(count.problems),
        )

    def _written(self, row: list[str], problems: list[str]) -> list[str]:
        self._count.rows += 1
        self._count.problems.update(problems)
        return row

    def _mess_up(self, draw: float, row: list[str], problems: list[str], rows: list[list[str]]) -> None:
        """Make some rows come twice, come twice with other details, or lack their number."""
        if draw < _REPEATED:
            self._count.repeated += 1
            self._again.append((row, problems))
        elif draw < _CONTRADICTED:
            self._count.rejected += 1
            self._again.append(([*row[:2], f"{row[2]} (was {_LAST_NAMES[0]})", *row[3:]], [*problems, "duplicate"]))
        elif draw < _NAMELESS:
            self._count.rejected += 1
            rows.append(self._written(["", *row[1:3], "", "", *row[5:]], ["no_external_id"]))

    def _mobile(self, number: int, last: str, problems: list[str]) -> tuple[str, str, bool]:
        """Make a member's phone cell; also return their surname (the household's, if shared) and if it is usable."""
        dice, trick = self._dice, number // _A_TRICK_EVERY
        if number % _A_TRICK_EVERY == _A_TRICK_EVERY - 1 and trick < len(MAGIC_PHONES):
            self._count.magic += 1
            return MAGIC_PHONES[trick], last, True
        draw = dice.random()
        if draw < _WITH_MOBILE:
            household, phone = self._before
            if phone and dice.random() < _SHARED_PHONE:
                last = household
            else:
                phone = self._new_number()
            self._before = last, phone
            self._phones[phone] += 1
            return dice.choice(_MOBILES).format(phone[:4], phone[4:]), last, True
        if draw < _WITH_LANDLINE:
            problems.append("landline")
            return dice.choice(_LANDLINES).format(dice.randrange(1000)), last, False
        if draw < _WITH_BAD_PHONE:
            phone, code = dice.choice(_BAD_PHONES)
            problems.append(code)
            return phone, last, False
        return "", last, False

    def _new_number(self) -> str:
        """Return the next unassigned number; after half a million they begin again."""
        number = self._numbers
        self._numbers += 1
        while True:
            for block, start in _BLOCKS:
                if number < _BLOCK_SIZE - start:
                    return f"{block}{start + number:05d}"
                number -= _BLOCK_SIZE - start

    def _email(self, number: int, first: str, last: str, problems: list[str]) -> tuple[str, bool]:
        """Make a member's email cell; also return whether it is usable."""
        dice, draw = self._dice, self._dice.random()
        if draw < _WITH_EMAIL:
            local = f"{_plain(first)}.{_plain(last)}.{number}"
            if dice.random() < _BOUNCING_SHARE:
                self._count.bouncing += 1
                local = f"bounce.{local}"
            email = f"{local}@{dice.choice(_HOSTS)}"
            return (email.upper() if number % 11 == 0 else f" {email}" if number % 13 == 0 else email), True
        if draw < _WITH_BAD_EMAIL:
            email, code = dice.choice(_BAD_EMAILS)
            problems.append(code)
            return email, False
        return "", False


@cache
def _plain(name: str) -> str:
    """Convert a name for use in the local part of an address."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(filter(str.isalnum, ascii_name))
