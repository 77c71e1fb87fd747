"""Sign-in links of staff in text that came from outside: masked, because others read that text.

A phone quotes a text, a mailbox returns a mail, a relay names a link that it refused, each in its own notation.

- A link is found by its path, whatever follows.
- A token without its link is found where it is whole and looks made at random.
- A part of a token is found by comparing the digests of runs of its characters with those of links that are in force,
  or ended lately. What stands between the characters does not matter, nor do case and characters that look alike, as
  for a code that is typed to sign in; base64 and hexadecimal are decoded. No other word is taken for a token that way.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import re
import string
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

MASK: Final = "••••••"
"""Text in place of a secret, wherever the contents of a message are shown or stored in clear."""
RAW_MASK: Final = "******"
"""Text in place of a secret in raw mails, which may be in any encoding."""
MIN_PIECE_LENGTH: Final = 20
"""Letters and digits of a token that are recognised in any text without the others."""
TOKEN_LENGTH: Final = 43
"""Characters of a whole token."""
_MIN_CUT_LENGTH: Final = 12
"""Least characters behind the path of a link that are taken for a token, or for the beginning of one."""
_WINDOW_LENGTH: Final = 16
"""Letters and digits of a digested run: 80 bits, so that nobody finds the run by its digest."""
_STRIDE_LENGTH: Final = MIN_PIECE_LENGTH - _WINDOW_LENGTH + 1
"""Steps in which a long text is searched: one window of each piece is met, and then its neighbours are looked at."""
_LONG_LENGTH: Final = 4000
"""Letters and digits of a text that is searched in strides; in a shorter one each window is looked at."""
_DIGEST_LENGTH: Final = 12
_MIN_BLOCK_LENGTH: Final = 60
"""Least characters of a block of base64; a link with its token is longer."""
_MAX_BLOCK_SIZE: Final = 4 * 1024 * 1024
"""Characters of a base64 block that is decoded."""

_WRAP: Final = r"(?:[ \t]*[\r\n]+[ \t>|]*)?"
"""Where a program breaks a line, and marks the next one as quoted."""
_RUN: Final = rf"[A-Za-z0-9_-]+(?:{_WRAP}[A-Za-z0-9_-]+)*"
_LINK: Final = re.compile(
    rf"(?i:{_WRAP.join('sign')}{_WRAP}[-_\u2010-\u2015]?{_WRAP}i{_WRAP}n)\s*[\[(]?\s*[/\\\u2044\u2215]\s*[\])]?{_WRAP}({_RUN})"
)
_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
_BREAKS: Final = re.compile(r"(?:[ \t]{1,4}(?=[\\\r\n]))?(?:\\[rn]|[\r\n])(?:[ \t>|\r\n]|\\[rnt])*")
"""Line ends, also as JSON writes them, and marks of quotation behind them."""
_BREAK: Final = re.compile(r"\\[rn]|[\r\n]")
_SIGNS: Final = re.compile(r"[A-Za-z0-9]+")
_ODD_WORDS: Final = re.compile(r"(?<![A-Za-z0-9])(?!(?:[A-Z]?[a-z]+|[A-Z]+)(?![A-Za-z0-9]))[A-Za-z0-9]+")
"""Words with digits, or with capitals in their middle: pieces of a token between words of a language."""
_ALIKE: Final = str.maketrans("oil", "011")
"""Characters that people take for others, as in recovery codes."""
_CAPITALS: Final = string.ascii_uppercase.encode()
_SMALL_LETTERS: Final = string.ascii_lowercase.encode()
_DIGITS: Final = string.digits.encode()
_BEYOND_HEXADECIMAL: Final = (string.ascii_letters.translate({ord(sign): None for sign in string.hexdigits})).encode()
_HEXADECIMAL: Final = re.compile(r"(?:[0-9A-Fa-f](?![xX]))+")
_BASE64_SIGNS: Final = (re.compile(r"[A-Za-z0-9+/_-]+"), re.compile(r"[A-Za-z0-9+/]+"))
"""Base64 of both alphabets; and with hyphens between its pieces."""
_MIN_PACKED_DIGITS: Final = 32
"""Digits of a text that may be hexadecimal for a token; ids have fewer."""
_ID: Final = re.compile(r"[A-Z]{0,2}[0-9a-f]+")
"""Ids as providers make them: none of the other signs of a token is in them."""
_PRINTABLE: Final = re.compile(rf"[ -~]{{{_WINDOW_LENGTH},}}")
_ENCODED: Final = re.compile(r"[%&\\<=]|[^\x00-\x7f]")
_UNITS: Final = (
    r"%(?:25)*[0-9A-Fa-f]{2}|\\+u[0-9A-Fa-f]{4}|\\+x[0-9A-Fa-f]{2}|\\+[nrt/]"
    r"|&(?:amp;)*(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,24});|</?[A-Za-z][A-Za-z0-9:]{0,10} ?/?>"
    r"|[^\x00-\x7f]"
)
_QUOTED: Final = r"|=[ \t]*(?:\r\n?|\n)|=[0-9A-Fa-f]{2}"
_TAGS: Final = r"|<[/!]?[A-Za-z][A-Za-z0-9:]{0,15}[\s/][^<>]{0,1000}>"
_READINGS: Final = (
    (re.compile(_UNITS), ""),
    (re.compile(_UNITS + _QUOTED), "="),
    (re.compile(_UNITS + _QUOTED + _TAGS), "<"),
)
"""Encodings to try, each with a character that a text must contain for the encoding to differ from the one before."""
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}(?:\r?\n[A-Za-z0-9+/]{2,}={0,2})*")


def pieces_of(secret: str) -> set[bytes]:
    """Return digests of the pieces of a token, or of a link with a token, without regard to case and separators."""
    letters = (_letters(_SIGNS, run) for run in _WORD.findall(secret) if len(run) >= MIN_PIECE_LENGTH)
    return {_digest(run, at) for run in letters for at in range(len(run) - _WINDOW_LENGTH + 1)}


def might_hold(text: str) -> bool:
    """Tell whether a text, or JSON, may hold tokens; quick, because it is asked of everything that comes in."""
    is_ascii = text.isascii()
    if len(text) < (_WINDOW_LENGTH if is_ascii else _MIN_CUT_LENGTH):
        return False  # decoding makes no ASCII text longer
    if _ID.fullmatch(text):
        return _number_of(_DIGITS, text) >= _MIN_PACKED_DIGITS
    if not is_ascii:
        text = "".join(map(_plain, text))
    joined = _BREAKS.sub("", text) if _BREAK.search(text) else text
    if "sign" in joined.lower() or sum(map(text.count, ("%", "&#", "\\u", "="))) >= 3:
        return True
    letters = "".join(_SIGNS.findall(text))
    if len(letters) < _WINDOW_LENGTH:
        return False
    return _is_mixed(letters) or _is_folded(letters) or _number_of(_DIGITS, letters) >= _MIN_PACKED_DIGITS


def document_might_hold(document: object) -> bool:
    """Tell whether a JSON document might hold such a link, as `might_hold` does of a text."""
    if isinstance(document, str):
        return might_hold(document)
    if isinstance(document, dict | Mapping):
        return any(map(document_might_hold, document)) or any(map(document_might_hold, document.values()))
    return isinstance(document, list | tuple) and any(map(document_might_hold, document))


def mask_credentials(text: str, known: Collection[bytes] = (), recognised: set[bytes] | None = None) -> str:
    """Mask links and tokens in a text.

    Args:
        text: any text.
        known: digests of pieces of tokens, as `pieces_of` returns them.
        recognised: is filled with the digests whose pieces stand in the text.
    """
    return _without(text, _spans(text, known, recognised, bare=True), MASK) if len(text) >= _MIN_CUT_LENGTH else text


def mask_document(value: Any, known: Collection[bytes] = (), recognised: set[bytes] | None = None) -> Any:
    """Mask links and tokens in every text of a JSON document."""
    match value:
        case str():
            return mask_credentials(value, known, recognised)
        case Mapping():
            return {
                mask_credentials(name, known, recognised): mask_document(part, known, recognised)
                for name, part in value.items()
            }
        case list() | tuple():
            return [mask_document(part, known, recognised) for part in value]
    return value


def mask_raw(raw: bytes, known: Collection[bytes] = (), recognised: set[bytes] | None = None) -> bytes:
    """Mask links and tokens in a raw mail or any other bytes; base64 is decoded to look into it."""
    try:
        charset, text = "utf-8", raw.decode()
    except UnicodeDecodeError:
        charset, text = "latin-1", raw.decode("latin-1")
    parts, upto = list[str](), 0
    for block in _BASE64.finditer(text):
        if len(block[0]) >= _MIN_BLOCK_LENGTH:
            masked = _masked_block(block[0], known, recognised)
            if masked == block[0] and len(masked) <= _LONG_LENGTH:
                continue  # it may be something else, such as hexadecimal, or letters that run into a token
            parts += [_masked_text(text[upto : block.start()], known, recognised), masked]
            upto = block.end()
    return "".join([*parts, _masked_text(text[upto:], known, recognised)]).encode(charset)


def _masked_text(text: str, known: Collection[bytes], recognised: set[bytes] | None) -> str:
    return _without(text, _spans(text, known, recognised, bare=False), RAW_MASK)


def _masked_block(block: str, known: Collection[bytes], recognised: set[bytes] | None) -> str:
    """Return a block of base64 with its links and tokens masked; unchanged if it has none, or cannot be decoded."""
    if len(block) > _MAX_BLOCK_SIZE:
        return block
    try:
        packed = "".join(block.split()).rstrip("=")
        decoded = base64.b64decode(packed[: len(packed) - (len(packed) % 4 == 1)] + "=" * (-len(packed) % 4 % 3))
    except (binascii.Error, ValueError):
        return block
    if b"\0" in decoded:
        return block
    masked = mask_raw(decoded, known, recognised)
    if masked == decoded:
        return block
    written = base64.b64encode(masked).decode()
    end = "\r\n" if "\r\n" in block else "\n"
    width = len(block.splitlines()[0]) if end in block else len(written)
    return end.join(written[at : at + width] for at in range(0, len(written), width))


def _spans(text: str, known: Collection[bytes], recognised: set[bytes] | None, *, bare: bool) -> list[tuple[int, int]]:
    """Return where tokens stand in a text, in any reading of it."""
    spans = list[tuple[int, int]]()
    for plain, starts, places in _readings(text):
        for first, last in _places(plain, known, recognised, bare=bare):
            spans.append((_origin(first, starts, places), _origin(last - 1, starts, places, end=True)))
    return spans


def _without(text: str, spans: Iterable[tuple[int, int]], mask: str) -> str:
    upto, parts = 0, list[str]()
    for first, last in sorted(spans):
        if last <= upto:
            continue
        if first >= upto:
            parts += [text[upto:first], mask]
        upto = last
    return "".join(parts) + text[upto:]


def _readings(text: str) -> Iterator[tuple[str, list[int], list[tuple[int, int]]]]:
    """Yield a text decoded in each encoding, with where its parts begin there, and where they stand in the text."""
    if not _ENCODED.search(text):
        yield text, [0], [(0, len(text))]
        return
    for units, sign in _READINGS:
        if sign not in text:
            continue
        parts, starts, places = list[str](), list[int](), list[tuple[int, int]]()
        upto = at = 0
        for unit in units.finditer(text):
            for part, first, last in (
                (text[upto : unit.start()], upto, unit.start()),
                (_decoded(unit[0]), unit.start(), unit.end()),
            ):
                if part:
                    parts.append(part)
                    starts.append(at)
                    places.append((first, last))
                    at += len(part)
            upto = unit.end()
        parts.append(text[upto:])
        starts.append(at)
        places.append((upto, len(text)))
        yield "".join(parts), starts, places


def _origin(place: int, starts: list[int], places: list[tuple[int, int]], *, end: bool = False) -> int:
    """Return where a character of a decoded text stands in the original; for an end, where the next one begins."""
    piece = bisect_right(starts, place) - 1
    first, last = places[piece]
    length = (starts[piece + 1] if piece + 1 < len(starts) else starts[piece] + last - first) - starts[piece]
    if length != last - first:  # an encoded character is taken whole
        return last if end else first
    return first + place - starts[piece] + end


def _decoded(unit: str) -> str:
    """Return what an encoded character stands for; "" for an invisible one."""
    match unit[0]:
        case "%" | "=":
            return "" if unit[-1] in "\r\n" else chr(int(unit[-2:], 16))
        case "\\":
            name = unit.lstrip("\\")
            return {"n": "\n", "r": "\r", "t": "\t", "/": "/"}.get(name) or chr(int(name[1:], 16))
        case "&":
            return html.unescape("&" + unit.split(";")[-2].rpartition("&")[2] + ";")
        case "<":
            return ""
    return _plain(unit)


def _plain(sign: str) -> str:
    """Return the plain form of a character, as whoever types a code may mean it; "" for an invisible one."""
    if sign.isascii():
        return sign
    if unicodedata.category(sign) in {"Cf", "Mn", "Me"}:
        return ""
    plain = unicodedata.normalize("NFKC", sign)
    return "".join(str(unicodedata.decimal(part, part)) for part in plain)


def _places(
    plain: str, known: Collection[bytes], recognised: set[bytes] | None, *, bare: bool
) -> Iterator[tuple[int, int]]:
    for link in _LINK.finditer(plain):
        first, last = link.span(1)
        last = _end_of_token(plain, first, last)
        if sum(map(len, _WORD.findall(plain, first, last))) >= _MIN_CUT_LENGTH:
            yield first, last
    if bare:
        for word in _WORD.finditer(plain):
            if len(word[0]) == TOKEN_LENGTH and _is_mixed(word[0]):
                yield word.span()
    if known:
        yield from _known_places(plain, known, recognised)


def _end_of_token(plain: str, first: int, last: int) -> int:
    """Return the end of the token that begins at a place; words of the next line are not part of it."""
    size = 0
    for word in _WORD.finditer(plain, first, last):
        size += len(word[0])
        if size >= TOKEN_LENGTH:
            return word.end()
    return last


def _known_places(
    plain: str, known: Collection[bytes], recognised: set[bytes] | None, *, depth: int = 2
) -> Iterator[tuple[int, int]]:
    """Yield where pieces of known tokens stand in a decoded text, whatever stands between their characters."""
    for signs in (_SIGNS, _ODD_WORDS):
        letters = _letters(signs, plain)
        if hits := set(_hits(letters, known, recognised)):
            origins = _origins(signs, plain)
            yield from (_whole(plain, origins[at], origins[at + _WINDOW_LENGTH - 1] + 1) for at in hits)
    if depth:
        for signs in _BASE64_SIGNS:
            yield from _packed_places(plain, signs, 4, 3, _from_base64, known, recognised, depth)
        yield from _packed_places(plain, _HEXADECIMAL, 2, 1, _from_hexadecimal, known, recognised, depth)


def _whole(plain: str, first: int, last: int) -> tuple[int, int]:
    """Return a place with the hyphens and underscores that adjoin it: they are signs of a token, too."""
    before = plain[max(0, first - TOKEN_LENGTH) : first]
    behind = plain[last : last + TOKEN_LENGTH]
    return first - len(before) + len(before.rstrip("-_")), last + len(behind) - len(behind.lstrip("-_"))


def _packed_places(
    plain: str,
    signs: re.Pattern[str],
    signs_each: int,
    bytes_each: int,
    decode: Callable[[str], bytes],
    known: Collection[bytes],
    recognised: set[bytes] | None,
    depth: int,
) -> Iterator[tuple[int, int]]:
    """Yield where pieces of known tokens stand encoded; the encoded part may begin behind any other characters."""
    packed = "".join(signs.findall(plain))
    origins = list[int]()
    for shift in range(signs_each):
        for run in _PRINTABLE.finditer(decode(packed[shift:]).decode("latin-1")):
            for first, last in _known_places(run[0], known, recognised, depth=depth - 1):
                origins = origins or _origins(signs, plain)
                begins = shift + (run.start() + first) * signs_each // bytes_each
                ends = shift - (-(run.start() + last) * signs_each // bytes_each)
                yield origins[begins], origins[min(ends, len(origins)) - 1] + 1


def _from_base64(packed: str) -> bytes:
    packed = packed[: len(packed) - (len(packed) % 4 == 1)].replace("-", "+").replace("_", "/")
    return base64.b64decode(packed + "=" * (-len(packed) % 4))


def _from_hexadecimal(packed: str) -> bytes:
    return bytes.fromhex(packed[: len(packed) // 2 * 2])


def _letters(signs: re.Pattern[str], plain: str) -> str:
    return "".join(signs.findall(plain)).lower().translate(_ALIKE)


def _origins(signs: re.Pattern[str], plain: str) -> list[int]:
    """Return where each character that a pattern keeps of a text stands in it."""
    return [place for kept in signs.finditer(plain) for place in range(*kept.span())]


def _hits(letters: str, known: Collection[bytes], recognised: set[bytes] | None) -> Iterator[int]:
    """Yield the places of windows that are pieces of known tokens."""
    count, upto = len(letters) - _WINDOW_LENGTH + 1, 0
    for at in range(0, count, 1 if len(letters) <= _LONG_LENGTH else _STRIDE_LENGTH):
        if at < upto or _digest(letters, at) not in known:
            continue
        first, upto = max(upto, at - TOKEN_LENGTH), min(count, at + TOKEN_LENGTH)
        for place in range(first, upto):
            if (piece := _digest(letters, place)) in known:
                if recognised is not None:
                    recognised.add(piece)
                yield place


def _digest(letters: str, at: int) -> bytes:
    return hashlib.sha256(letters[at : at + _WINDOW_LENGTH].encode()).digest()[:_DIGEST_LENGTH]


def _is_mixed(word: str) -> bool:
    """Tell whether a word looks random: ids of digits and letters of one case do not."""
    return _number_of(_CAPITALS, word) >= 3 and _number_of(_SMALL_LETTERS, word) >= 3


def _is_folded(word: str) -> bool:
    """Tell whether a word may be a part of a random token that was put into lower case; hexadecimal ids are not."""
    return _number_of(_DIGITS, word) > 0 and _number_of(_BEYOND_HEXADECIMAL, word) >= 3


def _number_of(signs: bytes, word: str) -> int:
    """Return how many of some ASCII characters a word has, many times as fast as by looking at each."""
    written = word.encode()
    return len(written) - len(written.translate(None, signs))
