"""Errors in a file, one line for each key, in words for the person who wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

_INNER: Final = re.compile(r"(?P<key>[a-z_]+(?:\[\d+\])?(?:\.[a-z_]+)*): (?P<words>.*)", re.DOTALL)
"""Complaint about a whole table that starts with the key it is really about."""

_MAX_GUESSES: Final = 3
_MIN_BEGINNING_LENGTH: Final = 3
"""Fewest first letters that a close name shares: `closing` is a slip for `closes`, although `last_posting` has more
letters in common with it."""
_PLAIN: Final = {
    "missing": "is missing",
    "string_pattern_mismatch": "may hold only letters, digits and . _ -, like pay-2026",
    "string_too_short": "is empty",
    "too_short": "needs at least one entry",
    "model_type": "must be a table of keys",
    "dict_type": "must be a table of keys",
}


def near_miss(word: str, known: Iterable[str]) -> str:
    """Suggest `; did you mean …?`, or nothing where nothing is close."""
    close = _closest(word, known)
    return f"; did you mean {close}?" if close else ""


def names_instead(word: str, known: Sequence[str]) -> str:
    """List names to use instead of an unknown one: the one it is like, or all there are."""
    close = _closest(word, known)
    if close:
        return f"Did you mean {close}?"
    *others, last = known
    return f"There are {', '.join(others)} and {last}." if others else f"There is only {last}."


def _closest(word: str, known: Iterable[str]) -> str:
    """Find the closest word, preferring one that begins alike; "" if nothing is close."""
    by_key = {name.lower(): name for name in sorted(known, reverse=True)}
    close = get_close_matches(word.lower(), by_key, n=_MAX_GUESSES, cutoff=0.6)
    begins_alike = [key for key in close if key[:_MIN_BEGINNING_LENGTH] == word.lower()[:_MIN_BEGINNING_LENGTH]]
    return by_key[next(iter(begins_alike or close))] if close else ""


def problems(model: type[BaseModel], error: ValidationError, section: str) -> list[str]:
    """List what is wrong, one line for each key: `campaign.steps[2].channels: …`, counted from 1 as people do.

    Where a value could have been of several kinds, only the most telling complaint is kept.

    Args:
        model: the type that the table should have.
        error: pydantic's error.
        section: the table's name in the file.
    """
    telling: dict[str, tuple[bool, str]] = {}
    for detail in error.errors():
        keys, table = _walk(model, detail["loc"], unknown=detail["type"] == "extra_forbidden")
        words = _words(detail, keys, table)
        if (inner := _INNER.match(words)) is not None:
            keys, words = [*keys, inner["key"]], inner["words"]
        place = ".".join([section, *keys]).replace(".[", "[")
        vague = detail["type"].endswith(("_type", "_parsing"))
        if place not in telling or (telling[place][0] and not vague):
            telling[place] = (vague, words)
    deepest = [place for place in telling if not any(other.startswith(f"{place}[") for other in telling)]
    return [f"{place}: {telling[place][1]}" for place in deepest]


def _walk(model: type[BaseModel], loc: Sequence[str | int], *, unknown: bool) -> tuple[list[str], type[BaseModel]]:
    """Find the keys as the file has them, and the table the last one stands in.

    pydantic counts from 0 and puts in the names of types; people count from 1 and wrote only keys.
    """
    keys: list[str] = []
    table, free = model, False
    for item in loc:
        if isinstance(item, int):
            keys.append(f"[{item + 1}]")
        elif (field := _fields(table).get(item)) is not None:
            keys.append(item)
            free = item == "attribute"
            table = _table_in(field) or table
        elif free or (unknown and item == loc[-1]):
            keys.append(item)
            free = False
    return keys, table


def _fields(table: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in table.model_fields.items()}


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """Find the kind of table inside a field's type: `Filter` of `tuple[Filter, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((table for argument in get_args(annotation) if (table := _table_in(argument)) is not None), None)


def _words(error: Mapping[str, Any], keys: Sequence[str], table: type[BaseModel]) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        return f"is not a key here{near_miss(keys[-1], _fields(table))}"
    if kind in {"literal_error", "enum"}:
        return f"{error['input']!r} is not one of {error['ctx']['expected']}"
    if kind in _PLAIN:
        return _PLAIN[kind]
    return str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
