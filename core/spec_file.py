"""TOML files that people write: the kinds of value they share, and errors in words for the person who wrote them.

A file may hold several tables, `[ballot]` and `[campaign]`; the reader of one of them ignores the others.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.control_characters import refused_control
from core.errors import SpecError
from core.spec_errors import near_miss, problems

_END_OF_DAY: Final = time(23, 59, 59)

TABLES: Final = ("campaign", "ballot", "question", "notice")
"""Tables that a file may hold; each is read by the package that it is about."""


def read_spec_moment(value: object) -> date:
    """Read a moment as a file or a command gives it: a date, a local time, or a time with an offset.

    Raises:
        ValueError: the text is no date or time.
    """
    if isinstance(value, str):
        try:
            return date.fromisoformat(value) if len(value) == len("2026-11-02") else datetime.fromisoformat(value)
        except ValueError:
            pass
    if isinstance(value, date):  # a datetime is a date as well
        return value
    raise ValueError("write a date such as 2026-11-02, or a local time such as 2026-11-02T12:00:00")


def _one_line(value: str) -> str:
    if len(value.splitlines()) > 1:
        raise ValueError("write it in one line")
    return value


OneLine = AfterValidator(_one_line)
"""A text that stands on a button, in a subject or in a list."""


def read_many(value: object) -> object:
    """Make a list of one value that stands alone."""
    return (value,) if isinstance(value, str | int) and not isinstance(value, bool) else value


Moment = Annotated[datetime | date, BeforeValidator(read_spec_moment)]
"""A date, a local time, or a time with an offset; `at_zone` makes an instant of it."""
OneOrMore = Annotated[tuple[str, ...], BeforeValidator(read_many), Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Text = Annotated[str, Field(min_length=1, max_length=5000)]


class SpecTable(BaseModel):
    """Table of a file, with the keys of its class and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, str_strip_whitespace=True)


Spec = TypeVar("Spec", bound=SpecTable)


def at_zone(value: date, zone: ZoneInfo, *, end: bool = False) -> datetime:
    """Convert a date or time in a file to an instant.

    Args:
        value: a date, a local time, or a time with its own offset.
        zone: whose local time it is.
        end: a date alone means its last second, not its first.

    Returns:
        Aware, in UTC.
    """
    if not isinstance(value, datetime):
        value = datetime.combine(value, _END_OF_DAY if end else time())
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def read_document(path: Path, keys: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """Read a file's tables as they stand.

    Args:
        path: the file.
        keys: the keys of some of its tables, to say where a key that stands outside belongs.

    Raises:
        SpecError: the file cannot be read, is not TOML, or has a key outside of its tables.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SpecError(f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} cannot be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path} is not TOML: {error}.", remedy="docs/campaigns.md shows a complete file.") from None
    wrong = [_misplaced(key, keys) for key in document if key not in TABLES]
    wrong += [
        f"{key}: has a control character that nobody sees, {sign}; delete it" for key, sign in _controls(document, "")
    ]
    if wrong:
        raise SpecError(f"{path} cannot be used.", problems=wrong)
    return document


def _controls(value: object, key: str) -> Iterator[tuple[str, str]]:
    """Yield the texts below a key that have control characters, which no database, page or phone should get."""
    match value:
        case str():
            if control := refused_control(value):
                yield key, control
        case dict():
            for name, part in value.items():
                yield from _controls(name, key)
                yield from _controls(part, f"{key}.{name}".lstrip("."))
        case list():
            for position, part in enumerate(value, start=1):
                yield from _controls(part, f"{key}[{position}]")


def _misplaced(key: str, tables: Mapping[str, Collection[str]]) -> str:
    for table, keys in tables.items():
        if key in keys:
            return f"{key}: belongs to the {table}; write it as {table}.{key}"
    return f"{key}: is not a key here{near_miss(key, TABLES)}"


def read_table(model: type[Spec], table: object, path: Path, name: str) -> Spec:
    """Validate a table of a file.

    Args:
        model: what it should be.
        table: what the file has.
        path: the file, for errors.
        name: of the table.

    Raises:
        SpecError: something in it is wrong; each problem names its key.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise SpecError(f"{path} cannot be used.", problems=problems(model, error, name)) from None
