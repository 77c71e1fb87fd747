"""Segments: counted and cut as the networks do, cleaned without harm to names."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
import smsutil
from hypothesis import assume, example, given
from hypothesis import strategies as st

from messaging.content.segments import GSM7, Replacement, Segments, beyond_gsm7, count, sanitise

CASES = Path(__file__).parents[2] / "data" / "sms_segments.tsv"
TERM = re.compile(r'REPEAT\(("(?:[^"\\]|\\.)*"),\s*(\d+)\)|("(?:[^"\\]|\\.)*")')

gsm_text = st.text(st.sampled_from(sorted(GSM7)), max_size=700)
mixed_text = st.text(st.sampled_from([*sorted(GSM7), "ŵ", "ŷ", "ç", "`", "😀", "日"]), max_size=400)
pasted = st.lists(
    st.sampled_from(
        [*"ab ’“–…•\u00a0\u2011\u200b\u200d\u00ad\t\r\n\ufb01", "e\u0301", "ŵ", "w\u0302", "😀", "ا", "\u0301"]
    )
).map("".join)


def spelled_out(notation: str) -> str:
    terms = TERM.findall(notation)
    assert terms, notation
    return "".join(
        json.loads(repeated) * int(times) if repeated else json.loads(plain) for repeated, times, plain in terms
    )


def cases() -> list[tuple[str, str, int]]:
    rows = [line.split("\t") for line in CASES.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert rows
    return [(notation, encoding, int(segments)) for notation, encoding, segments in rows]


@pytest.mark.parametrize(("notation", "encoding", "segments"), cases())
def test_the_shared_cases_count_as_the_standard_says(notation: str, encoding: str, segments: int) -> None:
    counted = count(spelled_out(notation))
    assert (counted.encoding, counted.segments) == (encoding, segments)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments("gsm7", 1, 0)),
        ("\f" * 80, Segments("gsm7", 1, 160)),
        ("^{}\\[~]|€\f", Segments("gsm7", 1, 20)),
        ("`", Segments("ucs2", 1, 1)),
        ("\x1b", Segments("ucs2", 1, 1)),
        ("Siân ŵ", Segments("ucs2", 1, 6)),
        ("😀" * 33 + "ŵ" + "😀", Segments("ucs2", 1, 69)),
        ("ŵ" * 66 + "😀" * 34, Segments("ucs2", 3, 134)),
        ("a" * 152 + "€" * 77, Segments("gsm7", 3, 306)),
        # parts that are exactly full
        ("a" * 151 + "€" + "a" * 153, Segments("gsm7", 2, 306)),
        ("ŵ" * 65 + "😀" + "ŵ" * 67, Segments("ucs2", 2, 134)),
        ("a" * 306, Segments("gsm7", 2, 306)),
        ("ŵ" * 71, Segments("ucs2", 2, 71)),
        # every character of the alphabet at once
        ("".join(sorted(GSM7)), Segments("gsm7", 1, len(GSM7) + 10)),
    ],
)
def test_each_text_costs_the_segments_of_its_characters(text: str, expected: Segments) -> None:
    assert count(text) == expected


def test_the_characters_that_make_a_text_dear_are_named() -> None:
    assert beyond_gsm7("Siân â ŵ €") == "âŵ"
    assert beyond_gsm7("plain [text]") == ""


@given(mixed_text)
@example("a" * 160)
@example("€" * 81)
@example("ŵ" * 66 + "😀" * 34)
def test_segments_are_counted_as_smsutil_does(text: str) -> None:
    # smsutil differs in two places that are not texts: it takes "" for UCS-2, and a bare escape (U+001B) for GSM-7.
    assume(text)
    theirs = smsutil.split(text)
    ours = count(text)
    assert ours.encoding == {"gsm0338": "gsm7", "utf_16_be": "ucs2"}[theirs.encoding]
    assert ours.segments == len(theirs.parts)
    assert ours.units == theirs.total_bytes // (1 if ours.encoding == "gsm7" else 2)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("it\u2019s \u201cnow\u201d", 'it\'s "now"'),
        ("Mon\u2013Fri \u2014 9\u2011to\u20115\u2026", "Mon-Fri - 9-to-5..."),
        ("10\u00a0May\tnoon", "10 May noon"),
        ("bal\u00adlot\u200b \ufeffpaper\u2060", "ballot paper"),
        ("\u2022 post it", "- post it"),
        ("O`Brien, have you posted it?", "O'Brien, have you posted it?"),
        ("O\u02bcBrien, O\uff07Brien, O\uff40Brien", "O'Brien, O'Brien, O'Brien"),
        ("\u275bit\u275c \u275dis\u275e \u301dnow\u301e", '\'it\' "is" "now"'),
        ("5\u20442, 5\u22152, 20\u223622", "5/2, 5/2, 20:22"),
        ("a \u2223 b \u2217 c \u02dc d \u02c6 e", "a | b * c ~ d ^ e"),
        ("of\ufb01ce", "office"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("Rene\u0301e", "Renée"),
        ("\u202a07700 900123\u202c", "07700 900123"),
        ("don\x92t", "don't"),
        ("nul\x00 bell\x07", "nul bell"),
        ("\ud800lone", "lone"),
        # joiners between letters that need none, at an end, or beside what is replaced anyway
        ("vo\u200dte now\u200c", "vote now"),
        ("日\u200da\u200d日", "日a日"),
        ("日\u200d\u2026 or \u2026\u200d日", "日... or ...日"),
    ],
)
def test_characters_of_word_processors_are_replaced_and_reported(text: str, clean: str) -> None:
    done = sanitise(text)
    assert done.text == clean
    assert done.replaced


@pytest.mark.parametrize(
    "name",
    [
        "Siân Wŷn o Fôn, tŷ ŵyr",
        "Zoë Çelik-Łukasz",
        "Nguyễn Thị Ánh",
        "O'Brien",
        "Kaʻiulani",
        "½ day, 10 × 5 ÷ 2",
        "Gal·la",
        "می\u200cخواهم",
        "\u200fשלום",
        "\u202bسلام\u202c",
        "👩\u200d👧 ❤\ufe0f",
        "क्\u200dष",
        "plain {text} ~ 'as it is'\n",
    ],
)
def test_names_and_scripts_are_left_alone(name: str) -> None:
    name = unicodedata.normalize("NFC", name)
    assert sanitise(name) == sanitise(name)
    assert (sanitise(name).text, sanitise(name).replaced) == (name, ())


def test_each_replacement_is_named_and_counted() -> None:
    done = sanitise("\u2018a\u2019 \u2019 \u2026 w\u0302")
    assert set(done.replaced) == {
        Replacement("\u2018", "'", 1),
        Replacement("\u2019", "'", 2),
        Replacement("\u2026", "...", 1),
        Replacement("w\u0302", "ŵ", 1),
    }
    assert sanitise("Rene\u0301e, Rene\u0301e\x07").replaced == (
        Replacement("e\u0301", "é", 2),
        Replacement("\x07", "", 1),
    )
    assert sanitise("\u1100\u1161").replaced == (Replacement("\u1100\u1161", "\uac00", 1),)
    assert Replacement("\u2019", "'", 2).name == "right single quotation mark"
    assert Replacement("\x07", "", 1).name == "control character U+0007"


@pytest.mark.parametrize(("text", "clean", "kinds"), [
    ("caf e\u200b\u0301", "caf é", {"\u200b", "e\u0301"}),  # without the space between, the accent is the letter's
    ("日\u200d\u202a", "日", {"\u200d", "\u202a"}),  # without the mark after it, the joiner joins nothing
])  # fmt: skip
def test_characters_revealed_by_a_replacement_are_replaced_and_reported(text: str, clean: str, kinds: set[str]) -> None:
    done = sanitise(text)
    assert done.text == clean
    assert {replacement.original for replacement in done.replaced} == kinds


@given(st.one_of(pasted, st.text(), st.text(st.characters())))
@example("\u1100\u1161")
@example("a\u200d\u200d")
def test_sanitising_twice_changes_nothing_and_reports_every_change(text: str) -> None:
    done = sanitise(text)
    assert bool(done.replaced) == (done.text != text)
    assert sanitise(done.text).text == done.text
    done.text.encode("utf-8")


@given(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1))
def test_no_letter_is_ever_lost(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    ligatures = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl"}
    assert sanitise(text).text == "".join(ligatures.get(char, char) for char in composed)
