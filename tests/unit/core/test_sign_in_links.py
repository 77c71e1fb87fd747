"""Sign-in links in words from outside are found in every notation that programs and people repeat them in."""

from __future__ import annotations

import base64
import html
import json
import quopri
import re
import secrets
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import pytest
from multidict import CIMultiDict

from core.sign_in_links import (
    MASK,
    MIN_PIECE_LENGTH,
    document_might_hold,
    mask_credentials,
    mask_document,
    mask_raw,
    might_hold,
    pieces_of,
)
from staff.typed_codes import read_typed_code
from tests.support.effort import effort_of

DATA = Path(__file__).parents[2] / "data"
TOKEN = "LYZl8q-Wv3kTn_0RgZbE7xPdJ5mCfHs2uQaYi9oK1Mw"
LINK = f"https://muster.example.org/console/sign-in/{TOKEN}"
LINKS = {
    "plain": LINK,
    "without a scheme": LINK.removeprefix("https://"),
    "another scheme": LINK.replace("https", "hxxp"),
    "defanged": LINK.replace(".", "[.]").replace("/", "[/]"),
    "in small letters": LINK.lower(),
    "in brackets": f"<{LINK}>",
    "an attribute": f'<a href="{LINK}">here</a>',
    "percent-encoded": quote(LINK, safe=""),
    "twice percent-encoded": quote(quote(LINK, safe=""), safe=""),
    "percent-encoded whole": "".join(f"%{ord(sign):02x}" for sign in LINK),
    "in JSON": json.dumps(LINK).replace("/", "\\/"),
    "as code points of JSON": "".join(f"\\u{ord(sign):04x}" for sign in LINK),
    "as entities": "".join(f"&#{ord(sign)};" for sign in LINK),
    "as hexadecimal entities": "".join(f"&#x{ord(sign):X};" for sign in LINK),
    "quoted-printable": quopri.encodestring(f"{'x' * 40} {LINK} thanks".encode()).decode(),
    "quoted-printable whole": "".join(f"={ord(sign):02X}" for sign in LINK),
    "in lines": "\r\n> ".join(LINK[at : at + 30] for at in range(0, len(LINK), 30)),
    "with unseen signs": "\u200b".join(LINK),
    "in wide letters": "".join(chr(ord(sign) + 0xFEE0) if sign.isalnum() else sign for sign in LINK),
    "with a place to break": f"{LINK[:60]}<wbr>{LINK[60:]}",
    "with marked words": f'{LINK[:60]}<span class="x">{LINK[60:]}</span>',
    "cut at its end": LINK[:-2],
    "cut in the middle": LINK[:-20],
}
TOKENS = {
    "alone": TOKEN,
    "alone in lines": f"{TOKEN[:15]}\r\n> {TOKEN[15:30]}\r\n> {TOKEN[30:]}",
    "without its beginning": TOKEN[12:],
    "a piece of it": TOKEN[9 : 9 + MIN_PIECE_LENGTH],
    "a piece in small letters": TOKEN[9:40].lower(),
    "a piece, percent-encoded": "".join(f"%{ord(sign):02X}" for sign in TOKEN[:30]),
    "in four words": f"{TOKEN[:10]} {TOKEN[10:20]} {TOKEN[20:30]} {TOKEN[30:]}",
    "letter by letter": " ".join(TOKEN),
    "letter by letter, in commas": ", ".join(TOKEN),
    "with hyphens": "-".join(TOKEN[at : at + 4] for at in range(0, 43, 4)),
    "with dots, in small letters": ".".join(TOKEN[at : at + 4] for at in range(0, 43, 4)).lower(),
    "in capitals, a few to a line": "\r\n".join(TOKEN[at : at + 6] for at in range(0, 43, 6)).upper(),
    "in brackets and slashes": "/".join(f"[{TOKEN[at : at + 5]}]" for at in range(0, 43, 5)),
    "with unseen signs": "\u200b".join(TOKEN),
    "with unseen signs and blanks": " \u2060\u00ad".join(TOKEN),
    "in wide letters with blanks": " ".join(chr(ord(s) + 0xFEE0) if s.isalnum() else s for s in TOKEN),
    "with Arabic digits": TOKEN.translate({ord(str(digit)): chr(0x660 + digit) for digit in range(10)}),
    "with letters taken for others": TOKEN.translate(str.maketrans("oO0lI1i", "00O1lIL")),
    "without its hyphens": TOKEN.replace("-", "").replace("_", ""),
    "in base64": base64.b64encode(TOKEN.encode()).decode().rstrip("="),
    "in base64 of another alphabet": base64.urlsafe_b64encode(f"???{TOKEN}".encode()).decode().rstrip("="),
    "in base64 with blanks": " ".join(re.findall(".{1,8}", base64.b64encode(TOKEN.encode()).decode().rstrip("="))),
    "in base64 with hyphens": "-".join(re.findall(".{1,8}", base64.b64encode(TOKEN.encode()).decode().rstrip("="))),
    "in base64 in lines": "\n> ".join(re.findall(".{1,20}", base64.b64encode(TOKEN.encode()).decode().rstrip("="))),
    "in base64 twice": base64.b64encode(base64.b64encode(TOKEN.encode())).decode().rstrip("="),
    "in base64 of pieces": base64.b64encode(" ".join(re.findall(".{1,6}", TOKEN)).encode()).decode().rstrip("="),
    "in hexadecimal": TOKEN.encode().hex(),
    "in hexadecimal with blanks": TOKEN.encode().hex(" ").upper(),
    "in hexadecimal as programs write it": " ".join(f"0x{ord(sign):02x}" for sign in TOKEN),
    "quoted-printable with blanks": " ".join(f"={ord(sign):02X}" for sign in TOKEN),
    "as entities with blanks": " ".join(f"&#{ord(sign)};" for sign in TOKEN),
}
DROPPED = [
    chr(code)
    for code in range(sys.maxunicode + 1)
    if unicodedata.category(chr(code)) in {"Pd", "Cf", "Cc", "Zs", "Zl", "Zp", "Pc"}
]
"""Characters that do not count in a code that somebody types to sign in."""


