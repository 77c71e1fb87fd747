"""Text from strangers commands no terminal, neither stored nor printed."""

from __future__ import annotations

import io
import re
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.control_characters import HIDDEN, is_blank, refused_control, without_controls
from core.files.tables import clean
from core.http.request_bodies import plain_json
from muster.cli.output import guarded, json_text
from tests.support.effort import effort_of
from webhooks.email.inbound_mail.markup import read_html
from webhooks.email.inbound_mail.parsed_mail import parse_mail

ATTACKS = {
    "title": "\x1b]0;PWN\x07",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4K\x07",
    "clipboard, ended by ST": "\x1b]52;c;cm0gLXJmIH4K\x1b\\",
    "clear": "\x1b[2J",
    "line away": "\x1b[1A\x1b[2K",
    "red": "\x1b[31m",
    "hidden": "\x1b[8m",
    "C1": "\x9b31m",
    "C1 clipboard": "\x9d52;c;cm0gLXJmIH4K\x9c",
    "override": "\u202e",
    "isolate": "\u2066",
    "device control": "\x1bP+q544e\x1b\\",
    "reset": "\x1bc",
    "bell": "\x07",
    "backspaces": "\x08\x08\x08",
}
FORBIDDEN = {
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
} - {"\n", "\t"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", ATTACKS)
def test_no_control_character_for_a_terminal_is_left(name: str) -> None:
    words = without_controls(f"I have {ATTACKS[name]}voted")
    assert words.replace("\ufffd", "") == "I have voted"


@pytest.mark.parametrize("name", ATTACKS)
def test_a_mail_brings_in_no_control_character(name: str) -> None:
    attack = ATTACKS[name]
    head = f"From: Ann {attack}<a@b.test>\nSubject: x{attack}y\nContent-Type: text/plain; charset=utf-8"
    raw = f"{head}\n\nvoted{attack}".encode()
    letter = parse_mail(raw)
    for said in (letter.text, letter.header("Subject"), letter.header("From")):
        assert not FORBIDDEN & set(said)
    references = "".join(f"&#{ord(letter)};" for letter in attack)
    assert not FORBIDDEN & set(read_html(f"<p>voted{references}</p>").text)


def test_a_providers_post_brings_in_no_control_character() -> None:
    assert plain_json({"a": ["\x1b]0;x\x07b", {"c": "\u202ed"}]}) == {"a": ["b", {"c": "d"}]}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_command_prints_no_control_character(name: str) -> None:
    out = io.StringIO()
    guarded(out).write(f"17  {ATTACKS[name]}Ann\tvoted\n")
    assert not FORBIDDEN & set(out.getvalue())
    assert "Ann\tvoted\n" in out.getvalue().replace("\ufffd", "")


@pytest.mark.parametrize("name", ATTACKS)
def test_json_for_programs_has_no_control_characters_and_keeps_the_text(name: str) -> None:
    said = {"words": f"17{ATTACKS[name]}\x7f\x85\u2028", f"key{ATTACKS[name]}": [1]}
    for indent in (False, True):
        text = json_text(said, indent=indent)
        assert not FORBIDDEN & set(text)
        assert orjson.loads(text) == said


@given(st.text())
def test_json_keeps_any_text_on_one_line(text: str) -> None:
    printed = json_text([text])
    assert not (FORBIDDEN | {"\n", "\t", "\u061c", "\u2028", "\u2029"}) & set(printed)
    assert orjson.loads(printed) == [text]


def test_every_command_prints_through_the_guard() -> None:
    around = re.compile(r"stdout\.buffer|orjson\.dumps|json\.dumps|echo\(b|sys\.__stdout__")
    folder = Path(__file__).parents[3] / "muster" / "cli"
    found = {file.name for file in folder.glob("*.py") if around.search(file.read_text())}
    assert found == {"output.py"}, "JSON is printed by print_json, words by click.echo"


def test_a_terminal_gets_our_colours_and_nothing_else() -> None:
    out = Terminal()
    guarded(out).write("\x1b[1mbold\x1b[0m \x1b]52;c;x\x07\x9b31mred\u202e\r")
    assert out.getvalue() == "\x1b[1mbold\x1b[0m red\r"


@pytest.mark.parametrize("text", ["Dwi wedi pleidleisio", "👩🏽‍⚕️ yes\n\tno", "שלום\u200f!", "e\u0301", "a\u00a0b", ""])
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert without_controls(text) == text


@given(st.text())
def test_any_text_is_made_harmless_and_a_second_time_changes_nothing(text: str) -> None:
    words = without_controls(text)
    assert not FORBIDDEN & set(words)
    assert without_controls(words) == words


@pytest.mark.parametrize("piece", ["\x1b]", "\x1b[", "\x9b1;", "\x1b[0", "\x1bP\x07", "\x1b "])
def test_removal_takes_time_in_proportion_to_the_length(piece: str) -> None:
    assert effort_of(lambda: without_controls(piece * 100_000)) < 300


@pytest.mark.parametrize("name", ATTACKS)
def test_words_of_staff_with_a_control_character_are_refused_by_its_name(name: str) -> None:
    told = refused_control(f"I have {ATTACKS[name]}voted")
    assert told is not None
    assert told.startswith("U+")


@pytest.mark.parametrize("sign", "\u200b\u2060\u2063\ufeff\u180e\u061c\u2028\u3164\u115f\U000e0041\ufff9")
def test_what_nobody_sees_is_refused(sign: str) -> None:
    told = refused_control(f"a{sign}b")
    assert told is not None
    assert told.startswith(f"U+{ord(sign):04X} (")
    assert is_blank(f" {sign}\n")


@pytest.mark.parametrize(
    "text",
    [
        "Dwi wedi\r\npleidleisio",
        "👩🏽‍⚕️ yes\n\tno",
        "שלום\u200f!",
        "می\u200cخواهم",
        "Llan\u00adfair",
        "e\u0301",
        "\u0600١٢",
        "🏴󠁧󠁢󠁷󠁬󠁳󠁿 Cymru",
        "",
    ],
)
def test_what_scripts_and_emojis_need_is_not_refused(text: str) -> None:
    assert refused_control(text) is None
    assert is_blank(text) == (not text)


def test_no_hidden_character_is_left_in_a_cell_of_a_member_file() -> None:
    for sign in map(chr, HIDDEN):
        assert clean(f"Ann{sign}e").replace(" ", "") == "Anne"
        assert refused_control(f"Ann{sign}e") is not None
