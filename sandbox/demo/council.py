"""Made-up council: its areas and wards, the columns of its file of residents, and their appointments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from people.imports.mapping import ColumnMapping
from sandbox.demo.member_file import Layout, MemberFile, Workplace, write_members

HEADER: Final = [
    "Resident No.", "First name", "Surname", "Mobile", "Email", "Area", "Ward", "Language", "Appointment at", "Place",
]  # fmt: skip
MAPPING: Final = ColumnMapping({"external_id": ("Resident No.",), "region": ("Area",), "branch": ("Ward",)})
"""Meaning of the columns whose names Muster does not know."""

_WARDS: Final = {
    "Inner North": ("Chapel Allerton", "Headingley", "Moortown", "Roundhay"),
    "Inner South": ("Beeston", "Holbeck", "Hunslet", "Middleton"),
    "Inner West": ("Armley", "Bramley", "Farnley", "Kirkstall"),
    "Outer East": ("Crossgates", "Garforth", "Kippax", "Temple Newsam"),
    "Outer North": ("Alwoodley", "Harewood", "Otley", "Wetherby"),
    "Outer West": ("Calverley", "Guiseley", "Horsforth", "Pudsey"),
}
_OFFICES: Final = ("the Town Hall", "the One Stop Centre", "Merrion House")
_WITH_APPOINTMENT: Final = 0.3
_SOON_SHARE: Final = 0.6
"""Share of the appointments that are in the next 24 hours, so that their reminders are due at once."""
_FIRST_HOUR, _LAST_HOUR, _MINUTES = 9, 17, 10


def write_residents(path: Path, residents: int, now: datetime, seed: int = 1) -> MemberFile:
    """Write the file of a made-up council's residents, nearly a third of whom have an appointment.

    Args:
        path: the file to write.
        residents: how many people; the file has a few rows more.
        now: the time, in the residents' zone; no appointment is between 23 and 25 hours from it.
        seed: the same seed, with the same time, writes the same file.
    """
    wards = [Workplace(area, ward, welsh=True) for area, names in _WARDS.items() for ward in names]
    soon = [slot for slot in _slots(now, (0, 1)) if timedelta(hours=1) < slot - now < timedelta(hours=23)]
    later = _slots(now, (3, 4, 5))
    return write_members(path, residents, Layout(HEADER, wards, partial(_cells, soon, later)), seed)


def _slots(now: datetime, days: Sequence[int]) -> list[datetime]:
    """Return the times of appointments on some days from now: every ten minutes in the hours of work."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return [
        midnight + timedelta(days=day, hours=hour, minutes=minute)
        for day in days
        for hour in range(_FIRST_HOUR, _LAST_HOUR)
        for minute in range(0, 60, _MINUTES)
    ]


def _cells(
    soon: Sequence[datetime], later: Sequence[datetime], number: int, place: Workplace, language: str, dice: Random
) -> list[str]:
    at, office = "", ""
    if dice.random() < _WITH_APPOINTMENT:
        at = f"{dice.choice(soon if dice.random() < _SOON_SHARE else later):%Y-%m-%d %H:%M}"
        office = _OFFICES[number % len(_OFFICES)]
    return [place.region, place.unit, language, at, office]