def _left(text: str) -> list[str]:
    """Pieces of the token that stand in a text, whatever stands between their letters."""
    bare = re.sub("[^a-z0-9_-]", "", re.sub(r"\\u00|%|=(\r?\n)?|&#x?|;", "", html.unescape(text)).lower())
    codes = "".join(f"{ord(sign):02x}" for sign in TOKEN)
    pieces = [TOKEN[at : at + MIN_PIECE_LENGTH].lower() for at in range(len(TOKEN) - MIN_PIECE_LENGTH + 1)]
    return [piece for piece in pieces if piece in bare] + [codes[:40]] * (codes[:40] in bare)


@pytest.mark.parametrize("form", LINKS)
def test_a_link_is_masked_by_its_path_in_any_notation(form: str) -> None:
    said = f"Liked “Sign in: {LINKS[form]} It works once”"
    assert might_hold(said)
    assert might_hold(json.dumps({"Body": said}, ensure_ascii=False))
    masked = mask_credentials(said)
    assert MASK in masked
    assert masked.startswith("Liked “Sign in: ")
    assert masked.endswith("It works once”")
    assert _left(masked) == []


@pytest.mark.parametrize("token", [f"_{TOKEN[1:]}", f"{TOKEN[:-1]}_", f"-_{TOKEN[2:-1]}-"])
def test_a_token_is_masked_with_the_hyphens_at_its_ends(token: str) -> None:
    said = f"it says - {' '.join(token[at : at + 5] for at in range(0, 43, 5))} -?"
    assert mask_credentials(said, pieces_of(token)) == f"it says - {MASK} -?"


@pytest.mark.parametrize("form", TOKENS)
def test_a_known_token_is_masked_alone_and_in_pieces(form: str) -> None:
    found = set[bytes]()
    said = f"What is {TOKENS[form]} please?"
    assert might_hold(said)
    assert might_hold(json.dumps({"Body": said}))
    masked = mask_credentials(said, pieces_of(TOKEN), found)
    assert MASK in masked
    assert_gone(masked)
    assert found


@pytest.mark.parametrize("form", TOKENS)
def test_a_known_token_is_masked_in_a_raw_mail(form: str) -> None:
    found = set[bytes]()
    masked = mask_raw(f"Subject: x\r\n\r\nWhat is {TOKENS[form]} please?".encode(), pieces_of(TOKEN), found).decode()
    assert masked.startswith("Subject: x\r\n\r\nWhat is ")
    assert_gone(masked.removeprefix("Subject: x\r\n\r\n"))
    assert found


def assert_gone(masked: str) -> None:
    """The words around are left, and of the token what fills a group of an encoding, or a mask in base64."""
    assert (masked[:8], masked[-8:]) == ("What is ", " please?")
    assert len(re.sub(r"\W", "", masked[8:-8])) <= 12


def test_words_between_the_pieces_of_a_token_hide_it_from_nobody() -> None:
    token = "oDlbo5Sbn7jTKjypRHkCi8XOqHd9qdKiGTT07SzHWEM"
    said = f"It is {token[:10]} and then {token[10:21]} and after that {token[21:32]} and {token[32:]}"
    assert mask_credentials(said, pieces_of(token)) == f"It is {MASK}"


def test_whatever_does_not_count_in_a_typed_code_hides_no_token() -> None:
    for sign in DROPPED:
        said = f"What is {sign.join(TOKEN)} please?"
        assert read_typed_code(sign.join(TOKEN)) == read_typed_code(TOKEN)
        assert might_hold(said)
        assert mask_credentials(said, pieces_of(TOKEN)) in {
            f"What is {MASK} please?",
            f"What is {MASK}{sign} please?",
        }


@pytest.mark.parametrize(
    "zero", [chr(code) for code in range(0x80, sys.maxunicode) if unicodedata.decimal(chr(code), 1) == 0]
)
def test_digits_of_any_writing_are_read_as_for_a_typed_code(zero: str) -> None:
    written = TOKEN.lower().translate({ord(str(digit)): chr(ord(zero) + digit) for digit in range(10)})
    assert read_typed_code(written) == read_typed_code(TOKEN)
    assert mask_credentials(f"What is {written} please?", pieces_of(TOKEN)) == f"What is {MASK} please?"


