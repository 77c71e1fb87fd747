"""Columns of a member file: what each means, by name, by alias, or by a mapping file."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import InputError
from core.files.header_keys import header_key
from core.files.headings import Judge
from core.files.tables import clean
from people.imports.mapping import ColumnMapping
from people.units import UNIT_KINDS

FIELDS: Final = (
    "external_id", "first_name", "last_name", "full_name", "phone", "email", *UNIT_KINDS, "language", "time_zone",
)  # fmt: skip
"""Fields that a column can be, other than an attribute."""

# In order of preference: if two columns of a file fit, the name that stands earlier here wins, and the other column
# becomes an attribute.
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "external_id": (
        "external id", "member id", "membership number", "membership no", "membership id", "member number", "member no",
        "mem no", "membership ref", "member ref", "membership reference", "member reference", "person id", "contact id",
        "unique id", *(
            f"{whose} {number}"
            for whose in (
                "patient", "household", "resident", "tenant", "customer", "client", "citizen", "student", "pupil",
                "staff", "employee", "payroll", "supporter", "donor", "volunteer", "person", "contact", "account",
                "nhs", "hospital",
            )
            for number in ("id", "no", "number", "ref", "reference")
        ), "reference", "ref", "id",
    ),
    "first_name": ("first name", "given name", "forename", "first names", "given names", "forenames", "first"),
    "last_name": ("last name", "surname", "family name", "last"),
    "full_name": ("full name", "name", "member name", "display name"),
    "region": ("region", "region name", "regional office"),
    "branch": ("branch", "branch name", "local", "chapter"),
    "workplace": ("workplace", "workplace name", "work place", "site", "work site", "worksite", "office"),
    "language": (
        "language", "preferred language", "pref language", "language preference", "lang", "pref lang", "preferred lang",
        "correspondence language", "language of correspondence",
    ),
    "time_zone": ("time zone", "timezone", "tz"),
}  # fmt: skip

MEMBER_ID_NAMES: Final = tuple(name for name in _ALIASES["external_id"] if "mem" in name or name == "external id")
"""Names of the column of membership numbers in any list; `id` and `ref` are often something else there."""

_EMAIL: Final = re.compile(r"e?mails?(address|addr|id)?")
_MOBILE: Final = re.compile(r"(mobile|mob|cell|cellphone|sms|text)(telephone|tel|phone)?(number|num|no)?")
_PHONE: Final = re.compile(r"(contact)?(phone|telephone|tel)(number|num|no)?|contact(number|no)")
_FIRST: Final = ("primary", "preferred", "main", "first", "1st")
_SECOND: Final = ("secondary", "second", "2nd", "alternative", "alternate", "alt", "other", "backup")
_PLACES: Final = ("home", "work", "personal", "private", "office", "evening", "daytime", "business")
_NUMBERED: Final = re.compile(r"([a-z]+)([1-9])(value|address|addr|number|num|no)")
"""Numbered columns as Google and Outlook write them: `E-mail 1 - Value`, `E-mail 2 Address`."""
_ABOUT: Final = re.compile(
    r"(e?mail|phone|mobile)([1-9]?)(address)?(label|type|displayname)|(business|home|other)phone[1-9]?type"
)
"""Columns of such exports that say what kind of address another column holds."""
_ATTRIBUTE_HEADER: Final = re.compile(
    r"attributes\.[a-z][a-z0-9_]*"
)  # a header in Muster's own form, as exports write it
_NUMBERS: Final = re.compile(r"(?:\b|_)(?:id|no|nr|number|ref|reference|code)\.?$", re.IGNORECASE)
"""End of the name of a column that may hold the number of each person."""
_MIN_LIKENESS: Final = 0.6
_VERY_LIKE: Final = 0.8
_MAX_NAME_LENGTH: Final = 200
"""Characters; a longer cell is no heading."""


@dataclass(frozen=True, slots=True, order=True)
class Column:
    """One column of a file.

    Attributes:
        index: its place in a row, from 0.
        label: its header as it stands in the file.
        name: the attribute's name, or the field.
    """

    index: int
    label: str
    name: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Meaning of each column of a file.

    Attributes:
        fields: the columns of each field that is present; several for `phone` and `email`, in order of preference.
        attributes: the others.
        width: how many cells a row needs to reach the last named column.
        full_width: how many cells a row may have.
        formerly: attributes that columns would be if the mapping file did not name them otherwise.
    """

    fields: Mapping[str, tuple[Column, ...]]
    attributes: tuple[Column, ...]
    width: int
    full_width: int
    formerly: tuple[str, ...] = ()

    def column(self, field: str) -> Column | None:
        """Return the column of a field that has one at most."""
        columns = self.fields.get(field)
        return columns[0] if columns else None

    def has(self, *fields: str) -> bool:
        """Tell whether the file has a column for any of these fields."""
        return any(field in self.fields for field in fields)

    def taken_as_they_are(self) -> list[str]:
        """List the columns that became attributes although they may be meant for fields that Muster uses itself."""
        names = {
            header_key(alias): field for field, aliases in _ALIASES.items() if not self.has(field) for alias in aliases
        }
        return [
            f"The column “{column.label}” is kept as the attribute {column.name}. If it is the members' "
            f"{names[close[0]]}, name it in a mapping file (--map), under [columns]; to leave it out: --ignore."
            for column in self.attributes
            if not _ATTRIBUTE_HEADER.fullmatch(column.label)
            and (close := difflib.get_close_matches(header_key(column.label), names, 1, _VERY_LIKE))
        ]

    def meanings(self) -> dict[str, str]:
        """Return what each header was read as: a field, or `attributes.<name>`."""
        taken = [(column, field) for field, columns in self.fields.items() for column in columns]
        taken += [(column, f"attributes.{column.name}") for column in self.attributes]
        return {column.label: meaning for column, meaning in sorted(taken, key=lambda pair: pair[0].index)}


