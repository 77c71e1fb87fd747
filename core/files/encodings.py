"""Encodings of text files that do not declare theirs: guessed by how the words look, or named by a person."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from charset_normalizer import from_bytes

from core.errors import InputError

WINDOWS: Final = "cp1252"
NAMES: Final = {
    "utf-8-sig": "UTF-8", "utf-8": "UTF-8", "utf-16": "UTF-16", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16",
    "mixed": "UTF-8 with some Windows-1252", "cp1252": "Windows-1252", "mac-roman": "Mac Roman",
    "cp1250": "Windows-1250", "iso8859-2": "ISO 8859-2", "cp850": "DOS 850", "mac-latin2": "Mac Latin 2",
    "cp1257": "Windows-1257", "cp1251": "Windows-1251", "cp1253": "Windows-1253", "cp1254": "Windows-1254",
    "cp1255": "Windows-1255", "cp1256": "Windows-1256", "cp1258": "Windows-1258", "cp437": "DOS 437",
    "cp852": "DOS 852", "cp866": "DOS 866", "iso8859-1": "ISO 8859-1", "iso8859-15": "ISO 8859-15", "koi8-r": "KOI8-R",
    "koi8-u": "KOI8-U", "cp932": "Shift JIS", "shift_jis": "Shift JIS", "gbk": "GBK", "gb18030": "GB 18030",
    "big5": "Big5",
    "euc_kr": "EUC-KR", "cp949": "Windows-949", "euc_jp": "EUC-JP",
}  # fmt: skip
"""Names that people use for the encodings a member file may have, by Python's name."""
_ALSO_CALLED: Final = {"ansi": WINDOWS, "latin 1": "latin-1", "latin 2": "latin-2", "x-mac-roman": "mac-roman"}
"""Other names, as programs show them: Notepad and Excel say ANSI, which in western Europe means Windows-1252."""
_GUESSED: Final = (
    WINDOWS, "mac-roman", "cp1250", "iso8859-2", "cp850", "mac-latin2", "cp1257", "cp1251", "cp1253",
)  # fmt: skip
"""Encodings that can be told from Windows-1252 by the look of the words, the likelier first."""
_MAX_WORDS: Final = 2_000
_ODD_ENOUGH: Final = 0.15
"""Share of odd words above which a file is not Windows-1252, if another encoding gives hardly any."""
_MIN_ODD: Final = 2
_FOR_THE_SAME_NAMES: Final = frozenset({"mac-roman", "cp850"})
"""Encodings for the same languages as Windows-1252. One word that is odd in Windows-1252 is enough to choose one of
these, if the word is not odd there."""
_ENOUGH_WORDS: Final = 5
"""Fewest words whose letters show the language; with fewer, the likelier encoding is taken."""
_TIMES_BETTER: Final = 4
_MAX_SHOWN_WORDS: Final = 3
_MAX_SHOWN_LENGTH: Final = 40

_MAX_ASCII: Final = 0x7F
_WORD: Final = re.compile(rb'[^\s,;|"\x00]+')
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_AFTER_LETTERS: Final = frozenset("’”»–—…®™©ªº°·\xa0")  # noqa: RUF001
_BEFORE_LETTERS: Final = frozenset("‘’“„«–—…¡¿·\xa0")  # noqa: RUF001
_LETTERS_OF_MACS: Final = re.compile(
    r"(?<![^\W\d_])(?!(?:anti|bi|co|de|multi|pre|re|semi|tri)–)[^\W\d_]*[aeiouáéíóúœ]–[aeiouáéíóú]"  # noqa: RUF001
    r"|(?<![^\W\d_])[b-df-hj-np-tv-z]—[a-z]|[a-z]—[ns](?![^\W\d_])"
    r"|[a-z][b-df-hj-np-tv-z]’(?:as?|os?|az|n?guez|[nt]ez)(?![^\W\d_])|(?<![^\W\d_])D’az(?![^\W\d_])",  # noqa: RUF001
    re.IGNORECASE,
)
"""Dashes and apostrophes of Windows-1252 where only Spanish names have a letter, with the same byte on a Mac: `Nu–ez`
is `Nuñez`, `L—pez` is `López`, `Garc’a` is `García`."""  # noqa: RUF001
_MAX_ACCENTS: Final = 2
"""Most non-ASCII letters of Latin script that stand together in a name."""


