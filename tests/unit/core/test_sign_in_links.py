"""Sign-in links in words from outside are found in every notation that programs and people repeat them in."""

from __future__ import annotations

import base64
import html
import json
import quopri
import re
from urllib.parse import quote

import pytest

from core.sign_in_links import MASK, MIN_PIECE_LENGTH, mask_credentials, mask_document, mask_raw, might_hold, pieces_of

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
}


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


@pytest.mark.parametrize("form", TOKENS)
def test_a_known_token_is_masked_alone_and_in_pieces(form: str) -> None:
    found = set[bytes]()
    said = f"What is {TOKENS[form]} please?"
    assert might_hold(said)
    assert might_hold(json.dumps({"Body": said}))
    masked = mask_credentials(said, pieces_of(TOKEN), found)
    assert masked == f"What is {MASK} please?"
    assert found


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