def heading_judge(mapping: ColumnMapping, *needed: str) -> Judge:
    """Build a function that knows the headings of member files.

    Args:
        mapping: names columns that the usual names do not.
        needed: fields of which the headings must name one.
    """
    mapped = {header_key(label): field for field, labels in mapping.fields.items() for label in labels}
    mapped |= dict.fromkeys(map(header_key, (*mapping.attributes.values(), *mapping.ignore)), "")
    usual = {header_key(name): field for field, names in _ALIASES.items() for name in (field, *names)}

    def field_of(key: str) -> str | None:
        return mapped.get(key) or usual.get(key) or _address_rank(key)[0] or ("" if key in mapped else None)

    def judge(cells: Sequence[str]) -> tuple[int, bool]:
        keys = [header_key(clean(cell)) for cell in cells if len(cell) <= _MAX_NAME_LENGTH]
        fields = [field for key in keys if key and (field := field_of(key)) is not None]
        return len(fields), not set(needed).isdisjoint(fields)

    return judge


def map_columns(
    header: Sequence[str], mapping: ColumnMapping, *, reserved: Iterable[str] = (), needs_number: bool = True,
    line: int = 1,
) -> Columns:  # fmt: skip
    """Decide what each column of a header means.

    Args:
        header: the names as they stand in the file; columns without a name are left out.
        mapping: the mapping file's columns; they take precedence over names and aliases.
        reserved: names an attribute must not take, because templates use them for something else.
        needs_number: whether the file has to have a column of membership numbers.
        line: where the header stands, for errors.

    Raises:
        InputError: two columns have the same name, a mapped one is missing, or none holds the membership number.
    """
    labels = {index: label for index, cell in enumerate(header) if (label := clean(cell))}
    _refuse_duplicates(labels)
    sorting = _Sorting(labels, {*reserved, *FIELDS})
    sorting.by_mapping(mapping)
    sorting.by_name()
    if mapping.keep_others:
        sorting.others()
    if needs_number and "external_id" not in sorting.fields:
        raise _no_membership_number(list(labels.values()), line)
    _refuse_same_attributes(sorting.attributes)
    return Columns(
        {field: tuple(column for _, column in sorted(ranked)) for field, ranked in sorting.fields.items()},
        tuple(sorted(sorting.attributes)),
        width=max(labels, default=-1) + 1,
        full_width=len(header),
        formerly=tuple(
            attribute_name(label, index, {*reserved, *FIELDS})
            for index, label in labels.items()
            if any(header_key(label) == header_key(named) for wanted in mapping.fields.values() for named in wanted)
        ),
    )


class _Sorting:
    """Columns of a header while they are being assigned; `left` are those not assigned yet."""

    def __init__(self, labels: Mapping[int, str], taken: Collection[str]) -> None:
        self.left = dict(labels)
        self.fields: dict[str, list[tuple[tuple[int, ...], Column]]] = {}  # each with its place in order of preference
        self.attributes: list[Column] = []
        self._taken = taken

    def by_mapping(self, mapping: ColumnMapping) -> None:
        """Assign the columns that a mapping file names."""
        for field, wanted in mapping.fields.items():
            for place, label in enumerate(wanted):
                self._take(_find(label, self.left), field, place)
        for name, label in mapping.attributes.items():
            self._take_attribute(_find(label, self.left), name)
        for label in mapping.ignore:
            del self.left[_find(label, self.left)]

    def by_name(self) -> None:
        """Assign the columns with headers in Muster's own form, or with usual names."""
        for index, label in list(self.left.items()):
            if _ATTRIBUTE_HEADER.fullmatch(label):
                self._take_attribute(index, label.removeprefix("attributes."))
        keys = {index: header_key(label) for index, label in self.left.items()}
        for field, aliases in _ALIASES.items():
            order = {header_key(alias): place for place, alias in enumerate((field, *aliases))}
            fits = [(order[key], index) for index, key in keys.items() if key in order and index in self.left]
            if fits and field not in self.fields:
                self._take(min(fits)[1], field, 0)
        mapped = set(self.fields)
        for index in list(self.left):
            field, *rank = _address_rank(keys[index])
            if field and field not in mapped:
                self._take(index, field, *rank, index)

    def others(self) -> None:
        """Assign the rest as attributes, except columns that only say what kind of address another column holds."""
        for index, label in list(self.left.items()):
            if _ABOUT.fullmatch(header_key(label)):
                continue
            self._take_attribute(index, attribute_name(label, index, self._taken))

    def _take(self, index: int, field: str, *rank: int) -> None:
        self.fields.setdefault(field, []).append((rank, Column(index, self.left.pop(index), field)))

    def _take_attribute(self, index: int, name: str) -> None:
        if name in self._taken:
            raise InputError(
                f"An attribute cannot be called {name}.", remedy="Templates use that name for something else."
            )
        self.attributes.append(Column(index, self.left.pop(index), name))