@dataclass(frozen=True, slots=True)
class Guess:
    """The encoding a file was read in, and why.

    Attributes:
        encoding: Python's name.
        words: some words of the file, as they were read.
        otherwise: another encoding in which the words look as likely, and the words read in it; else empty.
    """

    encoding: str
    words: Sequence[str]
    otherwise: tuple[str, Sequence[str]] | None = None

    @property
    def notice(self) -> str:
        """Describe the guess in a sentence for people, with names by which they can judge it."""
        sure = "likely" if self.otherwise else "almost certain"
        notice = f"The file does not say its encoding. It was read as {NAMES[self.encoding]}, which is {sure}"
        notice += f": {_quoted(self.words)}." if self.words else "."
        if self.otherwise:
            other, words = self.otherwise
            notice += f" As {NAMES[other]} that would be {_quoted(words)}."
        return f"{notice} (--encoding names another.)"


def guess_encoding(sample: bytes) -> Guess:
    """Guess the encoding of a file that is neither UTF-8 nor UTF-16.

    Windows-1252, unless many of its words look odd in it and hardly any do in another encoding: `CafŽ` is `Café` from a
    Mac.

    Args:
        sample: lines that are not plain ASCII.
    """
    words = list(dict.fromkeys(word for word in _WORD.findall(sample) if not word.isascii()))[:_MAX_WORDS]
    odd = {encoding: sum(_is_odd(word, encoding) for word in words) for encoding in _GUESSED}
    least = min(odd.values())
    best = [encoding for encoding in _GUESSED if odd[encoding] == least]
    fit = [encoding for encoding in best if odd[WINDOWS] >= _MIN_ODD or encoding in _FOR_THE_SAME_NAMES]
    fewest = max(_ODD_ENOUGH * len(words), _TIMES_BETTER * least)
    keeps_default = WINDOWS in best or odd[WINDOWS] < fewest or not fit
    chosen = WINDOWS if keeps_default else _most_likely(sample, words, fit)
    return _guess(chosen, words, [encoding for encoding in best if encoding != chosen])


def describe_mixed(sample: bytes) -> Guess:
    """Describe a UTF-8 file into which lines in Windows-1252 were pasted, as a guess.

    Args:
        sample: the lines that are not UTF-8.
    """
    words = [word for word in _WORD.findall(sample) if not word.isascii()]
    return Guess("mixed", [_read(word, WINDOWS) for word in words[:_MAX_SHOWN_WORDS]])


def named_encoding(name: str) -> str:
    """Return Python's name of an encoding as people write it: `MacRoman`, `Windows-1250`, `latin2`.

    Raises:
        InputError: a member file cannot have that encoding.
    """
    try:
        codec = codecs.lookup(_ALSO_CALLED.get(name.strip().lower(), "_".join(name.split()))).name
    except (LookupError, ValueError):
        codec = ""
    codec = "utf-8-sig" if codec == "utf-8" else codec
    if codec not in NAMES:
        raise InputError(
            f"“{name}” is not an encoding that Muster reads.",
            remedy="Use utf-8, windows-1252, mac-roman, windows-1250, iso-8859-2, cp850, or another one that is listed"
            " in docs/member-files.md.",
        )
    return codec


def meaning_of_ansi(name: str) -> str:
    """Return the notice for a name that means another encoding in other countries; empty for any other name."""
    if name.strip().lower() != "ansi":
        return ""
    return f"“{name.strip()}” is the encoding of a Windows and not the same everywhere: here it means {NAMES[WINDOWS]}."


