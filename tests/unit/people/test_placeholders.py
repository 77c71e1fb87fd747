"""Words that exports write for nothing are told from names that look like them."""

import pytest

from people.imports.placeholders import is_placeholder, placeholders_in_name


@pytest.mark.parametrize(
    "text",
    [
        "NULL",
        "Null",
        "null",
        "None",
        "NONE",
        "nan",
        "NaN",
        "n/a",
        "N/A",
        "N.A.",
        "-",
        "--",
        "---",
        "—",
        "…",
        ".",
        "NIL",
        "nil",
        "(null)",
        "<null>",
        "[NULL]",
        "(none)",
        "(blank)",
        "\\N",
        "undefined",
        "<NA>",
    ],
)
def test_placeholders_for_nothing_are_recognised(text: str) -> None:
    assert is_placeholder(text.replace("…", "..."))


@pytest.mark.parametrize(
    "text", ["", "Nan", "Na", "Blank", "No", "0", "Nullarbor", "N", "Noone", "A-B", "Unknown", "-1", "NA"]
)
def test_ordinary_words_are_no_placeholders(text: str) -> None:
    assert not is_placeholder(text)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("Amy", "Null", (False, False)),
        ("Amy", "NULL", (False, True)),
        ("Amy", "null", (False, True)),
        ("Null", "Null", (True, True)),
        ("NULL", "Null", (True, True)),
        ("", "Null", (False, True)),
        ("Null", "Jones", (True, False)),
        ("Nan", "Jones", (False, False)),
        ("nan", "Jones", (True, False)),
        ("Nil", "Null", (False, False)),
        ("NIL", "NIL", (True, True)),
        ("Amy", "-", (False, True)),
    ],
)
def test_people_may_be_called_null(first: str, last: str, expected: tuple[bool, bool]) -> None:
    assert placeholders_in_name(first, last) == expected