def attribute_name(label: str, index: int = 0, reserved: Iterable[str] = ()) -> str:
    """Turn a header into a name for templates: `Pay band (2026)` becomes `pay_band_2026`.

    Args:
        label: the header.
        index: its column, for headers without a single Latin letter: `column_7`.
        reserved: names that mean something else already; `member_` is put before.
    """
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    name = "_".join(re.findall(r"[a-z0-9]+", plain))
    if not re.search(r"[a-z]", name):
        name = f"column_{index + 1}"
    elif name[0].isdigit():
        name = f"column_{name}"
    return f"member_{name}" if name in reserved else name


def near_misses(name: str, known: Iterable[str]) -> list[str]:
    """List the known headers that look like a name, best first."""
    by_key = {header_key(label): label for label in known}
    return [by_key[key] for key in difflib.get_close_matches(header_key(name), by_key, n=3, cutoff=_MIN_LIKENESS)]


def _address_rank(key: str) -> tuple[str, int, int]:
    """Return which addresses a header names, if any, and their rank: first before second, mobiles first."""
    if match := _NUMBERED.fullmatch(key):
        key = match[1] + match[3].removesuffix("value") + match[2]
    bare = key.rstrip("0123456789")
    number = key[len(bare) :]
    ordinal = int(number) if len(number) == 1 else 1
    for words, place in ((_FIRST, 1), (_SECOND, 2)):
        if word := next(filter(bare.startswith, words), None):
            bare, ordinal = bare.removeprefix(word), max(ordinal, place)
    away = 0
    if word := next(filter(bare.startswith, _PLACES), None) or next(filter(bare.endswith, _PLACES), None):
        bare, away = bare.removeprefix(word).removesuffix(word), 2
    if _EMAIL.fullmatch(bare):
        return "email", ordinal, away
    if _MOBILE.fullmatch(bare):
        return "phone", ordinal, 0
    if _PHONE.fullmatch(bare):
        return "phone", ordinal, 1 + away
    return "", 0, 0


def _find(label: str, left: Mapping[int, str]) -> int:
    """Find the column a mapping file means.

    Raises:
        InputError: the file has none of that name; the message lists close ones.
    """
    wanted = header_key(label)
    for index, present in left.items():
        if header_key(present) == wanted:
            return index
    close = near_misses(label, left.values())
    raise InputError(
        f"The mapping file, or --ignore, names a column “{label}” that the member file does not have, or that is mapped"
        " twice.",
        remedy=f"Did you mean {_quoted(close)}?" if close else f"It has {_quoted(left.values())}.",
    )


def _refuse_duplicates(labels: Mapping[int, str]) -> None:
    seen: dict[str, str] = {}
    for label in labels.values():
        key = " ".join(label.casefold().split())
        if key in seen:
            raise InputError(f"Two columns are called “{label}”.", remedy="Rename or delete one of them.")
        seen[key] = label


def _refuse_same_attributes(attributes: Sequence[Column]) -> None:
    seen: dict[str, str] = {}
    for column in attributes:
        if column.name in seen:
            raise InputError(
                f"The columns “{seen[column.name]}” and “{column.label}” would both be the attribute {column.name}.",
                remedy="Rename one of them, or name them apart in a mapping file (--map).",
            )
        seen[column.name] = column.label


def _no_membership_number(labels: Sequence[str], line: int) -> InputError:
    names = [alias.replace(" ", "") for alias in _ALIASES["external_id"]]
    close = [label for label in labels if _NUMBERS.search(label)]
    close += [
        label
        for label in labels
        if label not in close and difflib.get_close_matches(header_key(label), names, 1, _MIN_LIKENESS)
    ]
    remedy = (
        f"Is it {_quoted(close, ' or ')}? Rename it to reference, or name it in a mapping file (--map)."
        if close
        else "Call it reference (or member_id), or name it in a mapping file (--map)."
    )
    return InputError(
        "No column holds the number or reference that each person has in your records (external id).",
        problems=[f"The columns of row {line} are {_quoted(labels)}." if labels else f"Row {line} names no column."],
        remedy=f"{remedy} If the headings stand in another row than {line}, say in which with --header-row.",
    )


def _quoted(labels: Iterable[str], joint: str = ", ") -> str:
    return joint.join(f"“{label}”" for label in labels)