def _guess(chosen: str, words: Sequence[bytes], others: Sequence[str]) -> Guess:
    """Build the guess, with example words that another encoding would read otherwise, if there are any."""
    for other in others:
        differing = [word for word in words if _read(word, chosen) != _read(word, other)][:_MAX_SHOWN_WORDS]
        if differing:
            return Guess(
                chosen, [_read(word, chosen) for word in differing], (other, [_read(word, other) for word in differing])
            )
    return Guess(chosen, [_read(word, chosen) for word in words[:_MAX_SHOWN_WORDS]])


def _most_likely(sample: bytes, words: Sequence[bytes], encodings: Sequence[str]) -> str:
    """Return the likeliest of several encodings that read the words alike, or equally well."""
    if b"\r" in sample and b"\n" not in sample and "mac-roman" in encodings:
        return "mac-roman"  # only Macs end lines so
    readings: dict[tuple[str, ...], str] = {}
    for encoding in encodings:  # of the encodings that read all the words alike, the likeliest
        readings.setdefault(tuple(_read(word, encoding) for word in words), encoding)
    encodings = list(readings.values())
    small = {
        encoding: sum(not _read(word, encoding)[0].isupper() for word in words if word[0] > _MAX_ASCII)
        for encoding in encodings
    }  # names begin with capitals
    encodings = [encoding for encoding in encodings if small[encoding] == min(small.values())]
    if len(words) < _ENOUGH_WORDS:
        return encodings[0]
    by_library = {encoding.replace("-", "_"): encoding for encoding in encodings}
    guess = from_bytes(sample, cp_isolation=list(by_library), enable_fallback=False).best()
    return by_library.get(guess.encoding, encodings[0]) if guess is not None else encodings[0]


def _is_odd(word: bytes, encoding: str) -> bool:
    """Tell whether a word does not look like a word: signs or capitals inside it, or letters of two scripts."""
    try:
        return _looks_odd(word.decode(encoding))
    except UnicodeDecodeError:
        return True


@lru_cache(maxsize=8192)
def _looks_odd(word: str) -> bool:
    for first, second in pairwise(word):
        if _is_letter(first) and _is_sign(second) and second not in _AFTER_LETTERS:
            return True
        if _is_letter(second) and _is_sign(first) and first not in _BEFORE_LETTERS:
            return True
    if _LETTERS_OF_MACS.search(word) or ("ƒ" in word and len(word) > 1 and word.isalpha()):  # no language's letter
        return True
    return any(unicodedata.category(char) in {"Cc", "Co"} for char in word) or any(
        map(_has_odd_letters, _LETTERS.findall(word))
    )


def _has_odd_letters(letters: str) -> bool:
    beyond = [char for char in letters if not char.isascii()]
    if not beyond:
        return False
    ascii_letters = [char for char in letters if char.isascii()]
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in beyond} & {"LATIN", "CYRILLIC", "GREEK"}
    if len(scripts) > 1 or (ascii_letters and scripts & {"CYRILLIC", "GREEK"}):
        return True
    if scripts == {"LATIN"} and re.search(rf"[^\x00-\x7f]{{{_MAX_ACCENTS + 1}}}", letters):
        return True
    if any(map(str.islower, letters)) and any(char.isupper() and not char.isascii() for char in letters[1:]):
        return True
    if any(a.islower() and b.isupper() and not (a.isascii() and b.isascii()) for a, b in pairwise(letters)):
        return True
    in_capitals = len(ascii_letters) > 1 and all(map(str.isupper, ascii_letters))
    return in_capitals and any(char.islower() and char != "ß" for char in beyond)


def _is_letter(char: str) -> bool:
    return char.isalpha() and char not in "ªº"


def _is_sign(char: str) -> bool:
    return not char.isascii() and (not char.isalnum() or char in "ªº" or unicodedata.category(char) == "No")


def _read(word: bytes, encoding: str) -> str:
    return word.decode(encoding, "replace")


def _quoted(words: Sequence[str]) -> str:
    shown = (word if len(word) <= _MAX_SHOWN_LENGTH else f"{word[:_MAX_SHOWN_LENGTH]}…" for word in words)
    return ", ".join(f"“{''.join(char if char.isprintable() else '�' for char in word)}”" for word in shown)
