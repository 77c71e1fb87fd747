"""Letters that a program converted to UTF-8 twice are read as what they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.files.double_encoding import mend, with_mended_cells

NAMES = [
    "José Núñez",
    "Seán O’Brien",
    "Zoë",
    "Łukasz Żak",
    "Álvaro",
    "Özil",
    "Müller – Leeds",
    "Ŵyn",
    "Иван",
    "Ísak",
    "à",
]


def misread(text: str, encoding: str) -> str:
    """UTF-8 as a program shows it that takes it for an older encoding."""
    shown = (bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in text.encode())
    return "".join(shown)


@pytest.mark.parametrize("encoding", ["cp1252", "mac-roman", "cp850"])
@pytest.mark.parametrize("name", NAMES)
def test_text_that_was_encoded_twice_is_mended(name: str, encoding: str) -> None:
    assert misread(name, encoding) != name
    if not (encoding != "cp1252" and name in {"Иван", "Łukasz Żak", "Ŵyn"}):  # the languages of those programs
        assert mend(misread(name, encoding)) == name


def test_text_that_was_encoded_three_times_is_mended() -> None:
    assert mend(misread(misread("José", "cp1252"), "cp1252")) == "José"


@pytest.mark.parametrize("cell", [
    *NAMES, "São João", "ÃO", "Ãngelo", "IRMÃ\xa0MARIA", "ANDRÉ’S", "MACIÃ’S", "Nguyễn Văn", "“Amy” – ok…", "£20 · €5",
    "Â", "Ô’Neill", "naïve √2", "José and JosÃ©",
])  # fmt: skip
def test_text_that_was_encoded_once_is_unchanged(cell: str) -> None:
    assert mend(cell) == cell


@given(st.text(st.characters(codec="cp1252", categories=["L", "Zs"]), max_size=12))
def test_words_of_ordinary_letters_are_unchanged(cell: str) -> None:
    if "\xa0" not in cell and not set(cell) & set("ŒœŠšŸŽžƒªº"):
        assert mend(cell) == cell


def test_mended_cells_are_counted_and_named() -> None:
    notices: list[str] = []
    rows = [(2, ["1", "JosÃ©"]), (3, None), (4, ["2", "Zoë"]), (5, ["SeÃ¡n", "ZoÃ«"])]
    assert [cells for _, cells in with_mended_cells(iter(rows), notices)] == [
        ["1", "José"], None, ["2", "Zoë"], ["Seán", "Zoë"],
    ]  # fmt: skip
    (notice,) = notices
    assert notice.endswith("in 3 cells: “JosÃ©” is “José”, “SeÃ¡n” is “Seán”, “ZoÃ«” is “Zoë”.")
