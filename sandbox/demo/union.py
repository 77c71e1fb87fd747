"""Made-up union: its regions, branches and workplaces, and the columns of its member file."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from sandbox.demo.member_file import Layout, MemberFile, Workplace, write_members

HEADER: Final = [
    "Membership No.", "FIRST NAME", "surname", "Mobile  Phone", "e-mail address", "Region", "BRANCH", "Workplace",
    "Preferred Language", "Pay Band", "Joined",
]  # fmt: skip

_TOWNS: Final = {
    "Wales": ("Cardiff", "Swansea", "Newport", "Wrecsam", "Bangor", "Caerfyrddin"),
    "Scotland": ("Glasgow", "Edinburgh", "Dundee", "Inverness"),
    "Northern Ireland": ("Belfast", "Derry", "Newry"),
    "North West": ("Manchester", "Liverpool", "Preston", "Carlisle"),
    "North East": ("Newcastle", "Durham", "Washington"),
    "Yorkshire": ("Leeds", "Sheffield", "York", "Hull"),
    "Midlands": ("Birmingham", "Coventry", "Nottingham", "Leicester", "Telford"),
    "South West": ("Bristol", "Plymouth", "Exeter"),
    "South East": ("Brighton", "Reading", "Southampton", "Kent, Maidstone"),
    "London": ("Westminster", "Croydon", "Stratford", "Euston"),
}
_SERVICES: Final = (
    "Revenue", "Courts", "Pensions", "Land Registry", "Borders", "Transport", "Justice", "Archives", "Statistics",
    "Coastguard",
)  # fmt: skip
_SITES: Final = ("Main Office", "Tŷ Glas", "St. Mary\u2019s House", "Annexe B")
_BANDS: Final = ("AA", "AO", "EO", "HEO", "SEO", "G7")


def write_union(path: Path, members: int = 12_000, branches: int = 300, seed: int = 1) -> MemberFile:
    """Write the member file of a made-up union.

    Args:
        path: the file to write.
        members: how many people; the file has a few rows more.
        branches: most branches they are in; small ones may get nobody.
        seed: the same seed writes the same file.
    """
    return write_members(path, members, Layout(HEADER, _name_branches(branches), _cells), seed)


def _cells(number: int, place: Workplace, language: str, _dice: Random) -> list[str]:
    return [
        place.region, place.unit, place.sites[number % len(place.sites)], language, _BANDS[number % len(_BANDS)],
        f"{1 + number % 28:02d}/{1 + number % 12:02d}/{1985 + number % 40}",
    ]  # fmt: skip


def _name_branches(count: int) -> list[Workplace]:
    """Name the region, branch and workplaces of each branch; the first ones are the large ones."""
    towns = [(region, town) for region, names in _TOWNS.items() for town in names]
    branches = []
    for number in range(count):
        service, (region, town) = number // len(towns), towns[number % len(towns)]
        name = f"{town} {_SERVICES[service % len(_SERVICES)]}"
        if service >= len(_SERVICES):
            name += f" {service // len(_SERVICES) + 1}"
        branches.append(Workplace(region, name, _SITES[: 1 + number % len(_SITES)], welsh=region == "Wales"))
    return branches