def test_a_token_is_found_in_a_long_mail_wherever_it_begins() -> None:
    words = "We were in ward 7 on 3 May, and room 12 was cold. " * 200
    for at in range(12):
        piece = TOKEN[3 : 3 + MIN_PIECE_LENGTH + 2]  # with a hyphen and an underscore, which do not count
        said = f"{words}{'x' * at} {' '.join(piece)} {words}"
        assert mask_credentials(said, pieces_of(TOKEN)) == f"{words}{'x' * at} {MASK} {words}"


@pytest.mark.parametrize("file", sorted(path.name for path in DATA.glob("replies*.tsv")))
def test_no_reply_of_the_collections_is_masked(file: str) -> None:
    known = set[bytes]().union(*(pieces_of(secrets.token_urlsafe(32)) for _ in range(200)))
    for line in (DATA / file).read_text().splitlines():
        assert mask_credentials(line, known) == line
        assert mask_raw(line.encode(), known) == line.encode()


def test_no_mail_of_the_collections_is_masked() -> None:
    known = set[bytes]().union(*(pieces_of(secrets.token_urlsafe(32)) for _ in range(200)))
    for path in (*DATA.glob("mail/*"), *DATA.glob("bounces/*")):
        raw = path.read_bytes()
        assert mask_raw(raw, known) == raw, path.name


def test_few_ordinary_replies_cost_a_look_up() -> None:
    said = [line.split("\t")[0] for line in (DATA / "replies_standard.tsv").read_text().splitlines() if line[:1] != "#"]
    assert sum(map(might_hold, said)) < len(said) / 5


@pytest.mark.parametrize("piece", ["a1 ", "b0Rs", "x", "=41", TOKEN])
def test_a_search_takes_time_in_proportion_to_the_length(piece: str) -> None:
    known = pieces_of(TOKEN)
    assert effort_of(lambda: mask_credentials(piece * (300_000 // len(piece)), known)) < 300


@pytest.mark.parametrize(
    "said",
    [
        "I can sign in now, thank you. See you at the sign-in desk / reception.",
        "Where do I sign-in? /console/sign-in/ says nothing.",
        "SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 3f2b8c1e-aaaa-bbbb-cccc-0123456789ab appointments-2026-reminders",
        "<CAKx3F2QvYyqZ8aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789ab@mail.gmail.com> 50% off = 20&up <b>so</b>",
    ],
)
def test_other_words_stay_as_they_are(said: str) -> None:
    assert mask_credentials(said, pieces_of(TOKEN)) == said
    assert mask_raw(said.encode(), pieces_of(TOKEN)) == said.encode()


def test_texts_of_a_document_are_masked_wherever_they_stand() -> None:
    document = {"form": {"Body": f"So: {LINK}", "Parts": [LINK, 7, None]}}
    head = LINK.removesuffix(TOKEN)
    assert mask_document(document) == {"form": {"Body": f"So: {head}{MASK}", "Parts": [head + MASK, 7, None]}}


@pytest.mark.parametrize("kind", [dict, MappingProxyType, CIMultiDict])
def test_a_document_is_suspected_wherever_a_link_stands(kind: Callable[[object], object]) -> None:
    harmless = {"MessageSid": f"SM{'0123456789abcdef' * 2}", "To": "+447400000123", "Status": "delivered", "n": 7}
    assert not document_might_hold(("twilio", kind(harmless), None))
    for held in (kind({**harmless, "Body": LINK}), kind({**harmless, LINK: ""}), {"Parts": [7, (kind({"a": LINK}),)]}):
        assert document_might_hold(("twilio", held, None))


@pytest.mark.parametrize("inner", ["text", "mail"])
def test_a_mail_is_read_in_base64_and_otherwise_stays_as_it_was(inner: str) -> None:
    attached = base64.encodebytes(bytes(range(256)) * 40)
    words = base64.encodebytes(f"Hello,\n\n{LINK}\n\nThe link works once.".encode())
    if inner == "mail":
        words = base64.encodebytes(b"Content-Transfer-Encoding: base64\n\n" + words)
    head = b"Message-ID: <CAKx3F2QvYyqZ8aBcDeFgHiJkLmNoPq@x.test>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    found = set[bytes]()
    masked = mask_raw(head + words.replace(b"\n", b"\r\n") + b"--x\r\n" + attached, pieces_of(TOKEN), found)
    assert masked.startswith(head)
    assert masked.endswith(b"--x\r\n" + attached)
    read = base64.b64decode(masked.removeprefix(head).partition(b"--x")[0])
    if inner == "mail":
        read = base64.b64decode(read.partition(b"\n\n")[2])
    assert read.decode() == f"Hello,\n\n{LINK.removesuffix(TOKEN)}******\n\nThe link works once."
    assert found == pieces_of(TOKEN)
