"""Files that do not name their encoding are read in the likeliest one, and the choice is reported."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.files.encodings import guess_encoding, named_encoding
from core.files.readers import open_table

WINDOWS = [
    "Zoë",
    "O’Brien",
    "Café",
    "Siân",
    "Renée",
    "Muñoz",
    "José",
    "Bjørn",
    "Åse",
    "François",
    "Größe",
    "Þórdís",
    "Œuvre",
    "JOSÉ",
    "Müller™",
    "“Ann”",
    "‘Bob’",
    "£5",
]
POLISH = ["Łukasz,Żak", "Agnieszka,Wójcik", "Michał,Świątek", "Gdańsk,Kraków"]


def read(path: Path, encoding: str | None = None) -> tuple[list[list[str]], str, list[str]]:
    with open_table(path, lambda _: (0, False), encoding=encoding) as table:
        return [cells or [] for _, cells in table.records], table.kind, table.notices


def write(tmp_path: Path, text: str, encoding: str, end: str = "\n") -> Path:
    path = tmp_path / "members.csv"
    path.write_bytes(text.replace("\n", end).encode(encoding))
    return path


@given(st.lists(st.sampled_from(WINDOWS), min_size=1, max_size=30))
def test_names_in_windows_1252_are_read_in_it(words: list[str]) -> None:
    assert guess_encoding(" ".join(words).encode("cp1252")).encoding == "cp1252"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_file_from_a_mac_is_read_as_it_was_written(tmp_path: Path, end: str) -> None:
    text = "id,name,branch\n1,Zoë O’Brien,Café\n2,Siân Évans,Cardiff\n3,José Muñoz,Llanelli\n"
    rows, kind, notices = read(write(tmp_path, text, "mac-roman", end))
    assert [row[1] for row in rows] == ["Zoë O’Brien", "Siân Évans", "José Muñoz"]
    assert kind == "CSV (Mac Roman, commas)"
    assert len(notices) == 1
    assert "Mac Roman" in notices[0]
    assert "Zoë" in notices[0]


@pytest.mark.parametrize(
    "name",
    [
        "Zoë", "Nuñez", "López", "García", "Martínez", "Siân", "Chloë", "François", "Müller", "Núñez", "José", "Ramón",
        "O’Brien", "Rodríguez", "Éamonn", "Peña", "Mónica",
    ],
)  # fmt: skip
def test_one_name_is_enough_to_know_a_file_from_a_mac(tmp_path: Path, name: str) -> None:
    rows, kind, notices = read(write(tmp_path, f"id,name\n1,{name}\n2,Amy\n", "mac-roman"))
    assert rows[0][1] == name
    assert kind == "CSV (Mac Roman, commas)"
    assert len(notices) == 1


def test_signs_that_macs_have_everywhere_are_not_taken_for_another_encodings(tmp_path: Path) -> None:
    _, kind, notices = read(write(tmp_path, "id,name\n1,O’Brien\n2,D’Souza\n3,Amy’s\n", "mac-roman"))
    assert kind == "CSV (Mac Roman, commas)"
    assert "Mac Latin" not in notices[0]


@pytest.mark.parametrize(
    "word",
    [
        "Stoke–on–Trent", "co–operative", "re–elect", "Smith–Jones", "Mon–Fri", "met—he", "word—word", "Solov’ev",
        "Il’ya",
        "they’ll", "won’t", "dell’anna", "d’Arcy", "aujourd’hui", "Sa’id", "N’Golo", "O‘Brien", "Rock´n", "Žižek",
        "Dušan",
        "fish–and–chips", "Kerc’hoat", "Gov’t", "Rock’n’Roll",
    ],
)  # fmt: skip
def test_one_odd_word_of_windows_does_not_make_a_mac(word: str) -> None:
    assert guess_encoding(f"1,{word},x".encode("cp1252")).encoding == "cp1252"


@pytest.mark.parametrize("encoding", ["cp1250", "iso8859-2", "mac-latin2", "cp852"])
def test_polish_names_are_read_as_they_were_written(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "id,first,last\n" + "".join(f"{n},{name}\n" for n, name in enumerate(POLISH)), encoding)
    rows, _, notices = read(path, None if encoding != "cp852" else encoding)
    assert [",".join(row[1:]) for row in rows] == POLISH
    assert len(notices) == (encoding != "cp852")


@pytest.mark.parametrize(
    ("encoding", "names"),
    [("cp850", ["Zoë", "Café", "Siân"]), ("cp1251", ["Иван Петров", "Ольга Смирнова", "Наталья"])],
)
def test_files_from_dos_and_in_cyrillic_are_read(tmp_path: Path, encoding: str, names: list[str]) -> None:
    rows, _, _ = read(write(tmp_path, "id,name\n" + "".join(f"1,{name}\n" for name in names), encoding))
    assert [row[1] for row in rows] == names


def test_an_undecidable_encoding_is_reported_with_both_readings(tmp_path: Path) -> None:
    path = write(tmp_path, "id,name\n1,Jiří Dvořák\n2,Věra\n", "cp1250")
    rows, kind, notices = read(path)
    assert kind == "CSV (Windows-1252, commas)"
    assert rows[0][1] == "Jiøí Dvoøák"
    assert "likely" in notices[0]
    assert "“Dvoøák”" in notices[0]
    assert "“Dvořák”" in notices[0]
    assert read(path, "windows-1250")[0][0][1] == "Jiří Dvořák"


def test_the_encoding_chosen_for_ansi_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path, "id,name\n1,Zoë\n", "cp1252")
    rows, kind, notices = read(path, "ANSI")
    assert (rows[0][1], kind) == ("Zoë", "CSV (Windows-1252, commas)")
    assert notices == ["“ANSI” is the encoding of a Windows and not the same everywhere: here it means Windows-1252."]
    assert read(path, "windows-1252")[2] == []


def test_pasted_lines_are_reported_with_their_words(tmp_path: Path) -> None:
    path = tmp_path / "members.csv"
    path.write_bytes("id,name\n1,Siân\n2,Ŵyn\n".encode() + "3,Renée\n".encode("cp1252"))
    assert "“Renée”" in read(path)[2][0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_self_evident_encoding_is_not_reported(tmp_path: Path, encoding: str) -> None:
    assert read(write(tmp_path, "id,name\n1,Łukasz\n2,Zoë\n", encoding))[2] == []


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("MacRoman", "mac-roman"),
        ("Mac Roman", "mac-roman"),
        ("Windows-1250", "cp1250"),
        ("latin2", "iso8859-2"),
        ("UTF8", "utf-8-sig"),
        ("ANSI", "cp1252"),
        (" ansi ", "cp1252"),
        ("x-mac-roman", "mac-roman"),
        ("Latin 1", "iso8859-1"),
    ],
)
def test_encodings_are_known_by_the_names_people_use(name: str, encoding: str) -> None:
    assert named_encoding(name) == encoding


@pytest.mark.parametrize("name", ["rot13", "utf-7", "idna", "klingon", "", "x\0y"])
def test_an_unknown_encoding_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="not an encoding"):
        named_encoding(name)


def test_a_file_that_is_not_in_the_encoding_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not in UTF-8"):
        read(write(tmp_path, "id,name\n1,Zoë\n", "cp1252"), "utf-8")
